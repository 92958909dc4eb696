"""Rows of the older OC20 shards: pickled PyTorch Geometric data, of which only arrays are let in.

A pickle is a program that can name any function. This reader hands out a short list of harmless
ones (those that build tensors and arrays); a name outside it is an error, and nothing is run.
PyTorch Geometric's own classes are replaced by an empty one that keeps its attributes, so shards
of any version read alike.

Attributes in OC20: ``atomic_numbers``, ``pos``, ``cell`` (1, 3, 3), ``tags``, ``fixed``;
``y_init``, ``y_relaxed``, ``pos_relaxed``, ``sid`` in the relaxation tasks, ``y`` (or ``energy``),
``force``, ``fid`` in the others. Energies are eV against the clean slab and gases, H2, H2O, CO and
N2, by RPBE (Chanussot et al., ACS Catal. 11, 6059, 2021).
"""

from __future__ import annotations

import importlib
import io
import pickle
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import torch

from formwright.datasets.atoms import Structure, structure
from formwright.datasets.errors import CorpusError

LEVEL_OC20: Final = "VASP RPBE"
_COLUMNS: Final = ("y", "y_init", "y_relaxed", "energy", "force", "forces", "pos_relaxed", "fid")
_ALLOWED: Final = {
    ("torch._utils", "_rebuild_tensor_v2"),
    ("torch", "Size"),
    ("torch", "device"),
    ("numpy", "dtype"),
    ("numpy", "ndarray"),
    ("numpy.core.numeric", "_frombuffer"),
    ("numpy._core.numeric", "_frombuffer"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "scalar"),
}


class _Attributes:
    """Stands for an object of PyTorch Geometric; keeps what was pickled of it."""

    def __setstate__(self, state: Any) -> None:
        """Take the attributes, and those of what the object stored them in."""
        self.found = dict(state) if isinstance(state, dict) else {}


class _Careful(pickle.Unpickler):
    """Unpickles arrays, tensors and containers of them."""

    def find_class(self, module_name: str, global_name: str, /) -> Callable[..., Any] | type:
        """Return what a pickle names, if it is on the list."""
        if module_name.startswith("torch_geometric.data"):
            return _Attributes
        if (module_name, global_name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module_name, global_name) == ("torch.storage", "_load_from_bytes"):
            return _storage
        if (module_name, global_name) in _ALLOWED:
            module = importlib.import_module(module_name.replace("numpy.core", "numpy._core"))
            return getattr(module, global_name)
        raise CorpusError(
            f"the pickled row names {module_name}.{global_name}, which rows of OC20 have no need "
            "of; running it could do anything, so it was refused. Convert the shard to .aselmdb "
            "where you trust it."
        )


def unpacked(value: bytes) -> tuple[Structure, dict[str, Any]]:
    """Return the structure of a pickled row and its columns.

    Raises:
        CorpusError: The row names anything but arrays, or cannot be read.
    """
    try:
        row = _flat(_Careful(io.BytesIO(value)).load())
    except (pickle.UnpicklingError, EOFError, AttributeError, IndexError, RuntimeError) as error:
        raise CorpusError(f"the pickled row cannot be read: {error!r}. Get it again.") from error
    missing = [name for name in ("atomic_numbers", "pos", "cell") if row.get(name) is None]
    if missing:
        raise CorpusError(f"the pickled row has no {', '.join(missing)}; OC20's rows have.")
    z = np.asarray(row["atomic_numbers"]).astype(np.int64)
    one = structure(
        z,
        np.asarray(row["pos"]),
        np.asarray(row["cell"]).reshape(3, 3),
        True,
        tags=np.asarray(row.get("tags", np.zeros(len(z)))).astype(np.int64),
        fixed=np.asarray(row.get("fixed", np.zeros(len(z)))).astype(bool),
        name=str(row.get("sid", "")),
    )
    return one, {name: _plain(row[name]) for name in (*_COLUMNS, "sid") if name in row}


def counted(value: bytes) -> int:
    """Return the number of rows that a shard's key ``length`` holds."""
    found = _Careful(io.BytesIO(value)).load()
    if not isinstance(found, int):
        raise CorpusError(f"the shard's length is {found!r}, not a number.")
    return found


def _storage(data: bytes) -> Any:
    """Return a tensor's storage by PyTorch's reader that lets nothing but weights in."""
    return torch.load(io.BytesIO(data), weights_only=True)


def _flat(value: Any) -> dict[str, Any]:
    """Return the attributes of a row, whichever version of PyTorch Geometric wrote it."""
    if not isinstance(value, _Attributes):
        raise CorpusError(f"the pickled row is of type {type(value).__name__}, not graph data.")
    store = value.found.get("_store")
    inner = store.found if isinstance(store, _Attributes) else value.found
    return dict(inner.get("_mapping", inner))


def _plain(value: Any) -> Any:
    """Return a number or an array for a tensor."""
    if isinstance(value, torch.Tensor):
        return value.item() if value.numel() == 1 else value.numpy()
    return value
