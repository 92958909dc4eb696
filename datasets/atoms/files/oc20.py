"""Rows of the older OC20 shards: pickled PyTorch Geometric data, of which only arrays are let in.

A pickle is a program that can call any function with any arguments. Nothing of it is run here:
``inert_pickle`` records what it would call, and ``pickled_arrays`` builds the arrays from the
records. A name that rows have no need of is an error. PyTorch Geometric's own objects are records
too, so shards of any version read alike.

Attributes in OC20: ``atomic_numbers``, ``pos``, ``cell`` (1, 3, 3), ``tags``, ``fixed``;
``y_init``, ``y_relaxed``, ``pos_relaxed``, ``sid`` in the relaxation tasks, ``y`` (or ``energy``),
``force``, ``fid`` in the others. Energies are eV against the clean slab and gases, H2, H2O, CO and
N2, by RPBE (Chanussot et al., ACS Catal. 11, 6059, 2021).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from formwright.datasets.atoms.files.inert_pickle import Call, read_pickle
from formwright.datasets.atoms.files.pickled_arrays import NAMES, array_of
from formwright.datasets.atoms.structures import Structure, structure
from formwright.datasets.errors import CorpusError

LEVEL_OC20: Final = "VASP RPBE"
_COLUMNS: Final = ("y", "y_init", "y_relaxed", "energy", "force", "forces", "pos_relaxed", "fid")
_LARGE: Final = 1 << 31
_GEOMETRIC: Final = "torch_geometric.data"


def unpacked(value: bytes) -> tuple[Structure, dict[str, Any]]:
    """Return the structure of a pickled row and its columns.

    Raises:
        CorpusError: The row names anything but arrays, or cannot be read.
    """
    row = _flat(read_pickle(value, _known))
    missing = [name for name in ("atomic_numbers", "pos", "cell") if row.get(name) is None]
    if missing:
        raise CorpusError(f"the pickled row has no {', '.join(missing)}; OC20's rows have.")
    z = _each(row, "atomic_numbers", array_of(row["atomic_numbers"]).size).astype(np.int64)
    one = structure(
        z,
        array_of(row["pos"]),
        array_of(row["cell"]).reshape(3, 3),
        True,
        tags=_each(row, "tags", len(z)).astype(np.int64),
        fixed=_each(row, "fixed", len(z)).astype(bool),
        name=str(_plain(row.get("sid", ""))),
    )
    return one, {name: _plain(row[name]) for name in (*_COLUMNS, "sid") if name in row}


def counted(value: bytes) -> int:
    """Return the number of rows that a shard's key ``length`` holds."""
    result = read_pickle(value, _known)
    if type(result) is not int:
        raise CorpusError(f"the shard's length is a {type(result).__name__}, not a number.")
    return result


def _known(name: str) -> bool:
    """Return whether rows of OC20 name it."""
    return name in NAMES or name.startswith(f"{_GEOMETRIC}.")


def _each(row: dict[str, Any], name: str, atoms: int) -> np.ndarray:
    """Return one whole number an atom, 0 where the row has none.

    Raises:
        CorpusError: There are more or fewer, or they are none.
    """
    result = np.zeros(atoms) if row.get(name) is None else array_of(row[name])
    if result.shape != (atoms,):
        raise CorpusError(f"{name!r} has shape {result.shape} for {atoms} atoms.")
    if not (np.abs(result) < _LARGE).all() or (result != np.round(result)).any():
        raise CorpusError(f"{name!r} should hold one whole number an atom.")
    return result


def _flat(value: Any) -> dict[str, Any]:
    """Return the attributes of a row, whichever version of PyTorch Geometric wrote it."""
    found = _attributes(value)
    if found is None:
        raise CorpusError(f"the pickled row is of type {type(value).__name__}, not graph data.")
    inner = _attributes(found.get("_store"))
    inner = found if inner is None else inner
    held = inner.get("_mapping", inner)
    return dict(held) if isinstance(held, dict) else {}


def _attributes(value: Any) -> dict[str, Any] | None:
    """Return what an object of PyTorch Geometric was given, None where it is none."""
    if not isinstance(value, Call) or not value.name.startswith(_GEOMETRIC):
        return None
    return value.state if isinstance(value.state, dict) else {}


def _plain(value: Any) -> Any:
    """Return a number or an array for a record, text and nothing as they are."""
    if value is None or isinstance(value, str):
        return value
    result = array_of(value)
    return result.item() if result.size == 1 else result
