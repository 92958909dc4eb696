"""A seal in every file that is written and read back: a checksum of all its bytes, inside it.

A writer puts ``BLANK`` where its format has room for a text (a key of JSON, metadata of Parquet or
safetensors, a zip comment, the user block of HDF5), within the first or last megabyte.
``files.replacing`` fills in the checksum before the file gets its name, so file and seal are never
of two writes, and a copy of the file has its seal. The checksum is that of the file with the blank
in it: it tells of damage, not of intent. The seal begins and ends with a mark of its own: no one
flipped bit makes a sealed file look like one that never was.
"""

from __future__ import annotations

import mmap
import os
import warnings
import zlib
from pathlib import Path
from typing import Final

from formwright.datasets.errors import FormwrightError, IntegrityWarning

KEY: Final = "seal"
_HEAD: Final = b"formwright-seal:"
_TAIL: Final = b":laes-thgirwmrof"
_DIGITS: Final = 16
_EMPTY: Final = b"0" * _DIGITS
BLANK: Final = (_HEAD + _EMPTY + _TAIL).decode()
_WINDOW: Final = 1 << 20
_told: set[str] = set()


def seal(path: str | os.PathLike[str]) -> bool:
    """Fill in the checksum where a file holds ``BLANK``; return whether it does."""
    if not os.path.getsize(path):
        return False
    with open(path, "r+b") as handle, mmap.mmap(handle.fileno(), 0) as data:
        at = _find(data, BLANK.encode())
        if at < 0:
            return False
        start = at + len(_HEAD)
        data[start : start + _DIGITS] = _digest(data, start)
        return True


def sealed(path: str | os.PathLike[str]) -> bool | None:
    """Return whether the seal of a file holds; None where it has none.

    Raises:
        OSError: It cannot be read.
    """
    if not os.path.getsize(path):
        return None
    with (
        open(path, "rb") as handle,
        mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as data,
    ):
        return _holds(data)


def check(
    path: str | os.PathLike[str],
    error: type[FormwrightError],
    remedy: str,
    *,
    ours: bool = True,
) -> bool:
    """Refuse a file that is not what was written; say once a folder that a file has no seal.

    Args:
        path: Of the file.
        error: What to raise.
        remedy: What to do, a sentence.
        ours: Whether a file without a seal is one that an earlier formwright wrote.

    Returns:
        Whether it has one.

    Raises:
        FormwrightError: Of the kind ``error``: the seal does not hold.
        OSError: It cannot be read.
    """
    whole = sealed(path)
    _judge(path, whole, error, remedy, ours)
    return whole is not None


def read(path: str | os.PathLike[str], error: type[FormwrightError], remedy: str) -> bytes:
    """Return the content of a file of ours; the rest as in ``check``."""
    content = Path(path).read_bytes()
    _judge(path, _holds(content), error, remedy, True)
    return content


def _judge(
    path: str | os.PathLike[str],
    whole: bool | None,
    error: type[FormwrightError],
    remedy: str,
    ours: bool,
) -> None:
    """Refuse a file whose seal does not hold, say that it has none."""
    if whole is False:
        raise error(
            f"{str(path)!r} is damaged: its checksum is not that of what was written. {remedy}"
        )
    if whole is None and ours:
        tell(path)


def tell(path: str | os.PathLike[str]) -> None:
    """Say, once a folder, that a file of ours has no seal."""
    folder = str(Path(path).parent)
    if folder not in _told:
        _told.add(folder)
        warnings.warn(
            f"{str(path)!r} holds no checksum (an earlier formwright wrote it, or it was changed "
            f"by hand): damage of it, and of others like it in {folder!r}, may go unnoticed.",
            IntegrityWarning,
            stacklevel=4,
        )


def _holds(data: bytes | mmap.mmap) -> bool | None:
    """Return what ``sealed`` does of a content."""
    head = _find(data, _HEAD)
    if head < 0:
        return None if _find(data, _TAIL) < 0 else False
    start = head + len(_HEAD)
    tail = start + _DIGITS
    if data[tail : tail + len(_TAIL)] != _TAIL:
        return False
    return data[start:tail] == _digest(data, start)


def _find(data: bytes | mmap.mmap, mark: bytes) -> int:
    """Return where a mark begins in the last or the first megabyte, -1 where it is not."""
    last = max(0, len(data) - _WINDOW)
    for start in dict.fromkeys((last, 0)):
        at = data.find(mark, start, start + _WINDOW)
        if at >= 0:
            return at
    return -1


def _digest(data: bytes | mmap.mmap, start: int) -> bytes:
    """Return CRC-32 and length of a file whose seal is blank, its digits from ``start`` on."""
    with memoryview(data) as view:
        found = zlib.crc32(_EMPTY, zlib.crc32(view[:start]))
        found = zlib.crc32(view[start + _DIGITS :], found)
    return f"{found:08x}{len(data) % 2**32:08x}".encode()
