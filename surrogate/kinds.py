"""A kind of surrogate in one record: how its cases are read, learned from, scored and asked.

``fit``, ``pretrain``, ``evaluate``, ``load``, ``save`` and ``evaluate_pretraining`` know nothing
else of a subject. Those that are shipped go by name (``zoo.kind_named``); one of your own is a
value that you pass. ``regression.regression`` makes one from a reader and an encoder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from formwright.datasets.cases import Case
from formwright.surrogate.label_efficiency.protocol import Task
from formwright.surrogate.objectives.objective import Objective
from formwright.surrogate.pretraining.choices import matched
from formwright.surrogate.pretraining.pretrain import Cases, Pretext, PretrainConfig
from formwright.surrogate.view import View

Ranges = Mapping[str, tuple[float, float]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Scores:
    """How far a surrogate is from the labels of a split, and whether its intervals hold them.

    Attributes:
        error: Mean error by what is named there (``cl``, ``ln_cd``, ``cp_rmse``), in its unit.
        coverage: Share of the labels inside the interval, by label; empty where there are none.
        level: The share that the interval promises.
        counts: How many points, cases, sections or structures were compared.

    Example:
        >>> import formwright
        >>> formwright.Scores(error={"cl": 0.01}, level=0.9, counts={"cases": 3}).error["cl"]
        0.01
    """

    error: Mapping[str, float]
    coverage: Mapping[str, float] = field(default_factory=dict)
    level: float
    counts: Mapping[str, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Start:
    """What a pretraining begins with.

    Attributes:
        network: Makes the network, untrained.
        data: The unlabeled cases.
        config: Settings, pretext and views that suit them.
        views: What there is to choose from, by name.
        pretexts: Those that are for such cases alone, by name; the objectives of two views go with
            every kind.
        match: How an objective of two views is trained on such cases.
        last: Views that the network needs after those that are chosen.
        of_two_views: Settings where two views are compared; ``config`` where None.
        architecture: Of the network, as the kind's ``config``.
    """

    network: Callable[[], nn.Module]
    data: Cases
    config: PretrainConfig
    views: Mapping[str, View]
    pretexts: Mapping[str, Pretext] = field(default_factory=dict)
    match: Callable[[Objective], Pretext] = matched
    last: tuple[View, ...] = ()
    of_two_views: PretrainConfig | None = None
    architecture: Any = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """Everything that is special to one kind of surrogate.

    Attributes:
        name: As it is called in files and on the command line.
        cases: What a corpus of it holds, in plain words.
        model: Class of the surrogate.
        config: Class of its architecture, a frozen dataclass.
        build: Architecture and training range -> an untrained surrogate.
        question: Architecture -> reference cases, whose answers are kept with the weights.
        network: Architecture -> what pretraining trains.
        training: What to begin with (a network, a surrogate, or None) and the settings that are
            given -> the usual settings of ``fit``: a frozen dataclass with ``train``, a
            ``TrainConfig``.
        read: Paths of a corpus, settings, name of a split, folder that may keep what is made on
            the way (or None) -> labelled cases; splits are apart by family or group.
        begin: Training cases, settings, what to begin with (a network, a surrogate, or None) -> the
            surrogate that ``learn`` trains.
        learn: Trains a surrogate in place and calibrates it: ``(surrogate, training cases,
            validation cases, settings, folder, progress)``.
        score: Surrogate and labelled cases -> scores.
        networks: Names of the networks there are to choose from; empty where there is one.
        unlabeled: Path, label to serve and name of a network (both may be None) -> the start of
            a pretraining; None where nothing is pretrained.
        floors: Surrogate, training cases, validation cases -> errors of simpler methods there, by
            method and label, as those of ``score``; None where nothing is compared.
        borrows: Name of a kind whose pretrained networks are read by this one as well.
        task: Corpora, label, unlabeled cases, objectives by name, sets of views -> the question of
            ``evaluate_pretraining``; None where it cannot be asked.

    Example:
        >>> import formwright
        >>> isinstance(formwright.load("airfoil-polar").kind, str | formwright.Kind)
        True
    """

    name: str
    cases: str
    model: type[nn.Module]
    config: type[Any]
    build: Callable[[Any, Ranges], Any]
    question: Callable[[Any], Case] | None
    network: Callable[[Any], nn.Module]
    training: Callable[[Any, Mapping[str, Any]], Any]
    read: Callable[[Sequence[Path], Any, str, Path | None], Any]
    begin: Callable[[Any, Any, Any], Any]
    learn: Callable[[Any, Any, Any, Any, Path | None, bool], None]
    score: Callable[[Any, Any], Scores]
    networks: tuple[str, ...] = ()
    unlabeled: Callable[[Path, str | None, str | None], Start] | None = None
    floors: Callable[[Any, Any, Any], Mapping[str, Mapping[str, float]]] | None = None
    borrows: str = ""
    task: (
        Callable[
            [
                Sequence[Path],
                str,
                Path | None,
                Mapping[str, Objective] | None,
                Sequence[Sequence[str]],
            ],
            Task,
        ]
        | None
    ) = None
