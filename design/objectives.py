"""Objectives: plain functions ``(prediction, case) -> (designs,)``, to be made small.

Each of the functions below returns such a function; one of your own needs no more than the
signature. Rows of a prediction are the operating points of all designs; ``per_design`` folds them.

Example:
    >>> import formwright
    >>> objective = formwright.objectives.weighted_drag(weights=(2.0, 1.0), caution=1.0)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from formwright.datasets.cases import Case
from formwright.datasets.errors import UnknownNameError, did_you_mean
from formwright.surrogate.model import Prediction

Objective = Callable[[Prediction, Case], Tensor]
_SHARP: Final = 0.01


def per_design(values: Float[Tensor, " rows"], case: Case) -> Float[Tensor, "designs points"]:
    """Fold one value an operating point into one row a design."""
    ptr = case.ptr
    assert ptr is not None
    return values.reshape(len(ptr) - 1, -1)


def label(prediction: Prediction, name: str, case: Case) -> Float[Tensor, "designs points"]:
    """Return the mean of a label, one row a design.

    Raises:
        UnknownNameError: The surrogate does not predict that label.
    """
    if name not in prediction.mean:
        raise UnknownNameError(
            f"the surrogate predicts no label {name!r}, only "
            f"{', '.join(sorted(prediction.mean))}.{did_you_mean(name, prediction.mean)}"
        )
    return per_design(prediction.mean[name], case)


def weighted_drag(weights: Sequence[float], caution: float = 0.0) -> Objective:
    """Return mean(w CD) over the operating points.

    Args:
        weights: w, one an operating point.
        caution: Standard deviations added to the drag: a design must be good by more than the
            surrogate may be wrong. Good values: 0 to 2.
    """

    def objective(prediction: Prediction, case: Case) -> Float[Tensor, " designs"]:
        drag = label(prediction, "cd", case)
        if caution:
            drag = drag + caution * per_design(prediction.std["cd"], case)
        return weighted_mean(drag, weights)

    return objective


def weighted_lift_to_drag(weights: Sequence[float], caution: float = 0.0) -> Objective:
    """Return -mean(w CL / CD) over the operating points; ``caution`` as in ``weighted_drag``."""

    def objective(prediction: Prediction, case: Case) -> Float[Tensor, " designs"]:
        drag = label(prediction, "cd", case)
        if caution:
            drag = drag + caution * per_design(prediction.std["cd"], case)
        ratio = label(prediction, "cl", case) / drag
        return -weighted_mean(ratio, weights)

    return objective


def lift_error(target: Sequence[float], weights: Sequence[float]) -> Objective:
    """Return mean(w (CL - target)^2) over the operating points."""

    def objective(prediction: Prediction, case: Case) -> Float[Tensor, " designs"]:
        lift = label(prediction, "cl", case)
        return weighted_mean((lift - lift.new_tensor(target)) ** 2, weights)

    return objective


def weighted_lift(weights: Sequence[float], caution: float = 0.0) -> Objective:
    """Return -mean(w CL) over the operating points; ``caution`` standard deviations less of it."""

    def objective(prediction: Prediction, case: Case) -> Float[Tensor, " designs"]:
        lift = label(prediction, "cl", case)
        if caution:
            lift = lift - caution * per_design(prediction.std["cl"], case)
        return -weighted_mean(lift, weights)

    return objective


def worst_drag(weights: Sequence[float], caution: float = 0.0) -> Objective:
    """Return the largest w CD of all operating points; ``caution`` as in ``weighted_drag``.

    Points that differ in lift ask for a wide range of low drag, points that differ in ``ncrit`` for
    a section that dirt does not spoil.
    """

    def objective(prediction: Prediction, case: Case) -> Float[Tensor, " designs"]:
        drag = label(prediction, "cd", case)
        if caution:
            drag = drag + caution * per_design(prediction.std["cd"], case)
        return largest_of(drag * drag.new_tensor(weights))

    return objective


def worst_lift_to_drag(weights: Sequence[float], caution: float = 0.0) -> Objective:
    """Return minus the least w CL / CD of all operating points; ``caution`` as in the mean."""

    def objective(prediction: Prediction, case: Case) -> Float[Tensor, " designs"]:
        drag = label(prediction, "cd", case)
        if caution:
            drag = drag + caution * per_design(prediction.std["cd"], case)
        return largest_of(-label(prediction, "cl", case) / drag * drag.new_tensor(weights))

    return objective


def highest_lift(weights: Sequence[float], caution: float = 0.0) -> Objective:
    """Return minus the largest w CL of all operating points: CLmax where they span the stall."""

    def objective(prediction: Prediction, case: Case) -> Float[Tensor, " designs"]:
        lift = label(prediction, "cl", case)
        if caution:
            lift = lift - caution * per_design(prediction.std["cl"], case)
        return -largest_of(lift * lift.new_tensor(weights))

    return objective


def largest_of(values: Float[Tensor, "designs points"]) -> Float[Tensor, " designs"]:
    """Return the largest value of each design, smoothly: a mean of those within some percent.

    It never lies outside the values, and is the value itself where all are the same.
    """
    size = values.abs().amax(1, keepdim=True).clamp_min(1e-30)
    return (torch.softmax(values / (_SHARP * size), 1) * values).sum(1)


def smallest(name: str, caution: float = 1.0) -> Objective:
    """Return the mean of a label over the operating points, to be made small.

    Args:
        name: Of any label.
        caution: Standard deviations added to it: a design must be good by more than the surrogate
            may be wrong.
    """

    def objective(prediction: Prediction, case: Case) -> Float[Tensor, " designs"]:
        value = label(prediction, name, case)
        return (value + caution * per_design(prediction.std[name], case)).mean(1)

    return objective


def largest(name: str, caution: float = 1.0) -> Objective:
    """Return minus the mean of a label; ``caution`` standard deviations are taken off it."""

    def objective(prediction: Prediction, case: Case) -> Float[Tensor, " designs"]:
        value = label(prediction, name, case)
        return -(value - caution * per_design(prediction.std[name], case)).mean(1)

    return objective


def combined(parts: Mapping[Objective, float]) -> Objective:
    """Return the sum of objectives, each with its factor."""

    def objective(prediction: Prediction, case: Case) -> Float[Tensor, " designs"]:
        terms = [factor * part(prediction, case) for part, factor in parts.items()]
        return torch.stack(terms).sum(0)

    return objective


def weighted_mean(
    values: Float[Tensor, "designs points"], weights: Sequence[float]
) -> Float[Tensor, " designs"]:
    """Return mean(w v) over the points (the weights are not normalised)."""
    return values @ values.new_tensor(weights) / values.shape[1]


class ObjectiveKind(StrEnum):
    """Objectives that a study may name."""

    DRAG = "drag"
    LIFT_TO_DRAG = "lift-to-drag"
    LIFT = "lift"
    WORST_DRAG = "worst-drag"
    WORST_LIFT_TO_DRAG = "worst-lift-to-drag"
    MAX_LIFT = "max-lift"


OBJECTIVES: Final[Mapping[ObjectiveKind, Callable[[Sequence[float], float], Objective]]] = {
    ObjectiveKind.DRAG: weighted_drag,
    ObjectiveKind.LIFT_TO_DRAG: weighted_lift_to_drag,
    ObjectiveKind.LIFT: weighted_lift,
    ObjectiveKind.WORST_DRAG: worst_drag,
    ObjectiveKind.WORST_LIFT_TO_DRAG: worst_lift_to_drag,
    ObjectiveKind.MAX_LIFT: highest_lift,
}
OF_LIFT: Final = (ObjectiveKind.LIFT, ObjectiveKind.MAX_LIFT)
"""Objectives that drag has no part in."""


@dataclass(frozen=True, slots=True)
class Shown:
    """How people know an objective: its name, the factor of what is made small, the better way."""

    name: str
    factor: float = 1.0
    better: Literal["lower", "higher"] = "lower"


_SHOWN: Final = {
    ObjectiveKind.LIFT_TO_DRAG: Shown("L/D", -1.0, "higher"),
    ObjectiveKind.LIFT: Shown("lift", -1.0, "higher"),
    ObjectiveKind.WORST_DRAG: Shown("largest drag"),
    ObjectiveKind.WORST_LIFT_TO_DRAG: Shown("least L/D", -1.0, "higher"),
    ObjectiveKind.MAX_LIFT: Shown("largest lift", -1.0, "higher"),
}


def shown(kind: ObjectiveKind) -> Shown:
    """Return how an objective is shown; what is made small is the number itself but for a sign."""
    return _SHOWN.get(kind, Shown(kind.value))
