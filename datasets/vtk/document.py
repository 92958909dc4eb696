"""VTK's XML files as a whole: pieces, fields and the way their numbers are coded.

Arrays are text, base64 inline, or appended (raw or base64), plain or in zlib blocks, their lengths
in 32 or 64 bits; VTK, ParaView and PyVista write all of these.

Source: VTK File Formats, VTK User's Guide; the XML part.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias, TypeVar
from xml.etree import ElementTree

import numpy as np
from jaxtyping import Int

from formwright.datasets.errors import FlowFileError
from formwright.datasets.files import replacing
from formwright.datasets.vtk.arrays import (
    TYPES,
    ZLIB,
    Coding,
    add_array,
    add_text,
    read_array,
    read_text,
)

Note: TypeAlias = np.ndarray | str
Notes: TypeAlias = Mapping[str, Note]
"""What a file says of itself beside its points and cells: VTK's field data."""

_Content = TypeVar("_Content")
_ORDERS: Final = {"LittleEndian": "<", "BigEndian": ">"}
_BROKEN: Final = (
    ElementTree.ParseError,
    ValueError,
    KeyError,
    IndexError,
    OverflowError,
    RecursionError,
    MemoryError,
    zlib.error,
)
_RAW: Final = b'encoding="raw"'


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """A file, its arrays not yet read.

    Attributes:
        grid: The tag of the kind that the file is of.
        coding: Of its arrays.
    """

    grid: ElementTree.Element
    coding: Coding

    @property
    def pieces(self) -> list[ElementTree.Element]:
        """The parts of the grid."""
        return self.grid.findall("Piece")

    def notes(self) -> dict[str, Note]:
        """Return the field data of the file: texts and numbers."""
        result: dict[str, Note] = {}
        for element in self.grid.findall("FieldData/*"):
            name, kind = element.get("Name", ""), element.get("type")
            if kind == "String":
                result[name] = read_text(element, self.coding)
            elif kind in TYPES:
                result[name] = read_array(element, self.coding)
        return result

    def fields(self, parent: ElementTree.Element | None, rows: int) -> dict[str, np.ndarray]:
        """Return the numbers of a tag by name, (rows,) or (rows, components)."""
        result = {}
        for element in () if parent is None else parent.findall("DataArray"):
            if element.get("type") not in TYPES:
                continue
            name, values = element.get("Name", ""), read_array(element, self.coding)
            components = int(element.get("NumberOfComponents", "1"))
            if values.size != rows * components:
                raise FlowFileError(
                    f"the field {name!r} holds {values.size} numbers; {rows} times {components} "
                    "are wanted. The file was cut off."
                )
            result[name] = values.reshape(rows, components) if components > 1 else values
        return result

    def wanted(self, parent: ElementTree.Element | None, name: str) -> np.ndarray:
        """Return an array that has to be there; points may have any name."""
        for element in () if parent is None else parent.findall("DataArray"):
            if name in ("Points", element.get("Name")):
                return read_array(element, self.coding)
        raise FlowFileError(f"it lacks the array {name!r}. The file was cut off, or is no mesh.")

    def corners(
        self, parent: ElementTree.Element | None, count: int, kind: str
    ) -> tuple[Int[np.ndarray, " corners"], Int[np.ndarray, " cells"]]:
        """Return the point numbers of all cells of a tag, and where each cell ends in them."""
        ends = self.wanted(parent, "offsets").astype(np.int64)
        corners = self.wanted(parent, "connectivity").astype(np.int64)
        last = int(ends[-1]) if len(ends) else 0
        if len(ends) != count or (np.diff(ends, prepend=0) < 1).any() or last != len(corners):
            raise FlowFileError(
                f"{count} {kind} are announced; {len(ends)} offsets end at {last} of "
                f"{len(corners)} corners. The file was cut off."
            )
        return corners, ends


