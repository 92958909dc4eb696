"""The heaps of an HDF5 file, in which its texts lie, looked over before HDF5 reads them.

A collection is ``GCOL``, a version, its size, then objects: index (2 bytes), references (2),
nothing (4), size, content; all begin at multiples of 8. Index 0 is the free rest. HDF5 steps from
object to object by their sizes, and a free rest of size 0 is stepped over for ever.

Source: HDF5 file format specification, version 3, section III.E, "Global Heap".
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from formwright.datasets.errors import CorpusError

_MARK: Final = b"GCOL\x01\0\0\0"
_REACH: Final = 1 << 26
"""Bytes at each end of a file that are looked over: heaps are written before or after the data."""


def check_heaps(path: Path, width: int) -> None:
    """Refuse a file with a heap that cannot be stepped through.

    Args:
        path: Of the file.
        width: Bytes of a size in it.

    Raises:
        CorpusError: The message says where the heap lies.
        OSError: The file cannot be read.
    """
    with (
        path.open("rb") as handle,
        mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as data,
    ):
        for start in _heaps(data):
            if not _sound(data, start, width):
                raise CorpusError(
                    f"{str(path)!r} is damaged: the texts at byte {start:,} cannot be read. Copy "
                    "it again."
                )


def _heaps(data: mmap.mmap) -> Iterator[int]:
    """Yield where collections begin."""
    last = max(_REACH, len(data) - _REACH)
    for low, high in ((0, _REACH), (last, len(data))):
        at = data.find(_MARK, low, high)
        while at >= 0:
            yield at
            at = data.find(_MARK, at + 1, high)


def _sound(data: mmap.mmap, start: int, width: int) -> bool:
    """Return whether steps from object to object end with the collection."""
    head, end = 8 * -(-(8 + width) // 8), start + _number(data, start + 8, width)
    at = start + head
    while at + head <= end:
        index, size = _number(data, at, 2), _number(data, at + 8, width)
        step = head + 8 * (-(-size // 8)) if index else size
        if step <= 0 or at + step > end:
            return False
        at += step
    return end <= len(data)


def _number(data: mmap.mmap, at: int, width: int) -> int:
    """Return an unsigned number."""
    return int.from_bytes(data[at : at + width], "little")
