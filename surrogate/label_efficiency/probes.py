"""What a label costs without learning a representation: ridge, PCA, a Gaussian process.

All predict one label from features, on the scale of the label. Nothing here looks at a test split:
what is chosen is chosen on the validation part that is passed in.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

RIDGES: Final = tuple(10.0**power for power in range(-6, 3))
COMPONENTS: Final = (4, 8, 16, 32, 64)
MOST_ROWS: Final = 1000
_JITTER: Final = 1e-6


@dataclass(frozen=True, kw_only=True, slots=True)
class Rows:
    """Features and a label, row by row.

    Attributes:
        features: Any numbers.
        label: One a row.
    """

    features: Float[Tensor, "rows features"]
    label: Float[Tensor, " rows"]

    def take(self, index: Tensor) -> Rows:
        """Return some of the rows."""
        return Rows(features=self.features[index], label=self.label[index])


def ridge(few: Rows, validation: Rows, test: Rows) -> Float[Tensor, " test_rows"]:
    """Predict ``test`` by ridge regression on ``few``, the penalty chosen on ``validation``.

    Features are standardised over ``few``; the penalty is relative to the number of rows.
    """
    x, others = _standard(few.features, validation.features, test.features)
    centre = few.label.double().mean()
    left, values, right = torch.linalg.svd(x, full_matrices=False)
    moment = left.T @ (few.label.double() - centre)
    best, answer = math.inf, others[1].new_zeros(len(others[1]))
    for penalty in RIDGES:
        weights = right.T @ (values / (values.square() + penalty * len(x)) * moment)
        error = float((others[0] @ weights + centre - validation.label).square().mean())
        if error < best:
            best, answer = error, others[1] @ weights + centre
    return answer


def pca_ridge(
    raw: Float[Tensor, "cases raw"], few: Rows, validation: Rows, test: Rows
) -> Float[Tensor, " test_rows"]:
    """Predict by ridge on principal components of the raw inputs, their number by validation.

    Args:
        raw: Inputs of the unlabeled cases, from which the components are taken.
        few: Labelled rows; their features are raw inputs too.
        validation: Where number and penalty are chosen.
        test: What is predicted.
    """
    centre = raw.double().mean(0)
    count = min(len(raw), 4096)
    _, _, axes = torch.linalg.svd(raw[:count].double() - centre, full_matrices=False)
    best, answer = math.inf, test.label.double()
    for components in (c for c in COMPONENTS if c <= len(axes)):
        known, judged, requested = (
            Rows(features=(part.features.double() - centre) @ axes[:components].T, label=part.label)
            for part in (few, validation, test)
        )
        error = float((ridge(known, judged, judged) - validation.label).square().mean())
        if error < best:
            best, answer = error, ridge(known, judged, requested)
    return answer


def smooth_or_straight(few: Rows, validation: Rows, test: Rows) -> Float[Tensor, " test_rows"]:
    """Predict by a Gaussian process or by ridge regression, whichever ``validation`` prefers.

    From fewer rows than features the lengths of a process are not determined, and its answer falls
    back to the mean; ridge regression then still follows what is straight.

    Args:
        few: Labelled rows.
        validation: What chooses.
        test: What is predicted; its label is not looked at.
    """
    both = Rows(
        features=torch.cat([validation.features, test.features]),
        label=torch.cat([validation.label, test.label]),
    )
    count = len(validation.label)
    answers = (gaussian_process(few, both), ridge(few, validation, both))
    errors = [float((x[:count] - validation.label).square().mean()) for x in answers]
    return answers[errors.index(min(errors))][count:]


def gaussian_process(few: Rows, test: Rows, steps: int = 60) -> Float[Tensor, " test_rows"]:
    """Predict by a Gaussian process with a squared-exponential kernel, one length a feature.

    Lengths, amplitude and noise maximise the marginal likelihood (Rasmussen and Williams 2006, eq.
    5.8), on at most 1,000 rows.

    Args:
        few: Labelled rows.
        test: What is predicted; its label is not looked at.
        steps: Of L-BFGS.
    """
    if len(few.label) > MOST_ROWS:
        few = few.take(torch.linspace(0, len(few.label) - 1, MOST_ROWS).long())
    x, (at,) = _standard(few.features, test.features)
    centre, scale = few.label.double().mean(), few.label.double().std().clamp_min(1e-12)
    y = (few.label.double() - centre) / scale
    logs = torch.zeros(x.shape[1] + 2, dtype=torch.float64)
    logs[:-2], logs[-1] = 0.5 * math.log(x.shape[1]), -3.0
    logs.requires_grad_(True)
    optimiser = torch.optim.LBFGS([logs], max_iter=steps, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = _likelihood(x, y, logs)
        loss.backward()
        return loss

    with torch.enable_grad():
        optimiser.step(closure)
    with torch.no_grad():
        lengths, amplitude, noise = _parameters(logs)
        factor = _factor(x, logs)
        weights = torch.cholesky_solve(y[:, None], factor)
        mean = amplitude * _kernel(at / lengths, x / lengths) @ weights
    return mean[:, 0] * scale + centre


def _likelihood(x: Tensor, y: Tensor, logs: Tensor) -> Tensor:
    """Return minus the log marginal likelihood, with a weak prior against extreme values."""
    factor = _factor(x, logs)
    whitened = torch.linalg.solve_triangular(factor, y[:, None], upper=False)
    data = 0.5 * whitened.square().sum() + factor.diagonal().log().sum()
    return data + 0.05 * (logs[:-1].square().sum() + 0.2 * (logs[-1] + 4.0).square())


def _factor(x: Tensor, logs: Tensor) -> Tensor:
    """Return the Cholesky factor of the covariance of the labels."""
    lengths, amplitude, noise = _parameters(logs)
    covariance = amplitude * _kernel(x / lengths, x / lengths)
    return torch.linalg.cholesky(covariance + (noise + _JITTER) * torch.eye(len(x), dtype=x.dtype))


def _parameters(logs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return lengths, variance of the function and variance of the noise."""
    bounded = logs.clamp(-9.0, 7.0)
    return bounded[:-2].exp(), bounded[-2].exp(), bounded[-1].exp()


def _kernel(a: Tensor, b: Tensor) -> Tensor:
    """Return exp(-|a - b|^2 / 2)."""
    square = a.square().sum(1)[:, None] + b.square().sum(1) - 2.0 * a @ b.T
    return torch.exp(-0.5 * square.clamp_min(0.0))


def _standard(x: Tensor, *others: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Return features of mean 0 and deviation 1 over ``x``; those that do not vary are dropped."""
    first = x.double()
    centre, spread = first.mean(0), first.std(0)
    varying = spread > 1e-9 * spread.max().clamp_min(1e-300)
    ready = [((part.double() - centre) / spread.clamp_min(1e-300))[:, varying] for part in others]
    return ((first - centre) / spread.clamp_min(1e-300))[:, varying], ready
