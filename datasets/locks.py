"""One writer a folder: a lock of the operating system, which ends with the process that holds it.

The lock is ``flock`` on ``.lock`` in the folder; the file says who holds it. A killed process holds
nothing, so what it left never blocks another. On network file systems the lock holds between
machines where the server keeps locks (NFS since Linux 2.6.12, with its lock service running; most
cluster file systems); where it keeps none, folders are written without.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TextIO

from formwright.datasets.errors import FolderInUseError, StorageError

try:
    import fcntl
except ImportError:
    fcntl = None

LOCK: Final = ".lock"
_NO_LOCKS: Final = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)

_TRIES, _PAUSE_S = 4, 0.05
"""A killed process holds its lock until a program that it was just starting has begun."""


@contextmanager
def writing(folder: str | os.PathLike[str]) -> Iterator[None]:
    """Be the one process that writes a folder, as long as the block lasts.

    Args:
        folder: Made if absent.

    Raises:
        FolderInUseError: Another process writes it; the message says which, and since when.
        StorageError: The folder cannot be written.
    """
    path = Path(folder) / LOCK
    handle = _opened(path)
    while not _same(handle, path):
        handle.close()
        handle = _opened(path)
    with handle:
        try:
            yield
        finally:
            with suppress(OSError):
                path.unlink()


def _opened(path: Path) -> TextIO:
    """Open and lock the file of a lock."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = open(path, "a+", encoding="utf-8")
    except OSError as error:
        raise StorageError(
            f"could not write {str(path)!r}: {error.strerror or error}. Choose another folder."
        ) from error
    try:
        _take(handle, path)
    except BaseException:
        handle.close()
        raise
    return handle


def _same(handle: TextIO, path: Path) -> bool:
    """Return whether a locked file is still the one of its name: its last holder removes it."""
    try:
        return os.path.samestat(os.fstat(handle.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _take(handle: TextIO, path: Path) -> None:
    """Lock an open file and note whose it is."""
    if fcntl is None:
        return
    for left in reversed(range(_TRIES)):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except OSError as error:
            if error.errno in _NO_LOCKS:
                return
            if not left:
                handle.seek(0)
                raise FolderInUseError(
                    f"{str(path.parent)!r} is being written by {_holder(handle.read())}. Wait "
                    "until that is done, or choose another folder (--out)."
                ) from error
            time.sleep(_PAUSE_S)
    since = datetime.now(UTC).isoformat(timespec="seconds")
    try:
        handle.truncate(0)
        handle.write(json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": since}))
        handle.flush()
    except OSError as error:
        raise StorageError(
            f"could not write {str(path)!r}: {error.strerror or error}. Free some space, then run "
            "the same command again."
        ) from error


def _holder(text: str) -> str:
    """Return in words who holds a lock."""
    try:
        who = json.loads(text)
        return f"process {who['pid']} on {who['host']}, since {who['since']}"
    except (ValueError, LookupError, TypeError):
        return "another process"
