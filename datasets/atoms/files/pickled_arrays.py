"""From records of calls to arrays: types, shapes and sizes are checked against the bytes.

What ``inert_pickle`` records of a NumPy array, a NumPy number or a tensor of PyTorch says where its
bytes are and how to look at them. Nothing of it is believed: types are those of numbers, every
place that a shape and strides reach lies inside the bytes, and sizes are bounded.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from io import BytesIO
from typing import Any, Final

import numpy as np

from formwright.datasets.atoms.files.inert_pickle import Call, Name, Outside, read_pickle
from formwright.datasets.errors import CorpusError

LARGEST: Final = 1 << 24
"""Numbers of an array, at most."""
_DIMENSIONS: Final = 8
_EMPTY: Final = ("__builtin__.bytes", "builtins.bytes")
_LARGE: Final = 1 << 62
_TYPES: Final = frozenset(("b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"))
_STORAGES: Final[Mapping[str, str]] = {
    "torch.BoolStorage": "b1",
    "torch.ByteStorage": "u1",
    "torch.CharStorage": "i1",
    "torch.ShortStorage": "i2",
    "torch.IntStorage": "i4",
    "torch.LongStorage": "i8",
    "torch.HalfStorage": "f2",
    "torch.FloatStorage": "f4",
    "torch.DoubleStorage": "f8",
}
_LEGACY_MAGIC: Final = 0x1950A86A20F9469CFC6C
_RECONSTRUCT: Final = "multiarray._reconstruct"
NAMES: Final = frozenset(
    (
        *("torch._utils._rebuild_tensor_v2", "torch.storage._load_from_bytes"),
        *("torch.Size", "torch.device"),
        *("collections.OrderedDict", "_codecs.encode", "numpy.dtype", "numpy.ndarray"),
        *_EMPTY,
        *(
            f"numpy.{core}.{name}"
            for core in ("core", "_core")
            for name in (_RECONSTRUCT, "multiarray.scalar", "numeric._frombuffer")
        ),
    )
)
"""What rows of arrays name."""


def array_of(value: Any) -> np.ndarray:
    """Return the array of a record, or of a plain number.

    Raises:
        CorpusError: It is none of numbers, or its parts do not fit each other.
    """
    if isinstance(value, bool | float) or (isinstance(value, int) and abs(value) < _LARGE):
        return np.array(value)
    if not isinstance(value, Call):
        raise CorpusError(f"an array or a number was expected, not {type(value).__name__}.")
    arguments, last = value.arguments, value.name.rsplit(".", 1)[-1]
    try:
        if last == "_rebuild_tensor_v2":
            storage, offset, size, stride, *_ = arguments
            return _strided(_storage(storage), offset, _whole(size), _whole(stride))
        if last == "_reconstruct":
            _, shape, kind, fortran, data = value.state
            return _shaped(_bytes(data), _type(kind), _whole(shape), "F" if fortran else "C")
        if last == "_frombuffer":
            data, kind, shape, order = arguments
            return _shaped(_bytes(data), _type(kind), _whole(shape), order)
        if last == "scalar":
            kind, data = arguments
            return _shaped(_bytes(data), _type(kind), (), "C")
    except (TypeError, ValueError) as error:
        if isinstance(error, CorpusError):
            raise
        raise CorpusError(f"an array has other parts than arrays have: {error!r}.") from error
    raise CorpusError(f"an array or a number was expected, not {value.name}.")


def _type(record: Any) -> np.dtype:
    """Return a type of numbers."""
    if isinstance(record, Call) and record.name == "numpy.dtype":
        code, state = record.arguments[0], record.state
        order = state[1] if isinstance(state, tuple) and len(state) > 1 else "="
        if code in _TYPES and order in ("<", ">", "=", "|"):
            return np.dtype(code).newbyteorder(order)
    raise CorpusError("an array is of no type of numbers.")


def _whole(sizes: Any) -> tuple[int, ...]:
    """Return sizes or strides: a few whole numbers from 0 on."""
    given = sizes.arguments[0] if isinstance(sizes, Call) and sizes.arguments else sizes
    if not isinstance(given, tuple) or len(given) > _DIMENSIONS:
        raise CorpusError(f"a shape is no tuple of at most {_DIMENSIONS} sizes.")
    if not all(type(n) is int and 0 <= n <= LARGEST for n in given):
        raise CorpusError(f"a shape or stride is none of whole numbers from 0 to {LARGEST}.")
    return given


def _bytes(data: Any) -> bytes:
    """Return bytes, also those that older pickles spell as text."""
    if isinstance(data, Call) and data.name in _EMPTY and not data.arguments:
        return b""
    if isinstance(data, Call) and data.name == "_codecs.encode":
        text, coding = data.arguments
        data = text.encode("latin1") if coding == "latin1" and isinstance(text, str) else None
    if not isinstance(data, bytes | bytearray):
        raise CorpusError(f"the numbers of an array are no bytes but {type(data).__name__}.")
    return bytes(data)


def _shaped(data: bytes, kind: np.dtype, shape: tuple[int, ...], order: Any) -> np.ndarray:
    """Return an array whose bytes are all there, and no more."""
    if order not in ("C", "F") or len(data) != math.prod(shape) * kind.itemsize:
        raise CorpusError(f"{len(data)} bytes are no array of shape {shape} and type {kind}.")
    return np.frombuffer(data, kind).reshape(shape, order=order).astype(kind.newbyteorder("="))


def _strided(
    storage: np.ndarray, offset: Any, size: tuple[int, ...], stride: tuple[int, ...]
) -> np.ndarray:
    """Return a copy of the part of a storage that a tensor is."""
    if len(size) != len(stride) or type(offset) is not int or not 0 <= offset <= LARGEST:
        raise CorpusError(f"its offset, size {size} and strides {stride} are no tensor's.")
    if math.prod(size) > LARGEST:
        raise CorpusError(f"a tensor of size {size} has more than {LARGEST} numbers.")
    if 0 in size:
        return np.zeros(size, storage.dtype)
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if last >= len(storage):
        raise CorpusError(
            f"a tensor of size {size} reaches number {last} of a storage of {len(storage)}."
        )
    places = np.array(offset)
    for n, step in zip(size, stride, strict=True):
        places = places[..., None] + step * np.arange(n)
    return storage[places]


def _storage(record: Any) -> np.ndarray:
    """Return the numbers of a tensor's storage, as ``torch.save`` wrote them before its zip files.

    Four pickles (a magic number, the version, the system, the storage's type and size), the list
    of storages, then for the one there is its size and its numbers, little-endian.
    """
    if not isinstance(record, Call) or record.name != "torch.storage._load_from_bytes":
        raise CorpusError("a tensor's storage is no bytes of torch.save.")
    (data,) = record.arguments
    stream = BytesIO(_bytes(data))
    magic, _, system, head, keys = (read_pickle(stream, _STORAGES.__contains__) for _ in range(5))
    kind, size = _storage_head(head, keys)
    little = isinstance(system, dict) and system.get("little_endian", True) is True
    if magic != _LEGACY_MAGIC or not little:
        raise CorpusError("a tensor's storage is not in the older form of torch.save.")
    rest = stream.read()
    if len(rest) != 8 + size * kind.itemsize or int.from_bytes(rest[:8], "little") != size:
        raise CorpusError(f"{len(rest) - 8} bytes are no storage of {size} numbers of {kind}.")
    return np.frombuffer(rest, kind, offset=8)


def _storage_head(head: Any, keys: Any) -> tuple[np.dtype, int]:
    """Return type and size of a storage."""
    parts = head.identifier if isinstance(head, Outside) else None
    if not isinstance(parts, tuple) or len(parts) < 5 or keys != [parts[2]]:
        raise CorpusError("a tensor's storage has another head than torch.save writes.")
    name, size = parts[1], parts[4]
    if not isinstance(name, Name) or type(size) is not int or not 0 <= size <= LARGEST:
        raise CorpusError("a tensor's storage does not say its type and a size.")
    return np.dtype(f"<{_STORAGES[name.text]}"), size
