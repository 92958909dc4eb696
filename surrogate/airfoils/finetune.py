"""Fine-tuning: from a (pretrained) network and labelled polars to a surrogate.

A step draws sections with all their operating points, so each section is encoded once. The loss is
a smooth L1 of every label on the scale of training, plus that of the pressure where a point has
it. The heads of the expected error learn from the residuals without touching the trunk; a
quantile on the validation split then turns them into intervals (split conformal prediction,
Lei et al. 2018, with a learned scale).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from formwright.datasets.airfoils.polar_data import Polars
from formwright.datasets.airfoils.surface import stations_y
from formwright.datasets.cases import Batch, Case
from formwright.surrogate.airfoils.polar import LABELS, LOG_SPREADS, PolarSurrogate
from formwright.surrogate.least_squares import LeastSquares
from formwright.surrogate.objectives.loss import Loss
from formwright.surrogate.training.loop import TrainConfig, TrainResult, origin, train_for_use
from formwright.surrogate.uncertainty.conformal import LEVEL, conformal_factor
from formwright.surrogate.uncertainty.support import Described

_LEAST_RESIDUAL: Final = 1e-4
_SEEN: Final = 20_000


@dataclass(frozen=True, kw_only=True, slots=True)
class FinetuneConfig:
    """How to fine-tune.

    Attributes:
        batch_sections: Sections a step, each with all its operating points.
        label_weights: Weight of cl, ln cd, cm, xtr_top, xtr_bottom in the loss.
        pressure_weight: Weight of the pressure distribution.
        huber: Where the loss turns from square to linear, on the scale of training.
        linear_first: Solve for the heads of the labels before the first step: see ``fit_heads``.
        train: The loop.
    """

    batch_sections: int = 96
    label_weights: tuple[float, ...] = (1.0, 1.0, 1.0, 0.5, 0.5)
    pressure_weight: float = 0.3
    huber: float = 0.02
    linear_first: bool = False
    train: TrainConfig = field(
        default_factory=lambda: TrainConfig(steps=4000, learning_rate=4e-3, ema_decay=0.998)
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelledPoints:
    """Labelled operating points as tensors, those of a section in a row.

    Attributes:
        rings: Heights of each section at the encoder's stations, (sections, 2 stations).
        first: First point of each section, and the number of points at the end.
        conditions: alpha_deg, reynolds, ncrit, (points, 3).
        targets: The labels on the scale of training, NaN where one is absent.
        cp: Pressure coefficients, (points, 2, 32), NaN where absent; None if there are none.
        groups: Number of the family of each section; every section for itself where None.
    """

    rings: Float[Tensor, "sections heights"]
    first: Int[Tensor, " ends"]
    conditions: Float[Tensor, "points 3"]
    targets: Float[Tensor, "points labels"]
    cp: Float[Tensor, "points 2 stations"] | None
    groups: Int[Tensor, " sections"] | None = None

    def __len__(self) -> int:
        """Return the number of sections."""
        return len(self.rings)

    def batch(self, sections: Int[Tensor, " cases"]) -> tuple[Case, Int[Tensor, " points"]]:
        """Return some sections with all their points, and the rows of these points."""
        counts = self.first[sections + 1] - self.first[sections]
        case = torch.repeat_interleave(torch.arange(len(sections)), counts)
        before = counts.cumsum(0) - counts
        rows = torch.arange(len(case)) - before[case] + self.first[sections][case]
        alpha, reynolds, ncrit = self.conditions[rows].unbind(1)
        data = Batch(
            rings=self.rings[sections],
            condition_batch=case,
            alpha_deg=alpha,
            reynolds=reynolds,
            ncrit=ncrit,
        )
        return data, rows


def labelled(surrogate: PolarSurrogate, polars: Polars) -> LabelledPoints:
    """Prepare polars for a surrogate: stations of the sections, labels on the scale of training."""
    contours = polars.contours().split(2000)
    heights = [stations_y(part, surrogate.config.stations).float() for part in contours]
    values = np.stack([polars.labels[name] for name in LABELS], 1)
    values[:, LABELS.index("cd")] = np.log(values[:, LABELS.index("cd")])
    conditions = [polars.conditions[name] for name in ("alpha_deg", "reynolds", "ncrit")]
    counts = np.bincount(polars.section, minlength=len(polars.cst))
    cp = [polars.fields[name] for name in ("cp_top", "cp_bottom")] if polars.fields else None
    return LabelledPoints(
        rings=torch.cat(heights),
        first=torch.from_numpy(np.concatenate([[0], np.cumsum(counts)])),
        conditions=torch.from_numpy(np.stack(conditions, 1)).float(),
        targets=(torch.from_numpy(values).float() - surrogate.centre) / surrogate.scale,
        cp=None if cp is None else torch.from_numpy(np.stack(cp, 1)).float(),
        groups=_numbered([families[0] for families in polars.families]),
    )


def _numbered(names: Sequence[str]) -> Int[Tensor, " sections"]:
    """Return a number for each name, the same for the same."""
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return torch.tensor([numbers[name] for name in names])


def finetune(
    surrogate: PolarSurrogate,
    points: LabelledPoints,
    config: FinetuneConfig,
    folder: str | os.PathLike[str] | None = None,
    *,
    progress: bool = True,
) -> TrainResult:
    """Train ``surrogate`` in place on labelled points.

    Args:
        surrogate: Untrained, pretrained or already trained.
        points: What ``labelled`` made of the training split.
        config: How.
        folder: Where log and checkpoint go; a checkpoint found there is gone on from.
        progress: Show a bar where standard error is a terminal.

    Raises:
        CheckpointError: The folder holds a training on other data, with another configuration or
            from other weights.
        TrainingError: The loss is not finite.
    """
    made_from = None if folder is None else origin(surrogate, points, config)
    if config.linear_first:
        fit_heads(surrogate, points)
    step = _Step(points, config)
    return train_for_use(surrogate, step, config.train, folder, progress, made_from)


def fit_pressure(surrogate: PolarSurrogate, points: LabelledPoints, ridge: float = 1e-6) -> None:
    """Set the pressure head to the least squares over all points that have a pressure.

    What gradient steps teach this head leans towards the flat parts of the distribution; solved
    for, it gets the suction peaks as well. Nothing else changes.

    Args:
        surrogate: Fine-tuned; without any pressure in ``points`` it stays as it is.
        points: The training split.
        ridge: Added to the mean square of the features, relative to its mean over them.
    """
    if points.cp is not None:
        fit = LeastSquares(surrogate.pressure)
        for vector, rows in _vectors(surrogate, points):
            own, mirrored = vector.chunk(2, -1)
            fit.add(torch.cat([own, mirrored]), torch.cat(points.cp[rows].unbind(1)))
        fit.solve(ridge)


def fit_heads(surrogate: PolarSurrogate, points: LabelledPoints, ridge: float = 1e-4) -> None:
    """Set the heads of the labels to the ridge regression on the trunk as it is.

    A new head on a pretrained trunk is noise, and the first steps of fine-tuning would undo what
    the trunk has learned to make up for it; started from its best linear read-out, they do not
    (Kumar et al. 2022, arXiv 2202.10054, "linear probing, then fine-tuning").

    Args:
        surrogate: With a pretrained network.
        points: Labelled ones; a point that lacks one label is left out of that head.
        ridge: Added to the mean square of the features, relative to its mean over them.
    """
    turns, keeps = LeastSquares(surrogate.turns), LeastSquares(surrogate.keeps)
    side = LeastSquares(surrogate.side)
    for vector, rows in _vectors(surrogate, points):
        own, mirrored = vector.chunk(2, -1)
        cl, cd, cm, top, bottom = points.targets[rows].split(1, -1)
        turns.add(0.5 * (own - mirrored), torch.cat([cl, cm], -1))
        keeps.add(0.5 * (own + mirrored), cd)
        side.add(torch.cat([own, mirrored]), torch.cat([top, bottom]))
    for head in (turns, keeps, side):
        head.solve(ridge)


def _vectors(surrogate: PolarSurrogate, points: LabelledPoints) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the trunk's vectors of all points, and their rows, some sections at a time."""
    for sections in torch.arange(len(points)).split(256):
        batch, rows = points.batch(sections)
        with torch.no_grad():
            yield surrogate.network(batch), rows


