"""Sequential quadratic programming in a trust region, with exact first derivatives.

Each step solves the quadratic model under linearised constraints within a box around the iterate,
its rows elastic (``quadratic``), and is judged by the merit function f + nu max(violation). A step
that fails only because the constraints bend is corrected once to second order. The Hessian of the
Lagrangian is a damped BFGS estimate (Powell 1978). Unlike a line search along the step of a far
model, the box keeps the first steps where the linearisation means something.

Source: R. Fletcher, "Practical Methods of Optimization" (1987), chapters 12 and 14.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from jaxtyping import Float

from formwright.design.optimise.methods import SQP
from formwright.design.optimise.quadratic import QuadraticProgram, QuadraticSolution, solve

Vector = Float[np.ndarray, " n"]

ACCEPT: Final = 1e-4
FEASIBLE: Final = 1e-3
LARGEST_PENALTY: Final = 1e6
SMALLEST_RADIUS: Final = 1e-7


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """Objective (row 0) and constraints (the other rows) as functions, with the rows' bounds.

    Attributes:
        values: ``u -> (1 + m,)``.
        jacobian: ``u -> (1 + m, n)``.
        low: Lower bounds of the constraints, (m,).
        high: Upper bounds, (m,).
    """

    values: Callable[[np.ndarray], np.ndarray]
    jacobian: Callable[[np.ndarray], np.ndarray]
    low: Float[np.ndarray, " m"]
    high: Float[np.ndarray, " m"]

    def violation(self, values: Float[np.ndarray, " rows"]) -> float:
        """Return the largest violation of a constraint."""
        rows = values[1:]
        return float(np.maximum(self.low - rows, rows - self.high).max(initial=0.0))

    def merit(self, values: Float[np.ndarray, " rows"], penalty: float) -> float:
        """Return f + nu max(violation)."""
        return float(values[0]) + penalty * self.violation(values)


@dataclass(slots=True)
class Iterate:
    """Where the search stands; every step replaces what it changes."""

    u: Float[np.ndarray, " n"]
    values: Float[np.ndarray, " rows"]
    jacobian: Float[np.ndarray, "rows n"]
    hessian: Float[np.ndarray, "n n"]
    radius: float
    penalty: float = 1.0


def minimise(
    task: Task, method: SQP, u: Vector, callback: Callable[[np.ndarray], None]
) -> tuple[np.ndarray, bool, str]:
    """Minimise row 0 within 0 <= u <= 1 and the bounds of the other rows.

    Args:
        task: What is solved.
        method: Settings.
        u: Start.
        callback: Called with every accepted iterate.

    Returns:
        The last iterate, whether it is feasible and no step improves it, and a message.
    """
    at = Iterate(u, task.values(u), task.jacobian(u), np.eye(len(u)), method.radius)
    for iteration in range(method.max_iterations):
        program = _program(task, at)
        step = _steered(program, at)
        violation = task.violation(at.values)
        gain = at.penalty * (violation - step.elastic) - program.model(step.p)
        if gain < method.tolerance or at.radius < SMALLEST_RADIUS:
            feasible = violation < FEASIBLE
            words = "converged" if feasible else "no step brings it closer to feasible"
            return at.u, feasible, f"{words}, {iteration} iterations"
        trial, step, ratio = _try(task, at, program, step, gain)
        length = float(np.abs(step.p).max())
        if ratio < ACCEPT:
            at.radius = 0.3 * length
            continue
        _accept(task, at, trial, step)
        callback(at.u)
        if ratio > 0.75 and length > 0.9 * at.radius:
            at.radius = min(2.5 * at.radius, 0.5)
        elif ratio < 0.25:
            at.radius *= 0.5
    return at.u, False, f"stopped after {method.max_iterations} iterations"


def updated(hessian: Float[np.ndarray, "n n"], s: Vector, y: Vector) -> Float[np.ndarray, "n n"]:
    """Return the BFGS update, damped so that it stays positive definite (Powell 1978)."""
    product = hessian @ s
    curvature = float(s @ product)
    if curvature <= 1e-16:
        return hessian
    share = float(s @ y)
    if share < 0.2 * curvature:
        theta = 0.8 * curvature / (curvature - share)
        y = theta * y + (1.0 - theta) * product
        share = float(s @ y)
    return hessian - np.outer(product, product) / curvature + np.outer(y, y) / share


def _program(task: Task, at: Iterate) -> QuadraticProgram:
    """Return the model around the iterate."""
    return QuadraticProgram(
        hessian=at.hessian,
        gradient=at.jacobian[0],
        rows=at.jacobian[1:],
        low=task.low - at.values[1:],
        high=task.high - at.values[1:],
        left=np.maximum(-at.u, -at.radius),
        right=np.minimum(1.0 - at.u, at.radius),
    )


def _steered(program: QuadraticProgram, at: Iterate) -> QuadraticSolution:
    """Solve the model; raise the penalty as long as that makes the step more feasible."""
    step = solve(program, at.penalty)
    while step.elastic > 1e-6 and at.penalty < LARGEST_PENALTY:
        other = solve(program, 10.0 * at.penalty)
        if other.elastic > 0.9 * step.elastic:
            break
        at.penalty *= 10.0
        step = other
    return step


def _try(
    task: Task, at: Iterate, program: QuadraticProgram, step: QuadraticSolution, gain: float
) -> tuple[np.ndarray, QuadraticSolution, float]:
    """Return the values after the step, or after its second-order correction if it failed."""
    before = task.merit(at.values, at.penalty)
    values = task.values(np.clip(at.u + step.p, 0.0, 1.0))
    ratio = (before - task.merit(values, at.penalty)) / gain
    if ratio >= ACCEPT or task.violation(values) <= task.violation(at.values):
        return values, step, ratio
    bent = values[1:] - program.rows @ step.p
    second = solve(replace(program, low=task.low - bent, high=task.high - bent), at.penalty)
    again = task.values(np.clip(at.u + second.p, 0.0, 1.0))
    better = (before - task.merit(again, at.penalty)) / gain
    if better > ratio:
        return again, replace(second, multipliers=step.multipliers), better
    return values, step, ratio


def _accept(task: Task, at: Iterate, values: np.ndarray, step: QuadraticSolution) -> None:
    """Move the iterate and learn the curvature along the step."""
    u = np.clip(at.u + step.p, 0.0, 1.0)
    jacobian = task.jacobian(u)
    weights = np.concatenate([[1.0], step.multipliers])
    change = weights @ (jacobian - at.jacobian)
    at.hessian = updated(at.hessian, u - at.u, change)
    at.u, at.values, at.jacobian = u, values, jacobian
