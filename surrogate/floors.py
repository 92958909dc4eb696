"""What a surrogate has to beat: the mean, a ridge, a Gaussian process, a random encoder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from formwright.datasets.cases import Case
from formwright.surrogate.label_efficiency.protocol import LabelledCases
from formwright.surrogate.regression import Regression, batches

PENALTIES: Final = tuple(10.0**k for k in range(-6, 4))
LENGTHS: Final = (0.3, 0.6, 1.2, 2.5, 5.0, 10.0)
NOISES: Final = (1e-4, 1e-3, 1e-2, 1e-1)
MOST: Final = 1500
"""Training cases that the Gaussian process sees; it takes their cube in time."""
_TINY: Final = 1e-9
_Features = Callable[[Case], Float[Tensor, "cases features"]]


def floors(
    surrogate: Regression,
    known: LabelledCases,
    held: LabelledCases,
    hand: _Features,
    untrained: nn.Module,
) -> Mapping[str, Mapping[str, float]]:
    """Return mean absolute errors of simple methods on the cases that a surrogate was scored on.

    Penalty, length and noise are chosen on the training cases: by leaving one out (ridge), by the
    marginal likelihood (Gaussian process).

    Args:
        surrogate: Fitted; says on which scale the labels are regressed.
        known: Training cases.
        held: Cases to be scored on.
        hand: Batch -> features that need no learning.
        untrained: The encoder before it has seen anything.
    """
    with torch.no_grad():
        features = standard(_over(hand, known), _over(hand, held))
        vectors = lambda batch: untrained(batch).per_case  # noqa: E731
        untrained.eval()
        random = standard(_over(vectors, known), _over(vectors, held))
        y, shown = _targets(surrogate, known), _truth(surrogate, held)
        predicted = {
            "mean": y.mean(0).expand(len(held), -1),
            "ridge": ridge(*features, y),
            "gaussian process": gaussian_process(*features, y),
            "random encoder": ridge(*random, y),
        }
        return {name: _errors(surrogate, held, z, shown) for name, z in predicted.items()}


def _over(of: _Features, cases: LabelledCases) -> Float[Tensor, "cases features"]:
    """Return features of all cases."""
    return torch.cat([of(batch) for batch in batches(cases)]).double()


def standard(
    known: Float[Tensor, "known features"], held: Float[Tensor, "held features"]
) -> tuple[Tensor, Tensor]:
    """Return features on the scale of the training cases; what does not vary there is left out."""
    centre, scale = known.mean(0), known.std(0)
    varies = scale > _TINY * known.abs().amax(0).clamp_min(_TINY)
    return tuple(((x - centre) / scale)[:, varies] for x in (known, held))  # pyright: ignore


def ridge(
    known: Float[Tensor, "known features"],
    held: Float[Tensor, "held features"],
    y: Float[Tensor, "known labels"],
) -> Float[Tensor, "held labels"]:
    """Return the predictions of a ridge regression, its penalty chosen by leaving one out."""
    u, s, vt = torch.linalg.svd(known, full_matrices=False)
    centre = y.mean(0)
    result = []
    for column in (y - centre).T:
        best = min(PENALTIES, key=lambda p: _left_out(u, s, column, p * len(known)))
        weights = vt.T @ (s / (s.square() + best * len(known)) * (u.T @ column))
        result.append(held @ weights)
    return torch.stack(result, 1) + centre


def _left_out(u: Tensor, s: Tensor, y: Tensor, penalty: float) -> float:
    """Return the mean square error of a ridge regression on what it did not see."""
    kept = s.square() / (s.square() + penalty)
    fitted = u @ (kept * (u.T @ y))
    lever = (u.square() * kept).sum(1) + 1.0 / len(y)
    return float(((y - fitted) / (1.0 - lever).clamp_min(1e-6)).square().mean())


def gaussian_process(
    known: Float[Tensor, "known features"],
    held: Float[Tensor, "held features"],
    y: Float[Tensor, "known labels"],
) -> Float[Tensor, "held labels"]:
    """Return the means of a Gaussian process: one length for all features, Matern 5/2."""
    known, y = known[:MOST], y[:MOST]
    centre, scale = y.mean(0), y.std(0).clamp_min(_TINY)
    z, dims = (y - centre) / scale, max(1, known.shape[1]) ** 0.5
    near, far = torch.cdist(known, known), torch.cdist(held, known)
    result = []
    for column in z.T:
        best = max(product(LENGTHS, NOISES), key=lambda p: _evidence(near, column, dims, *p))
        factor = torch.linalg.cholesky(_kernel(near, dims * best[0], best[1]))
        weights = torch.cholesky_solve(column[:, None], factor)[:, 0]
        result.append(_kernel(far, dims * best[0]) @ weights)
    return torch.stack(result, 1) * scale + centre


def _kernel(distance: Tensor, length: float, noise: float = 0.0) -> Tensor:
    """Return Matern 5/2 of unit variance, noise on the diagonal."""
    r = distance * (5.0**0.5 / length)
    value = (1.0 + r + r.square() / 3.0) * (-r).exp()
    return value + noise * torch.eye(len(value)).to(value) if noise else value


def _evidence(near: Tensor, y: Tensor, dims: float, length: float, noise: float) -> float:
    """Return the logarithm of the marginal likelihood, the variance at its best."""
    factor = torch.linalg.cholesky(_kernel(near, dims * length, noise))
    alpha = torch.linalg.solve_triangular(factor, y[:, None], upper=False)
    variance = alpha.square().mean().clamp_min(_TINY)
    return float(-factor.diagonal().log().sum() - 0.5 * len(y) * variance.log())


def _targets(surrogate: Regression, cases: LabelledCases) -> Float[Tensor, "cases labels"]:
    return torch.cat([surrogate.targets(batch) for batch in batches(cases)]).double()


def _truth(surrogate: Regression, cases: LabelledCases) -> Float[Tensor, "cases labels"]:
    names = [one.name for one in surrogate.labels]
    parts = [torch.stack([b[n].double() for n in names], 1) for b in batches(cases)]
    return torch.cat(parts)


def _errors(
    surrogate: Regression, cases: LabelledCases, z: Tensor, truth: Tensor
) -> dict[str, float]:
    """Return mean absolute errors of targets, in the units of the labels."""
    parts = z.to(surrogate.scale).split([len(surrogate.targets(b)) for b in batches(cases)])
    values = torch.cat(
        [
            surrogate.restored(part * surrogate.scale + surrogate.centre + surrogate.offsets(b), b)
            for part, b in zip(parts, batches(cases), strict=True)
        ]
    )
    result = {}
    for i, one in enumerate(surrogate.labels):
        predicted = values[:, i].exp() if one.name in surrogate.logarithms else values[:, i]
        result[one.name] = float((predicted - truth[:, i]).abs().mean())
    return result
