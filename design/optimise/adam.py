"""Batched Adam on an augmented Lagrangian: all starts descend together.

With multipliers l, penalty r and the projection P onto the bounds of a row, the Lagrangian is ::

    L = f / |f_0|  +  r / 2 |d - P(d)|^2,   d = c + l / r;      update  l <- r (d - P(d))

which treats equations and one- and two-sided inequalities alike (Rockafellar 1973).
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from formwright.design.optimise import scipy_methods
from formwright.design.optimise.memory import Memory
from formwright.design.optimise.methods import Adam
from formwright.design.optimise.progress import Attempt, Callback, Iterate, Progress, finite
from formwright.design.problem import Evaluation, Limits, Problem, evaluate, limits

BETAS = (0.9, 0.999)


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """What a step needs: all (designs, ...) but the step and the penalty.

    Attributes:
        u: Parameters in ranges of the bounds.
        first: Adam's first moment.
        second: Adam's second moment.
        multipliers: One a row of the constraints.
        factor: Size of the objective at the start, (designs,).
        penalty: Present penalty.
        step: Steps done.
    """

    u: Float[Tensor, "designs parameters"]
    first: Float[Tensor, "designs parameters"]
    second: Float[Tensor, "designs parameters"]
    multipliers: Float[Tensor, "designs rows"]
    factor: Float[Tensor, " designs"]
    penalty: float
    step: int


def run(
    problem: Problem, method: Adam, progress: Progress, callback: Callback, memory: Memory
) -> Progress:
    """Run the batch from where it was left, then polish the best design."""
    if len(progress.attempts) < len(progress.starts):
        progress = _descend(problem, method, progress, callback)
    if method.polish is None:
        return progress
    if len(progress.starts) == len(progress.attempts):
        best = best_attempt(progress.attempts)
        progress = replace(progress, starts=(*progress.starts, best.x))
    return scipy_methods.run(problem, method.polish, progress, callback, memory)


def best_attempt(attempts: tuple[Attempt, ...]) -> Attempt:
    """Return the feasible attempt with the lowest objective, or the least infeasible one."""

    def rank(attempt: Attempt) -> tuple[bool, float]:
        violation = math.inf if attempt.violation is None else attempt.violation
        objective = math.inf if attempt.objective is None else attempt.objective
        infeasible = violation > scipy_methods.FEASIBLE or objective == math.inf
        return infeasible, violation if infeasible else objective

    return min(attempts, key=rank)


def init(problem: Problem, method: Adam, x: Float[Tensor, "designs parameters"]) -> State:
    """Return the state before the first step."""
    low, high = problem.space.bounds
    u = ((x - low) / (high - low)).clamp(0.0, 1.0)
    with torch.no_grad():
        evaluation = evaluate(problem, low + (high - low) * u)
    size = evaluation.objective.abs()
    return State(
        u=u,
        first=torch.zeros_like(u),
        second=torch.zeros_like(u),
        multipliers=torch.zeros_like(evaluation.constraints),
        factor=torch.where(size > 0, size, torch.ones_like(size)).nan_to_num(1.0),
        penalty=method.penalty,
        step=0,
    )


def step(problem: Problem, method: Adam, bounds: Limits, state: State) -> tuple[State, Evaluation]:
    """Return the state after one step, and the evaluation that it started from.

    A design whose gradient is not finite stays where it is.
    """
    low, high = problem.space.bounds
    u = state.u.clone().requires_grad_(True)
    with torch.enable_grad():
        evaluation = evaluate(problem, low + (high - low) * u)
        residual = _residual(evaluation, bounds, state)
        penalty = 0.5 * state.penalty * residual.square().sum(1)
        loss = evaluation.objective / state.factor + penalty
    gradient = torch.autograd.grad(loss.sum(), u)[0]
    healthy = gradient.isfinite().all(1, keepdim=True)
    gradient = torch.where(healthy, gradient, torch.zeros_like(gradient))
    count = state.step + 1
    first = BETAS[0] * state.first + (1.0 - BETAS[0]) * gradient
    second = BETAS[1] * state.second + (1.0 - BETAS[1]) * gradient.square()
    scale = (second / (1.0 - BETAS[1] ** count)).sqrt() + 1e-12
    rate = method.learning_rate * 0.5 * (1.0 + math.cos(math.pi * state.step / method.steps))
    move = torch.where(healthy, rate * first / (1.0 - BETAS[0] ** count) / scale, 0.0)
    new = replace(state, u=(state.u - move).clamp(0.0, 1.0), first=first, second=second, step=count)
    if count % method.inner == 0:
        multipliers = (state.penalty * residual.detach()).nan_to_num(0.0)
        new = replace(new, multipliers=multipliers, penalty=state.penalty * method.growth)
    return new, evaluation


def _residual(evaluation: Evaluation, bounds: Limits, state: State) -> Tensor:
    """Return d - P(d) in scaled rows."""
    shifted = evaluation.constraints / bounds.scale + state.multipliers / state.penalty
    return shifted - shifted.clamp(bounds.lower / bounds.scale, bounds.upper / bounds.scale)


def _descend(problem: Problem, method: Adam, progress: Progress, callback: Callback) -> Progress:
    """Take all steps; every design of the batch becomes an attempt."""
    x = torch.tensor(progress.starts, dtype=torch.float64)
    began, before = time.perf_counter(), progress.seconds
    state = _load(progress.state) if progress.state else init(problem, method, x)
    with torch.no_grad():
        bounds = limits(problem, evaluate(problem, x))
    for _ in range(state.step, method.steps):
        state, evaluation = step(problem, method, bounds, state)
        objective, violation = _best(evaluation, bounds)
        line = Iterate(
            start=-1,
            iteration=state.step - 1,
            objective=finite(objective),
            violation=finite(violation),
        )
        spent = before + time.perf_counter() - began
        progress = replace(
            progress,
            history=(*progress.history, line),
            evaluations=progress.evaluations + len(x),
            seconds=spent,
            state=_save(state),
        )
        callback(progress)
    low, high = problem.space.bounds
    ends = low + (high - low) * state.u
    with torch.no_grad():
        evaluation = evaluate(problem, ends)
    return replace(
        progress,
        attempts=_attempts(ends, evaluation, bounds, method),
        state={},
        seconds=before + time.perf_counter() - began,
        evaluations=progress.evaluations + len(x),
    )


def _attempts(
    ends: Tensor, evaluation: Evaluation, bounds: Limits, method: Adam
) -> tuple[Attempt, ...]:
    """Return one attempt a design."""
    violation = bounds.violation(evaluation.constraints).tolist()
    rows = zip(ends.tolist(), evaluation.objective.tolist(), violation, strict=True)
    return tuple(
        Attempt(
            x=tuple(x),
            objective=finite(value),
            violation=finite(distance),
            success=distance <= scipy_methods.FEASIBLE and math.isfinite(value),
            message=f"took its {method.steps} steps",
            iterations=method.steps,
        )
        for x, value, distance in rows
    )


def _best(evaluation: Evaluation, bounds: Limits) -> tuple[float, float]:
    """Return objective and violation of the best design of the batch."""
    violation = bounds.violation(evaluation.constraints.detach()).nan_to_num(math.inf)
    value = evaluation.objective.detach().nan_to_num(math.inf)
    feasible = violation <= scipy_methods.FEASIBLE
    if feasible.any():
        index = int(torch.where(feasible, value, math.inf).argmin())
    else:
        index = int(violation.argmin())
    return float(value[index]), float(violation[index])


def _save(state: State) -> dict[str, Any]:
    """Return the state as numbers and lists."""
    values = {field.name: getattr(state, field.name) for field in fields(State)}
    return {k: v.tolist() if isinstance(v, Tensor) else v for k, v in values.items()}


def _load(values: Mapping[str, Any]) -> State:
    """Return the state that ``_save`` wrote; lists may have become tuples."""

    def tensor(value: Any) -> Any:
        plain = not isinstance(value, list | tuple)
        return value if plain else torch.tensor(value, dtype=torch.float64)

    return State(**{name: tensor(value) for name, value in values.items()})
