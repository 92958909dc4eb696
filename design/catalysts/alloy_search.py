"""Alloys by gradient: mixtures of elements are sharpened into real alloys, repaired, proposed.

Adam moves many designs at once through ever sharper mixtures (annealing). The real alloys that they
round to are repaired: one element at a time is exchanged for those that the gradient favours, and
what the surrogate likes better is kept. The best real alloys seen are proposed.

An adsorbate goes where it is most stable, so most sites of a design have no say: each stage of the
annealing looks at those that compete, chosen anew from all of them. Real alloys are always asked
about on every site.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from formwright.datasets.atoms.mamun import Alloy, canonical
from formwright.design.catalysts.alloys import (
    AlloyDesign,
    Proposal,
    Proposals,
    affordable,
    claim,
    objective_of,
    price_constraint,
)
from formwright.design.catalysts.ordered_alloys import OrderedAlloys
from formwright.design.optimise.methods import Adam
from formwright.design.optimise.progress import Progress
from formwright.design.optimise.solve import optimise
from formwright.design.problem import Problem, evaluate
from formwright.surrogate.atoms.adsorption import LABEL, AdsorptionSurrogate

Tell = Callable[[str, float], None]
_REPAIRS: Final = 2
_ANNEALING: Final = 0.75
"""Share of the work of a prototype that is annealing; for the progress bar."""
_COMPETING: Final = 0.9
"""Share of the most stable sites that the sites looked at have together."""
_TEMPERATURE_EV: Final = 0.1
"""Sites this close above the most stable one compete with it while elements still change."""


def propose(
    surrogate: AdsorptionSurrogate,
    design: AlloyDesign,
    *,
    allowed: Collection[Alloy] | None = None,
    tell: Tell = lambda what, share: None,
) -> Proposals:
    """Search by gradient and propose real alloys.

    Args:
        surrogate: Its parameters are not changed.
        design: What is wanted.
        allowed: Alloys that may be proposed; all where None. Others are passed on the way.
        tell: Told what is being done and which share of the search is behind it.

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
        own = _part(tell, number, len(design.prototypes))
        x, spent, trace[prototype] = _anneal(surrogate, design, space, design.seed + number, own)
        own(f"{prototype}: rounding and repair", _ANNEALING)
        mixed += spent + _round(surrogate, design, space, x, seen)
    tell("done", 1.0)
    fit = [p for p in seen.values() if allowed is None or p.alloy in allowed]
    fit = sorted((p for p in fit if affordable(p.alloy, design)), key=lambda p: -p.hit)
    return Proposals(
        best=tuple(fit[: design.proposals]),
        seen=seen,
        evaluations=mixed + len(seen),
        seconds=time.perf_counter() - start,
        trace=trace,
    )


def _part(tell: Tell, number: int, count: int) -> Tell:
    """Return what a part of a search tells, as a share of the whole."""
    return lambda what, share: tell(what, (number + share) / count)


def competing(
    surrogate: AdsorptionSurrogate, space: OrderedAlloys, x: Float[Tensor, "designs parameters"]
) -> tuple[tuple[str, str], ...]:
    """Return adsorbates and sites of which one is likely to be the most stable of some design."""
    with torch.no_grad():
        energies = surrogate(space.decode(x)).mean[LABEL].reshape(len(space.places), -1)
    kept = []
    for name in space.adsorbates:
        own = [i for i, place in enumerate(space.places) if place[0] == name]
        share = torch.softmax(-energies[own] / _TEMPERATURE_EV, 0).mean(1)
        ranked = share.argsort(descending=True)
        behind = share[ranked].cumsum(0) - share[ranked]
        kept += [space.places[own[i]] for i in ranked[behind < _COMPETING].tolist()]
    return tuple(kept)


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
    tell: Tell,
) -> tuple[Float[Tensor, "designs parameters"], int, tuple[float, ...]]:
    """Return the ends of all starts, forward passes, and the best probability at each step."""
    generator = torch.Generator().manual_seed(seed)
    low, high = space.bounds
    draw = torch.rand(design.starts, len(low), generator=generator, dtype=torch.float64)
    x, spent, trace = low + (high - low) * draw, 0, []
    method = Adam(
        starts=design.starts, steps=design.steps, learning_rate=design.learning_rate, polish=None
    )
    for stage, sharpness in enumerate(design.sharpness):
        sharp = space.sharpened(sharpness)
        sharp = sharp.restricted(competing(surrogate, sharp, x))
        what = f"{space.prototype}: mixtures of sharpness {sharpness:g}, {len(sharp.places)} sites"

        solution = optimise(
            _problem(surrogate, design, sharp),
            method,
            callback=partial(_shown, tell, what, stage, design),
            progress=Progress(starts=tuple(tuple(row) for row in x.tolist())),
        )
        x = torch.tensor([attempt.x for attempt in solution.attempts], dtype=torch.float64)
        spent += solution.evaluations + len(x)
        trace += [
            math.exp(-line.objective) for line in solution.history if line.objective is not None
        ]
    return x, spent, tuple(trace)


def _shown(tell: Tell, what: str, stage: int, design: AlloyDesign, progress: Progress) -> None:
    """Tell how far the annealing has come."""
    done = stage + len(progress.history) / design.steps
    tell(what, _ANNEALING * done / len(design.sharpness))


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
    result: list[list[Alloy]] = []
    for alloy, order in zip(alloys, best[:, :, : design.exchanges + 1].tolist(), strict=True):
        others = []
        for k, row in enumerate(order):
            for i in row:
                named = [alloy.a, alloy.b]
                named[k] = space.elements[i]
                others.append(canonical(Alloy(alloy.prototype, named[0], named[1])))
        result.append([other for other in others if other != alloy])
    return result
