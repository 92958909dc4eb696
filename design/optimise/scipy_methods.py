"""SLSQP and trust-constr: scipy's drivers around exact values and Jacobians."""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from formwright.design.optimise import sqp
from formwright.design.optimise.derivatives import Derivatives
from formwright.design.optimise.memory import Memory
from formwright.design.optimise.methods import SLSQP, SQP, TrustConstr
from formwright.design.optimise.progress import Attempt, Callback, Iterate, Progress, finite
from formwright.design.problem import Limits, Problem, evaluate, limits

FEASIBLE = 1e-3


class NotFiniteError(ArithmeticError):
    """The objective or a constraint left the numbers; the start ends where it was."""


@dataclass(slots=True)
class Scaled:
    """A problem in units of its bounds and scales, as scipy's drivers like it.

    Variables run from 0 to 1, the objective is divided by ``factor``, rows by their scales.
    """

    derivatives: Derivatives
    limits: Limits
    low: Float[np.ndarray, " parameters"]
    span: Float[np.ndarray, " parameters"]
    factor: float

    def x(self, u: Float[np.ndarray, " parameters"]) -> Float[np.ndarray, " parameters"]:
        """Return parameters in their own units."""
        return self.low + self.span * np.clip(u, 0.0, 1.0)

    def rows(self, u: Float[np.ndarray, " parameters"]) -> Float[np.ndarray, " rows"]:
        """Return the scaled objective and the scaled constraints."""
        values = self.derivatives.values(self.x(u))
        if not np.isfinite(values).all():
            raise NotFiniteError("the objective or a constraint is not finite")
        return values / self._units

    def jacobian(self, u: Float[np.ndarray, " parameters"]) -> Float[np.ndarray, "rows parameters"]:
        """Return the derivative of ``rows``."""
        jacobian = self.derivatives.jacobian(self.x(u))
        if not np.isfinite(jacobian).all():
            raise NotFiniteError("a derivative of the objective or of a constraint is not finite")
        return jacobian * self.span / self._units[:, None]

    @property
    def _units(self) -> Float[np.ndarray, " rows"]:
        return np.concatenate([[self.factor], self.limits.scale.numpy()])

    def status(self, u: Float[np.ndarray, " parameters"]) -> tuple[float | None, float | None]:
        """Return the objective in its unit and the scaled violation."""
        values = self.derivatives.values(self.x(u))
        row = torch.from_numpy(values[None, 1:].copy())
        return finite(float(values[0])), finite(float(self.limits.violation(row)[0]))


def run(
    problem: Problem,
    method: SQP | SLSQP | TrustConstr,
    progress: Progress,
    callback: Callback,
    memory: Memory,
) -> Progress:
    """Run all starts that have not ended yet, one after the other."""
    for start in range(len(progress.attempts), len(progress.starts)):
        progress = _run_start(problem, method, progress, start, memory)
        callback(progress)
    return progress


def _run_start(
    problem: Problem,
    method: SQP | SLSQP | TrustConstr,
    progress: Progress,
    start: int,
    memory: Memory,
) -> Progress:
    """Run one start; the end of it is an attempt."""
    scaled = scale(problem, np.array(progress.starts[start]), memory)
    scaled.derivatives.evaluations = progress.evaluations
    began = time.perf_counter()
    last = (np.array(progress.starts[start]) - scaled.low) / scaled.span
    history: list[Iterate] = []

    def each_iteration(u: np.ndarray, *_: Any) -> None:
        nonlocal last
        last = u.copy()
        objective, violation = scaled.status(u)
        place = {"start": start, "iteration": len(history)}
        history.append(Iterate(**place, objective=objective, violation=violation))

    try:
        each_iteration(last)
        last, success, message = _minimise(scaled, method, last, each_iteration)
    except NotFiniteError as error:
        success, message = False, f"stopped after {len(history)} iterations: {error}."
    objective, violation = scaled.status(last)
    attempt = Attempt(
        x=tuple(scaled.x(last).tolist()),
        objective=objective,
        violation=violation,
        success=success,
        message=message,
        iterations=len(history),
    )
    spent = progress.seconds + time.perf_counter() - began
    return progress.end(attempt, history, scaled.derivatives.evaluations, spent)


