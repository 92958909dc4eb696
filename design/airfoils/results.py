"""What a finished study writes down: ``result.json`` (layout: ``study``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from formwright.datasets.airfoils import geometry
from formwright.datasets.config import to_mapping
from formwright.design.airfoils.handover import (
    START,
    VERIFIED_TOLERANCE,
    Candidate,
    best_round,
    candidate,
    claimed_evaluation,
    doubts,
    objectives,
    sentence,
    verified_evaluation,
)
from formwright.design.airfoils.stages import Claims, Round, Setup
from formwright.design.airfoils.verify import Verdict, Verification
from formwright.design.constraints import Constraint
from formwright.design.optimise.scipy_methods import FEASIBLE
from formwright.design.problem import Evaluation, split
from formwright.design.records import AIRFOIL_FORMAT
from formwright.design.study_folder import versions

GEOMETRY: Final = ("max_thickness", "area", "leading_edge_radius", "trailing_edge_angle_deg")


def result(
    setup: Setup,
    rounds: Sequence[Round],
    best: Candidate,
    start: Verification,
    times: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the content of ``result.json``.

    Args:
        setup: The study.
        rounds: All rounds.
        best: What is handed over.
        start: The solver's verdict on the start.
        times: ``started`` and ``finished``.
    """
    before, found = candidate(setup, None, start), best_round(setup, rounds)
    verification = best.verification
    objective = {
        "kind": setup.study.objective.value,
        "lower_is_better": True,
        "start": objectives(setup, setup.start, start),
        "best": objectives(setup, best.claims, verification),
    }
    constraints = _constraints(setup, best, start)
    reasons = doubts(setup, before, best, constraints)
    return {
        "format_version": AIRFOIL_FORMAT,
        "name": setup.study.name,
        "verdict": sentence(setup, before, best, candidate(setup, found), reasons),
        "reasons": reasons,
        "notes": setup.notes,
        "surrogate": _surrogate(setup, best),
        "solver": _solver(setup, verification),
        "start": _design(setup, before, setup.section.name, "start.dat"),
        "best": _design(setup, best, best.name, "best.dat"),
        "points": _points(setup, best, start),
        "objective": objective,
        "constraints": constraints,
        "optimisation": _optimisation(setup, rounds, found),
        "rounds": [_round(setup, r) for r in rounds],
        "study": to_mapping(setup.study),
        "seconds": _seconds(rounds, start),
        "versions": {**versions(), "solver": verification.solver},
        **times,
    }


def _surrogate(setup: Setup, best: Candidate) -> dict[str, Any]:
    labels = {label.name: label.unit for label in setup.problem.surrogate.labels}
    level = float(best.claims.prediction.level)
    return {"name": setup.study.surrogate, "labels": labels, "level": level}


def _solver(setup: Setup, verification: Verification) -> dict[str, Any]:
    name, _, version = verification.solver.rpartition(" ")
    return {
        "requested": setup.study.solver.value,
        "name": name or verification.solver,
        "version": version if name else "",
        "why": setup.chosen.why,
        "settings": verification.settings,
    }


def _design(setup: Setup, one: Candidate, name: str, file: str) -> dict[str, Any]:
    pos = one.claims.pos[None]
    shape = {key: float(getattr(geometry, key)(pos).reshape(-1)[0]) for key in GEOMETRY}
    parameters = dict(zip(setup.space.names, one.x.tolist(), strict=True))
    return {
        "section": name,
        "file": file,
        "round": None if one.round == START else one.round,
        "parameters": parameters,
        "geometry": shape,
    }


def _points(setup: Setup, best: Candidate, start: Verification) -> list[dict[str, Any]]:
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
            "start": _point(setup.start, start.verdicts[i], i),
            "best": _point(best.claims, best.verification.verdicts[i], i),
        }
        rows.append(conditions | sides)
    return rows


def _point(claims: Claims, verdict: Verdict, i: int) -> dict[str, Any]:
    """Return claim and verdict at one operating point."""
    parts = ("mean", "std", "lower", "upper")
    said = claims.prediction
    labels = {
        name: {part: float(getattr(said, part)[name][i]) for part in parts} for name in said.mean
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


def _constraints(setup: Setup, best: Candidate, start: Verification) -> list[dict[str, Any]]:
    sides = {"start": (setup.start, start), "best": (best.claims, best.verification)}
    table = {
        side: (claimed_evaluation(setup, claims), verified_evaluation(setup, claims, verdict))
        for side, (claims, verdict) in sides.items()
    }
    return [
        {
            "name": constraint.name,
            "lower": constraint.lower,
            "upper": constraint.upper,
            **{side: _constraint(constraint, *both) for side, both in table.items()},
        }
        for constraint in setup.problem.constraints
    ]


def _constraint(
    constraint: Constraint, claimed: Evaluation, verified: Evaluation
) -> dict[str, Any]:
    """Return values, violation and satisfaction of one constraint on one design."""
    said = split((constraint,), claimed)[constraint.name][0].numpy()
    found = split((constraint,), verified)[constraint.name][0].numpy()
    violation = _violation(constraint, said)
    missing = bool(np.isnan(found).any())
    return {
        "claimed": said,
        "verified": found,
        "satisfied": bool(violation <= FEASIBLE * constraint.scale),
        "violation": violation,
        "verified_satisfied": None
        if missing
        else bool(_violation(constraint, found) <= VERIFIED_TOLERANCE * constraint.scale),
    }


def _violation(constraint: Constraint, values: np.ndarray) -> float:
    """Return the largest distance from the bounds, in the constraint's unit."""
    low = -np.inf if constraint.lower is None else np.asarray(constraint.lower)
    high = np.inf if constraint.upper is None else np.asarray(constraint.upper)
    return float(np.maximum(np.maximum(low - values, values - high), 0.0).max(initial=0.0))


def _optimisation(setup: Setup, rounds: Sequence[Round], best: Round) -> dict[str, Any]:
    return {
        "method": to_mapping(setup.study.method),
        "seed": setup.study.seed,
        "success": best.solution.success,
        "message": best.solution.message,
        "iterations": sum(len(r.solution.history) for r in rounds),
        "evaluations": sum(r.solution.evaluations for r in rounds),
        "seconds": sum(r.solution.seconds for r in rounds),
        "starts": [
            {k: v for k, v in to_mapping(attempt).items() if k != "x"}
            for attempt in best.solution.attempts
        ],
        "history": [
            {"round": r.index, **to_mapping(line)} for r in rounds for line in r.solution.history
        ],
    }


def _round(setup: Setup, found: Round) -> dict[str, Any]:
    values = objectives(setup, found.claims, found.verification)
    feasible = found.solution.feasible
    return {"round": found.index, **values, "feasible": feasible, "offsets": dict(found.offsets)}


def _seconds(rounds: Sequence[Round], start: Verification) -> dict[str, float]:
    searched = sum(r.solution.seconds for r in rounds)
    checked = start.seconds + sum(r.verification.seconds for r in rounds)
    return {"optimise": searched, "verify": checked, "total": searched + checked}