def fit_support(surrogate: PolarSurrogate, known: LabelledPoints, held: LabelledPoints) -> None:
    """Let a surrogate know what it learned from: ``Prediction.support``.

    Of more than 20,000 points, so many are taken evenly.

    Args:
        surrogate: Fine-tuned; nothing else of it changes.
        known: The training split.
        held: The validation split, of other families.
    """
    (own, section), (others, _) = (_seen(surrogate, points) for points in (known, held))
    groups = torch.arange(len(known)) if known.groups is None else known.groups
    surrogate.support.fit(own, groups[section], others)


def _seen(surrogate: PolarSurrogate, points: LabelledPoints) -> tuple[Described, Tensor]:
    """Return what the support of points is told by, and the section of each."""
    step = max(1, round(len(points.conditions) / _SEEN))
    features, sections = [], []
    for chosen in torch.arange(len(points)).split(256):
        batch, rows = points.batch(chosen)
        kept = (rows % step == 0).nonzero()[:, 0]
        case = batch.condition_batch[kept]
        with torch.no_grad():
            vector = surrogate.network(batch)[kept]
        features.append(torch.cat([points.rings[chosen][case], vector], 1))
        sections.append(chosen[case])
    seen = torch.cat(features)
    return Described(seen, seen[:, :0]), torch.cat(sections)


