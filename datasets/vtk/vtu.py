"""VTK's XML files of cells of any kind: ``.vtu``."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from xml.etree import ElementTree

import numpy as np
from jaxtyping import Float, Int

from formwright.datasets.errors import FlowFileError
from formwright.datasets.vtk.arrays import add_array
from formwright.datasets.vtk.document import (
    Document,
    Notes,
    add_fields,
    checked_corners,
    new_document,
    read_document,
    write_document,
)
from formwright.datasets.vtk.vtp import PolyData

KIND: Final = "UnstructuredGrid"
NAMES: Final = {
    1: "vertex",
    2: "vertices",
    3: "line",
    4: "lines",
    5: "triangle",
    6: "strip of triangles",
    7: "polygon",
    8: "pixel",
    9: "quadrilateral",
    10: "tetrahedron",
    11: "voxel",
    12: "hexahedron",
    13: "wedge",
    14: "pyramid",
    42: "polyhedron",
}
"""Kinds of cells by VTK's number."""
LINE: Final = 3
POLYLINE: Final = 4
TRIANGLE: Final = 5
POLYGON: Final = 7
PIXEL: Final = 8
QUAD: Final = 9
THIN: Final = (1, 2, LINE, POLYLINE)
"""Kinds without an area."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Mesh:
    """Points and cells of any kind, with fields.

    Attributes:
        points: (N, 3).
        corners: Point numbers of the cells, one cell after the other.
        ends: Where each cell ends in ``corners``, (C,).
        kinds: VTK's number of the kind of each cell, (C,).
        point_data: Fields at the points, (N,) or (N, components).
        cell_data: Fields at the cells.
        notes: What the file says of itself: text, or numbers.
    """

    points: Float[np.ndarray, "points 3"]
    corners: Int[np.ndarray, " corners"]
    ends: Int[np.ndarray, " cells"]
    kinds: Int[np.ndarray, " cells"]
    point_data: Mapping[str, np.ndarray] = field(default_factory=dict)
    cell_data: Mapping[str, np.ndarray] = field(default_factory=dict)
    notes: Notes = field(default_factory=dict)

    @property
    def sizes(self) -> Int[np.ndarray, " cells"]:
        """Corners that each cell has."""
        return np.diff(self.ends, prepend=0)

    def of_size(
        self, chosen: Int[np.ndarray, " chosen"], size: int
    ) -> Int[np.ndarray, "chosen size"]:
        """Return the first ``size`` corners of cells that have as many."""
        return self.corners[(self.ends - self.sizes)[chosen, None] + np.arange(size)]

    def names(self, chosen: Int[np.ndarray, " chosen"]) -> str:
        """Return what the kinds of cells are called."""
        kinds = np.unique(self.kinds[chosen]).tolist()
        return ", ".join(NAMES.get(kind, f"number {kind}") for kind in kinds)


def of_quads(
    points: Float[np.ndarray, "points 3"],
    quads: Int[np.ndarray, "cells 4"],
    *,
    point_data: Mapping[str, np.ndarray] | None = None,
    cell_data: Mapping[str, np.ndarray] | None = None,
    notes: Notes | None = None,
) -> Mesh:
    """Return quadrilaterals as a mesh; those whose last corner comes twice are triangles.

    Args:
        points: Of the mesh.
        quads: Corners of each cell.
        point_data: Fields at the points.
        cell_data: Fields at the cells.
        notes: Field data.
    """
    three = quads[:, 2] == quads[:, 3]
    kept = np.ones(quads.shape, dtype=bool)
    kept[three, 3] = False
    return Mesh(
        points=points,
        corners=quads[kept].astype(np.int64),
        ends=np.cumsum(kept.sum(1)),
        kinds=np.where(three, TRIANGLE, QUAD),
        point_data=point_data or {},
        cell_data=cell_data or {},
        notes=notes or {},
    )


def of_poly_data(data: PolyData) -> Mesh:
    """Return lines and polygons as a mesh."""
    cells = [*data.lines, *data.polygons]
    kinds = [POLYLINE] * len(data.lines) + [POLYGON] * len(data.polygons)
    return Mesh(
        points=data.points,
        corners=np.concatenate([np.empty(0, dtype=np.int64), *cells]),
        ends=np.cumsum([len(cell) for cell in cells], dtype=np.int64),
        kinds=np.array(kinds, dtype=np.int64),
        point_data=data.point_data,
        cell_data=data.cell_data,
        notes=data.notes,
    )


def read_vtu(path: str | os.PathLike[str]) -> Mesh:
    """Read a ``.vtu`` file; pieces are joined.

    Raises:
        FlowFileError: It is absent, cut off, or of another format.
    """
    return read_document(path, KIND, _content)


def write_vtu(path: str | os.PathLike[str], mesh: Mesh) -> None:
    """Write a ``.vtu`` file, atomically: base64 inline, zlib, as VTK does by default.

    Raises:
        StorageError: It cannot be written.
    """
    sizes = {"NumberOfPoints": len(mesh.points), "NumberOfCells": len(mesh.kinds)}
    root = new_document(KIND, sizes, mesh.notes)
    piece = root[0][-1]
    add_fields(piece, "PointData", mesh.point_data)
    add_fields(piece, "CellData", mesh.cell_data)
    add_fields(piece, "Points", {"Points": mesh.points})
    cells = ElementTree.SubElement(piece, "Cells")
    add_array(cells, "connectivity", mesh.corners.astype(np.int64))
    add_array(cells, "offsets", mesh.ends.astype(np.int64))
    add_array(cells, "types", mesh.kinds.astype(np.uint8))
    write_document(path, root)


def _content(document: Document) -> Mesh:
    """Return what a file holds."""
    parts = [_piece(document, piece) for piece in document.pieces]
    if not parts:
        raise FlowFileError("it has no piece. The file was cut off, or holds nothing.")
    filled = [part for part in parts if len(part.points)] or parts[:1]
    return filled[0] if len(filled) == 1 else _joined(filled)


def _piece(document: Document, piece: ElementTree.Element) -> Mesh:
    points, cells = (int(piece.get(f"NumberOf{name}", "0")) for name in ("Points", "Cells"))
    parent = piece.find("Cells")
    corners, ends = document.corners(parent, cells, "cells")
    kinds = document.wanted(parent, "types").astype(np.int64)
    if len(kinds) != cells:
        raise FlowFileError(f"{cells} cells are announced; {len(kinds)} have a type.")
    return Mesh(
        points=document.wanted(piece.find("Points"), "Points").reshape(points, 3),
        corners=checked_corners(corners, points),
        ends=ends,
        kinds=kinds,
        point_data=document.fields(piece.find("PointData"), points),
        cell_data=document.fields(piece.find("CellData"), cells),
        notes=document.notes(),
    )


def _joined(parts: Sequence[Mesh]) -> Mesh:
    """Return pieces as one mesh, with the fields that all of them have."""
    points = np.cumsum([0, *(len(part.points) for part in parts)])
    corners = np.cumsum([0, *(len(part.corners) for part in parts)])
    pairs = list(zip(parts, points, corners, strict=False))

    def fields(name: str) -> dict[str, np.ndarray]:
        every = [getattr(part, name) for part in parts]
        shared = [key for key in every[0] if all(key in one for one in every)]
        return {key: np.concatenate([one[key] for one in every]) for key in shared}

    return Mesh(
        points=np.concatenate([part.points for part in parts]),
        corners=np.concatenate([part.corners + start for part, start, _ in pairs]),
        ends=np.concatenate([part.ends + start for part, _, start in pairs]),
        kinds=np.concatenate([part.kinds for part in parts]),
        point_data=fields("point_data"),
        cell_data=fields("cell_data"),
        notes=parts[0].notes,
    )
