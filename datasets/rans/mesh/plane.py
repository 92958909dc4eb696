"""Plane cells out of meshes of any kind: quadrilaterals, and triangles as such with a corner twice.

A slice or a filter of VTK cuts a quadrilateral into two triangles and gives both its values. They
are joined again: the middle of half a cell is no place where its value belongs, and friction taken
there would be wrong by half.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Int

from formwright.datasets.errors import FlowFileError
from formwright.datasets.vtk.vtu import PIXEL, POLYGON, QUAD, THIN, TRIANGLE, Mesh

_SIZES: Final = {TRIANGLE: (3,), QUAD: (4,), PIXEL: (4,), POLYGON: (3, 4)}
_FLAT: Final = 1e-6


def quads_of(mesh: Mesh) -> tuple[Int[np.ndarray, "cells 4"], Int[np.ndarray, " cells"]]:
    """Return the corners of the cells that have an area, and which cells of the mesh these are.

    Raises:
        FlowFileError: There are none, or cells that are neither triangles nor quadrilaterals.
    """
    cells = np.flatnonzero(~np.isin(mesh.kinds, THIN))
    sizes = mesh.sizes
    fine = np.zeros(len(mesh.kinds), dtype=bool)
    for kind, allowed in _SIZES.items():
        fine |= (mesh.kinds == kind) & np.isin(sizes, allowed)
    others = cells[~fine[cells]]
    if len(others) or not len(cells):
        raise FlowFileError(
            f"it has {len(others)} cells that are no triangles or quadrilaterals "
            f"({mesh.names(others) or 'no cells at all'}). Give a slice in a plane z = constant."
        )
    three = sizes[cells] == 3
    corners = np.empty((len(cells), 4), dtype=np.int64)
    corners[three] = mesh.of_size(cells[three], 3)[:, [0, 1, 2, 2]]
    corners[~three] = mesh.of_size(cells[~three], 4)
    pixels = mesh.kinds[cells] == PIXEL
    corners[pixels] = corners[pixels][:, [0, 1, 3, 2]]
    return corners, cells


def check_plane(points: Float[np.ndarray, "points 3"]) -> None:
    """Refuse points that are not finite, or not in a plane z = constant.

    Raises:
        FlowFileError: With the first such point, or the extent.
    """
    bad = np.flatnonzero(~np.isfinite(points).all(1))
    if len(bad):
        raise FlowFileError(
            f"{len(bad)} of {len(points)} points are not finite, first point {bad[0]} "
            f"({', '.join(f'{x:g}' for x in points[bad[0]])}). Export it again."
        )
    extent = np.ptp(points, axis=0) if len(points) else np.zeros(3)
    if extent[2] > _FLAT * extent.max():
        raise FlowFileError(
            f"its points do not lie in a plane z = constant: they extend over "
            f"{', '.join(f'{x:.4g}' for x in extent)} along x, y, z. Slice it there, or turn it."
        )


def joined_triangles(
    points: Float[np.ndarray, "points 2"],
    corners: Int[np.ndarray, "cells 4"],
    fields: Mapping[str, np.ndarray],
) -> tuple[Int[np.ndarray, "joined 4"], dict[str, np.ndarray]]:
    """Return cells in which the two halves of a quadrilateral, one after the other, are one again.

    Halves are triangles with a common edge and the same values in every field.

    Args:
        points: Of the mesh.
        corners: Of each cell; the last comes twice in a triangle.
        fields: At the cells.
    """
    three = corners[:, 2] == corners[:, 3]
    same = three[:-1] & three[1:]
    for values in fields.values():
        flat = values.reshape(len(corners), -1)
        same &= (flat[:-1] == flat[1:]).all(1)
    pairs = np.flatnonzero(same)
    whole, fits = _whole(points, corners[pairs, :3], corners[pairs + 1, :3])
    pairs, whole = pairs[fits], whole[fits]
    chosen, last = [], -2
    for place, pair in enumerate(pairs.tolist()):
        if pair > last + 1:
            chosen.append(place)
            last = pair
    result, kept = corners.copy(), np.ones(len(corners), dtype=bool)
    result[pairs[chosen]] = whole[chosen]
    kept[pairs[chosen] + 1] = False
    return result[kept], {name: values[kept] for name, values in fields.items()}


def _whole(
    points: np.ndarray, first: Int[np.ndarray, "pairs 3"], second: Int[np.ndarray, "pairs 3"]
) -> tuple[Int[np.ndarray, "pairs 4"], Bool[np.ndarray, " pairs"]]:
    """Return what pairs of triangles make, and which pairs make a convex quadrilateral."""
    alike = first[:, :, None] == second[:, None, :]
    shared, rows = alike.any(2), np.arange(len(first))[:, None]
    alone = np.argmin(shared, axis=1)[:, None]
    own = first[rows, (alone + np.arange(3)) % 3]
    other = second[rows, np.argmin(alike.any(1), axis=1)[:, None]]
    quads = np.concatenate([own[:, :2], other, own[:, 2:]], axis=1)
    sides = np.roll(points[quads], -1, axis=1) - points[quads]
    after = np.roll(sides, -1, axis=1)
    bends = sides[..., 0] * after[..., 1] - sides[..., 1] * after[..., 0]
    convex = (bends > 0.0).all(1) | (bends < 0.0).all(1)
    return quads, (shared.sum(1) == 2) & convex
