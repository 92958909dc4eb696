"""Surrogates and pretrained networks by name, and those read from a folder.

What is on disk is one safetensors file: weights, and in its header the kind, the architecture, the
training range, and the answers to reference cases, which ``load`` asks again.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, overload

from torch import nn

from formwright.datasets.begun import digest
from formwright.datasets.cases import Quantity
from formwright.datasets.config import from_mapping, to_mapping
from formwright.datasets.errors import CheckpointError, UnknownNameError, did_you_mean
from formwright.surrogate.checkpoints import load_header, load_state, load_tensors, save_weights
from formwright.surrogate.known_answers import answers, check_answers

if TYPE_CHECKING:
    from formwright.surrogate.airfoils.conditioned import Conditioned
    from formwright.surrogate.airfoils.polar import PolarSurrogate
    from formwright.surrogate.atoms.adsorption import AdsorptionSurrogate
    from formwright.surrogate.atoms.encoder import AtomGNN
    from formwright.surrogate.kinds import Kind
    from formwright.surrogate.rans.fields.surrogate import FieldSurrogate
    from formwright.surrogate.rans.wall.network import WallNet
    from formwright.surrogate.rans.wall.surrogate import RansSurrogate

FOLDER: Final = Path(__file__).parent / "weights"
FILE: Final = "surrogate.safetensors"
NETWORK: Final = "network.safetensors"
KINDS: Final[Mapping[str, str]] = {
    "polar": "airfoils",
    "rans": "rans.wall",
    "rans-fields": "rans.fields",
    "adsorption": "atoms",
    "runs": "pde",
    "table": "tables",
    "structures": "atoms.whole",
}
"""The room of each kind; its record is imported when it is asked for."""
SHIPPED: Final = (
    "airfoil-polar",
    "rans-2d",
    "rans-fields",
    "adsorption-mamun",
    "airfoil-polar-large",
)
PRETRAINED: Final = ("airfoil-encoder", "turbulent-wall", "rans-wall", "atoms")
_OF_NETWORK: Final = "network"
_LATER: Final = {"support", "doubt_range", "calibrated_on"}
"""Parts of names that older files lack: such a surrogate does not know what it supports."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Model:
    """What is shipped, or was saved.

    Attributes:
        name: For ``load``.
        kind: Which ``Kind`` it is of.
        pretrained: Whether it is a network to begin ``fit`` with, not a surrogate.
        labels: What a surrogate predicts, with units; empty for a network.
        fields: Names of the fields that it predicts beside them.
        path: The file.
        card: Page that says what it was trained on, how well it does, and where it fails; None
            where there is none.
        provenance: Where it comes from, as ``save`` was told.
    """

    name: str
    kind: str
    pretrained: bool
    labels: Mapping[str, str]
    fields: tuple[str, ...]
    path: Path
    card: Path | None
    provenance: Mapping[str, Any]


def list_models(saved: str | os.PathLike[str] | None = None) -> tuple[Model, ...]:
    """Return all surrogates and pretrained networks that are shipped, and those that were saved.

    Args:
        saved: Where saved ones are looked for, in all folders below it; nowhere if None. A file
            that is none of ours is passed over.

    Example:
        >>> import formwright
        >>> for model in formwright.list_models()[:3]:
        ...     print(model.name, list(model.labels))
        airfoil-polar ['cl', 'cd', 'cm', 'xtr_top', 'xtr_bottom']
        rans-2d ['cl', 'cd', 'cm']
        rans-fields ['cl', 'cd', 'cm']
    """
    shipped = [model_of(name) for name in (*SHIPPED, *PRETRAINED)]
    own = []
    for path in sorted(Path(saved).rglob("*.safetensors")) if saved is not None else ():
        if path.name in (FILE, NETWORK):
            with suppress(CheckpointError):
                own.append(model_of(path.parent))
    return (*shipped, *own)


def model_of(name: str | os.PathLike[str]) -> Model:
    """Return what is known of a model without loading it.

    Raises:
        UnknownNameError: There is neither a shipped model nor a file of that name.
        CheckpointError: The file cannot be read, or is none of a model.
    """
    path = found_file(name)
    header = load_header(path)
    pretrained = header.get("kind") == _OF_NETWORK
    kind = str(_part(header, "of" if pretrained else "kind", path))
    labels, fields = _predicts(kind, header, path) if not pretrained else ((), ())
    card = path.with_suffix(".md")
    return Model(
        name=os.fspath(name),
        kind=kind,
        pretrained=pretrained,
        labels={one.name: one.unit for one in labels},
        fields=tuple(one.name for one in fields),
        path=path,
        card=card if card.is_file() else None,
        provenance=header.get("provenance", {}),
    )


