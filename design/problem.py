"""A design problem and its evaluation: space -> surrogate -> objective and constraints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from formwright.datasets.cases import Case
from formwright.datasets.errors import ConfigError
from formwright.design.constraint import Constraint, as_list, stacked
from formwright.design.objectives import Objective
from formwright.design.spaces.space import DesignSpace
from formwright.surrogate.model import Prediction, Surrogate


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """What is designed: ``min objective`` over the space, the constraints met.

    Attributes:
        space: Parameters <-> cases.
        surrogate: Cases -> prediction.
        objective: ``(prediction, case) -> (designs,)``.
        constraints: What a design must meet.

    Example:
        >>> import formwright
        >>> points = formwright.OperatingPoints.at_lift([0.6], reynolds=1e6)
        >>> space = formwright.CST(points=points)
        >>> problem = formwright.Problem(
        ...     space=space,
        ...     surrogate=formwright.load("airfoil-polar"),
        ...     objective=formwright.objectives.weighted_drag(points.weights),
        ...     constraints=(formwright.constraints.lift_targets(points),),
        ... )
        >>> x = space.bounds.mean(0, keepdim=True).requires_grad_(True)
        >>> problem.evaluate(x).objective.sum().backward()
        >>> x.grad.shape == x.shape
        True
    """

    space: DesignSpace
    surrogate: Surrogate
    objective: Objective
    constraints: tuple[Constraint, ...] = ()

    def evaluate(self, x: Float[Tensor, "designs parameters"]) -> Evaluation:
        """Evaluate designs; gradients flow from objective and constraints to ``x``."""
        return evaluate(self, x)


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluation:
    """One batch of designs, evaluated.

    Attributes:
        case: The decoded designs.
        prediction: What the surrogate says of them.
        objective: (designs,).
        constraints: Values of all constraints side by side, (designs, rows).
    """

    case: Case
    prediction: Prediction
    objective: Float[Tensor, " designs"]
    constraints: Float[Tensor, "designs rows"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of all rows of the constraints, and the scale of each, all (rows,)."""

    lower: Float[Tensor, " rows"]
    upper: Float[Tensor, " rows"]
    scale: Float[Tensor, " rows"]

    def violation(self, values: Float[Tensor, "designs rows"]) -> Float[Tensor, " designs"]:
        """Return the largest scaled distance from the bounds, 0 where all are met."""
        if values.shape[1] == 0:
            return values.new_zeros(len(values))
        return ((values - values.clamp(self.lower, self.upper)).abs() / self.scale).amax(1)


def evaluate(problem: Problem, x: Float[Tensor, "designs parameters"]) -> Evaluation:
    """Evaluate designs; gradients flow from objective and constraints to ``x``."""
    case = problem.space.decode(x)
    return judge(problem, case, problem.surrogate(case))


def judge(problem: Problem, case: Case, prediction: Prediction) -> Evaluation:
    """Return objective and constraints of cases whose prediction is there."""
    objective = problem.objective(prediction, case).to(torch.float64)
    rows = problem.constraints
    return Evaluation(
        case=case,
        prediction=prediction,
        objective=objective,
        constraints=stacked(rows, prediction, case) if rows else objective[:, None][:, :0].detach(),
    )


def split(
    constraints: tuple[Constraint, ...], evaluation: Evaluation
) -> dict[str, Float[Tensor, "designs values"]]:
    """Return the value of each constraint by name."""
    return {c.name: c.values(evaluation.prediction, evaluation.case).detach() for c in constraints}


def limits(problem: Problem, evaluation: Evaluation) -> Limits:
    """Return the bounds of every row.

    Raises:
        ConfigError: A constraint has another number of bounds than of values.
    """
    rows: list[list[np.ndarray]] = []
    for constraint in problem.constraints:
        values = constraint.values(evaluation.prediction, evaluation.case)
        rows.append(_constraint_rows(constraint, values.shape[1]))
    columns = [np.concatenate(column) for column in zip(*rows, strict=True)] or [np.zeros(0)] * 3
    return Limits(*(torch.tensor(column) for column in columns))


def names(constraints: tuple[Constraint, ...]) -> Mapping[str, Constraint]:
    """Return the constraints by name.

    Raises:
        ConfigError: Two constraints share a name.
    """
    table: dict[str, Constraint] = {}
    for constraint in constraints:
        if constraint.name in table:
            raise ConfigError(
                f"two constraints are named {constraint.name!r}; give one of them another name, or "
                "join their bounds in one."
            )
        table[constraint.name] = constraint
    return table


def _constraint_rows(constraint: Constraint, width: int) -> list[np.ndarray]:
    """Return lower, upper and scale of one constraint with ``width`` values."""
    rows = []
    for bound, missing in ((constraint.lower, -np.inf), (constraint.upper, np.inf)):
        numbers = as_list(bound, missing)
        if len(numbers) not in (1, width):
            raise ConfigError(
                f"constraint {constraint.name!r} has {len(numbers)} bounds for {width} values; "
                "give one for all or one for each."
            )
        rows.append(np.broadcast_to(np.array(numbers), (width,)))
    return [*rows, np.full(width, constraint.scale)]
