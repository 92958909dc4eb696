"""Files, whole or absent: written beside, then renamed; JSON and NumPy of bounded size."""

from __future__ import annotations

import json
import math
import os
import stat
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import numpy as np

from formwright.datasets import integrity
from formwright.datasets.errors import FormwrightError, StorageError

LARGEST: Final = 1 << 30
"""Bytes that one array, text or member of a stranger's file may unpack to."""

_DAMAGE: Final = (
    *(OSError, LookupError, ValueError, TypeError, AttributeError, EOFError, RecursionError),
    *(MemoryError, OverflowError, NotImplementedError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error, tokenize.TokenError, SyntaxError),
)
"""What NumPy may raise on a damaged file."""


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; rename it to ``path`` if the block succeeds.

    Where the file holds ``integrity.BLANK`` it is sealed first. The rename is atomic on one file
    system, so a reader sees the old file or the new one.

    Raises:
        StorageError: ``path`` is there and no file (a folder, a link, a device, a pipe), the disk
            is full or the folder cannot be written; ``path`` is untouched.
    """
    target = Path(path)
    check_target(target)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        integrity.seal(temporary)
        with open(temporary, "rb") as handle:
            os.fsync(handle.fileno())
        os.replace(temporary, target)
    except OSError as error:
        raise StorageError(
            f"could not write {str(target)!r}: {error.strerror or error}. What was there before is "
            "intact; free some space or choose another folder, then run the same command again."
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def check_target(path: str | os.PathLike[str]) -> None:
    """Refuse to put a file in the place of what is none: the rename would destroy it.

    Raises:
        StorageError: There is a folder, a link, a device, a pipe or a socket of that name.
    """
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return
    kind = next((name for name, is_one in _KINDS.items() if is_one(mode)), None)
    if kind is not None:
        there = f" to {os.readlink(path)!r}" if stat.S_ISLNK(mode) else ""
        raise StorageError(
            f"{str(path)!r} is {kind}{there}, and a file written there would replace it. Give the "
            "path of a file."
        )


_KINDS: Final = {
    "a folder": stat.S_ISDIR,
    "a link": stat.S_ISLNK,
    "a device": lambda mode: stat.S_ISCHR(mode) or stat.S_ISBLK(mode),
    "a pipe": stat.S_ISFIFO,
    "a socket": stat.S_ISSOCK,
}


def from_json(text: str | bytes) -> Any:
    """Return what a stranger's JSON holds.

    Raises:
        ValueError: It is none, is larger than ``LARGEST``, or is nested too deeply.
    """
    if len(text) > LARGEST:
        raise ValueError(f"it is longer than {LARGEST:,} bytes")
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def load_json(path: str | os.PathLike[str]) -> Any:
    """Return what a file of JSON holds; see ``from_json``.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is no JSON, larger than ``LARGEST``, or nested too deeply.
    """
    if os.stat(path).st_size > LARGEST:
        raise ValueError(f"it is longer than {LARGEST:,} bytes")
    return from_json(Path(path).read_bytes().decode())


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write ``text`` to ``path`` atomically (UTF-8)."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write ``value`` to ``path`` atomically as indented JSON; NaN is refused."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def write_record(
    path: str | os.PathLike[str], value: Mapping[str, Any], *, indent: int | None = 2
) -> None:
    """Write a mapping as JSON with a seal of its own, to be read again by ``read_record``."""
    sealed = {integrity.KEY: integrity.BLANK, **value}
    write_text(path, json.dumps(sealed, indent=indent, allow_nan=False) + "\n")


def read_record(
    path: str | os.PathLike[str], error: type[FormwrightError], remedy: str
) -> dict[str, Any]:
    """Read what ``write_record`` wrote.

    Args:
        path: Of the file.
        error: What to raise.
        remedy: What to do where it is damaged, a sentence.

    Raises:
        FormwrightError: Of the kind ``error``: it is no JSON, no mapping, or not what was written.
        OSError: It cannot be read.
    """
    result = read_json(path, error, remedy)
    if not isinstance(result, dict):
        raise error(f"{str(path)!r} is damaged: it should hold a mapping. {remedy}")
    integrity.check(
        path, error, f"{remedy} Where you changed it on purpose, remove its {integrity.KEY!r}."
    )
    result.pop(integrity.KEY, None)
    return result


def read_json(path: str | os.PathLike[str], error: type[FormwrightError], remedy: str) -> Any:
    """Read JSON of any kind.

    Args:
        path: Of the file.
        error: What to raise.
        remedy: What to do where it is damaged, a sentence.

    Raises:
        FormwrightError: Of the kind ``error``: it is no JSON, or holds NaN.
        OSError: It cannot be read.
    """
    try:
        if os.stat(path).st_size > LARGEST:
            raise ValueError(f"it is longer than {LARGEST:,} bytes")
        text = Path(path).read_text(encoding="utf-8")
        return json.loads(text, parse_constant=finite, parse_float=finite)
    except (ValueError, RecursionError) as why:
        raise error(f"{str(path)!r} is damaged: not valid JSON ({why}). {remedy}") from why


def read_npz(
    path: str | os.PathLike[str], error: type[FormwrightError], remedy: str
) -> dict[str, np.ndarray]:
    """Return the arrays of a NumPy file; nothing that would be run, nothing that inflates.

    Args:
        path: Of the file.
        error: What is raised.
        remedy: A sentence that says what to do.

    Raises:
        FormwrightError: ``error``: it is absent, damaged, or unpacks to more than ``LARGEST``.
    """
    try:
        with open(path, "rb") as handle, np.load(handle, allow_pickle=False) as file:
            size = sum(member.file_size for member in file.zip.infolist())
            if size > LARGEST:
                raise error(f"{str(path)!r} unpacks to {size:,} bytes; {LARGEST:,} are the most.")
            return {name: file[name] for name in file.files}
    except _DAMAGE as damage:
        raise error(
            f"{str(path)!r} is no whole .npz file ({type(damage).__name__}: {damage}). {remedy}"
        ) from damage


def finite(text: str) -> float:
    """Return a number of JSON, for ``json.loads``.

    Raises:
        ValueError: It is not finite.
    """
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is no finite number")
    return value


def inert(text: str) -> str:
    """Return text that no spreadsheet takes for a formula: with an apostrophe where it might."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
