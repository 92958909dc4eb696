"""One way to learn: ``fit(kind, corpus, folder) -> Trained``, and ``pretrain`` before it."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from formwright.datasets.begun import naming_files
from formwright.datasets.config import override, to_mapping
from formwright.datasets.errors import ConfigError, UnknownNameError, did_you_mean
from formwright.surrogate.checkpoints import load_header
from formwright.surrogate.kinds import Kind, Scores, Start
from formwright.surrogate.objectives.objective import OBJECTIVES
from formwright.surrogate.pretraining.choices import objective_named, view_of
from formwright.surrogate.pretraining.matching import ViewMatch
from formwright.surrogate.pretraining.pretrain import (
    Pretext,
    PretrainConfig,
    pretrain_network,
)
from formwright.surrogate.training.loop import TrainResult
from formwright.surrogate.zoo import FILE, found_file, kind_named, load, network_header, save

Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Trained:
    """What ``fit`` leaves.

    Attributes:
        surrogate: Fitted and calibrated, its parameters frozen.
        scores: On the validation split, which the intervals are calibrated to.
        path: Of the file that holds it.
        seconds: Wall time of this call.
        floors: Errors of simpler methods on the same split, by method and label; empty for kinds
            that compare with none.

    Example:
        >>> import formwright
        >>> quick = {"label": "viscosity", "train": {"steps": 2, "threads": 1}}
        >>> done = formwright.fit("runs", "corpora/many", "runs/one", quick, progress=False)
        >>> isinstance(done, formwright.Trained), done.path.name
        (True, 'surrogate.safetensors')
    """

    surrogate: Any
    scores: Scores
    path: Path
    seconds: float
    floors: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


def fit(
    kind: Kind | str,
    corpus: Paths,
    folder: str | os.PathLike[str],
    config: Any = None,
    *,
    pretrained: str | os.PathLike[str] | nn.Module | None = None,
    start: str | os.PathLike[str] | nn.Module | None = None,
    progress: bool = True,
) -> Trained:
    """Fit a surrogate to a labelled corpus, calibrate it, score it, and save it in a folder.

    Training uses the training split, calibration and scores the validation split; the test split is
    left for ``evaluate``. The same call goes on after a stop; a folder that was begun with other
    data, settings or weights is refused.

    Args:
        kind: ``"polar"``, ``"rans"``, ``"rans-fields"``, ``"adsorption"``, ``"runs"``, ``"table"``,
            ``"structures"``, or a
            ``Kind`` of your own.
        corpus: Folder or file, or several, as the kind reads them.
        folder: For the surrogate, the log and the checkpoint.
        config: Settings of the kind (``kind.training``), or a mapping of those that are not the
            usual ones.
        pretrained: A pretrained network: its name, folder, or the network itself.
        start: A fitted surrogate to go on from, likewise.
        progress: Show a bar where standard error is a terminal.

    Raises:
        ConfigError: Both ``pretrained`` and ``start``, or a setting that there is not.
        CheckpointError: The folder holds another training, or weights of another architecture.
        CorpusError: A split is empty.
        TrainingError: The loss is not finite.

    Example:
        >>> import formwright
        >>> quick = {"label": "viscosity", "train": {"steps": 2, "threads": 1}}
        >>> done = formwright.fit("runs", "corpora/many", "runs/mine", quick, progress=False)
        >>> list(done.scores.error), formwright.load("runs/mine").kind
        (['viscosity'], 'runs')
    """
    kind, path, began = kind_named(kind), Path(folder), time.perf_counter()
    first = _first(kind, pretrained, start)
    given = config if isinstance(config, Mapping) else {}
    usual = kind.training(first, given)
    settings: Any = config
    if config is None or isinstance(config, Mapping):
        settings = override(usual, given, where="settings")
    corpora = paths_of(corpus)
    known = kind.read(corpora, settings, "train", path)
    held = kind.read(corpora, settings, "validation", path)
    with naming_files(path, corpora), torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.train.seed)
        surrogate = kind.begin(known, settings, first)
        kind.learn(surrogate, known, held, settings, path, progress)
    surrogate.eval().requires_grad_(False)
    scores = kind.score(surrogate, held)
    floors = {} if kind.floors is None else kind.floors(surrogate, known, held)
    provenance = {
        "corpora": [str(one) for one in corpora],
        "from": _called(start or pretrained),
        "validation": to_mapping(scores),
        "floors": {name: dict(errors) for name, errors in floors.items()},
        "config": to_mapping(settings),
    }
    save(surrogate, path / FILE, provenance, kind=kind)
    seconds = time.perf_counter() - began
    return Trained(
        surrogate=surrogate, scores=scores, path=path / FILE, seconds=seconds, floors=floors
    )


def _first(kind: Kind, pretrained: Any, start: Any) -> Any:
    """Return what fitting begins with: a network, a surrogate to train on, or None.

    Raises:
        ConfigError: Both are given, or a surrogate of another kind.
    """
    if pretrained is not None and start is not None:
        raise ConfigError("give --pretrained or --start, not both: each is where training begins.")
    given = start if start is not None else pretrained
    if given is None:
        return None
    lender = kind_named(kind.borrows) if start is None and _borrowed(given, kind) else kind
    result = given if isinstance(given, nn.Module) else load(given, kind=lender)
    fitted = isinstance(result, kind.model) and kind.network(kind.config()).__class__ != kind.model
    if start is not None and not isinstance(result, kind.model):
        raise ConfigError(
            f"{_called(start)!r} is no surrogate of kind {kind.name!r} (from {kind.cases}): give "
            "one that was fitted to such a corpus, or leave --start out."
        )
    if pretrained is not None and fitted:
        raise ConfigError(
            f"{_called(pretrained)!r} is a fitted surrogate, not a pretrained network: give it as "
            "--start."
        )
    return result.requires_grad_(True).train()


def _borrowed(given: Any, kind: Kind) -> bool:
    """Return whether a pretrained network is of the kind that this one borrows from."""
    if not kind.borrows or isinstance(given, nn.Module):
        return False
    return load_header(found_file(given)).get("of") == kind.borrows


def _called(given: Any) -> str:
    """Return how what is begun with is called."""
    if given is None:
        return "scratch"
    return type(given).__name__ if isinstance(given, nn.Module) else str(given)


def paths_of(corpus: Paths) -> tuple[Path, ...]:
    """Return the paths of a corpus that may be one path or several."""
    one = isinstance(corpus, str | os.PathLike)
    return (Path(corpus),) if one else tuple(map(Path, corpus))  # pyright: ignore


def pretrain(
    kind: Kind | str,
    corpus: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    config: Mapping[str, Any] | None = None,
    *,
    objective: str | None = None,
    views: Sequence[str | Mapping[str, Any]] | None = None,
    label: str | None = None,
    network: str | None = None,
    progress: bool = True,
) -> TrainResult:
    """Pretrain the network of a kind on unlabeled cases, and save it in a folder.

    Args:
        kind: As for ``fit``.
        corpus: Folder or file of unlabeled cases.
        folder: For the weights, the log and the checkpoint; the same call goes on after a stop.
        config: Attributes of ``PretrainConfig`` that are not the usual ones.
        objective: Name of an objective or pretext; the usual one of the kind where None.
        views: Names, or tables with the attributes of a view; the usual ones where None.
        label: What the network will serve; all labels of the kind where None.
        network: Which network, for kinds with several.
        progress: Show a bar where standard error is a terminal.

    Raises:
        ConfigError: The kind pretrains nothing, or a question is asked twice.
        UnknownNameError: There is no such objective or view.
        ViewError: A view is forbidden for the label.
        CheckpointError: The folder holds another pretraining.

    Example:
        >>> import formwright
        >>> quick = {"batch_cases": 4, "train": {"steps": 2, "threads": 1}}
        >>> asked = {"label": "viscosity", "views": ["time-lag", "shift"], "progress": False}
        >>> formwright.pretrain("runs", "corpora/many", "runs/pre", quick, **asked).steps
        2
        >>> formwright.load("runs/pre").width
        128
    """
    kind = kind_named(kind)
    if kind.unlabeled is None:
        raise ConfigError(f"nothing is pretrained for {kind.name!r}; fit it from scratch.")
    if network is not None and network not in kind.networks:
        choices = ", ".join(kind.networks) or "one network only: leave it out"
        raise ConfigError(
            f"network {network!r} is no choice of {kind.name!r}, which has {choices}."
        )
    begun = kind.unlabeled(Path(corpus), label, network)
    settings = pretraining_settings(begun, config or {}, objective, views)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.train.seed)
        built = begun.network()
    with naming_files(folder, [Path(corpus)]):
        return pretrain_network(
            built,
            begun.data,
            settings,
            folder,
            header=network_header(kind, begun.architecture, {"corpus": str(corpus)}),
            provenance={"kind": kind.name, "corpus": str(corpus)},
            progress=progress,
        )


def pretraining_settings(
    begun: Start,
    config: Mapping[str, Any],
    objective: str | None = None,
    views: Sequence[str | Mapping[str, Any]] | None = None,
) -> PretrainConfig:
    """Return settings: those of the data, over them the mapping, over it what is asked for.

    Raises:
        ConfigError: A key that there is not, or objective or views given twice.
        UnknownNameError: There is no such objective or view.
    """
    twice = [n for n, v in {"pretext": objective, "views": views}.items() if v and n in config]
    if twice:
        raise ConfigError(f"{twice[0]!r} is in the file of --config and given beside it, not both.")
    chosen = views if views is not None else config.get("views")
    pretext = _pretext(begun, objective, config.get("pretext"))
    matches = pretext is not None and isinstance(pretext, ViewMatch)
    settings = begun.of_two_views if matches and begun.of_two_views else begun.config
    rest = {key: value for key, value in config.items() if key not in ("pretext", "views")}
    settings = override(settings, rest, where="settings")
    more: dict[str, Any] = {} if pretext is None else {"pretext": pretext}
    if chosen is not None:
        more["views"] = (*_views(begun, chosen), *begun.last)
    return replace(settings, **more)


def _views(begun: Start, chosen: Sequence[str | Mapping[str, Any]]) -> tuple[Any, ...]:
    """Return the views that are asked for."""
    if not chosen:
        raise ConfigError(f"no view is named. Known: {', '.join(begun.views)}.")
    return tuple(view_of(one, begun.views) for one in chosen)


def _pretext(begun: Start, name: str | None, table: Mapping[str, Any] | None) -> Pretext | None:
    """Return the pretext of a name, or of a table whose ``kind`` is one; None for the usual one.

    Raises:
        UnknownNameError: There is none of that name for these cases.
    """
    if name is not None:
        return _pretext_named(begun, name)
    if table is None:
        return None
    usual, kind = begun.config.pretext, table.get("kind")
    kinds = {p.kind: p for p in (ViewMatch(), *begun.pretexts.values(), usual)}  # pyright: ignore
    base = kinds.get(kind) or (usual if kind is None else _pretext_named(begun, str(kind)))
    rest = {key: value for key, value in table.items() if key != "kind"}
    return override(base, rest, where="pretext")


def _pretext_named(begun: Start, name: str) -> Pretext:
    """Return a pretext by its name."""
    if name in begun.pretexts:
        return begun.pretexts[name]
    if name not in OBJECTIVES:
        known = (*OBJECTIVES, *begun.pretexts)
        raise UnknownNameError(
            f"no objective is called {name!r} for these cases.{did_you_mean(name, known)} Known: "
            f"{', '.join(known)}."
        )
    return begun.match(objective_named(name))
