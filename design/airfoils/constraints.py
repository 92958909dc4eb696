"""Constraints of sections: ``(prediction, case) -> (designs, values)`` between two bounds.

Functions of the shape's own parameters read ``case.weights`` (designs, 2, n), the weights of the
lower and of the upper side, which every section space puts on the cases that it decodes.

Example:
    >>> import formwright
    >>> formwright.constraints.thickness(0.3, lower=0.11).name
    'thickness_0.3'
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from formwright.datasets.airfoils import geometry
from formwright.datasets.airfoils.cst import cosine_spacing
from formwright.datasets.cases import Case
from formwright.datasets.errors import ConfigError
from formwright.design.airfoils.spaces.sides import reading_matrix
from formwright.design.constraint import Bound, Constraint, Function, as_list
from formwright.design.objectives import label, per_design
from formwright.design.spaces.points import OperatingPoints
from formwright.surrogate.model import Prediction

APART: Final = 1e-3
"""Least value of ``wedge``: the sides are apart by more than an optimiser's tolerance."""
_POINTS: Final = 100
STATIONS: Final = tuple(0.5 * (1.0 - math.cos(math.pi * k / 21)) for k in range(1, 21))


def contours(case: Case) -> Float[Tensor, "designs points 2"]:
    """Return the contours of a batch whose sections have equally many points."""
    pos, ptr = case.pos, case.ptr
    assert pos is not None and ptr is not None
    return pos.reshape(len(ptr) - 1, -1, 2)


def lift_targets(points: OperatingPoints) -> Constraint:
    """CL equals its target at every operating point that has one."""
    free = list(points.free)
    targets = tuple(float(points.points[i].cl or 0.0) for i in free)

    def lift(prediction: Prediction, case: Case) -> Float[Tensor, "designs values"]:
        return label(prediction, "cl", case)[:, free]

    return Constraint(name="cl_target", function=lift, lower=targets, upper=targets, scale=0.1)


def label_between(
    name: str, *, lower: Bound = None, upper: Bound = None, scale: float = 0.01
) -> Constraint:
    """A label at every operating point."""

    def value(prediction: Prediction, case: Case) -> Float[Tensor, "designs points"]:
        return label(prediction, name, case)

    return Constraint(name=name, function=value, lower=lower, upper=upper, scale=scale)


def confidence(name: str = "cd", *, upper: Bound, relative: bool = True) -> Constraint:
    """The surrogate's standard deviation of a label at every operating point.

    Args:
        name: Label.
        upper: Largest deviation, in units of the label, or of the label itself if ``relative``; one
            for all operating points or one for each.
        relative: Divide by the mean, e.g. for the drag.
    """

    def deviation(prediction: Prediction, case: Case) -> Float[Tensor, "designs points"]:
        mean, std = label(prediction, name, case), per_design(prediction.std[name], case)
        return std / mean if relative else std

    scale = max(as_list(upper, 1.0))
    return Constraint(name=f"std_{name}", function=deviation, upper=upper, scale=scale)


def supported(upper: Bound = 1.0) -> Constraint:
    """Designs are like the cases that the surrogate learned from, at every operating point.

    Args:
        upper: Largest ``Prediction.support``, one for all operating points or one for each; at 1 a
            design is as far out as 1 known case in 100.

    Raises:
        ConfigError: When it is evaluated: the surrogate does not know what it supports.
    """

    def distance(prediction: Prediction, case: Case) -> Float[Tensor, "designs points"]:
        if prediction.support is None:
            raise ConfigError(
                "the surrogate does not know how far a design is from what it learned from: leave "
                "the constraint 'support' out, or fit the surrogate anew."
            )
        return per_design(prediction.support, case)

    return Constraint(name="support", function=distance, upper=upper)


def thickness(at: float, *, lower: Bound = None, upper: Bound = None) -> Constraint:
    """Thickness (in chords) at x = ``at``."""
    return Constraint(
        name=f"thickness_{at:g}",
        function=_thickness_at((at,)),
        lower=lower,
        upper=upper,
        scale=0.01,
    )


