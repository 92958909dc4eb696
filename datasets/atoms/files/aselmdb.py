"""Shards of fairchem (OC20, OMat24, OC25 ...): ``.aselmdb`` and, with care, the older ``.lmdb``.

An ``.aselmdb`` is one LMDB file. Row i of n has the key ``"i"`` (from 1) and, compressed by zlib, a
JSON object: the row of ASE's database (``numbers``, ``positions``, ``cell``, ``pbc``, ``tags``,
``constraints``, ``energy``, ``forces``, ``key_value_pairs``, ``data``). ``nextid`` holds n + 1,
``deleted_ids`` the rows that are gone, ``metadata`` an object about all of them. Arrays are nested
lists, or ``{"__ndarray__": [shape, dtype, flat list]}`` as ASE writes them.

The older ``.lmdb`` shards of OC20 hold pickled PyTorch Geometric objects. Unpickling runs whatever
a file says, so they are read by ``formwright.datasets.atoms.files.oc20``, which runs nothing of it.

Needs the extra ``lmdb``.
"""

from __future__ import annotations

import importlib
import json
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np

from formwright.datasets.atoms.structures import Structure, structure
from formwright.datasets.errors import CorpusError, FormwrightError, StructureError
from formwright.datasets.files import from_json, replacing

RESERVED: Final = (b"nextid", b"deleted_ids", b"metadata", b"length")
_PICKLE: Final = b"\x80"
_SPARE: Final = 1 << 20
_LARGEST: Final = 1 << 26
_INTEGERS: Final = ("bool", *(f"{sign}int{n}" for sign in ("", "u") for n in (8, 16, 32, 64)))
_TYPES: Final = (*_INTEGERS, "float16", "float32", "float64", "complex64", "complex128")
_DAMAGE: Final = (
    *(zlib.error, ValueError, KeyError, TypeError, AttributeError, IndexError),
    *(OverflowError, RecursionError),
)


def iterate_aselmdb(
    path: str | os.PathLike[str],
) -> Iterator[tuple[Structure, dict[str, Any]]]:
    """Yield each structure of a shard with its columns, in the order of the row numbers.

    Columns are ``energy``, ``forces``, ``stress`` ... where the row has them, the key-value pairs
    and what ``data`` holds. Rows of the older kind go to ``formwright.datasets.atoms.files.oc20``.

    Raises:
        CorpusError: It is no shard, it is cut short or damaged, or ``lmdb`` is not installed.
        StructureError: A row is no structure.
    """
    with _opened(Path(path)) as transaction:
        found = map(bytes, transaction.cursor().iternext(values=False))
        keys = sorted((key for key in found if key not in RESERVED), key=_order)
        promised = _promised(transaction, path)
        if promised is not None and promised != len(keys):
            raise CorpusError(
                f"{str(path)!r} holds {len(keys)} rows and says that there are {promised}: it was "
                "cut short or is still being written. Get it again."
            )
        for key in keys:
            value = bytes(transaction.get(key))
            try:
                yield _row(value)
            except _DAMAGE as error:
                kind = CorpusError if isinstance(error, CorpusError) else StructureError
                detail = error if isinstance(error, FormwrightError) else repr(error)
                raise kind(
                    f"{str(path)!r}, row {key.decode(errors='replace')}: {detail}"
                ) from error


def write_aselmdb(
    path: str | os.PathLike[str],
    structures: Sequence[Structure],
    **columns: Sequence[Any] | np.ndarray,
) -> None:
    """Write structures as an ``.aselmdb`` that fairchem reads too.

    Args:
        path: Ends with ``.aselmdb``.
        structures: In this order.
        columns: One value a structure; ``energy`` (eV), ``forces`` and ``stress`` go where a
            calculator's results are, the others to the key-value pairs.

    Raises:
        CorpusError: ``lmdb`` is not installed.
        StorageError: The file cannot be written; what was there is intact.
    """
    rows = [
        zlib.compress(json.dumps(_document(one, {k: v[i] for k, v in columns.items()}, i)).encode())
        for i, one in enumerate(structures)
    ]
    size = 16 * (sum(map(len, rows)) + 8192 * len(rows)) + _SPARE
    with replacing(path) as temporary:
        file = _lmdb().open(str(temporary), subdir=False, lock=False, map_size=size)
        try:
            with file.begin(write=True) as transaction:
                for i, row in enumerate(rows, start=1):
                    transaction.put(str(i).encode(), row)
                transaction.put(b"nextid", zlib.compress(str(len(rows) + 1).encode()))
        finally:
            file.close()


