"""Shipped surrogates and pretrained networks by name, and those read from a folder.

A surrogate on disk is one safetensors file: weights, and in its header the kind, the architecture,
the training range, and the answers to reference cases, which ``load`` asks again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, overload

from torch import nn
from torch_geometric.data import Data

from formwright.datasets.config import from_mapping, to_mapping
from formwright.datasets.errors import CheckpointError, UnknownNameError, did_you_mean
from formwright.surrogate.airfoils.conditioned import Conditioned
from formwright.surrogate.airfoils.polar import PolarConfig, PolarSurrogate
from formwright.surrogate.atoms.adsorption import AdsorptionConfig, AdsorptionSurrogate
from formwright.surrogate.atoms.encoder import AtomGNN
from formwright.surrogate.checkpoints import load_header, load_state, load_tensors, save_weights
from formwright.surrogate.known_answers import (
    answers,
    check_answers,
    section_question,
    slab_question,
)
from formwright.surrogate.rans.wall.network import WallNet
from formwright.surrogate.rans.wall.surrogate import RansConfig, RansSurrogate

FOLDER: Final = Path(__file__).parent / "weights"
FILE: Final = "surrogate.safetensors"
SHIPPED: Final = ("airfoil-polar", "rans-2d", "adsorption-mamun")
NETWORK_KIND: Final = "network"
_LATER: Final = ("support.", "doubt_range")
"""Beginnings of names that older files lack: such a surrogate does not know what it supports."""
PRETRAINED: Final = ("airfoil-encoder", "turbulent-wall", "rans-wall", "atoms")


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of surrogate: its architecture, how it is built, and its reference cases."""

    config: type[PolarConfig] | type[RansConfig] | type[AdsorptionConfig]
    build: Callable[[Any, Mapping[str, tuple[float, float]]], Any]
    question: Callable[[Any], Data]


KINDS: Final[Mapping[str, Kind]] = {
    "polar": Kind(
        PolarConfig,
        lambda config, ranges: PolarSurrogate(config, ranges),
        lambda _: section_question(),
    ),
    "rans": Kind(
        RansConfig,
        lambda config, ranges: RansSurrogate(config, ranges),
        lambda _: section_question(),
    ),
    "adsorption": Kind(
        AdsorptionConfig,
        lambda config, _: AdsorptionSurrogate(config),
        lambda config: slab_question(len(config.levels)),
    ),
}


@overload
def load(name: Literal["airfoil-polar"]) -> PolarSurrogate: ...
@overload
def load(name: Literal["rans-2d"]) -> RansSurrogate: ...
@overload
def load(name: Literal["adsorption-mamun"]) -> AdsorptionSurrogate: ...
@overload
def load(name: str | os.PathLike[str]) -> Any: ...
def load(name: str | os.PathLike[str]) -> Any:
    """Load a shipped surrogate by its name, or one from a folder or file, ready for use.

    Its parameters are frozen: gradients go to shapes, conditions, positions and compositions. To
    train it further, call ``requires_grad_(True)``.

    Raises:
        UnknownNameError: There is neither a shipped surrogate nor a file of that name.
        CheckpointError: The file holds something else, is of a newer version, or does not answer
            its reference cases as it did when it was saved.

    Example:
        >>> import formwright
        >>> surrogate = formwright.load("airfoil-polar")
        >>> polar = surrogate.predict(["naca2412", "e387"], alpha_deg=[0.0, 4.0], reynolds=1e6)
        >>> polar["cd"].shape
        (2, 2)
    """
    path = _find(name, "surrogate", SHIPPED, FILE)
    tensors, header = load_tensors(path)
    kind = KINDS.get(header.get("kind", ""))
    if kind is None:
        what = header.get("kind", "other weights")
        advice = "give a file that fine-tuning wrote"
        if what == "rans-fields":
            advice = "give it as --field-surrogate beside rans-2d, or load it with load_fields"
        raise CheckpointError(
            f"{str(path)!r} holds {what!r}, not a surrogate ({', '.join(KINDS)}): {advice}."
        )
    ranges = {key: (low, high) for key, (low, high) in header["training_range"].items()}
    surrogate = kind.build(from_mapping(kind.config, header["config"]), ranges)
    later = {k: v for k, v in surrogate.state_dict().items() if k.startswith(_LATER)}
    load_state(surrogate, {**later, **tensors}, str(path))
    surrogate.eval().requires_grad_(False)
    if "answers" in header:
        question = kind.question(surrogate.config)
        check_answers(surrogate, question, header["answers"], str(path))
    return surrogate


