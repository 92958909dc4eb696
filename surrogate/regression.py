"""A kind of your own from a reader and an encoder: ``regression(...) -> Kind``.

The surrogate is the encoder with a linear head for every label, on the scale of the training
cases. Its intervals are split conformal (``uncertainty.conformal``), and grow where a case is
unlike those of training (``uncertainty.support``).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import smooth_l1_loss

from formwright.datasets.cases import Case, Quantity
from formwright.datasets.errors import CorpusError
from formwright.surrogate.encoder import Encoder
from formwright.surrogate.kinds import Kind, Scores, Start
from formwright.surrogate.label_efficiency.protocol import LabelledCases, Task
from formwright.surrogate.least_squares import LeastSquares
from formwright.surrogate.model import Surrogate
from formwright.surrogate.objectives.loss import Loss
from formwright.surrogate.objectives.objective import Objective
from formwright.surrogate.objectives.vicreg import VICReg
from formwright.surrogate.pretraining.choices import matched, views_named
from formwright.surrogate.pretraining.pretrain import PretrainConfig
from formwright.surrogate.regressor import Regression, RegressionTraining, batches
from formwright.surrogate.training.loop import origin, train_for_use
from formwright.surrogate.uncertainty.conformal import (
    LEVEL,
    conformal_factor,
)
from formwright.surrogate.uncertainty.support import Described, growth
from formwright.surrogate.view import View

_SMALLEST: Final = 1e-12
SPLITS: Final = ("train", "validation", "test")


def learn(
    surrogate: Regression,
    known: LabelledCases,
    held: LabelledCases,
    settings: RegressionTraining,
    folder: Path | None = None,
    progress: bool = True,
) -> None:
    """Train a regression in place, calibrate it on held-out cases, and learn what it supports.

    Args:
        surrogate: Untrained or pretrained.
        known: Training cases; their attribute ``groups``, if they have one, says which of them
            are kin.
        held: Validation cases.
        settings: How.
        folder: Where log and checkpoint go.
        progress: Show a bar where standard error is a terminal.

    Raises:
        CheckpointError: The folder holds a training of something else.
        CorpusError: There are no cases in one of the splits, or a label is not finite.
        TrainingError: The loss is not finite.
    """
    made_from = None if folder is None else origin(surrogate, known, settings)
    for cases, split in ((known, "train"), (held, "validation")):
        _check_labels(surrogate, cases, split)
    with torch.no_grad():
        surrogate.centre.zero_()
        surrogate.scale.fill_(1.0)
        surrogate.prepare(known)
        targets = torch.cat([surrogate.targets(batch) for batch in batches(known)])
    surrogate.centre.copy_(targets.mean(0))
    surrogate.scale.copy_(targets.std(0).clamp_min(_SMALLEST))
    if settings.linear_first:
        _fit_head(surrogate, known, settings.ridge)
    step = partial(_loss, known, settings)
    train_for_use(surrogate, step, settings.train, folder, progress, made_from)
    _calibrate(surrogate, known, held)


def _check_labels(surrogate: Regression, cases: LabelledCases, split: str) -> None:
    """Refuse a split without cases, and labels that nothing can be learned from.

    Raises:
        CorpusError: The message names the label and the first case.
    """
    if not len(cases):
        raise CorpusError(f"there is no case of the split {split!r}: give more cases.")
    targets = torch.cat([surrogate.targets(batch) for batch in batches(cases)])
    for i, label in enumerate(surrogate.labels):
        bad = torch.nonzero(~torch.isfinite(targets[:, i]))[:, 0].tolist()
        if bad:
            kind = "positive" if label.name in surrogate.logarithms else "finite"
            raise CorpusError(
                f"label {label.name!r} is no {kind} number in {len(bad)} of {len(cases)} cases of "
                f"the split {split!r}, the first of them case {bad[0]}: leave such cases out."
            )


def _fit_head(surrogate: Regression, known: LabelledCases, penalty: float) -> None:
    """Set the head to the ridge regression on the encoder as it is."""
    fit, training = LeastSquares(surrogate.head), surrogate.training
    surrogate.eval()
    with torch.no_grad():
        for batch in batches(known):
            fit.add(surrogate.encoder(batch).per_case, surrogate.targets(batch))
    fit.solve(penalty)
    surrogate.train(training)


def _loss(
    cases: LabelledCases,
    settings: RegressionTraining,
    model: Regression,
    step: int,
    generator: torch.Generator,
) -> Loss:
    """Draw cases and compare predictions with labels."""
    rows = torch.randperm(len(cases), generator=generator)[: settings.batch_cases]
    batch = cases.batch(rows)
    output = model.head(model.encoder(batch).per_case)
    error = smooth_l1_loss(output, model.targets(batch), beta=settings.huber)
    return Loss(error, {"labels": error})


def _calibrate(surrogate: Regression, known: LabelledCases, held: LabelledCases) -> None:
    """Set support and intervals."""
    with torch.no_grad():
        own, others = (
            Described(*(torch.cat(part) for part in zip(*pairs, strict=True)))
            for pairs in ([surrogate.described(b) for b in batches(c)] for c in (known, held))
        )
        names = getattr(known, "groups", range(len(known)))
        numbers = {name: i for i, name in enumerate(dict.fromkeys(names))}
        surrogate.support.fit(own, torch.tensor([numbers[name] for name in names]), others)
        outputs = [surrogate.head(surrogate.encoder(batch).per_case) for batch in batches(held)]
        targets = [surrogate.targets(batch) for batch in batches(held)]
        residual, grown = torch.cat(outputs) - torch.cat(targets), growth(surrogate.support(others))
        surrogate.calibrated_on.fill_(len(residual))
        for i in range(residual.shape[1]):
            surrogate.calibration[i] = conformal_factor(residual[:, i], grown, LEVEL)


def score(surrogate: Surrogate, cases: LabelledCases) -> Scores:
    """Compare any surrogate with labelled cases, by its prediction of their batches."""
    if not len(cases):
        raise CorpusError("there is no case to compare with: give a split that has some.")
    gaps: dict[str, list[Tensor]] = {}
    inside: dict[str, list[Tensor]] = {}
    with torch.no_grad():
        for batch in batches(cases):
            answer = surrogate(batch)
            for one in surrogate.labels:
                truth = batch[one.name]
                gaps.setdefault(one.name, []).append((answer[one.name] - truth).abs())
                held = (answer.lower[one.name] <= truth) & (truth <= answer.upper[one.name])
                inside.setdefault(one.name, []).append(held.float())
    return Scores(
        error={name: float(torch.cat(values).mean()) for name, values in gaps.items()},
        coverage={name: float(torch.cat(values).mean()) for name, values in inside.items()},
        level=getattr(surrogate, "level", LEVEL),
        counts={"cases": len(cases)},
    )


def regression(
    *,
    name: str,
    cases: str,
    config: Any,
    encoder: Callable[[Any], Encoder],
    labels: Sequence[Quantity],
    read: Callable[[Sequence[Path], RegressionTraining, str, Path | None], LabelledCases],
    hand: Callable[[Case], Float[Tensor, "cases features"]],
    hand_features: int,
    raw: Callable[[Case], Float[Tensor, "cases values"]] | None = None,
    views: Mapping[str, View] | None = None,
    logarithms: Collection[str] = (),
    training: RegressionTraining | None = None,
) -> Kind:
    """Return the kind of surrogate that regresses labels on what an encoder makes of a case.

    Args:
        name: Of the kind, as files call it.
        cases: What a corpus holds, in plain words.
        config: Usual architecture, a value of a frozen dataclass.
        encoder: Architecture -> encoder, untrained.
        labels: What is predicted, with units; attributes of the batches, (cases,).
        read: Paths, settings, split, folder -> cases of that split; ``len``, ``batch(rows)``,
            ``select(rows)``.
        hand: Batch -> what an engineer would compute, (cases, features): the floor that
            pretraining is compared with, and what tells that a case is unlike all others.
        hand_features: How many these are.
        raw: Batch -> inputs, flattened; as ``hand`` where None.
        views: To pretrain with, by name; none pretrains nothing.
        logarithms: Labels that are regressed as their logarithm.
        training: Usual settings.

    Example:
        >>> import formwright
        >>> callable(formwright.regression)  # ``tests/surrogate/toy_kind.py`` is a whole one
        True
    """
    settings, known = training or RegressionTraining(), dict(views or {})

    def build(architecture: Any, _: Any = None, network: Any = None) -> Regression:
        built = network or encoder(architecture)
        return Regression(architecture, built, labels, logarithms, hand, hand_features)

    def begin(_: Any, __: RegressionTraining, first: Any) -> Regression:
        return first if isinstance(first, Regression) else build(config, network=first)

    def usual(chosen: Sequence[str], label: str | None, objective: Objective) -> PretrainConfig:
        served = tuple(one.name for one in labels) if label is None else (label,)
        pretext = matched(objective)
        return PretrainConfig(
            labels=served, pretext=pretext, views=views_named(chosen, known, served)
        )

    def unlabeled(path: Path, label: str | None, _: str | None) -> Start:
        return Start(
            network=lambda: encoder(config),
            data=read((path,), settings, "train", None),
            config=usual(tuple(known), label, VICReg()),
            views=known,
            architecture=config,
        )

    def task(
        corpora: Sequence[Path],
        label: str,
        more: Path | None = None,
        objectives: Mapping[str, Objective] | None = None,
        sets: Sequence[Sequence[str]] = (),
    ) -> Task:
        parts = {split: read(corpora, settings, split, None) for split in SPLITS}
        chosen = objectives or {"vicreg": VICReg()}
        return Task(
            corpus=", ".join(path.name for path in corpora),
            label=label,
            unlabeled=parts["train"] if more is None else read((more,), settings, "train", None),
            parts=parts,
            target=lambda batch: batch[label].log() if label in logarithms else batch[label],
            network=lambda: encoder(config),
            vectors=lambda network, batch: network(batch).per_case,
            raw=raw or hand,
            hand=hand,
            recipes={
                f"{called}, {' + '.join(given)}": usual(given, label, objective)
                for called, objective in chosen.items()
                for given in sets or (tuple(known),)
            },
        )

    return Kind(
        name=name,
        cases=cases,
        model=Regression,
        config=type(config),
        build=build,
        question=None,
        network=encoder,
        training=lambda *_: settings,
        read=read,
        begin=begin,
        learn=learn,
        score=score,
        unlabeled=unlabeled if known else None,
        task=task if known else None,
    )
