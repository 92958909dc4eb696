"""``.vtu`` files through meshio, its many ways to fail made one."""

from __future__ import annotations

import contextlib
import io
import os
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Final
from xml.etree.ElementTree import ParseError

from formwright.datasets.errors import FlowFileError
from formwright.datasets.files import replacing

if TYPE_CHECKING:
    import meshio

_BROKEN: Final = (
    ParseError,
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    AssertionError,
    RuntimeError,
    OverflowError,
    struct.error,
    zlib.error,
)


def read_vtu(path: str | os.PathLike[str]) -> meshio.Mesh:
    """Read a mesh with its fields.

    Raises:
        FlowFileError: It is absent, cut off, or of another format.
    """
    import meshio

    if not Path(path).is_file():
        raise FlowFileError(f"cannot read {str(path)!r}: there is no such file. Check the path.")
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            return meshio.vtu.read(path)
    except (meshio.ReadError, *_BROKEN) as error:
        raise FlowFileError(
            f"{str(path)!r} is no whole .vtu file ({type(error).__name__}: {error}): it was cut "
            "off, or is of another format. Copy it again."
        ) from error


def write_vtu(path: str | os.PathLike[str], mesh: meshio.Mesh) -> None:
    """Write a mesh with its fields, binary and compressed, atomically.

    Raises:
        StorageError: It cannot be written.
    """
    import meshio

    with replacing(path) as temporary:
        meshio.vtu.write(temporary, mesh)
