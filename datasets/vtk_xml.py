"""VTK's XML files of lines and polygons (``.vtp``), which meshio does not read.

Arrays are text, base64 inline, or appended (raw or base64), plain or in zlib blocks, their lengths
in 32 or 64 bits; VTK, ParaView and PyVista write all of these. ``.vtu`` goes through meshio.

Source: VTK File Formats, VTK User's Guide; the XML part.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

import numpy as np
from jaxtyping import Float, Int

from formwright.datasets.errors import FlowFileError
from formwright.datasets.files import replacing
from formwright.datasets.vtk_arrays import TYPES, ZLIB, Coding, add_array, read_array

_ORDERS: Final = {"LittleEndian": "<", "BigEndian": ">"}
_BROKEN: Final = (
    ElementTree.ParseError,
    ValueError,
    KeyError,
    IndexError,
    OverflowError,
    zlib.error,
)
_KINDS: Final = ("Verts", "Lines", "Polys", "Strips")
_RAW: Final = b'encoding="raw"'


@dataclass(frozen=True, kw_only=True, slots=True)
class PolyData:
    """Points joined by lines and polygons, with fields.

    Attributes:
        points: (N, 3).
        lines: Point numbers of each line, in turn.
        polygons: Point numbers of each polygon, in turn.
        point_data: Fields at the points, (N,) or (N, components).
        cell_data: Fields at the cells: lines first, then polygons.
    """

    points: Float[np.ndarray, "points 3"]
    lines: tuple[Int[np.ndarray, " _"], ...] = ()
    polygons: tuple[Int[np.ndarray, " _"], ...] = ()
    point_data: Mapping[str, np.ndarray] = field(default_factory=dict)
    cell_data: Mapping[str, np.ndarray] = field(default_factory=dict)

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
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise FlowFileError(
            f"cannot read {str(path)!r}: {error.strerror or error}. Check the path."
        ) from error
    try:
        return _parse(content)
    except FlowFileError as error:
        raise FlowFileError(f"{str(path)!r}: {error}") from error
    except _BROKEN as error:
        raise FlowFileError(
            f"{str(path)!r} is no whole .vtp file ({type(error).__name__}: {error}): it was cut "
            "off, or is of another format. Copy it again."
        ) from error


def write_vtp(path: str | os.PathLike[str], data: PolyData) -> None:
    """Write a ``.vtp`` file, atomically: base64 inline, zlib, as VTK does by default.

    Raises:
        StorageError: It cannot be written.
    """
    counts = {"Points": len(data.points), "Verts": 0, "Lines": len(data.lines), "Strips": 0}
    counts["Polys"] = len(data.polygons)
    sizes = {f"NumberOf{name}": str(count) for name, count in counts.items()}
    root = ElementTree.Element(
        "VTKFile",
        type="PolyData",
        version="0.1",
        byte_order="LittleEndian",
        header_type="UInt32",
        compressor=ZLIB,
    )
    piece = ElementTree.SubElement(ElementTree.SubElement(root, "PolyData"), "Piece", sizes)
    for tag, arrays in (("PointData", data.point_data), ("CellData", data.cell_data)):
        parent = ElementTree.SubElement(piece, tag)
        for name, values in arrays.items():
            add_array(parent, name, values)
    add_array(ElementTree.SubElement(piece, "Points"), "Points", data.points)
    for tag, cells in (("Lines", data.lines), ("Polys", data.polygons)):
        parent = ElementTree.SubElement(piece, tag)
        joined = np.concatenate([np.empty(0, dtype=np.int64), *cells]).astype(np.int64)
        add_array(parent, "connectivity", joined)
        add_array(parent, "offsets", np.cumsum([len(c) for c in cells], dtype=np.int64))
    ElementTree.indent(root)
    with replacing(path) as temporary:
        temporary.write_bytes(b'<?xml version="1.0"?>\n' + ElementTree.tostring(root) + b"\n")


def _parse(content: bytes) -> PolyData:
    """Return what a file holds."""
    content, raw = _without_raw(content)
    root = ElementTree.fromstring(content)
    if root.tag != "VTKFile" or root.get("type") != "PolyData":
        raise FlowFileError(
            f"a .vtp file was wanted; its first tag is {root.tag!r}, its type {root.get('type')!r}."
        )
    compressor = root.get("compressor", ZLIB)
    if compressor != ZLIB:
        raise FlowFileError(f"compressed by {compressor!r}; only zlib is read. Save it with zlib.")
    order = _ORDERS[root.get("byte_order", "LittleEndian")]
    appended = raw if raw is not None else (root.findtext("AppendedData") or "").strip().encode()
    coding = Coding(
        order=order,
        header=np.dtype(order + TYPES[root.get("header_type", "UInt32")]),
        zlib="compressor" in root.attrib,
        appended=appended if raw is not None else appended[1:],
        raw=raw is not None,
    )
    pieces = root.findall("PolyData/Piece")
    if len(pieces) != 1:
        raise FlowFileError(f"it has {len(pieces)} pieces; one is wanted. Merge them.")
    return _piece(pieces[0], coding)


def _piece(piece: ElementTree.Element, coding: Coding) -> PolyData:
    counts = {name: int(piece.get(f"NumberOf{name}", "0")) for name in ("Points", *_KINDS)}
    for name in ("Verts", "Strips"):
        if counts[name]:
            raise FlowFileError(f"it has {counts[name]} {name}; only lines and polygons are read.")
    cells = {name: _cells(piece.find(name), counts[name], coding, name) for name in _KINDS[1:3]}
    points = _wanted(piece.find("Points"), "Points", coding).reshape(counts["Points"], 3)
    for found in (*cells["Lines"], *cells["Polys"]):
        if len(found) and not (0 <= found.min() and found.max() < len(points)):
            raise FlowFileError(f"a cell has the corner {found.max()} of {len(points)} points.")
    count = counts["Lines"] + counts["Polys"]
    return PolyData(
        points=points,
        lines=cells["Lines"],
        polygons=cells["Polys"],
        point_data=_fields(piece.find("PointData"), counts["Points"], coding),
        cell_data=_fields(piece.find("CellData"), count, coding),
    )


def _fields(parent: ElementTree.Element | None, rows: int, coding: Coding) -> dict[str, np.ndarray]:
    found = {}
    for element in () if parent is None else parent.findall("DataArray"):
        name, values = element.get("Name", ""), read_array(element, coding)
        components = int(element.get("NumberOfComponents", "1"))
        if values.size != rows * components:
            raise FlowFileError(
                f"the field {name!r} holds {values.size} numbers; {rows} times {components} are "
                "wanted. The file was cut off."
            )
        found[name] = values.reshape(rows, components) if components > 1 else values
    return found


def _cells(
    parent: ElementTree.Element | None, count: int, coding: Coding, kind: str
) -> tuple[np.ndarray, ...]:
    """Return the point numbers of each cell."""
    if not count:
        return ()
    ends = _wanted(parent, "offsets", coding).astype(np.int64)
    corners = _wanted(parent, "connectivity", coding).astype(np.int64)
    if len(ends) != count or (np.diff(ends, prepend=0) < 1).any() or ends[-1] != len(corners):
        raise FlowFileError(
            f"{count} {kind} are announced; {len(ends)} offsets end at "
            f"{ends[-1] if len(ends) else 0} of {len(corners)} corners. The file was cut off."
        )
    return tuple(np.split(corners, ends[:-1]))


def _wanted(parent: ElementTree.Element | None, name: str, coding: Coding) -> np.ndarray:
    """Return an array that has to be there; points may have any name."""
    for element in () if parent is None else parent.findall("DataArray"):
        if name in ("Points", element.get("Name")):
            return read_array(element, coding)
    raise FlowFileError(f"it lacks the array {name!r}. The file was cut off, or is no mesh.")


def _without_raw(content: bytes) -> tuple[bytes, bytes | None]:
    """Return the XML of a file and its raw appended bytes, which no XML parser would take."""
    start = content.find(b"<AppendedData")
    if start < 0 or _RAW not in content[start : content.find(b">", start)]:
        return content, None
    mark = content.index(b"_", content.index(b">", start))
    end = content.rindex(b"</AppendedData>")
    return content[: content.index(b">", start) + 1] + content[end:], content[mark + 1 : end]
