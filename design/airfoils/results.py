"""What a finished study writes down: ``result.json`` (layout: ``study``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from formwright.datasets.airfoils import geometry
from formwright.datasets.config import to_mapping
from formwright.design.airfoils.handover import (
    VERIFIED_TOLERANCE,
    AirfoilRound,
    claimed_evaluation,
    name,
    objectives,
    parameters,
    posed,
    rank,
    reasons_against,
    sentence,
    verified_evaluation,
)
from formwright.design.airfoils.stages import Claims, Setup
from formwright.design.airfoils.verify import Verdict
from formwright.design.constraint import Constraint
from formwright.design.objectives import shown
from formwright.design.optimise.scipy_methods import FEASIBLE
from formwright.design.optimise.solve import Solution
from formwright.design.problem import Evaluation, Problem, split
from formwright.design.records import AIRFOIL_FORMAT
from formwright.design.study_folder import versions

GEOMETRY: Final = ("max_thickness", "area", "leading_edge_radius", "trailing_edge_angle_deg")


def result(
    setup: Setup, rounds: Sequence[AirfoilRound], order: Sequence[AirfoilRound]
) -> dict[str, Any]:
    """Return the content of ``result.json``.

    Args:
        setup: The study, as the surrogate of the best sees it.
        rounds: The start, then the designs of all rounds.
        order: The same, the best first.
    """
    start, best = rounds[0], order[0]
    result = next(one for one in order if one.index)
    constraints = _constraints(posed(setup, best), start, best)
    reasons = reasons_against(setup, start, best, constraints)
    return {
        "format_version": AIRFOIL_FORMAT,
        "kind": "airfoil",
        "name": setup.study.name,
        "verdict": sentence(setup, start, best, result, reasons),
        "reasons": reasons,
        "notes": setup.notes,
        "surrogate": _surrogate(setup, best),
        "solver": _solver(setup, best),
        "start": _design(setup, start, "start.dat"),
        "best": _design(setup, best, "best.dat"),
        "points": _points(setup, start, best),
        "objective": {
            "kind": setup.study.objective.value,
            "lower_is_better": True,
            "shown_as": to_mapping(shown(setup.study.objective)),
            "start": objectives(setup, start),
            "best": objectives(setup, best),
        },
        "constraints": constraints,
        "optimisation": _optimisation(setup, rounds[1:], result),
        "rounds": [_round(setup, one) for one in rounds[1:]],
        "study": to_mapping(setup.study),
        "seconds": _seconds(rounds),
        "versions": {**versions(), "solver": best.verdicts.solver},
    }


def _surrogate(setup: Setup, best: AirfoilRound) -> dict[str, Any]:
    labels = {label.name: label.unit for label in setup.problem.surrogate.labels}
    level = float(best.claims.prediction.level)
    return {"name": setup.surrogate, "labels": labels, "level": level}


def _solver(setup: Setup, best: AirfoilRound) -> dict[str, Any]:
    name, _, version = best.verdicts.solver.rpartition(" ")
    return {
        "requested": setup.study.solver.value,
        "name": name or best.verdicts.solver,
        "version": version if name else "",
        "why": setup.chosen.why,
        "settings": best.verdicts.settings,
    }


def _design(setup: Setup, one: AirfoilRound, file: str) -> dict[str, Any]:
    pos = one.claims.pos[None]
    shape = {key: float(getattr(geometry, key)(pos).reshape(-1)[0]) for key in GEOMETRY}
    values = parameters(setup, one).tolist()
    return {
        "section": name(setup, one),
        "file": file,
        "round": one.index - 1 if one.index else None,
        "parameters": dict(zip(setup.space.names, values, strict=True)),
        "geometry": shape,
    }


def _points(setup: Setup, start: AirfoilRound, best: AirfoilRound) -> list[dict[str, Any]]:
    rows = []
    for i, point in enumerate(setup.points.points):
        conditions = {
            "target_cl": point.cl,
            "reynolds": point.reynolds,
            "ncrit": point.ncrit,
            "mach": point.mach,
            "weight": point.weight,
        }
        sides = {
            side: _point(one.claims, one.verdicts.verdicts[i], i)
            for side, one in (("start", start), ("best", best))
        }
        rows.append(conditions | sides)
    return rows


def _point(claims: Claims, verdict: Verdict, i: int) -> dict[str, Any]:
    """Return claim and verdict at one operating point."""
    parts = ("mean", "std", "lower", "upper")
    predicted = claims.prediction
    labels = {
        name: {part: float(getattr(predicted, part)[name][i]) for part in parts}
        for name in predicted.mean
    }
    within = {
        name: ends["lower"] <= verdict.labels[name] <= ends["upper"]
        for name, ends in labels.items()
        if verdict.converged and name in verdict.labels
    }
    return {
        "claimed": {"alpha_deg": claims.alpha_deg[i], "labels": labels},
        "verified": {
            "converged": verdict.converged,
            "reason": verdict.reason,
            "alpha_deg": verdict.alpha_deg,
            "labels": dict(verdict.labels),
            "dropped": verdict.dropped,
            "within": within,
        },
    }


def _constraints(problem: Problem, start: AirfoilRound, best: AirfoilRound) -> list[dict[str, Any]]:
    table = {
        side: (claimed_evaluation(problem, one), verified_evaluation(problem, one))
        for side, one in (("start", start), ("best", best))
    }
    return [
        {
            "name": constraint.name,
            "lower": constraint.lower,
            "upper": constraint.upper,
            **{side: _constraint(constraint, *both) for side, both in table.items()},
        }
        for constraint in problem.constraints
    ]


def _constraint(
    constraint: Constraint, claimed: Evaluation, verified: Evaluation
) -> dict[str, Any]:
    """Return values, violation and satisfaction of one constraint on one design."""
    predicted = split((constraint,), claimed)[constraint.name][0].numpy()
    result = split((constraint,), verified)[constraint.name][0].numpy()
    violation = _violation(constraint, predicted)
    missing = bool(np.isnan(result).any())
    return {
        "claimed": predicted,
        "verified": result,
        "satisfied": bool(violation <= FEASIBLE * constraint.scale),
        "violation": violation,
        "verified_satisfied": None
        if missing
        else bool(_violation(constraint, result) <= VERIFIED_TOLERANCE * constraint.scale),
    }


def _violation(constraint: Constraint, values: np.ndarray) -> float:
    """Return the largest distance from the bounds, in the constraint's unit."""
    low = -np.inf if constraint.lower is None else np.asarray(constraint.lower)
    high = np.inf if constraint.upper is None else np.asarray(constraint.upper)
    return float(np.maximum(np.maximum(low - values, values - high), 0.0).max(initial=0.0))


