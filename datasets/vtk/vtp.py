"""VTK's XML files of lines and polygons: ``.vtp``."""

from __future__ import annotations

import os
from collections.abc import Mapping
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

KIND: Final = "PolyData"
_KINDS: Final = ("Verts", "Lines", "Polys", "Strips")


@dataclass(frozen=True, kw_only=True, slots=True)
class PolyData:
    """Points joined by lines and polygons, with fields.

    Attributes:
        points: (N, 3).
        lines: Point numbers of each line, in turn.
        polygons: Point numbers of each polygon, in turn.
        point_data: Fields at the points, (N,) or (N, components).
        cell_data: Fields at the cells: lines first, then polygons.
        notes: What the file says of itself: text, or numbers.
    """

    points: Float[np.ndarray, "points 3"]
    lines: tuple[Int[np.ndarray, " _"], ...] = ()
    polygons: tuple[Int[np.ndarray, " _"], ...] = ()
    point_data: Mapping[str, np.ndarray] = field(default_factory=dict)
    cell_data: Mapping[str, np.ndarray] = field(default_factory=dict)
    notes: Notes = field(default_factory=dict)

    def segments(self) -> Int[np.ndarray, "segments 2"]:
        """Return the lines cut into pairs of points."""
        pairs = [np.stack([line[:-1], line[1:]], -1) for line in self.lines]
        return np.concatenate([np.empty((0, 2), dtype=np.int64), *pairs])

    def triangles(self) -> Int[np.ndarray, "triangles 3"]:
        """Return the polygons as fans of triangles."""
        fans = [np.stack([np.full(len(p) - 2, p[0]), p[1:-1], p[2:]], -1) for p in self.polygons]
        return np.concatenate([np.empty((0, 3), dtype=np.int64), *fans])


def read_vtp(path: str | os.PathLike[str]) -> PolyData:
    """Read a ``.vtp`` file of one piece.

    Raises:
        FlowFileError: It is absent, cut off, of another kind, or holds vertices or strips.
    """
    return read_document(path, KIND, _content)


def write_vtp(path: str | os.PathLike[str], data: PolyData) -> None:
    """Write a ``.vtp`` file, atomically: base64 inline, zlib, as VTK does by default.

    Raises:
        StorageError: It cannot be written.
    """
    counts = {"Points": len(data.points), "Verts": 0, "Lines": len(data.lines), "Strips": 0}
    counts["Polys"] = len(data.polygons)
    sizes = {f"NumberOf{name}": count for name, count in counts.items()}
    root = new_document(KIND, sizes, data.notes)
    piece = root[0][-1]
    add_fields(piece, "PointData", data.point_data)
    add_fields(piece, "CellData", data.cell_data)
    add_fields(piece, "Points", {"Points": data.points})
    for tag, cells in (("Lines", data.lines), ("Polys", data.polygons)):
        parent = ElementTree.SubElement(piece, tag)
        joined = np.concatenate([np.empty(0, dtype=np.int64), *cells]).astype(np.int64)
        add_array(parent, "connectivity", joined)
        add_array(parent, "offsets", np.cumsum([len(c) for c in cells], dtype=np.int64))
    write_document(path, root)


def _content(document: Document) -> PolyData:
    """Return what a file holds."""
    if len(document.pieces) != 1:
        raise FlowFileError(f"it has {len(document.pieces)} pieces; one is wanted. Merge them.")
    (piece,) = document.pieces
    counts = {name: int(piece.get(f"NumberOf{name}", "0")) for name in ("Points", *_KINDS)}
    for name in ("Verts", "Strips"):
        if counts[name]:
            raise FlowFileError(f"it has {counts[name]} {name}; only lines and polygons are read.")
    points = document.wanted(piece.find("Points"), "Points").reshape(counts["Points"], 3)
    lines, polygons = (
        _cells(document, piece.find(name), counts[name], name, len(points)) for name in _KINDS[1:3]
    )
    return PolyData(
        points=points,
        lines=lines,
        polygons=polygons,
        point_data=document.fields(piece.find("PointData"), counts["Points"]),
        cell_data=document.fields(piece.find("CellData"), counts["Lines"] + counts["Polys"]),
        notes=document.notes(),
    )


def _cells(
    document: Document, parent: ElementTree.Element | None, count: int, kind: str, points: int
) -> tuple[np.ndarray, ...]:
    """Return the point numbers of each cell."""
    if not count:
        return ()
    corners, ends = document.corners(parent, count, kind)
    return tuple(np.split(checked_corners(corners, points), ends[:-1]))