def _predicts(
    name: str, header: Mapping[str, Any], path: Path
) -> tuple[tuple[Quantity, ...], tuple[Quantity, ...]]:
    """Return labels and fields of a surrogate; none are known of a kind of someone's own."""
    if name not in KINDS:
        return (), ()
    kind = kind_named(name)
    labels = getattr(kind.model, "labels", None)
    if labels is None:
        labels = kind.build(from_mapping(kind.config, _part(header, "config", path)), {}).labels
    return labels, getattr(kind.model, "fields", ())


def kind_named(kind: Kind | str) -> Kind:
    """Return a shipped kind by its name, or the kind itself.

    Raises:
        UnknownNameError: There is none of that name.
    """
    if not isinstance(kind, str):
        return kind
    if kind not in KINDS:
        raise UnknownNameError(
            f"there is no kind of surrogate {kind!r}.{did_you_mean(kind, KINDS)} Known: "
            f"{', '.join(KINDS)}."
        )
    return import_module(f"formwright.surrogate.{KINDS[kind]}.kind").KIND


def kind_of(model: nn.Module) -> Kind:
    """Return the kind of a surrogate.

    Raises:
        UnknownNameError: It is of a kind of your own: pass ``kind``.
    """
    own: Any = getattr(model, "kind", None)
    if own is not None:
        return kind_named(own)
    for name in KINDS:
        kind = kind_named(name)
        if type(model) is kind.model:
            return kind
    raise UnknownNameError(
        f"{type(model).__name__} is of no shipped kind ({', '.join(KINDS)}): say which, kind=..."
    )


@overload
def load(name: Literal["airfoil-polar", "airfoil-polar-large"]) -> PolarSurrogate: ...
@overload
def load(name: Literal["rans-2d"]) -> RansSurrogate: ...
@overload
def load(name: Literal["rans-fields"]) -> FieldSurrogate: ...
@overload
def load(name: Literal["adsorption-mamun"]) -> AdsorptionSurrogate: ...
@overload
def load(name: Literal["airfoil-encoder"]) -> Conditioned: ...
@overload
def load(name: Literal["turbulent-wall", "rans-wall"]) -> WallNet: ...
@overload
def load(name: Literal["atoms"]) -> AtomGNN: ...
@overload
def load(name: str | os.PathLike[str], *, kind: Literal["rans-fields"]) -> FieldSurrogate: ...
@overload
def load(name: str | os.PathLike[str], *, kind: Kind | str | None = None) -> Any: ...
def load(name: str | os.PathLike[str], *, kind: Kind | str | None = None) -> Any:
    """Load a shipped model by its name, or one from a folder or file, ready for use.

    The parameters of a surrogate are frozen: gradients go to shapes, conditions, positions and
    compositions. A pretrained network is what ``fit(..., pretrained=...)`` begins with.

    Args:
        name: As ``list_models`` has it, a folder that ``fit`` or ``pretrain`` wrote, or a file.
        kind: Of a file of your own kind; it must be of this kind if given.

    Returns:
        The surrogate or network, with attributes ``name``, ``kind``, ``version`` (a digest of its
        weights), ``card`` (path, where there is one) and ``provenance``.

    Raises:
        UnknownNameError: There is neither a shipped model nor a file of that name.
        CheckpointError: The file holds something else, is of a newer version, or does not answer
            its reference cases as it did when it was saved.

    Example:
        >>> import formwright
        >>> surrogate = formwright.load("airfoil-polar")
        >>> polar = surrogate.predict(["naca2412", "e387"], alpha_deg=[0.0, 4.0], reynolds=1e6)
        >>> polar["cd"].shape
        (2, 2)
    """
    path = found_file(name)
    tensors, header = load_tensors(path)
    is_network = header.get("kind") == _OF_NETWORK
    result = _kind_of_header(header.get("of" if is_network else "kind", ""), kind, path)
    config = from_mapping(result.config, _part(header, "config", path))
    model: Any
    if is_network:
        model = result.network(config)
        load_state(model, tensors, str(path))
    else:
        ranges = header.get("training_range", {})
        model = result.build(config, {key: (low, high) for key, (low, high) in ranges.items()})
        later = {k: v for k, v in model.state_dict().items() if _LATER & set(k.split("."))}
        load_state(model, {**later, **tensors}, str(path))
        model.requires_grad_(False)
    model.eval()
    if "answers" in header and result.question is not None:
        check_answers(model, result.question(config), header["answers"], str(path))
    return _described(model, result, os.fspath(name), path, header)


