"""Where to run a simulator next: expected improvement within a trust region.

One Gaussian process an output. What is made large is the logarithm of expected improvement times
the probability that every constraint is kept and that the case does not fail; before anything
feasible is known, that probability alone. A batch is found one by one, each as if the processes had
been right about those before it (kriging believer).

Sources: J. R. Gardner et al., ICML 2014 (constraints); D. Ginsbourger et al. 2010 (kriging
believer); D. Eriksson et al., NeurIPS 2019 (trust region).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch
from jaxtyping import Float
from scipy.optimize import minimize
from torch import Tensor
from torch.quasirandom import SobolEngine

from formwright.design.simulators.config import SimulatorSpec
from formwright.surrogate.uncertainty.gaussian import GaussianProcess, fit

CANDIDATES: Final = 1024
STARTS: Final = 6
FAILURE: Final = "failed"
"""Name of the process of failures: 0 where a case was answered, 1 where it failed."""
_APART: Final = 1e-3
_Value = Callable[[Float[Tensor, "points inputs"]], Float[Tensor, " points"]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Learned:
    """What is known of an output.

    Attributes:
        process: Of it, or of its logarithm.
        logarithmic: Which.
    """

    process: GaussianProcess
    logarithmic: bool = False

    @classmethod
    def of(cls, x: Float[Tensor, "cases inputs"], values: Sequence[float]) -> Learned:
        """Fit numbers of one output, or their logarithms where these are likelier."""
        y = torch.tensor(values, dtype=torch.float64)
        plain = fit(x, y)
        if not bool((y > 0.0).all()):
            return cls(process=plain)
        logarithm = fit(x, y.log())
        likelier = logarithm.evidence() - float(y.log().sum()) > plain.evidence()
        return cls(process=logarithm if likelier else plain, logarithmic=likelier)

    def scaled(self, value: float) -> float:
        """Return a number on the scale that is learned."""
        if not self.logarithmic:
            return value
        return math.log(value) if value > 0.0 else -math.inf

    def interval(self, x: Float[Tensor, "points inputs"]) -> Float[Tensor, "ends points"]:
        """Return the middle, the lower and the upper end of the 90 % interval."""
        ends = self.process.interval(x)
        return ends.exp() if self.logarithmic else ends

    def extended(self, x: Float[Tensor, "more inputs"]) -> Learned:
        """Return it as if it had been right at ``x``."""
        return replace(self, process=self.process.extended(x))


@dataclass(frozen=True, kw_only=True, slots=True)
class Region:
    """Part of the box, between 0 and 1, that is searched.

    Attributes:
        lower: (inputs,).
        upper: (inputs,).
    """

    lower: Float[Tensor, " inputs"]
    upper: Float[Tensor, " inputs"]

    @classmethod
    def around(cls, centre: Float[Tensor, " inputs"], side: float) -> Region:
        """Return a cube of that side around a point, cut off at the box."""
        half = 0.5 * side
        return cls(lower=(centre - half).clamp(0, 1), upper=(centre + half).clamp(0, 1))


def first_cases(study: SimulatorSpec) -> Float[Tensor, "cases inputs"]:
    """Return cases spread evenly over the box."""
    engine = SobolEngine(len(study.inputs), scramble=True, seed=study.seed)
    return engine.draw(study.first, dtype=torch.float64)


def processes(
    x: Float[Tensor, "cases inputs"], answers: Mapping[str, Sequence[float]], failed: Sequence[bool]
) -> dict[str, Learned]:
    """Return what is known of each output, from the cases that were answered, and of failures.

    Args:
        x: All cases, inputs between 0 and 1.
        answers: By output, one number a case that was answered.
        failed: Whether a case was not.
    """
    good = torch.tensor([not one for one in failed])
    result = {name: Learned.of(x[good], values) for name, values in answers.items()}
    if any(failed):
        result[FAILURE] = Learned(process=fit(x, torch.tensor(failed, dtype=torch.float64)))
    return result


def proposed(
    study: SimulatorSpec,
    models: Mapping[str, Learned],
    best: float | None,
    region: Region,
    index: int,
) -> Float[Tensor, "batch inputs"]:
    """Return the cases of a round.

    Args:
        study: What is asked.
        models: As ``processes`` returns them.
        best: Output that is made small or large, of the best case that keeps all constraints; None
            where none does.
        region: Where to search.
        index: Of the round.
    """
    believed, rows = dict(models), []
    for turn in range(study.each):
        value = _acquisition(study, believed, best)
        seed = study.seed + 1000 * index + turn
        row = _highest(value, region, believed[study.output].process.x, seed)
        rows.append(row)
        believed = {name: one.extended(row[None]) for name, one in believed.items()}
    return torch.stack(rows)


def _acquisition(study: SimulatorSpec, models: Mapping[str, Learned], best: float | None) -> _Value:
    """Return the function that is made large, of (points, inputs)."""

    def value(x: Float[Tensor, "points inputs"]) -> Float[Tensor, " points"]:
        total = x.new_zeros(len(x))
        for one in study.constraints:
            known = models[one.output]
            mean, std = known.process(x)
            if one.upper is not None:
                total = total + torch.special.log_ndtr((known.scaled(one.upper) - mean) / std)
            if one.lower is not None:
                total = total + torch.special.log_ndtr((mean - known.scaled(one.lower)) / std)
        if FAILURE in models:
            mean, std = models[FAILURE].process(x)
            total = total + torch.special.log_ndtr((0.5 - mean) / std)
        if best is None:
            return total
        known = models[study.output]
        mean, std = known.process(x)
        gain = study.sign * (known.scaled(best) - mean)
        return total + _log_improvement(gain / std) + std.log()

    return value


def _log_improvement(z: Tensor) -> Tensor:
    """Return log(phi(z) + z Phi(z)), right far out in the tail, where it is -z^2 / 2 - 2 log|z|."""
    near = z.clamp_min(-6.0)
    density = (-0.5 * near.square()).exp() * 0.3989422804014327
    inner = (density + near * torch.special.ndtr(near)).clamp_min(1e-300).log()
    far = z.clamp_max(-6.0)
    outer = -0.5 * far.square() - 2.0 * far.abs().log() - 0.9189385332046727
    return torch.where(z > -6.0, inner, outer)


def _highest(
    value: _Value, region: Region, known: Float[Tensor, "known inputs"], seed: int
) -> Float[Tensor, " inputs"]:
    """Return the highest point of the region that is none of the known."""
    engine = SobolEngine(len(region.lower), scramble=True, seed=seed)
    draws = engine.draw(CANDIDATES, dtype=torch.float64)
    candidates = region.lower + draws * (region.upper - region.lower)
    with torch.no_grad():
        order = value(candidates).argsort(descending=True)

    def loss(x: np.ndarray) -> tuple[float, np.ndarray]:
        point = torch.tensor(x, requires_grad=True)
        result = -value(point[None]).sum()
        result.backward()
        assert point.grad is not None
        return float(result.detach()), point.grad.numpy()

    bounds = list(zip(region.lower.tolist(), region.upper.tolist(), strict=True))
    ends = [
        minimize(loss, candidates[i].numpy(), jac=True, bounds=bounds, method="L-BFGS-B")
        for i in order[:STARTS].tolist()
    ]
    found = [torch.tensor(one.x) for one in sorted(ends, key=lambda one: float(one.fun))]
    for point in (*found, *candidates[order]):
        if float((known - point).abs().amax(1).min()) > _APART:
            return point
    return candidates[order[0]]
