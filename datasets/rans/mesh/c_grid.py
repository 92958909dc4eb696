"""The cells of a C-mesh around a sharp section as a grid: columns along it, lines away from it.

Cell ``(i, j)`` is ``quads[i * lines + j]``. Columns run from the outlet along the upper half of the
wake to the upper trailing edge, around the nose, and back along the lower half; line 0 lies at the
wall. The two halves of the wake touch: below cell ``(i, 0)`` there is ``(columns - 1 - i, 0)``.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from formwright.datasets.errors import FlowFileError, SectionError
from formwright.datasets.rans.flow_field import FlowField
from formwright.datasets.rans.mesh.cmesh import CMesh, c_mesh
from formwright.datasets.rans.plane_flow import counterclockwise
from formwright.datasets.solvers.openfoam.solver import MESH, first_cell

Y_PLUS: Final = 0.4
CLOSED_BELOW: Final = 0.01


@dataclass(frozen=True, kw_only=True, slots=True)
class CGrid:
    """A C-mesh of one block.

    Attributes:
        points: Of the mesh, chords.
        quads: Corners of the cells, counterclockwise, column by column.
        columns: Cells along wake, section and wake.
        lines: Cells from the wall to the far field.
        wake: Columns of each half of the wake.
    """

    points: Float[np.ndarray, "points 2"]
    quads: Int[np.ndarray, "cells 4"]
    columns: int
    lines: int
    wake: int

    @property
    def centres(self) -> Float[np.ndarray, "cells 2"]:
        """Middles of the cells, chords."""
        return self.points[self.quads].mean(1)

    @property
    def wall_cells(self) -> Int[np.ndarray, " faces"]:
        """The cell at each face of the wall, upper trailing edge first."""
        return np.arange(self.wake, self.columns - self.wake) * self.lines

    @property
    def wall_corners(self) -> Int[np.ndarray, " nodes"]:
        """Points of the wall, upper trailing edge -> nose -> lower trailing edge."""
        first = self.quads[self.wall_cells]
        far = np.isin(first, self.quads[self.wall_cells + 1])
        low = first[~far].reshape(-1, 2)
        onward = (low[:-1, :, None] == low[1:, None, :]).any(2)
        return np.concatenate(
            [low[0][~onward[0]], low[:-1][onward], np.setdiff1d(low[-1], low[-2])]
        )


def section_grid(
    pos: Float[Tensor, "points 2"],
    reynolds: float,
    settings: CMesh | None = None,
    y_plus: float = Y_PLUS,
) -> CGrid:
    """Return the mesh that the RANS corpus would use; thin trailing edges are closed.

    Args:
        pos: Contour, normalised, upper trailing edge first.
        reynolds: On the chord.
        settings: Another size of mesh; its first cell is replaced, ``closed_below`` raised.
        y_plus: Of the middles of the first cells; by default as in the corpus.

    Raises:
        SectionError: The contour is no section, its trailing edge is blunt, or no mesh fits.
    """
    settings = dataclasses.replace(
        settings or MESH, first_cell=first_cell(reynolds, y_plus), closed_below=CLOSED_BELOW
    )
    gap = float((pos[0] - pos[-1]).norm())
    if gap >= CLOSED_BELOW:
        raise SectionError(
            f"the trailing edge is {gap:.4f} chords thick; fields are predicted for sharp ones, "
            f"thinner than {CLOSED_BELOW:g}. Close it, or solve the case (formwright corpus rans)."
        )
    mesh = c_mesh(pos, settings)
    half = len(mesh.points) // 2
    points, quads = mesh.points[:half, :2], mesh.cells[:, :4]
    return CGrid(
        points=points,
        quads=counterclockwise(points, quads),
        columns=2 * (settings.cells_side + settings.cells_wake),
        lines=settings.cells_normal,
        wake=settings.cells_wake,
    )


def grid_of(flow: FlowField) -> CGrid:
    """Return the grid of a record.

    Raises:
        FlowFileError: Its mesh is no C-mesh of one block.
    """
    cells = flow.wall.cells.astype(np.int64)
    lines = int(cells[1] - cells[0]) if len(cells) > 1 else 0
    wake = int(cells[0]) // lines if lines > 0 else 0
    columns = len(cells) + 2 * wake
    right = lines > 0 and bool((cells == (wake + np.arange(len(cells))) * lines).all())
    if not right or columns * lines != len(flow.quads) or wake == 0:
        raise FlowFileError(
            f"the mesh of {len(flow.quads)} cells with {len(cells)} faces at the wall is no C-mesh "
            "of one block around a sharp section. Leave out sections with blunt trailing edges, or "
            "use the mesh network."
        )
    return CGrid(
        points=flow.points,
        quads=flow.quads.astype(np.int64),
        columns=columns,
        lines=lines,
        wake=wake,
    )


def coarse_edges(columns: int, lines: int, wake: int) -> Int[Tensor, "2 edges"]:
    """Return both directions of every pair of neighbours of a grid, across the cut as well.

    Args:
        columns: Of the grid.
        lines: Of the grid.
        wake: Columns of each half of the wake.
    """
    ids = torch.arange(columns * lines).reshape(columns, lines)
    upper = ids[:wake, 0]
    pairs = [
        torch.stack([ids[:-1].flatten(), ids[1:].flatten()]),
        torch.stack([ids[:, :-1].flatten(), ids[:, 1:].flatten()]),
        torch.stack([upper, ids[columns - wake :, 0].flip(0)]),
    ]
    one_way = torch.cat(pairs, 1)
    return torch.cat([one_way, one_way.flip(0)], 1)
