"""Alloys by gradient: mixtures of elements are sharpened into real alloys, repaired, proposed.

Adam moves many designs at once through ever sharper mixtures (annealing). The real alloys that they
round to are repaired: one element at a time is exchanged for those that the gradient favours, and
what the surrogate likes better is kept. The best real alloys seen are proposed.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from formwright.datasets.mamun import Alloy, canonical
from formwright.design.alloys import (
    AlloyDesign,
    Proposal,
    Proposals,
    affordable,
    claim,
    objective_of,
    price_constraint,
)
from formwright.design.methods import Adam
from formwright.design.optimise import optimise
from formwright.design.problem import Problem, evaluate
from formwright.design.progress import Progress
from formwright.design.spaces.slab import OrderedAlloys
from formwright.surrogate.adsorption import AdsorptionSurrogate

_REPAIRS = 2


def propose(
    surrogate: AdsorptionSurrogate,
    design: AlloyDesign,
    *,
    allowed: Collection[Alloy] | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> Proposals:
    """Search by gradient and propose real alloys.

    Args:
        surrogate: Its parameters are not changed.
        design: What is wanted.
        allowed: Alloys that may be proposed; all where None. Others are passed on the way.
        tell: Told what is being done.

    Raises:
        ConfigError: A bound on the price, and an element whose price is not known.
    """
    start = time.perf_counter()
    seen: dict[Alloy, Proposal] = {}
    mixed, trace = 0, {}
    for number, prototype in enumerate(design.prototypes):
        space = OrderedAlloys(
            prototype=prototype,
            elements=design.elements,
            adsorbates=tuple(target.adsorbate for target in design.targets),
            straight_through=design.straight_through,
        )
        x, spent, trace[prototype] = _anneal(surrogate, design, space, design.seed + number, tell)
        tell(f"{prototype}: rounding and repair")
        mixed += spent + _round(surrogate, design, space, x, seen)
    fit = [p for p in seen.values() if allowed is None or p.alloy in allowed]
    fit = sorted((p for p in fit if affordable(p.alloy, design)), key=lambda p: -p.hit)
    return Proposals(
        best=tuple(fit[: design.proposals]),
        seen=seen,
        evaluations=mixed + len(seen),
        seconds=time.perf_counter() - start,
        trace=trace,
    )


def _problem(surrogate: AdsorptionSurrogate, design: AlloyDesign, space: OrderedAlloys) -> Problem:
    """Return the problem at the sharpness of a space."""
    return Problem(
        space=space,
        surrogate=surrogate,
        objective=objective_of(space, design.targets),
        constraints=price_constraint(design, space.prototype),
    )


def _anneal(
    surrogate: AdsorptionSurrogate,
    design: AlloyDesign,
    space: OrderedAlloys,
    seed: int,
    tell: Callable[[str], None],
) -> tuple[Float[Tensor, "designs parameters"], int, tuple[float, ...]]:
    """Return the ends of all starts, forward passes, and the best probability at each step."""
    generator = torch.Generator().manual_seed(seed)
    low, high = space.bounds
    draw = torch.rand(design.starts, len(low), generator=generator, dtype=torch.float64)
    x, spent, trace = low + (high - low) * draw, 0, []
    method = Adam(
        starts=design.starts, steps=design.steps, learning_rate=design.learning_rate, polish=None
    )
    for sharpness in design.sharpness:
        tell(f"{space.prototype}: mixtures of sharpness {sharpness:g}")
        problem = _problem(surrogate, design, space.sharpened(sharpness))
        starts = tuple(tuple(row) for row in x.tolist())
        solution = optimise(problem, method, progress=Progress(starts=starts))
        x = torch.tensor([attempt.x for attempt in solution.attempts], dtype=torch.float64)
        spent += solution.evaluations
        trace += [
            math.exp(-line.objective) for line in solution.history if line.objective is not None
        ]
    return x, spent, tuple(trace)


def _round(
    surrogate: AdsorptionSurrogate,
    design: AlloyDesign,
    space: OrderedAlloys,
    x: Float[Tensor, "designs parameters"],
    seen: dict[Alloy, Proposal],
) -> int:
    """Ask about the alloys that designs round to and their repairs; return gradients taken."""
    current, gradients = list(dict.fromkeys(space.alloys(x))), 0
    _ask(surrogate, design, current, seen)
    for _ in range(_REPAIRS if design.exchanges else 0):
        whole = [alloy for alloy in current if alloy.prototype == space.prototype]
        tried = _exchanged(surrogate, design, space, whole)
        gradients += len(whole)
        _ask(surrogate, design, [other for others in tried for other in others], seen)
        better = [
            max([alloy, *others], key=lambda one: seen[one].hit)
            for alloy, others in zip(whole, tried, strict=True)
        ]
        current = list(dict.fromkeys(better))
    return gradients


def _ask(
    surrogate: AdsorptionSurrogate,
    design: AlloyDesign,
    alloys: Sequence[Alloy],
    seen: dict[Alloy, Proposal],
) -> None:
    """Add the claims of alloys that were not asked about before."""
    new = [alloy for alloy in dict.fromkeys(alloys) if alloy not in seen]
    seen |= dict(zip(new, claim(surrogate, design.targets, new), strict=True))


def _exchanged(
    surrogate: AdsorptionSurrogate,
    design: AlloyDesign,
    space: OrderedAlloys,
    alloys: Sequence[Alloy],
) -> list[list[Alloy]]:
    """Return, for each alloy, those with one element exchanged as the gradient favours."""
    if not alloys:
        return []
    soft = space.sharpened(design.sharpness[0])
    x = space.parameters(list(alloys)).requires_grad_(True)
    with torch.enable_grad():
        objective = evaluate(_problem(surrogate, design, soft), x).objective.sum()
    (slope,) = torch.autograd.grad(objective, x)
    count, letters = len(space.elements), len(space.letters)
    best = slope[:, : count * letters].unflatten(1, (letters, count)).argsort(-1)
    found: list[list[Alloy]] = []
    for alloy, order in zip(alloys, best[:, :, : design.exchanges + 1].tolist(), strict=True):
        others = []
        for k, row in enumerate(order):
            for i in row:
                named = [alloy.a, alloy.b]
                named[k] = space.elements[i]
                others.append(canonical(Alloy(alloy.prototype, named[0], named[1])))
        found.append([other for other in others if other != alloy])
    return found