def calibrate(surrogate: PolarSurrogate, points: LabelledPoints, level: float = LEVEL) -> None:
    """Set the intervals so that a share ``level`` of these (validation) points lies inside.

    The factor of each label is the finite-sample quantile of |residual| / expected error.
    """
    with torch.no_grad():
        residual, expected = residuals(surrogate, points)
        for i in range(len(LABELS)):
            surrogate.calibration[i] = conformal_factor(residual[:, i], expected[:, i], level)


def residuals(
    surrogate: PolarSurrogate, points: LabelledPoints
) -> tuple[Float[Tensor, "points labels"], Float[Tensor, "points labels"]]:
    """Return |error| and expected error of every point, on the scale of training."""
    errors, expected = [], []
    for sections in torch.arange(len(points)).split(256):
        batch, rows = points.batch(sections)
        vector = surrogate.network(batch)
        errors.append((surrogate.means(vector) - points.targets[rows]).abs())
        expected.append(surrogate.log_spreads(vector).exp())
    return torch.cat(errors), torch.cat(expected)


class _Step:
    """The loss of one step: ``(model, step, generator) -> Loss``."""

    def __init__(self, points: LabelledPoints, config: FinetuneConfig) -> None:
        self.points, self.config = points, config
        self.weights = torch.tensor(config.label_weights)

    def __call__(self, model: PolarSurrogate, step: int, generator: torch.Generator) -> Loss:
        """Draw sections and compare predictions with labels."""
        drawn = torch.randperm(len(self.points), generator=generator)[: self.config.batch_sections]
        batch, rows = self.points.batch(drawn)
        vector = model.network(batch)
        error = self._labels(model.means(vector), self.points.targets[rows])
        terms = dict(zip(LABELS, error.unbind(), strict=True))
        terms["spread"] = self._spread(model, vector.detach(), rows)
        total = (error * self.weights).sum() + terms["spread"]
        if self.points.cp is not None:
            terms["cp"] = self._pressure(model, vector, self.points.cp[rows])
            total = total + self.config.pressure_weight * terms["cp"]
        return Loss(total, terms)

    def _labels(self, mean: Tensor, target: Tensor) -> Tensor:
        """Return the loss of each label over the points that have it."""
        known = target.isfinite()
        loss = functional.smooth_l1_loss(
            mean,
            torch.where(known, target, mean.detach()),
            reduction="none",
            beta=self.config.huber,
        )
        return loss.sum(0) / known.sum(0).clamp_min(1)

    def _spread(self, model: PolarSurrogate, vector: Tensor, rows: Tensor) -> Tensor:
        """Return the Laplace likelihood of the residuals, given the trunk."""
        residual = (model.means(vector).detach() - self.points.targets[rows]).abs()
        residual = residual.nan_to_num(_LEAST_RESIDUAL).clamp_min(_LEAST_RESIDUAL)
        log_spread = model.log_spreads(vector).clamp(*LOG_SPREADS)
        return 0.1 * (residual * (-log_spread).exp() + log_spread).mean()

    def _pressure(self, model: PolarSurrogate, vector: Tensor, cp: Tensor) -> Tensor:
        """Return the loss of the pressure over the points that have it."""
        known = cp.isfinite().all(-1).all(-1)
        if not known.any():
            return vector.new_zeros(())
        predicted = model.pressures(vector[known])
        return functional.smooth_l1_loss(predicted, cp[known], beta=0.05)
