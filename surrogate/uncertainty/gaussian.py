"""A Gaussian process: one length an input, Matern 5/2, its parameters by marginal likelihood.

Source: C. E. Rasmussen and C. K. I. Williams, Gaussian Processes for Machine Learning (2006), ch. 2
and 5.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from jaxtyping import Float
from scipy.optimize import minimize
from torch import Tensor

WIDTH: Final = 1.6448536
"""Standard deviations of a normal distribution that hold 90 % of it."""
LENGTHS: Final = (0.05, 10.0)
VARIANCES: Final = (1e-2, 1e3)
NOISES: Final = (1e-8, 1e-1)
_STARTS: Final = (0.3, 1.5)
_TYPICAL: Final = 0.7
"""Length that inputs between 0 and 1 have before anything is known, with a spread of a factor e."""


@dataclass(frozen=True, slots=True)
class GaussianProcess:
    """Numbers over a box, as they were fitted.

    Attributes:
        x: What is known, each input between 0 and 1.
        length: One an input.
        variance: Of the process, of standardised numbers.
        noise: Variance of a number by itself.
        centre: Mean of the numbers.
        scale: Their standard deviation.
        factor: Cholesky factor of the covariance.
        weights: Inverse covariance times the standardised numbers.
    """

    x: Float[Tensor, "known inputs"]
    length: Float[Tensor, " inputs"]
    variance: float
    noise: float
    centre: float
    scale: float
    factor: Float[Tensor, "known known"]
    weights: Float[Tensor, " known"]

    def __call__(
        self, x: Float[Tensor, "points inputs"]
    ) -> tuple[Float[Tensor, " points"], Float[Tensor, " points"]]:
        """Return mean and standard deviation, without the noise; differentiable in ``x``."""
        across = self.variance * _matern(x, self.x, self.length)
        mean = across @ self.weights
        solved = torch.linalg.solve_triangular(self.factor, across.T, upper=False)
        variance = (self.variance - solved.square().sum(0)).clamp_min(1e-12)
        return self.centre + self.scale * mean, self.scale * variance.sqrt()

    def interval(self, x: Float[Tensor, "points inputs"]) -> Float[Tensor, "ends points"]:
        """Return the middle, the lower and the upper end of the 90 % interval.

        Where more than a tenth of what is known lies outside when it is left out, the interval is
        as much wider as it takes.
        """
        mean, std = self(x)
        reach = std * max(WIDTH, float(self.left_out().abs().quantile(0.9)))
        return torch.stack([mean, mean - reach, mean + reach])

    def evidence(self) -> float:
        """Return the logarithm of the likelihood of all numbers, in their own unit.

        Source: Rasmussen and Williams, equation 5.8.
        """
        z = (self.known() - self.centre) / self.scale
        fits = -0.5 * float(z @ self.weights) - float(self.factor.diagonal().log().sum())
        return fits - len(z) * (0.5 * math.log(2.0 * math.pi) + math.log(self.scale))

    def left_out(self) -> Float[Tensor, " known"]:
        """Return how many deviations each number lies from what the others say of it.

        Source: Rasmussen and Williams, equation 5.12.
        """
        inverse = torch.cholesky_inverse(self.factor)
        return self.weights / inverse.diagonal().sqrt()

    def extended(self, x: Float[Tensor, "more inputs"]) -> GaussianProcess:
        """Return the process as if its own mean had been found at ``x`` (kriging believer)."""
        y = torch.cat([self.known(), self(x)[0].detach()])
        return _posed(torch.cat([self.x, x]), y, self.length, self.variance, self.noise)

    def known(self) -> Float[Tensor, " known"]:
        """Return the numbers that were fitted."""
        covariance = self.factor @ self.factor.T
        return self.centre + self.scale * (covariance @ self.weights)


def fit(x: Float[Tensor, "known inputs"], y: Float[Tensor, " known"]) -> GaussianProcess:
    """Return the process whose parameters make the numbers likeliest.

    Args:
        x: Inputs, each between 0 and 1.
        y: Finite numbers, one or more.
    """
    x, y = x.double(), y.double()
    count = x.shape[1]
    z = (y - y.mean()) / _scale(y)
    bounds = [LENGTHS] * count + [VARIANCES, NOISES]
    limits = [(math.log(low), math.log(high)) for low, high in bounds]

    def loss(values: np.ndarray) -> tuple[float, np.ndarray]:
        theta = torch.tensor(values, requires_grad=True)
        length, variance, noise = theta[:-2].exp(), theta[-2].exp(), theta[-1].exp()
        factor = _factor(x, length, variance, noise)
        alpha = torch.linalg.solve_triangular(factor, z[:, None], upper=False)
        value = 0.5 * alpha.square().sum() + factor.diagonal().log().sum()
        value = value + 0.5 * (theta[:-2] - math.log(_TYPICAL)).square().sum()
        value.backward()
        assert theta.grad is not None
        return float(value.detach()), theta.grad.numpy()

    found = [
        minimize(
            loss,
            np.log([start] * count + [1.0, 1e-4]),
            jac=True,
            bounds=limits,
            method="L-BFGS-B",
        )
        for start in _STARTS
    ]
    theta = torch.tensor(min(found, key=lambda one: float(one.fun)).x).exp()
    return _posed(x, y, theta[:-2], float(theta[-2]), float(theta[-1]))


def _posed(x: Tensor, y: Tensor, length: Tensor, variance: float, noise: float) -> GaussianProcess:
    centre, scale = float(y.mean()), float(_scale(y))
    factor = _factor(x, length, variance, noise)
    weights = torch.cholesky_solve(((y - centre) / scale)[:, None], factor)[:, 0]
    return GaussianProcess(x, length, variance, noise, centre, scale, factor, weights)


def _scale(y: Tensor) -> Tensor:
    """Return the spread of numbers, 1 where they do not differ."""
    spread = y.std(correction=0)
    return torch.where(spread > 1e-12 * y.abs().max().clamp_min(1.0), spread, 1.0)


def _factor(
    x: Tensor, length: Tensor, variance: Tensor | float, noise: Tensor | float
) -> Float[Tensor, "known known"]:
    eye = torch.eye(len(x), dtype=x.dtype)
    return torch.linalg.cholesky(variance * _matern(x, x, length) + (noise + 1e-9) * eye)


def _matern(a: Tensor, b: Tensor, length: Tensor) -> Float[Tensor, "rows columns"]:
    """Return Matern 5/2 of unit variance."""
    apart = (a[:, None] - b[None]) / length
    r = (5.0 * apart.square().sum(-1) + 1e-24).sqrt()
    return (1.0 + r + r.square() / 3.0) * (-r).exp()