def provenance(name: str | os.PathLike[str]) -> dict[str, Any]:
    """Return where a surrogate comes from, as ``save`` was told.

    Raises:
        UnknownNameError: There is neither a shipped surrogate nor a file of that name.
        CheckpointError: The file cannot be read.
    """
    return load_header(_find(name, "surrogate", SHIPPED, FILE)).get("provenance", {})


@overload
def load_network(name: Literal["airfoil-encoder"]) -> Conditioned: ...
@overload
def load_network(name: Literal["turbulent-wall", "rans-wall"]) -> WallNet: ...
@overload
def load_network(name: Literal["atoms"]) -> AtomGNN: ...
@overload
def load_network(name: str | os.PathLike[str], config: AdsorptionConfig) -> AtomGNN: ...
@overload
def load_network(name: str | os.PathLike[str], config: RansConfig) -> WallNet: ...
@overload
def load_network(
    name: str | os.PathLike[str], config: PolarConfig | None = None
) -> Conditioned: ...
def load_network(
    name: str | os.PathLike[str], config: PolarConfig | RansConfig | AdsorptionConfig | None = None
) -> Any:
    """Load a shipped pretrained network by its name, or that of a folder that ``pretrain`` wrote.

    It is to be fine-tuned: ``PolarSurrogate(network=load_network("airfoil-encoder"))``,
    ``AdsorptionSurrogate(encoder=load_network("atoms"))``.

    Args:
        name: Of the network, a folder or a file.
        config: Architecture of a file that does not name its own; that of polars by default.

    Raises:
        UnknownNameError: There is neither.
        CheckpointError: The file holds something else, or another architecture.

    Example:
        >>> import formwright
        >>> type(formwright.load_network("atoms")).__name__
        'AtomGNN'
    """
    from formwright.surrogate.pretraining.pretrain import NETWORK

    path = _find(name, "pretrained network", PRETRAINED, NETWORK)
    tensors, header = load_tensors(path)
    if header.get("kind") == NETWORK_KIND:
        kind = KINDS[header.get("of", "polar")]
        config = from_mapping(kind.config, header["config"])
    network = (config or PolarConfig()).network()
    load_state(network, tensors, str(path))
    return network


def save_network(
    network: nn.Module,
    config: PolarConfig | RansConfig | AdsorptionConfig,
    path: str | os.PathLike[str],
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Write a pretrained network with its architecture and provenance as one file, atomically."""
    header = {"kind": NETWORK_KIND, "of": _kind_of(config), "config": to_mapping(config)}
    save_weights(network, path, {**header, "provenance": dict(provenance or {})})


def save(
    surrogate: PolarSurrogate | RansSurrogate | AdsorptionSurrogate,
    path: str | os.PathLike[str],
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Write a surrogate with its architecture, range and provenance as one file, atomically.

    Raises:
        CheckpointError: It does not answer its reference cases with finite numbers.
    """
    kind = _kind_of(surrogate.config)
    header = {
        "kind": kind,
        "answers": answers(surrogate, KINDS[kind].question(surrogate.config)),
        "config": to_mapping(surrogate.config),
        "training_range": {k: list(v) for k, v in surrogate.training_range.items()},
        "provenance": dict(provenance or {}),
    }
    save_weights(surrogate, path, header)


def _kind_of(config: PolarConfig | RansConfig | AdsorptionConfig) -> str:
    """Return the kind of surrogate that an architecture belongs to."""
    return next(name for name, kind in KINDS.items() if isinstance(config, kind.config))


def _find(name: str | os.PathLike[str], what: str, shipped: tuple[str, ...], file: str) -> Path:
    """Return the file of a shipped name, of a folder, or the file itself.

    Raises:
        UnknownNameError: There is none.
    """
    if name in shipped:
        return FOLDER / f"{name}.safetensors"
    path = Path(name)
    path = path / file if path.is_dir() else path
    if not path.is_file():
        raise UnknownNameError(
            f"no {what} is called {str(name)!r}, and there is no such folder with a {file}."
            f"{did_you_mean(str(name), shipped)} Shipped: {', '.join(shipped)}."
        )
    return path