def _optimisation(
    setup: Setup, rounds: Sequence[AirfoilRound], best: AirfoilRound
) -> dict[str, Any]:
    ended, all_of_them = _solution(best), [_solution(one) for one in rounds]
    return {
        "method": to_mapping(setup.study.method),
        "seed": setup.study.seed,
        "success": ended.success,
        "message": ended.message,
        "iterations": sum(len(one.history) for one in all_of_them),
        "evaluations": sum(one.evaluations for one in all_of_them),
        "seconds": sum(one.seconds for one in all_of_them),
        "starts": [
            {k: v for k, v in to_mapping(attempt).items() if k != "x"} for attempt in ended.attempts
        ],
        "history": [
            {"round": one.index - 1, "surrogate": _model(one).name, **to_mapping(line)}
            for one in rounds
            for line in _solution(one).history
        ],
    }


def _solution(found: AirfoilRound) -> Solution:
    """Return the search of a round that is not the start."""
    assert found.claims.solution is not None
    return found.claims.solution


def _model(found: AirfoilRound) -> Any:
    """Return what a round that is not the start was searched with."""
    assert found.model is not None
    return found.model


def _round(setup: Setup, found: AirfoilRound) -> dict[str, Any]:
    return {
        "round": found.index - 1,
        "surrogate": _model(found).name,
        **objectives(setup, found),
        "feasible": _solution(found).feasible,
        "verified_feasible": rank(setup, found)[:3] == (False, 0, False),
        "offsets": dict(_model(found).offsets),
    }


def _seconds(rounds: Sequence[AirfoilRound]) -> dict[str, float]:
    searched = sum(_solution(one).seconds for one in rounds[1:])
    checked = sum(one.verdicts.seconds for one in rounds)
    return {"optimise": searched, "verify": checked, "total": searched + checked}