def scale(problem: Problem, x: Float[np.ndarray, " parameters"], memory: Memory) -> Scaled:
    """Return the scaled problem; the objective is measured by its size at ``x``."""
    low, high = problem.space.bounds.numpy()
    with torch.no_grad():
        evaluation = evaluate(problem, torch.tensor(x)[None])
    factor = abs(float(evaluation.objective[0]))
    return Scaled(
        derivatives=Derivatives(problem, memory),
        limits=limits(problem, evaluation),
        low=low,
        span=high - low,
        factor=factor if np.isfinite(factor) and factor > 0 else 1.0,
    )


def _minimise(
    scaled: Scaled, method: SQP | SLSQP | TrustConstr, u: np.ndarray, callback: Any
) -> tuple[np.ndarray, bool, str]:
    """Return the end point in scaled variables, whether the driver is content, and its words."""
    from scipy.optimize import Bounds, minimize

    if isinstance(method, SQP):
        low, high = scaled.limits.lower, scaled.limits.upper
        size = scaled.limits.scale
        task = sqp.Task(
            values=scaled.rows,
            jacobian=scaled.jacobian,
            low=(low / size).numpy(),
            high=(high / size).numpy(),
        )
        return sqp.minimise(task, method, np.clip(u, 0.0, 1.0), callback)
    common: dict[str, Any] = {
        "fun": lambda u: scaled.rows(u)[0],
        "jac": lambda u: scaled.jacobian(u)[0],
        "x0": np.clip(u, 0.0, 1.0),
        "bounds": Bounds(0.0, 1.0, keep_feasible=True),
        "callback": callback,
    }
    if isinstance(method, SLSQP):
        options = {"maxiter": method.max_iterations, "ftol": method.tolerance}
        constraints = _slsqp_constraints(scaled)
        result = minimize(method="SLSQP", constraints=constraints, options=options, **common)
    else:
        result = _trust_constr(scaled, method, common)
    return np.clip(result.x, 0.0, 1.0), bool(result.success), str(result.message)


def _slsqp_constraints(scaled: Scaled) -> list[dict[str, Any]]:
    """Return the rows as equations ``= 0`` and inequalities ``>= 0``."""
    low = (scaled.limits.lower / scaled.limits.scale).numpy()
    high = (scaled.limits.upper / scaled.limits.scale).numpy()
    equal = np.flatnonzero(low == high)
    below = np.flatnonzero(np.isfinite(low) & (low != high))
    above = np.flatnonzero(np.isfinite(high) & (low != high))
    index = np.concatenate([below, above]) + 1
    sign = np.concatenate([np.ones(len(below)), -np.ones(len(above))])
    bound = np.concatenate([low[below], high[above]])
    kinds = []
    if len(equal):
        kinds.append(
            {
                "type": "eq",
                "fun": lambda u: scaled.rows(u)[equal + 1] - low[equal],
                "jac": lambda u: scaled.jacobian(u)[equal + 1],
            }
        )
    if len(index):
        kinds.append(
            {
                "type": "ineq",
                "fun": lambda u: sign * (scaled.rows(u)[index] - bound),
                "jac": lambda u: sign[:, None] * scaled.jacobian(u)[index],
            }
        )
    return kinds


def _trust_constr(scaled: Scaled, method: TrustConstr, common: dict[str, Any]) -> Any:
    """Run trust-constr; the Hessian of the Lagrangian is approximated by BFGS."""
    from scipy.optimize import BFGS, NonlinearConstraint, minimize

    constraints = []
    if len(scaled.limits.scale):
        jacobian: Any = lambda u: scaled.jacobian(u)[1:]  # noqa: E731
        low, high = scaled.limits.lower, scaled.limits.upper
        constraint = NonlinearConstraint(
            lambda u: scaled.rows(u)[1:],
            (low / scaled.limits.scale).numpy(),
            (high / scaled.limits.scale).numpy(),
            jac=jacobian,
            hess=BFGS(),
        )
        constraints.append(constraint)
    options = {
        "maxiter": method.max_iterations,
        "gtol": method.tolerance,
        "xtol": method.tolerance,
    }
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "delta_grad == 0.0", UserWarning)
        return minimize(
            method="trust-constr", constraints=constraints, hess=BFGS(), options=options, **common
        )
