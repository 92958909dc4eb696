"""What a study hands over, the best verified design or the start, and what is told of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from formwright.datasets.solvers.result import POLAR_LABELS
from formwright.design.airfoils.guards import OF_TRUST
from formwright.design.airfoils.stages import Claims, Setup
from formwright.design.airfoils.verify import Verification
from formwright.design.loop import Round
from formwright.design.objectives import shown
from formwright.design.problem import Evaluation, Problem, judge, limits
from formwright.surrogate.model import Prediction

VERIFIED_TOLERANCE: Final = 0.1
SAME: Final = 0.002
"""Verified objectives of designs that differ by less than this share are one to the solver."""
LABELS: Final = tuple(label.name for label in POLAR_LABELS)
AirfoilRound = Round[Any, Claims, Verification]
Rank = tuple[bool, int, bool, float]


def name(setup: Setup, one: AirfoilRound) -> str:
    """Return what a design, or the start, is called."""
    return setup.study.name if one.index else setup.section.name


def parameters(setup: Setup, one: AirfoilRound) -> Float[Tensor, " parameters"]:
    """Return a design's parameters in the space; of the start those that come nearest."""
    solution = one.claims.solution
    return setup.x0 if solution is None else solution.x


def posed(setup: Setup, one: AirfoilRound) -> Problem:
    """Return the problem with the limits of the guards that a design was searched within."""
    if one.model is None:
        return setup.problem
    return replace(setup.problem, constraints=one.model.problem.constraints)


def judged_by(setup: Setup) -> Problem:
    """Return the problem without the guards of trust, which say where a claim may be believed."""
    kept = [c for c in setup.problem.constraints if c in setup.own or c.name not in OF_TRUST]
    return replace(setup.problem, constraints=tuple(kept))


def verified_evaluation(problem: Problem, one: AirfoilRound) -> Evaluation:
    """Return objective and constraints of the solver's labels; NaN where it did not converge."""
    verdicts = one.verdicts.verdicts
    labels = {name: _row([v.labels[name] for v in verdicts]) for name in LABELS}
    nothing = {name: torch.full_like(value, torch.nan) for name, value in labels.items()}
    case = one.claims.case.clone()
    case.alpha_deg = _row([v.alpha_deg for v in verdicts])
    predicted = Prediction(
        mean=labels,
        std=nothing,
        lower=nothing,
        upper=nothing,
        level=1.0,
        fields={},
        support=nothing[LABELS[0]],
    )
    return judge(problem, case, predicted)


def claimed_evaluation(problem: Problem, one: AirfoilRound) -> Evaluation:
    """Return objective and constraints of the surrogate's labels."""
    return judge(problem, one.claims.case, one.claims.prediction)


def objectives(setup: Setup, one: AirfoilRound) -> dict[str, float]:
    """Return the objective claimed and verified; NaN where a point did not converge."""
    return {
        "claimed": float(claimed_evaluation(setup.problem, one).objective[0]),
        "verified": float(verified_evaluation(setup.problem, one).objective[0]),
    }


def rank(setup: Setup, one: AirfoilRound) -> Rank:
    """Return what designs are ordered by: no section, points missed, constraints broken, objective.

    Constraints and objective are the solver's, but the claims where it missed points.
    """
    missed, problem = one.verdicts.missed, judged_by(setup)
    evaluation = claimed_evaluation(problem, one) if missed else verified_evaluation(problem, one)
    rows = limits(problem, evaluation)
    broken = float(rows.violation(evaluation.constraints.nan_to_num(0.0))[0]) > VERIFIED_TOLERANCE
    value = float(evaluation.objective[0])
    return not one.verdicts.valid, missed, broken, value if np.isfinite(value) else np.inf


def latest(setup: Setup, order: Sequence[AirfoilRound]) -> list[AirfoilRound]:
    """Return the designs, the best first: of those as good as it, the one of the last round.

    Its claims are those of a surrogate that has learned from the others. The start never passes a
    design, nor a design the start.
    """
    best = rank(setup, order[0])
    least = best[-1] + SAME * abs(best[-1])
    ranks = {one.index: rank(setup, one) for one in order if one.index and order[0].index}
    same = [i for i, one in ranks.items() if one[:-1] == best[:-1] and one[-1] <= least]
    chosen = max(same, default=order[0].index)
    return sorted(order, key=lambda one: one.index != chosen)