def _kind_of_header(called: str, given: Kind | str | None, path: Path) -> Kind:
    """Return the kind of a file.

    Raises:
        CheckpointError: It is of none that is known, or of another than the one that is given.
    """
    wanted = None if given is None else kind_named(given)
    if wanted is not None and wanted.name == called:
        return wanted
    if wanted is None and called in KINDS:
        return kind_named(called)
    requested = f"a model of kind {wanted.name!r}" if wanted else f"one of {', '.join(KINDS)}"
    raise CheckpointError(
        f"{str(path)!r} holds {called or 'other weights'!r}, not {requested}: give a folder that "
        "`fit` or `pretrain` wrote for that kind."
    )


def _part(header: Mapping[str, Any], name: str, path: Path) -> Any:
    """Return an entry of a header.

    Raises:
        CheckpointError: There is none.
    """
    if name not in header:
        raise CheckpointError(
            f"{str(path)!r} does not say its {name!r}, so it cannot be built: save it with `save`."
        )
    return header[name]


def _described(model: Any, kind: Kind, name: str, path: Path, header: Mapping[str, Any]) -> Any:
    """Tell a model what it is called and where it comes from."""
    card = path.with_suffix(".md")
    model.name, model.kind = name, kind.name if kind.name in KINDS else kind
    model.version = digest(model.state_dict())
    model.card = card if card.is_file() else None
    model.provenance = header.get("provenance", {})
    return model


def provenance(name: str | os.PathLike[str]) -> dict[str, Any]:
    """Return where a model comes from, as ``save`` was told, without loading it.

    Raises:
        UnknownNameError: There is neither a shipped model nor a file of that name.
        CheckpointError: The file cannot be read.
    """
    return load_header(found_file(name)).get("provenance", {})


def save(
    model: nn.Module,
    path: str | os.PathLike[str],
    provenance: Mapping[str, Any] | None = None,
    *,
    kind: Kind | str | None = None,
    architecture: Any = None,
) -> None:
    """Write a surrogate or a pretrained network as one file, atomically.

    Args:
        model: A surrogate, or a network.
        path: Of the file.
        provenance: What it was made from; what it knows itself where None.
        kind: Of the model; for surrogates of shipped kinds it is known.
        architecture: Of a network, as the kind's ``config``; surrogates know their own.

    Raises:
        CheckpointError: A surrogate does not answer its reference cases with finite numbers.
        UnknownNameError: A model of a kind of your own, and ``kind`` is not given.

    Example:
        >>> import formwright
        >>> formwright.save(formwright.load("airfoil-polar"), "mine.safetensors")
        >>> formwright.load("mine.safetensors").version == formwright.load("airfoil-polar").version
        True
    """
    found = kind_of(model) if kind is None else kind_named(kind)
    noted = getattr(model, "provenance", {}) if provenance is None else provenance
    if architecture is not None:
        save_weights(model, path, network_header(found, architecture, noted))
        return
    surrogate: Any = model
    header: dict[str, Any] = {"kind": found.name, "config": to_mapping(surrogate.config)}
    if found.question is not None:
        header["answers"] = answers(surrogate, found.question(surrogate.config))
    ranges = getattr(surrogate, "training_range", {})
    header["training_range"] = {name: list(ends) for name, ends in ranges.items()}
    save_weights(surrogate, path, {**header, "provenance": dict(noted)})


def network_header(kind: Kind, architecture: Any, noted: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is written beside the weights of a pretrained network."""
    config = to_mapping(architecture)
    return {"kind": _OF_NETWORK, "of": kind.name, "config": config, "provenance": dict(noted)}


def found_file(name: str | os.PathLike[str]) -> Path:
    """Return the file of a shipped name, of a folder, or the file itself.

    Raises:
        UnknownNameError: There is none.
    """
    names = (*SHIPPED, *PRETRAINED)
    if name in names:
        return FOLDER / f"{name}.safetensors"
    path = Path(name)
    tried = [path] if not path.is_dir() else [path / FILE, path / NETWORK]
    for file in tried:
        if file.is_file():
            return file
    raise UnknownNameError(
        f"no model is called {str(name)!r}, and there is no such folder with a {FILE} or "
        f"{NETWORK}.{did_you_mean(str(name), names)} Shipped: {', '.join(names)}."
    )
