"""A Gaussian process with a squared-exponential kernel, one length a feature.

Source: Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), eqs. 2.23 and 5.8.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

MOST_ROWS: Final = 1000
_JITTER: Final = 1e-6


@dataclass(frozen=True, kw_only=True, slots=True)
class Process:
    """The expectation of a fitted process; differentiable in the features.

    Attributes:
        anchors: Rows that it was fitted to.
        lengths: Of the kernel, one a feature.
        weights: Of the kernel at each anchor.
        centre: Expectation far from all anchors.
    """

    anchors: Float[Tensor, "anchors features"]
    lengths: Float[Tensor, " features"]
    weights: Float[Tensor, " anchors"]
    centre: Float[Tensor, ""]

    def __call__(self, x: Float[Tensor, "rows features"]) -> Float[Tensor, " rows"]:
        """Return the expectation at some rows."""
        return self.centre + kernel(x / self.lengths, self.anchors / self.lengths) @ self.weights


def fit_process(
    x: Float[Tensor, "rows features"], label: Float[Tensor, " rows"], steps: int = 60
) -> Process:
    """Fit a process: lengths, amplitude and noise maximise the marginal likelihood.

    Args:
        x: Features of deviation 1; of more than 1,000 rows, so many are taken evenly.
        label: One a row.
        steps: Of L-BFGS.
    """
    if len(label) > MOST_ROWS:
        rows = torch.linspace(0, len(label) - 1, MOST_ROWS).long()
        x, label = x[rows], label[rows]
    x = x.double()
    centre, scale = label.double().mean(), label.double().std().clamp_min(1e-12)
    y = (label.double() - centre) / scale
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
        lengths, amplitude, _ = _parameters(logs)
        weights = torch.cholesky_solve(y[:, None], _factor(x, logs))[:, 0]
    return Process(anchors=x, lengths=lengths, weights=amplitude * scale * weights, centre=centre)


def kernel(
    a: Float[Tensor, "rows features"], b: Float[Tensor, "others features"]
) -> Float[Tensor, "rows others"]:
    """Return exp(-|a - b|^2 / 2)."""
    square = a.square().sum(1)[:, None] + b.square().sum(1) - 2.0 * a @ b.T
    return torch.exp(-0.5 * square.clamp_min(0.0))


def _likelihood(x: Tensor, y: Tensor, logs: Tensor) -> Tensor:
    """Return minus the log marginal likelihood, with a weak prior against extreme values."""
    factor = _factor(x, logs)
    whitened = torch.linalg.solve_triangular(factor, y[:, None], upper=False)
    data = 0.5 * whitened.square().sum() + factor.diagonal().log().sum()
    return data + 0.05 * (logs[:-1].square().sum() + 0.2 * (logs[-1] + 4.0).square())


def _factor(x: Tensor, logs: Tensor) -> Tensor:
    """Return the Cholesky factor of the covariance of the labels."""
    lengths, amplitude, noise = _parameters(logs)
    covariance = amplitude * kernel(x / lengths, x / lengths)
    return torch.linalg.cholesky(covariance + (noise + _JITTER) * torch.eye(len(x), dtype=x.dtype))


def _parameters(logs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return lengths, variance of the function and variance of the noise."""
    bounded = logs.clamp(-9.0, 7.0)
    return bounded[:-2].exp(), bounded[-2].exp(), bounded[-1].exp()