def read_document(
    path: str | os.PathLike[str], kind: str, read: Callable[[Document], _Content]
) -> _Content:
    """Return what ``read`` makes of a file.

    Args:
        path: The file.
        kind: ``PolyData`` or ``UnstructuredGrid``.
        read: From the file to its content.

    Raises:
        FlowFileError: The file is absent, cut off, or of another kind, or ``read`` refuses it.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        why = "there is no such file" if isinstance(error, FileNotFoundError) else error.strerror
        raise FlowFileError(f"cannot read {str(path)!r}: {why}. Check the path.") from error
    try:
        return read(_parsed(content, kind))
    except FlowFileError as error:
        raise FlowFileError(f"{str(path)!r}: {error}") from error
    except _BROKEN as error:
        raise FlowFileError(
            f"{str(path)!r} is no whole VTK file of the kind {kind} ({type(error).__name__}: "
            f"{error}): it was cut off, or is of another format. Copy it again."
        ) from error


def new_document(kind: str, sizes: Mapping[str, int], notes: Notes) -> ElementTree.Element:
    """Return the frame of a file of one piece, which is its last tag.

    Args:
        kind: ``PolyData`` or ``UnstructuredGrid``.
        sizes: ``NumberOfPoints`` and so on.
        notes: Field data.
    """
    root = ElementTree.Element(
        "VTKFile",
        type=kind,
        version="0.1",
        byte_order="LittleEndian",
        header_type="UInt32",
        compressor=ZLIB,
    )
    grid = ElementTree.SubElement(root, kind)
    if notes:
        parent = ElementTree.SubElement(grid, "FieldData")
        for name, note in notes.items():
            if isinstance(note, str):
                add_text(parent, name, note)
            else:
                add_array(parent, name, note, rows=len(note))
    ElementTree.SubElement(grid, "Piece", {name: str(size) for name, size in sizes.items()})
    return root


def write_document(path: str | os.PathLike[str], root: ElementTree.Element) -> None:
    """Write a file, atomically.

    Raises:
        StorageError: It cannot be written.
    """
    ElementTree.indent(root)
    with replacing(path) as temporary:
        temporary.write_bytes(b'<?xml version="1.0"?>\n' + ElementTree.tostring(root) + b"\n")


def add_fields(piece: ElementTree.Element, tag: str, fields: Mapping[str, np.ndarray]) -> None:
    """Append fields to a piece."""
    parent = ElementTree.SubElement(piece, tag)
    for name, values in fields.items():
        add_array(parent, name, values)


def checked_corners(corners: np.ndarray, points: int) -> np.ndarray:
    """Return point numbers.

    Raises:
        FlowFileError: One of them is no point.
    """
    if len(corners) and not (0 <= corners.min() and corners.max() < points):
        raise FlowFileError(f"a cell has the corner {corners.max()} of {points} points.")
    return corners


def _parsed(content: bytes, kind: str) -> Document:
    """Return a file whose XML is whole."""
    content, raw = _without_raw(content)
    root = ElementTree.fromstring(content)
    if root.tag != "VTKFile" or root.get("type") != kind:
        raise FlowFileError(
            f"a VTK file of the kind {kind} was wanted; its first tag is {root.tag!r}, its type "
            f"{root.get('type')!r}."
        )
    compressor = root.get("compressor", ZLIB)
    if compressor != ZLIB:
        raise FlowFileError(f"compressed by {compressor!r}; only zlib is read. Save it with zlib.")
    grid = root.find(kind)
    if grid is None:
        raise FlowFileError(f"it lacks the tag {kind!r}. The file was cut off.")
    order = _ORDERS[root.get("byte_order", "LittleEndian")]
    appended = raw if raw is not None else (root.findtext("AppendedData") or "").strip().encode()
    coding = Coding(
        order=order,
        header=np.dtype(order + TYPES[root.get("header_type", "UInt32")]),
        zlib="compressor" in root.attrib,
        appended=appended if raw is not None else appended[1:],
        raw=raw is not None,
    )
    return Document(grid=grid, coding=coding)


def _without_raw(content: bytes) -> tuple[bytes, bytes | None]:
    """Return the XML of a file and its raw appended bytes, which no XML parser would take."""
    start = content.find(b"<AppendedData")
    if start < 0 or _RAW not in content[start : content.find(b">", start)]:
        return content, None
    mark = content.index(b"_", content.index(b">", start))
    end = content.rindex(b"</AppendedData>")
    return content[: content.index(b">", start) + 1] + content[end:], content[mark + 1 : end]
