"""The arrays of VTK's XML files: text, base64 inline or appended, plain or in zlib blocks."""

from __future__ import annotations

import base64
import binascii
import zlib
from dataclasses import dataclass
from typing import Any, Final
from xml.etree import ElementTree

import numpy as np

from formwright.datasets.errors import FlowFileError
from formwright.datasets.files import LARGEST

TYPES: Final = {
    **{f"Int{8 * n}": f"i{n}" for n in (1, 2, 4, 8)},
    **{f"UInt{8 * n}": f"u{n}" for n in (1, 2, 4, 8)},
    "Float32": "f4",
    "Float64": "f8",
}
ZLIB: Final = "vtkZLibDataCompressor"
_NAMES: Final = {code: name for name, code in TYPES.items()}


@dataclass(frozen=True, kw_only=True, slots=True)
class Coding:
    """How a file writes its numbers.

    Attributes:
        order: ``<`` or ``>``.
        header: Type of the lengths in front of an array.
        zlib: Whether arrays are compressed.
        appended: The bytes behind the mark of the appended data.
        raw: Whether those are bytes, not base64.
    """

    order: str
    header: np.dtype[Any]
    zlib: bool
    appended: bytes
    raw: bool


def add_array(
    parent: ElementTree.Element, name: str, values: np.ndarray, rows: int | None = None
) -> None:
    """Append an array to a tag, as base64 of one zlib block; field data say how many rows."""
    little = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<"))
    packed = zlib.compress(little.tobytes())
    head = np.array([1, little.nbytes, 0, len(packed)], dtype="<u4").tobytes()
    if not little.nbytes:
        head, packed = np.zeros(3, dtype="<u4").tobytes(), b""
    kind = {"type": _NAMES[little.dtype.str[1:]], "Name": name, "format": "binary"}
    if values.ndim > 1:
        kind["NumberOfComponents"] = str(values.shape[1])
    if rows is not None:
        kind["NumberOfTuples"] = str(rows)
    element = ElementTree.SubElement(parent, "DataArray", kind)
    element.text = (base64.b64encode(head) + base64.b64encode(packed)).decode()


def add_text(parent: ElementTree.Element, name: str, text: str) -> None:
    """Append a text to a tag, as VTK writes an array of one string."""
    kind = {"type": "String", "Name": name, "NumberOfTuples": "1", "format": "ascii"}
    element = ElementTree.SubElement(parent, "Array", kind)
    element.text = " ".join(map(str, [*text.encode(), 0]))


def read_text(element: ElementTree.Element, coding: Coding) -> str:
    """Return an array of strings as one text.

    Raises:
        FlowFileError: It was cut off.
        ValueError: It is no text.
    """
    numbers = _numbers(element, coding, "u1").tobytes()
    return "\n".join(numbers.decode(errors="replace").split("\0")[:-1])


def read_array(element: ElementTree.Element, coding: Coding) -> np.ndarray:
    """Return the numbers of an array, in the byte order of this machine.

    Raises:
        FlowFileError: It was cut off.
        ValueError: It is of no known type, or no numbers. Also ``KeyError`` and ``zlib.error``.
    """
    return _numbers(element, coding, TYPES[element.get("type", "")])


def _numbers(element: ElementTree.Element, coding: Coding, kind: str) -> np.ndarray:
    form, text = element.get("format", "ascii"), (element.text or "").strip()
    if form == "ascii":
        return np.array(text.split(), dtype=kind)
    if form == "appended":
        data = coding.appended[int(element.get("offset", "0")) :]
        content = _unpack(data, coding) if coding.raw else _unpack_base64(data, coding)
    else:
        content = _unpack_base64("".join(text.split()).encode(), coding)
    return np.frombuffer(content, dtype=coding.order + kind).astype(kind)


def _unpack(data: bytes, coding: Coding) -> bytes:
    """Return the bytes behind a header: one length, or the lengths of zlib blocks."""
    size = coding.header.itemsize
    if not coding.zlib:
        return _exactly(data[size:], int(_heads(data, 1, coding)[0]))
    blocks = int(_heads(data, 1, coding)[0])
    heads = _heads(data, 3 + blocks, coding).tolist()
    return _inflate(data[size * (3 + blocks) :], heads)


def _unpack_base64(text: bytes, coding: Coding) -> bytes:
    """Return the bytes behind a header, where header and blocks are coded apart if compressed."""
    size = coding.header.itemsize
    if not coding.zlib:
        head = _decode(text[: _coded(size)])
        total = size + int(_heads(head, 1, coding)[0])
        return _exactly(_decode(text[: _coded(total)])[size:], total - size)
    blocks = int(_heads(_decode(text[: _coded(size)]), 1, coding)[0])
    start = _coded(size * (3 + blocks))
    heads = _heads(_decode(text[:start]), 3 + blocks, coding).tolist()
    return _inflate(_decode(text[start : start + _coded(sum(heads[3:]))]), heads)


def _inflate(data: bytes, heads: list[int]) -> bytes:
    """Return what blocks unpack to: their number, size, size of the last, and packed lengths."""
    _, size, last, *lengths = heads
    total = size * len(lengths) if not last else size * max(len(lengths) - 1, 0) + last
    if total > LARGEST:
        raise FlowFileError(f"an array unpacks to {total:,} bytes; {LARGEST:,} are read.")
    ends = np.cumsum([0, *lengths]).tolist()
    result = [_block(data[a:b], size) for a, b in zip(ends[:-1], ends[1:], strict=True)]
    return b"".join(result)


def _block(packed: bytes, size: int) -> bytes:
    """Return what one block unpacks to, which is no longer than announced."""
    unpacking = zlib.decompressobj()
    content = unpacking.decompress(packed, size + 1)
    if len(content) > size:
        raise FlowFileError(f"a block unpacks to more than the {size:,} bytes that it announces.")
    if not unpacking.eof:
        raise FlowFileError("a block is not whole. The file was cut off.")
    return content


def _heads(data: bytes, count: int, coding: Coding) -> np.ndarray:
    return np.frombuffer(_exactly(data, count * coding.header.itemsize), dtype=coding.header)


def _exactly(data: bytes, size: int) -> bytes:
    if len(data) < size:
        raise FlowFileError(f"an array ends {size - len(data)} bytes early. The file was cut off.")
    return data[:size]


def _coded(size: int) -> int:
    """Return the length of ``size`` bytes in base64."""
    return 4 * -(-size // 3)


def _decode(text: bytes) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise FlowFileError(f"an array is no base64 ({error}). The file was cut off.") from error