def reasons_against(
    setup: Setup, start: AirfoilRound, best: AirfoilRound, constraints: Sequence[Mapping[str, Any]]
) -> list[str]:
    """Return why the design should not be used as it is; empty where there is nothing.

    Args:
        setup: The study.
        start: The start.
        best: What is handed over.
        constraints: Rows of ``result.json``.
    """
    result = []
    who = "the design" if best.index else "the start"
    if not best.index:
        result.append("no better than the start")
    if not best.verdicts.valid:
        result.append("the contour is no section")
    total, missed = len(best.verdicts.verdicts), best.verdicts.missed
    if missed:
        result.append(f"{best.verdicts.solver} verified {total - missed} of {total} points")
    before, after = objectives(setup, start), objectives(setup, best)
    if best.index and after["verified"] >= before["verified"]:
        names = ", ".join(_broken(constraints, "start"))
        result.append(f"no better than the start, which breaks {names or 'a constraint'}")
    broken = _broken(constraints, "best")
    claimed = [row["name"] for row in constraints if not row["best"]["satisfied"]]
    if broken:
        result.append(f"by the verdict {who} breaks {', '.join(broken)}")
    elif claimed and best.index:
        result.append(f"by the surrogate's claim {who} breaks {', '.join(claimed)}")
    return result


def _broken(constraints: Sequence[Mapping[str, Any]], side: str) -> list[str]:
    """Return the constraints that start or design breaks by the verdict."""
    return [row["name"] for row in constraints if row[side]["verified_satisfied"] is False]


def sentence(
    setup: Setup,
    start: AirfoilRound,
    best: AirfoilRound,
    searched: AirfoilRound,
    reasons: Sequence[str],
) -> str:
    """Return the outcome in one sentence; what speaks against the design stands first.

    Args:
        setup: The study.
        start: The start.
        best: What is handed over.
        searched: The best that the search came to.
        reasons: ``reasons_against``.
    """
    solver, told = best.verdicts.solver, partial(_number, setup)
    first = f"{'; '.join(reasons)}. " if reasons else ""
    before, after = objectives(setup, start), objectives(setup, best)
    total, missed = len(best.verdicts.verdicts), best.verdicts.missed
    if not best.index:
        return (
            f"{first}The start is handed over: {_told(setup, start)}. {_refuted(setup, searched)}"
        )
    what = f"{first}{shown(setup.study.objective).name}: {told(after['claimed'])} claimed"
    if missed:
        return (
            f"{what} (start {told(before['claimed'])}); "
            f"{solver} verified {total - missed} of {total} operating points."
        )
    reached = total - start.verdicts.missed
    then = (
        f"the start: {told(before['verified'])}"
        if reached == total
        else f"the start reaches {reached} of them"
    )
    return (
        f"{what}, {told(after['verified'])} verified by "
        f"{solver} at all {total} operating points; {then}. {_kept(best)}"
    )


def _number(setup: Setup, value: float) -> str:
    """Return a value of the objective as people know it."""
    return f"{shown(setup.study.objective).factor * value:.5g}"


def _kept(one: AirfoilRound) -> str:
    """Return how many of the claims lie inside their intervals."""
    predicted = one.claims.prediction
    inside = [
        float(predicted.lower[name][i]) <= verdict.labels[name] <= float(predicted.upper[name][i])
        for i, verdict in enumerate(one.verdicts.verdicts)
        for name in ("cl", "cd", "cm")
        if name in predicted.mean and verdict.converged
    ]
    level = 100.0 * float(predicted.level)
    return f"{sum(inside)} of {len(inside)} claims lie inside their {level:.0f} % intervals."


def _told(setup: Setup, one: AirfoilRound) -> str:
    """Return claim and verdict of a design in a few words."""
    values = objectives(setup, one)
    total, missed = len(one.verdicts.verdicts), one.verdicts.missed
    verdict = (
        f"{total - missed} of {total} operating points verified"
        if missed
        else f"{_number(setup, values['verified'])} verified"
    )
    what = shown(setup.study.objective).name
    return f"{what} {_number(setup, values['claimed'])} claimed, {verdict}"


def _refuted(setup: Setup, found: AirfoilRound) -> str:
    """Return what became of the best that the search came to."""
    if not found.verdicts.valid:
        return f"The search ended in a contour that is no section ({_told(setup, found)})."
    return f"The best that was found: {_told(setup, found)}."


def _row(values: Sequence[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)