def positive_thickness(minimum: float = 0.0, stations: Sequence[float] = STATIONS) -> Constraint:
    """The sides do not cross: thickness above ``minimum`` chords at every station."""
    function = _thickness_at(tuple(stations))
    return Constraint(name="positive_thickness", function=function, lower=minimum, scale=0.01)


def sides_apart(least: float = 0.0, *, taper: bool = False) -> Constraint:
    """The sides do not touch: ``wedge`` is above ``least`` at every point of the contour.

    Args:
        least: Tangent of the least angle between the sides, for the trailing edge.
        taper: Measure from the height of an open trailing edge, so that sections narrow to it.
    """

    def value(prediction: Prediction, case: Case) -> Float[Tensor, "designs points"]:
        return wedge(case, taper=taper)

    return Constraint(name="sides_apart", function=value, lower=max(least, APART), scale=0.1)


def wedge(case: Case, *, taper: bool = False) -> Float[Tensor, "designs points"]:
    """Return thickness(x) / (x (1 - x)) at every point of the contour but nose and trailing edge.

    Towards a sharp trailing edge it is the tangent of the angle between the sides. Contours whose
    sides do not share their abscissae are read at cosine-spaced x.

    Args:
        case: The sections.
        taper: Take the height of the trailing edge, times x, off the thickness.
    """
    pos = contours(case)
    if "abscissae" in case:
        nose = pos.shape[1] // 2
        x = case.abscissae[1:nose].to(pos)
        height = pos[:, 1:nose, 1] - pos[:, nose + 1 : -1, 1].flip(1)
    else:
        x = cosine_spacing(_POINTS)[1:-1].to(pos)
        height = geometry.thickness(pos, x)
    if taper:
        height = height - x * geometry.trailing_edge_thickness(pos)[:, None]
    return height / (x * (1.0 - x))


def _thickness_at(stations: tuple[float, ...]) -> Function:
    """Return the thickness at stations as a function of a case.

    Where the case says that its abscissae are fixed, the interpolation is a constant matrix, which
    is kept as long as the abscissae are the same.
    """
    x = torch.tensor(stations, dtype=torch.float64)
    known: tuple[Tensor, Tensor] | None = None

    def value(prediction: Prediction, case: Case) -> Float[Tensor, "designs stations"]:
        nonlocal known
        pos = contours(case)
        if "abscissae" not in case:
            return geometry.thickness(pos, x)
        abscissae = case.abscissae
        if known is None or known[0] is not abscissae:
            matrix = reading_matrix(abscissae, lambda pos: geometry.thickness(pos, x))
            known = abscissae, matrix
        return pos[..., 1] @ known[1].T

    return value


def geometric(
    name: str,
    function: Callable[[Tensor], Tensor],
    *,
    lower: Bound = None,
    upper: Bound = None,
    scale: float = 0.01,
) -> Constraint:
    """A function of ``datasets.airfoils.geometry`` of the contours, e.g. ``geometry.area``."""

    def value(prediction: Prediction, case: Case) -> Float[Tensor, " designs"]:
        return function(contours(case))

    return Constraint(name=name, function=value, lower=lower, upper=upper, scale=scale)


def wiggliness(weights: Float[Tensor, "designs 2 n"]) -> Float[Tensor, " designs"]:
    """Return the sum of the squared second differences of the weights along each side."""
    return weights.diff(n=2, dim=2).square().sum((1, 2))


def smoothness(reference: Case, factor: float = 2.0) -> Constraint:
    """The weights wiggle at most ``factor`` times as much as those of a reference case.

    Args:
        reference: A case that the same space has decoded, e.g. the start.
        factor: How much more is allowed.
    """
    limit = factor * float(wiggliness(reference.weights.detach())[0])

    def value(prediction: Prediction, case: Case) -> Float[Tensor, " designs"]:
        return wiggliness(case.weights)

    return Constraint(name="smoothness", function=value, upper=limit, scale=max(limit, 1e-6))


def alpha_increasing(minimum_deg: float = 0.0) -> Constraint:
    """The incidence grows from each operating point to the next."""

    def value(prediction: Prediction, case: Case) -> Float[Tensor, "designs steps"]:
        return per_design(case.alpha_deg, case).diff(dim=1)

    return Constraint(name="alpha_increasing", function=value, lower=minimum_deg, scale=0.1)
