"""One entry to every optimiser: ``optimise(problem, method) -> Solution``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from formwright.datasets.cases import Case
from formwright.datasets.errors import ConfigError
from formwright.design.optimise import adam, scipy_methods
from formwright.design.optimise.memory import Memory
from formwright.design.optimise.methods import SQP, Adam, Method
from formwright.design.optimise.progress import Attempt, Callback, Iterate, Progress
from formwright.design.problem import Problem, evaluate, limits, names, split
from formwright.surrogate.model import Prediction


@dataclass(frozen=True, kw_only=True, slots=True)
class Solution:
    """The best design that a method found, and how it got there.

    Attributes:
        x: Its parameters, (parameters,).
        case: The design, a batch of one.
        prediction: What the surrogate says of it.
        objective: Value of the objective.
        constraints: Values of each constraint by name, (values,).
        violation: Largest scaled violation of a constraint.
        feasible: Whether the violation is below ``scipy_methods.FEASIBLE``.
        success: Whether it is feasible and the method is content.
        message: What the method said.
        attempts: The end of each start.
        history: All iterations.
        evaluations: Forward passes asked for.
        seconds: Wall time.
    """

    x: Float[Tensor, " parameters"]
    case: Case
    prediction: Prediction
    objective: float
    constraints: Mapping[str, Float[Tensor, " values"]]
    violation: float
    feasible: bool
    success: bool
    message: str
    attempts: tuple[Attempt, ...]
    history: tuple[Iterate, ...]
    evaluations: int
    seconds: float


def optimise(
    problem: Problem,
    method: Method | None = None,
    x0: Float[Tensor, " parameters"] | None = None,
    *,
    generator: torch.Generator | None = None,
    callback: Callback | None = None,
    progress: Progress | None = None,
    memory: Memory | None = None,
) -> Solution:
    """Minimise the objective within bounds and constraints.

    Args:
        problem: What is designed.
        method: ``SQP()`` where not given.
        x0: Where to start; the middle of the bounds where not given.
        generator: Source of the perturbed starts; seed 0 where not given.
        callback: Called with every state that can be gone on from: after each step of a batch,
            after each start otherwise.
        progress: Go on from this state; ``x0`` and ``generator`` are then not looked at.
        memory: Where answers are kept on disk, for the start that is running.

    Raises:
        ConfigError: ``x0`` does not fit the space, or two constraints share a name.

    Example:
        >>> import formwright
        >>> points = formwright.OperatingPoints.at_lift([0.6], reynolds=1e6)
        >>> problem = formwright.Problem(
        ...     space=formwright.CST(points=points),
        ...     surrogate=formwright.load("airfoil-polar"),
        ...     objective=formwright.objectives.weighted_drag(points.weights),
        ...     constraints=(
        ...         formwright.constraints.lift_targets(points),
        ...         formwright.constraints.thickness(0.3, lower=0.1),
        ...     ),
        ... )
        >>> solution = formwright.optimise(problem, formwright.SQP(max_iterations=5))
        >>> solution.evaluations > 0
        True
    """
    method = SQP() if method is None else method
    names(problem.constraints)
    if progress is None:
        progress = Progress(starts=draw_starts(problem, method, x0, generator))
    return solution(problem, search(problem, method, progress, callback, memory))


def search(
    problem: Problem,
    method: Method,
    progress: Progress,
    callback: Callback | None = None,
    memory: Memory | None = None,
) -> Progress:
    """Return the end of a search, all its starts ended; see ``optimise`` for what is given."""
    rest = (progress, callback or (lambda _: None), memory or Memory())
    if isinstance(method, Adam):
        return adam.run(problem, method, *rest)
    return scipy_methods.run(problem, method, *rest)


def draw_starts(
    problem: Problem,
    method: Method,
    x0: Float[Tensor, " parameters"] | None,
    generator: torch.Generator | None,
) -> tuple[tuple[float, ...], ...]:
    """Return the given start and perturbed ones, all of them projected to what can be built."""
    low, high = problem.space.bounds
    centre = 0.5 * (low + high) if x0 is None else x0.detach().to(torch.float64)
    if centre.shape != low.shape or not bool(centre.isfinite().all()):
        raise ConfigError(
            f"x0 should hold {len(low)} finite numbers, one for each parameter of the space; got "
            f"shape {tuple(centre.shape)}. `space.encode(case)[0]` makes one from a section."
        )
    generator = torch.Generator().manual_seed(0) if generator is None else generator
    noise = torch.randn(method.starts, len(low), generator=generator, dtype=torch.float64)
    noise[0] = 0.0
    starts = problem.space.project(centre + method.spread * (high - low) * noise)
    return tuple(tuple(row) for row in starts.tolist())


def solution(problem: Problem, progress: Progress) -> Solution:
    """Return what a search came to: its best attempt, evaluated once more."""
    best = adam.best_attempt(progress.attempts)
    x = torch.tensor(best.x, dtype=torch.float64)
    with torch.no_grad():
        evaluation = evaluate(problem, x[None])
    violation = float(limits(problem, evaluation).violation(evaluation.constraints)[0])
    feasible = violation <= scipy_methods.FEASIBLE
    return Solution(
        x=x,
        case=evaluation.case,
        prediction=evaluation.prediction,
        objective=float(evaluation.objective[0]),
        constraints={k: v[0] for k, v in split(problem.constraints, evaluation).items()},
        violation=violation,
        feasible=feasible,
        success=feasible and best.success,
        message=best.message,
        attempts=progress.attempts,
        history=progress.history,
        evaluations=progress.evaluations,
        seconds=progress.seconds,
    )
