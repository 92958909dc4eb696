"""From a coarse C-mesh to a finer one of the same section: settings, and the start that it gives.

Cells of a C-mesh form blocks, one around the section and one behind a blunt trailing edge; a field
is carried over in the numbering of its block, where both meshes are even.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Final

import numpy as np
from jaxtyping import Float

from formwright.datasets.rans.mesh.cmesh import CMesh

LOGARITHMIC: Final = ("k", "omega")
_LEAST: Final = 1e-14


def coarsened(settings: CMesh, factor: int) -> CMesh:
    """Return the settings of a mesh with every ``factor``-th line in both directions."""
    return dataclasses.replace(
        settings,
        cells_side=max(settings.cells_side // factor, 8),
        cells_wake=max(settings.cells_wake // factor, 4),
        cells_normal=max(settings.cells_normal // factor, 8),
        first_cell=settings.first_cell * factor,
        cells_base=max(settings.cells_base // factor, 2),
    )


def blocks(settings: CMesh, cells: int) -> list[tuple[int, int]]:
    """Return (along, across) of each block of a mesh with so many cells, in their order."""
    main = (2 * (settings.cells_side + settings.cells_wake), settings.cells_normal)
    base = cells - main[0] * main[1]
    return [(settings.cells_wake, base // settings.cells_wake), main] if base else [main]


def carried(
    fields: Mapping[str, np.ndarray], coarse: CMesh, fine: CMesh, cells: int
) -> dict[str, np.ndarray]:
    """Return the fields on the finer mesh.

    Args:
        fields: By name, (cells of the coarse mesh,) or (cells, 3).
        coarse: Settings of the coarse mesh.
        fine: Of the fine one.
        cells: How many the fine one has.
    """
    result = {}
    for name, field in fields.items():
        there = np.log(np.maximum(field, _LEAST)) if name in LOGARITHMIC else field
        here = _carried(there, coarse, fine, cells)
        result[name] = np.exp(here) if name in LOGARITHMIC else here
    return result


def _carried(field: np.ndarray, coarse: CMesh, fine: CMesh, cells: int) -> np.ndarray:
    start, parts = 0, []
    pairs = zip(blocks(coarse, len(field)), blocks(fine, cells), strict=True)
    for (rows, columns), (more_rows, more_columns) in pairs:
        block = field[start : start + rows * columns].reshape(rows, columns, -1)
        start += rows * columns
        block = _stretched(_stretched(block, more_rows, 0), more_columns, 1)
        parts.append(block.reshape(more_rows * more_columns, *field.shape[1:]))
    return np.concatenate(parts)


def _stretched(
    block: Float[np.ndarray, "rows columns components"], size: int, axis: int
) -> np.ndarray:
    """Return a block with ``size`` cells along an axis, linear between the middles of cells."""
    have = block.shape[axis]
    place = np.clip((np.arange(size) + 0.5) / size * have - 0.5, 0.0, have - 1.0)
    low = np.minimum(place.astype(int), max(have - 2, 0))
    share = np.expand_dims(place - low, tuple(i for i in range(block.ndim) if i != axis))
    high = np.minimum(low + 1, have - 1)
    return block.take(low, axis) * (1.0 - share) + block.take(high, axis) * share