def _lmdb() -> Any:
    """Return the module, or say how to get it."""
    try:
        return importlib.import_module("lmdb")
    except ImportError as error:
        raise CorpusError(
            "LMDB shards need the package lmdb: pip install 'formwright[lmdb]'."
        ) from error


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Yield a transaction that reads; trouble of LMDB's becomes a ``CorpusError``.

    A file that is shorter than its own header says is refused before a page of it is touched,
    because reading past the end of a mapped file ends the process.
    """
    lmdb = _lmdb()
    try:
        with lmdb.open(
            str(path), subdir=path.is_dir(), readonly=True, lock=False, readahead=False
        ) as file:
            data = path / "data.mdb" if path.is_dir() else path
            pages = file.info()["last_pgno"] + 1
            needed, present = pages * file.stat()["psize"], data.stat().st_size
            if present < needed:
                raise CorpusError(
                    f"{str(path)!r} has {present} bytes and says that it has {needed}: it was cut "
                    "short. Get it again (where it is whole, `mdb_copy -n -c` closes the gap)."
                )
            with file.begin() as transaction:
                yield transaction
    except lmdb.Error as error:
        raise CorpusError(
            f"{str(path)!r} is no LMDB shard, or a damaged one: {error}. Get it again."
        ) from error


def _promised(transaction: Any, path: str | os.PathLike[str]) -> int | None:
    """Return how many rows a shard says it has, None where it says nothing."""
    following, length = transaction.get(b"nextid"), transaction.get(b"length")
    try:
        if following is None and length is not None and length.startswith(_PICKLE):
            from formwright.datasets.atoms.files.oc20 import counted

            return counted(length)
        if following is None:
            return None
        gone = transaction.get(b"deleted_ids")
        deleted = [] if gone is None else _json(gone)
        return int(_json(following)) - 1 - len(set(deleted))
    except _DAMAGE as error:
        detail = error if isinstance(error, FormwrightError) else f"{error!r}. Get it again."
        raise CorpusError(f"{str(path)!r}: its number of rows cannot be read: {detail}") from error


def _order(key: bytes) -> tuple[int, bytes]:
    """Return where a row comes: by number."""
    return (int(key), key) if key.isdigit() else (1 << 62, key)


def _row(value: bytes) -> tuple[Structure, dict[str, Any]]:
    """Return the structure of a row and its columns."""
    if value.startswith(_PICKLE):
        from formwright.datasets.atoms.files.oc20 import unpacked

        return unpacked(value)
    row = _arrays(_json(value))
    fixed = np.zeros(len(row["numbers"]), bool)
    for constraint in row.get("constraints") or ():
        if constraint.get("name") == "FixAtoms":
            fixed[np.asarray(constraint["kwargs"]["indices"], dtype=int)] = True
    pairs = _decoded(row.get("key_value_pairs"))
    one = structure(
        np.asarray(row["numbers"], dtype=np.int64),
        row["positions"],
        np.asarray(row["cell"], dtype=np.float64).reshape(3, 3),
        row["pbc"],
        tags=row.get("tags", np.zeros(len(fixed), int)),
        fixed=fixed,
        name=str(pairs.get("name", pairs.get("sid", row.get("unique_id", "")))),
    )
    results = {k: row[k] for k in ("energy", "forces", "stress", "magmoms") if k in row}
    return one, {**_decoded(row.get("data")), **pairs, **results}


def _json(value: bytes) -> Any:
    """Return compressed JSON of bounded size.

    Raises:
        ValueError: It is larger, or no JSON.
        zlib.error: It is not compressed.
    """
    unpacking = zlib.decompressobj()
    text = unpacking.decompress(value, _LARGEST)
    if not unpacking.eof:
        raise ValueError(f"it is cut short, or unpacks to more than {_LARGEST} bytes")
    return from_json(text)


def _decoded(value: Any) -> dict[str, Any]:
    """Return a mapping that may be stored as JSON within JSON."""
    inner = from_json(value) if isinstance(value, str) else value
    return dict(_arrays(inner or {}))


def _arrays(value: Any) -> Any:
    """Return a JSON value in which ASE's form of an array is an array."""
    if isinstance(value, Mapping):
        if set(value) == {"__ndarray__"}:
            shape, kind, flat = value["__ndarray__"]
            if kind not in _TYPES:
                raise ValueError(f"an array of type {kind!r:.40}, which are no numbers")
            return np.asarray(flat, dtype=kind).reshape(shape)
        return {key: _arrays(item) for key, item in value.items()}
    return value


def _document(one: Structure, columns: dict[str, Any], index: int) -> dict[str, Any]:
    """Return the row of ASE's database for a structure."""
    results = {k: columns.pop(k) for k in ("energy", "forces", "stress") if k in columns}
    held = np.flatnonzero(one.fixed).tolist()
    constraint = [{"name": "FixAtoms", "kwargs": {"indices": held}}] if held else []
    return {
        "numbers": one.z.tolist(),
        "positions": one.pos.tolist(),
        "cell": one.cell.tolist(),
        "pbc": one.pbc.tolist(),
        "tags": one.tags.tolist(),
        "constraints": constraint,
        "unique_id": f"{index:032x}",
        "ctime": 0.0,
        "mtime": 0.0,
        "user": "formwright",
        **{k: np.asarray(v).tolist() for k, v in results.items()},
        "key_value_pairs": {
            "name": one.name,
            **{k: v.item() if isinstance(v, np.generic) else v for k, v in columns.items()},
        },
        "data": {},
    }
