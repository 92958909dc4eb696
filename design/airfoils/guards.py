"""What keeps a study where its surrogate knows: constraints that hold unless switched off by name.

=============  ====================================================================================
guard          what it holds, and why
=============  ====================================================================================
sides-apart    thickness(x) - t x >= tan(4 deg) x (1 - x) chords at every point of the contour, t
               the height of the trailing edge: the sides do not cross, and they keep an angle at
               the edge that can be built and meshed
smoothness     the weights wiggle at most twice as much as the start's: where they wiggle more, the
               surrogate has seen nothing like it
confidence     the surrogate's standard deviation at every operating point: of CD at most 10 % of
               it, of CL at most .05; where a shape is not known, the claim is worth little
support        how far section and point are from those that the surrogate learned from: at most 1,
               beyond which one known case in a hundred lies
=============  ====================================================================================

Each is measured against the start: where that itself is thinner, rougher or less known, the limit
is what the start has. A constraint of the same kind in the study takes the place of a guard.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from enum import StrEnum
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from formwright.datasets.cases import Case
from formwright.design.airfoils import constraints
from formwright.design.airfoils.constraints import wedge, wiggliness
from formwright.design.constraint import Constraint
from formwright.surrogate.model import Prediction

LEAST_ANGLE_DEG: Final = 4.0
SMOOTHNESS_FACTOR: Final = 2.0
LEAST_WIGGLINESS: Final = 2.5
"""In those of NACA 0012 in the same space: smoother starts count as this rough. Nineteen of twenty
sections of the database are rougher."""
DEVIATIONS: Final = {"cd": 0.1, "cl": 0.05}
_KEPT: Final = 0.8
OF_TRUST: Final = ("smoothness", "support", *(f"std_{name}" for name in DEVIATIONS))
"""Names of the constraints that say where claims may be believed: the trust region."""


class Guard(StrEnum):
    """Guards that a study may switch off."""

    SIDES_APART = "sides-apart"
    SMOOTHNESS = "smoothness"
    CONFIDENCE = "confidence"
    SUPPORT = "support"


def guards(
    start: Case,
    prediction: Prediction,
    plain: Float[Tensor, "sides weights"],
    off: Iterable[Guard],
    given: Iterable[Constraint],
    slack: float = 1.0,
) -> tuple[Constraint, ...]:
    """Return the guards of a study.

    Args:
        start: The start as the space decodes it.
        prediction: What the surrogate says of the start, one row an operating point.
        plain: Weights of NACA 0012 in the space.
        off: Guards that the study switches off.
        given: The study's own constraints, which go before guards of their name.
        slack: Share of the way from the start to the limits of smoothness, confidence and support
            that a design may go; less than 1 after a design was refuted.
    """
    made = [
        *(() if Guard.SIDES_APART in off else (_sides_apart(start),)),
        *(() if Guard.SMOOTHNESS in off else (_smoothness(start, plain, slack),)),
        *(() if Guard.CONFIDENCE in off else _confidence(prediction, slack)),
        *(() if Guard.SUPPORT in off else _support(prediction, slack)),
    ]
    taken = {constraint.name for constraint in given}
    return tuple(one for one in made if one.name not in taken)


def _sides_apart(start: Case) -> Constraint:
    """Return the wedge; from the height of the trailing edge where the start narrows to it."""
    narrowing = float(wedge(start, taper=True).min())
    taper = narrowing > constraints.APART
    own = narrowing if taper else float(wedge(start).min())
    least = min(math.tan(math.radians(LEAST_ANGLE_DEG)), _KEPT * max(own, 0.0))
    return constraints.sides_apart(max(least, constraints.APART), taper=taper)


def _smoothness(start: Case, plain: Float[Tensor, "sides weights"], slack: float) -> Constraint:
    own, least = wiggliness(torch.stack([start.weights.detach()[0], plain])).tolist()
    limit = SMOOTHNESS_FACTOR * max(1.0, LEAST_WIGGLINESS * least / max(own, 1e-12))
    return constraints.smoothness(start, 1.0 + slack * (limit - 1.0))


def _confidence(prediction: Prediction, slack: float) -> tuple[Constraint, ...]:
    """Return a bound on the deviation of each label that the surrogate has of ``DEVIATIONS``."""
    made = []
    for name, limit in DEVIATIONS.items():
        if name not in prediction.mean:
            continue
        own = prediction.std[name].detach().to(torch.float64)
        if name == "cd":
            own = own / prediction.mean[name].detach().abs()
        upper = tuple(value + slack * max(limit - value, 0.0) for value in own.tolist())
        made.append(constraints.confidence(name, upper=upper, relative=name == "cd"))
    return tuple(made)


def _support(prediction: Prediction, slack: float) -> tuple[Constraint, ...]:
    """Return a bound on the support of each point, if the surrogate knows it."""
    if prediction.support is None:
        return ()
    own = prediction.support.detach().to(torch.float64).tolist()
    return (constraints.supported(tuple(far + slack * max(1.0 - far, 0.0) for far in own)),)
