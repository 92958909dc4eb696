"""What was worked out in a search, on disk: one that was stopped is told it and asks nothing twice.

An optimiser has a state that nobody can store (scipy's drivers keep theirs to themselves). So a
search that was stopped is run again from the beginning of its start, and every value and Jacobian
that it asked for before is read: it takes the same steps, bit for bit, to where it was stopped.
"""

from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float

from formwright.datasets.errors import StorageError

Array = Float[np.ndarray, "..."]
Key = tuple[bytes, int]
_HEAD: Final = struct.Struct("<II")
"""Before every answer: bytes of it, and their CRC-32."""


class Memory:
    """Values (rows,) and Jacobians (rows, parameters) by the parameters they belong to.

    Attributes:
        path: The file; each answer is appended to it. None keeps nothing.
        known: What the file held when it was opened.
    """

    def __init__(self, path: Path | None = None) -> None:
        """Read what is there, up to an answer that was cut off by a kill, or damaged."""
        self.path = path
        self.known: dict[Key, Array] = {}
        if path is None:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+b") as handle:
            handle.seek(0)
            whole = 0
            while pair := _pair(handle):
                self.known[pair[0].tobytes(), pair[1].ndim] = pair[1]
                whole = handle.tell()
            handle.truncate(whole)

    def read(self, x: Float[np.ndarray, " parameters"], ndim: int) -> Array | None:
        """Return the values (``ndim`` 1) or the Jacobian (2) at ``x``, None where not known."""
        return self.known.get((x.tobytes(), ndim))

    def write(self, x: Float[np.ndarray, " parameters"], answer: Array) -> None:
        """Append an answer.

        Raises:
            StorageError: The disk is full.
        """
        if self.path is None:
            return
        text = io.BytesIO()
        np.save(text, x)
        np.save(text, answer)
        pair = text.getvalue()
        try:
            with self.path.open("ab") as handle:
                handle.write(_HEAD.pack(len(pair), zlib.crc32(pair)) + pair)
        except OSError as error:
            raise StorageError(f"cannot write {str(self.path)!r}: {error}") from error


def _pair(handle: io.BufferedRandom) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the next parameters and their answer, None where there is no whole one."""
    head = handle.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return None
    size, checksum = _HEAD.unpack(head)
    if size > os.fstat(handle.fileno()).st_size:
        return None
    pair = handle.read(size)
    if len(pair) < size or zlib.crc32(pair) != checksum:
        return None
    text = io.BytesIO(pair)
    return np.load(text, allow_pickle=False), np.load(text, allow_pickle=False)
