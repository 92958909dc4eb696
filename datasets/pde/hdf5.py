"""HDF5 files of strangers: looked over before they are read, and every failure one named error.

A dataset may lie in another file, and a damaged heap, in which the texts of a file lie, can hold
HDF5 for ever.

A collection is ``GCOL``, a version, its size, then objects: index (2 bytes), references (2),
nothing (4), size, content; all begin at multiples of 8. Index 0 is the free rest. HDF5 steps from
object to object by their sizes, and a free rest of size 0 is stepped over for ever.

Source: HDF5 file format specification, version 3, section III.E, "Global Heap".
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from formwright.datasets.errors import CorpusError, FormwrightError

_MARK: Final = b"GCOL\x01\0\0\0"
_REACH: Final = 1 << 26
"""Bytes at each end of a file that are looked over: heaps are written before or after the data."""


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open an HDF5 file; what cannot be read of it becomes a ``CorpusError``.

    Raises:
        CorpusError: The file is absent, damaged or no HDF5, or keeps data in another file.
    """
    import h5py

    try:
        with h5py.File(path, "r") as handle:
            _check_heaps(path, handle.id.get_create_plist().get_sizes()[1])
            _all_inside(handle, path)
            yield handle
    except FormwrightError:
        raise
    except (OSError, KeyError, RuntimeError, SystemError) as error:
        raise CorpusError(
            f"cannot read {str(path)!r} as HDF5: {error}. The file is absent, truncated, damaged "
            "or of another format; copy it again."
        ) from error


def _all_inside(handle: Any, path: Path) -> None:
    """Refuse a file that would have other files read.

    Raises:
        CorpusError: A link leads out of it, or a dataset lies in another file.
    """
    import h5py

    outside: list[str] = []

    def look(name: str, link: Any) -> None:
        if isinstance(link, h5py.ExternalLink):
            outside.append(f"{name!r} is a link to {link.filename!r}")

    def look_inside(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and (item.external or item.is_virtual):
            outside.append(f"the numbers of {name!r} lie in another file")

    handle.visititems_links(look)
    handle.visititems(look_inside)
    if outside:
        raise CorpusError(
            f"{str(path)!r}: {outside[0]}, and nothing but the file itself is read. Write it anew "
            "with its data inside (h5repack)."
        )


def _check_heaps(path: Path, width: int) -> None:
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
