"""Shipped surrogates by name, and surrogates read from a folder.

A surrogate on disk is one safetensors file: weights, and in its header the kind, the architecture
and the training range.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from formwright.datasets.config import from_mapping, to_mapping
from formwright.datasets.errors import CheckpointError, UnknownNameError, did_you_mean
from formwright.surrogate.checkpoints import (
    load_state,
    load_tensors,
    load_weights,
    save_weights,
)
from formwright.surrogate.encoders.conditioned import Conditioned
from formwright.surrogate.polar import PolarConfig, PolarSurrogate

FOLDER: Final = Path(__file__).parent / "weights"
FILE: Final = "surrogate.safetensors"
KIND: Final = "polar"
SHIPPED: Final = ("airfoil-polar",)
NETWORK_KIND: Final = "network"
PRETRAINED: Final = ("airfoil-encoder",)


def load(name: str | os.PathLike[str]) -> PolarSurrogate:
    """Load a shipped surrogate by its name, or one from a folder or file, ready for use.

    Its parameters are frozen: gradients go to shapes and conditions. To train it further, call
    ``requires_grad_(True)``.

    Raises:
        UnknownNameError: There is neither a shipped surrogate nor a file of that name.
        CheckpointError: The file holds something else, or is of a newer version.
    """
    if name in SHIPPED:
        return _read(FOLDER / f"{name}.safetensors")
    path = Path(name)
    if path.is_dir():
        path = path / FILE
    if not path.is_file():
        raise UnknownNameError(
            f"no surrogate is called {str(name)!r}, and there is no such folder with a {FILE}."
            f"{did_you_mean(str(name), SHIPPED)} Shipped: {', '.join(SHIPPED)}."
        )
    return _read(path)


def load_network(name: str | os.PathLike[str]) -> Conditioned:
    """Load a shipped pretrained network by its name, or that of a folder that ``pretrain`` wrote.

    It is to be fine-tuned: ``PolarSurrogate(network=load_network("airfoil-encoder"))``.

    Raises:
        UnknownNameError: There is neither.
        CheckpointError: The file holds something else, or another architecture.
    """
    if name in PRETRAINED:
        tensors, header = load_tensors(FOLDER / f"{name}.safetensors")
        network = from_mapping(PolarConfig, header["config"]).network()
        load_state(network, tensors, str(name))
        return network
    from formwright.surrogate.pretrain import NETWORK

    path = Path(name)
    path = path / NETWORK if path.is_dir() else path
    if not path.is_file():
        raise UnknownNameError(
            f"no pretrained network is called {str(name)!r}, and there is no such folder with a "
            f"{NETWORK}.{did_you_mean(str(name), PRETRAINED)} Shipped: {', '.join(PRETRAINED)}."
        )
    network = PolarConfig().network()
    load_weights(network, path)
    return network


def save_network(
    network: Conditioned,
    config: PolarConfig,
    path: str | os.PathLike[str],
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Write a pretrained network with its architecture and provenance as one file, atomically."""
    header = {"kind": NETWORK_KIND, "config": to_mapping(config)}
    save_weights(network, path, {**header, "provenance": dict(provenance or {})})


def save(
    surrogate: PolarSurrogate,
    path: str | os.PathLike[str],
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Write a surrogate with its architecture, range and provenance as one file, atomically."""
    header = {
        "kind": KIND,
        "config": to_mapping(surrogate.config),
        "training_range": {k: list(v) for k, v in surrogate.training_range.items()},
        "provenance": dict(provenance or {}),
    }
    save_weights(surrogate, path, header)


def _read(path: Path) -> PolarSurrogate:
    """Return the surrogate in a file."""
    tensors, header = load_tensors(path)
    if header.get("kind") != KIND:
        raise CheckpointError(
            f"{str(path)!r} holds {header.get('kind', 'other weights')!r}, not a surrogate of "
            "polars: give a file that `finetune` wrote."
        )
    ranges = {name: (low, high) for name, (low, high) in header["training_range"].items()}
    surrogate = PolarSurrogate(from_mapping(PolarConfig, header["config"]), ranges)
    load_state(surrogate, tensors, str(path))
    return surrogate.eval().requires_grad_(False)
