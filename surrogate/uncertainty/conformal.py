"""Split conformal prediction: from residuals on cases not trained on to intervals that cover.

Vovk et al. 2005; Lei et al., JASA 113 (2018), with a learned scale of the error. Residuals on cases
trained on say little of that scale: where it is learned after training, it is learned from the same
cases that calibrate, in folds of whole groups (the cross-conformal form, Vovk 2015).
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

LEVEL: Final = 0.9
NORMAL_QUANTILE: Final = 1.6448536
"""Half width of a normal interval at ``LEVEL``, in standard deviations."""
_LEAST_RESIDUAL: Final = 1e-2
_CONSTANT: Final = 1e-9


def conformal_factor(
    residual: Float[Tensor, " cases"], expected: Float[Tensor, " cases"], level: float
) -> Float[Tensor, ""]:
    """Return the factor on the expected error whose interval covers a share ``level`` of cases.

    It is the finite-sample quantile of |residual| / expected; cases without a residual (NaN) do not
    count.
    """
    score = (residual.abs() / expected).flatten()
    known = score[score.isfinite()]
    rank = min(len(known), math.ceil((len(known) + 1) * level))
    return known.sort().values[rank - 1]


def level_of(cases: int, level: float = LEVEL) -> float:
    """Return the coverage that intervals calibrated on so many cases can promise.

    The largest of n residuals bounds the next one with probability n / (n + 1) only: below 9 cases
    that is less than ``LEVEL``. 0 stands for a file that does not say how many there were.
    """
    return min(level, cases / (cases + 1)) if cases else level


def normal_quantile(level: float) -> float:
    """Return the half width of a normal interval, in standard deviations."""
    return NORMAL_QUANTILE if level == LEVEL else NormalDist().inv_cdf(0.5 + 0.5 * level)


def fit_log_error(
    layer: nn.Linear,
    features: Float[Tensor, "cases width"],
    residual: Float[Tensor, " cases"],
    prior: float,
) -> None:
    """Set a linear layer to the logarithm of the expected |residual|.

    The likelihood is that of Laplace, |r| / e^s + s, with a normal prior on the weights of the
    standardised features.

    Args:
        layer: To set, of one output.
        features: What it reads.
        residual: Of cases not trained on.
        prior: Its weight, in cases: with so many cases it counts as much as the data.
    """
    x, size = features.double(), residual.double().abs()
    size = size.clamp_min(_LEAST_RESIDUAL * float(size.mean().clamp_min(1e-30)))
    centre, scale = x.mean(0), x.std(0, correction=0)
    z = (x - centre) / torch.where(scale > _CONSTANT, scale, torch.inf)
    weight = torch.zeros_like(centre, requires_grad=True)
    bias = size.mean().log().requires_grad_()
    search = torch.optim.LBFGS([weight, bias], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        search.zero_grad()
        predicted = z @ weight + bias
        value = (size * (-predicted).exp() + predicted).mean() + prior / len(
            x
        ) * weight.square().sum()
        value.backward()
        return value

    search.step(loss)
    slope = (weight / torch.where(scale > _CONSTANT, scale, torch.inf)).detach()
    with torch.no_grad():
        layer.weight.copy_(slope[None])
        layer.bias.copy_(bias - slope @ centre)


def cross_fitted(
    features: Float[Tensor, "cases width"],
    residual: Float[Tensor, " cases"],
    groups: Int[Tensor, " cases"],
    prior: float,
    folds: int = 5,
) -> Float[Tensor, " cases"]:
    """Return the expected |residual| of each case, learned without the cases of its group.

    Features stay inside the range that they have over the others.

    Args:
        features: What ``fit_log_error`` reads.
        residual: Of cases not trained on.
        groups: The number of the group of each case; with one group all of them teach.
        prior: Of the fit.
        folds: Into which the groups go, in the order of their numbers.
    """
    _, index = groups.unique(return_inverse=True)
    fold, layer = index % folds, nn.Linear(features.shape[1], 1).double()
    expected = torch.zeros(len(features), dtype=torch.float64)
    for k in fold.unique().tolist():
        own = fold == k
        others = own if bool(own.all()) else ~own
        fit_log_error(layer, features[others], residual[others], prior)
        low, high = features[others].aminmax(dim=0)
        expected[own] = layer(features[own].clamp(low, high).double())[:, 0].detach().exp()
    return expected
