"""Fine-tuning on adsorption energies: from a (pretrained) encoder and labels to a surrogate.

First the references of the adsorbate's atoms are fitted, by level of theory, then the heads on the
encoder as it is (Kumar et al. 2022, arXiv 2202.10054), then everything. The expected error is
learned last, from cases that were not trained on, which also turn it into intervals
(``conformal``).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from formwright.datasets.atoms.elements import COUNT
from formwright.datasets.atoms.structures import ADSORBATE, case_of
from formwright.datasets.cases import Case
from formwright.surrogate.atoms.adsorption import LABEL, AdsorptionSurrogate, composition, levels
from formwright.surrogate.atoms.cases import AtomCases
from formwright.surrogate.atoms.surroundings import TOLERANCE, described
from formwright.surrogate.least_squares import LeastSquares
from formwright.surrogate.objectives.loss import Loss
from formwright.surrogate.training.loop import TrainConfig, TrainResult, origin, train_for_use
from formwright.surrogate.uncertainty.conformal import (
    LEVEL,
    conformal_factor,
    cross_fitted,
    fit_log_error,
)
from formwright.surrogate.uncertainty.support import Described, growth

_AT_ONCE: Final = 128
_PRIOR_CASES: Final = 25.0


@dataclass(frozen=True, kw_only=True, slots=True)
class AdsorptionFinetuneConfig:
    """How to fine-tune.

    Attributes:
        batch_cases: Cases a step.
        huber: Where the loss turns from square to straight, in units of the labels' deviation.
        linear_first: Whether the heads are fitted before the first step.
        ridge: Of that fit, relative to the mean square of the features.
        label: Column of a file of structures that holds the adsorption energies, eV.
        train: The loop.
    """

    batch_cases: int = 32
    huber: float = 0.1
    linear_first: bool = True
    ridge: float = 1e-2
    label: str = LABEL
    train: TrainConfig = field(
        default_factory=lambda: TrainConfig(
            steps=8000, learning_rate=2e-3, weight_decay=1e-3, ema_decay=0.999, clip_norm=5.0
        )
    )


def finetune_adsorption(
    surrogate: AdsorptionSurrogate,
    cases: AtomCases,
    config: AdsorptionFinetuneConfig,
    folder: str | os.PathLike[str] | None = None,
    *,
    progress: bool = True,
) -> TrainResult:
    """Train ``surrogate`` in place on cases with ``e_ads_ev`` and, where levels differ, ``level``.

    Args:
        surrogate: Untrained, pretrained or already trained.
        cases: The training split.
        config: How.
        folder: Where log and checkpoint go; a checkpoint found there is gone on from.
        progress: Show a bar where standard error is a terminal.

    Raises:
        CheckpointError: The folder holds a training on other data, with another configuration or
            from other weights.
        TrainingError: The loss is not finite.
    """
    made_from = None if folder is None else origin(surrogate, cases, config)
    fit_references(surrogate, cases)
    if config.linear_first:
        fit_mean(surrogate, cases, config.ridge)
    step = _Step(cases, config)
    return train_for_use(surrogate, step, config.train, folder, progress, made_from)


def fit_references(surrogate: AdsorptionSurrogate, cases: AtomCases, ridge: float = 1e-3) -> None:
    """Set base and references of each level that has labels, the scale, and the known elements."""
    parts = [cases.batch(rows, prepared=False) for rows in _all(cases)]
    count = torch.cat([composition(part) for part in parts]).double()
    label = torch.cat([part[LABEL] for part in parts]).double()
    level = torch.cat([levels(part) for part in parts])
    residual = label.clone()
    for k in level.unique().tolist():
        own = level == k
        x = torch.cat([count[own], torch.ones(int(own.sum()), 1).double()], 1)
        penalty = ridge * len(x) * torch.eye(x.shape[1]).double()
        penalty[-1, -1] = 0.0
        weights = torch.linalg.solve(
            x.T @ x + penalty + 1e-9 * torch.eye(len(penalty)), x.T @ label[own]
        )
        surrogate.references[k] = weights[:-1].to(surrogate.references)
        surrogate.base[k] = weights[-1].to(surrogate.base)
        residual[own] -= x @ weights
    surrogate.scale.fill_(float(residual.std().clamp_min(1e-3)))
    for part in parts:
        surrogate.trained_on[part.z] = True


def fit_mean(surrogate: AdsorptionSurrogate, cases: AtomCases, ridge: float) -> None:
    """Set the head of the mean to the ridge regression on the trunk as it is."""
    fit = LeastSquares(surrogate.mean)
    for batch in _parts(cases):
        with torch.no_grad():
            fit.add(surrogate.vectors(batch), _target(surrogate, batch)[:, None])
    fit.solve(ridge)


def calibrate_adsorption(
    surrogate: AdsorptionSurrogate,
    cases: AtomCases,
    level: float = LEVEL,
    *,
    known: AtomCases | None = None,
) -> None:
    """Set the intervals from cases not trained on, so that a share ``level`` of such lies inside.

    The expected error of each is learned from the slabs of other elements.

    Args:
        surrogate: Trained.
        cases: Not trained on.
        level: Of the intervals.
        known: The cases trained on: what is unlike them is told from it (``support``), and
            intervals grow there. Where not given, that stays as it was.
    """
    if known is not None:
        _fit_support(surrogate, known, cases)
    features, residual, slabs, grown = [], [], [], []
    surrogate.doubt_range.copy_(torch.tensor([[-torch.inf], [torch.inf]]))
    for batch in _parts(cases):
        with torch.no_grad():
            hidden = surrogate.vectors(batch)
            features.append(surrogate.error_features(batch, hidden))
            residual.append(surrogate.mean(hidden)[:, 0] - _target(surrogate, batch))
            slabs.append(_elements(batch))
            support = surrogate.outside(batch)
            grown.append(torch.ones(len(slabs[-1])) if support is None else growth(support))
    inputs, off = torch.cat(features), torch.cat(residual)
    expected = cross_fitted(inputs, off, _groups(slabs), _PRIOR_CASES) * torch.cat(grown)
    fit_log_error(surrogate.spread, inputs, off, _PRIOR_CASES)
    surrogate.doubt_range.copy_(torch.stack(inputs.aminmax(dim=0)))
    surrogate.calibration.copy_(conformal_factor(off, expected, level))


def _fit_support(surrogate: AdsorptionSurrogate, known: AtomCases, held: AtomCases) -> None:
    """Fit what is near to the cases trained on; slabs of the same elements are one group."""
    groups = _groups([_elements(known.batch(rows, prepared=False)) for rows in _all(known)])
    own, others = _described(known), _described(held)
    surrogate.support.fit(own, groups, others, torch.tensor(TOLERANCE))


def _described(cases: AtomCases) -> Described:
    """Return the surroundings of cases, in the order of ``_all``."""
    parts = [described(cases.batch(rows, prepared=False)) for rows in _all(cases)]
    return Described(*(torch.cat(part) for part in zip(*parts, strict=True)))


def _groups(slabs: list[Tensor]) -> Int[Tensor, " cases"]:
    """Return a number for each case, one for all slabs of the same elements."""
    return torch.cat(slabs).unique(dim=0, return_inverse=True)[1]


def _elements(batch: Case) -> Bool[Tensor, "cases elements"]:
    """Return which elements are in the slab of each case."""
    slab = batch.tags != ADSORBATE
    result = torch.zeros(len(batch.ptr) - 1, COUNT, dtype=torch.bool)
    return result.index_put((case_of(batch)[slab], batch.z[slab]), torch.tensor(True))


def mean_absolute_error(surrogate: AdsorptionSurrogate, cases: AtomCases) -> float:
    """Return the mean absolute error over labelled cases, eV."""
    errors = []
    for batch in _parts(cases):
        with torch.no_grad():
            errors.append((surrogate(batch)[LABEL] - batch[LABEL]).abs())
    return float(torch.cat(errors).mean())


def _parts(cases: AtomCases) -> Iterator[Case]:
    """Yield all cases, some at a time."""
    return (cases.batch(rows) for rows in _all(cases))


def _all(cases: AtomCases) -> tuple[Int[Tensor, " cases"], ...]:
    """Return all rows, those of structures of like size together, some at a time."""
    sizes = torch.tensor([len(one) for one in cases.structures])
    return sizes.argsort(stable=True).split(_AT_ONCE)


def _target(surrogate: AdsorptionSurrogate, batch: Case) -> Float[Tensor, " cases"]:
    """Return the labels on the scale of training."""
    return (batch[LABEL] - surrogate.offsets(batch)) / surrogate.scale


class _Step:
    """The loss of one step: ``(model, step, generator) -> Loss``."""

    def __init__(self, cases: AtomCases, config: AdsorptionFinetuneConfig) -> None:
        self.cases, self.config = cases, config

    def __call__(self, model: AdsorptionSurrogate, step: int, generator: torch.Generator) -> Loss:
        """Draw cases and compare predictions with labels."""
        rows = torch.randint(len(self.cases), (self.config.batch_cases,), generator=generator)
        batch = self.cases.batch(rows)
        hidden, target = model.vectors(batch), _target(model, batch)
        error = functional.smooth_l1_loss(model.mean(hidden)[:, 0], target, beta=self.config.huber)
        return Loss(error, {"e_ads": error})
