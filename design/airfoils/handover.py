"""What a study hands over, the best verified design or the start, and what is told of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from formwright.datasets.solvers.result import POLAR_LABELS
from formwright.design.airfoils.stages import Claims, Round, Setup
from formwright.design.airfoils.verify import Verification
from formwright.design.problem import Evaluation, judge, limits
from formwright.surrogate.model import Prediction

VERIFIED_TOLERANCE: Final = 0.1
LABELS: Final = tuple(label.name for label in POLAR_LABELS)
START: Final = -1
"""The round of a candidate that is the start."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """A verified design that could be handed over.

    Attributes:
        name: Of the section.
        round: That found it; ``START`` of the start.
        x: Its parameters in the space; of the start those that come nearest.
        claims: By the surrogate.
        verification: By the solver.
    """

    name: str
    round: int
    x: Float[Tensor, " parameters"]
    claims: Claims
    verification: Verification


def verified_evaluation(setup: Setup, claims: Claims, verification: Verification) -> Evaluation:
    """Return objective and constraints of the solver's labels; NaN where it did not converge."""
    verdicts = verification.verdicts
    labels = {name: _row([v.labels[name] for v in verdicts]) for name in LABELS}
    nothing = {name: torch.full_like(value, torch.nan) for name, value in labels.items()}
    case = claims.case.clone()
    case.alpha_deg = _row([v.alpha_deg for v in verdicts])
    said = Prediction(mean=labels, std=nothing, lower=nothing, upper=nothing, level=1.0, fields={})
    return judge(setup.problem, case, said)


def claimed_evaluation(setup: Setup, claims: Claims) -> Evaluation:
    """Return objective and constraints of the surrogate's labels."""
    return judge(setup.problem, claims.case, claims.prediction)


def objectives(setup: Setup, claims: Claims, verification: Verification) -> dict[str, float]:
    """Return the objective claimed and verified; NaN where a point did not converge."""
    return {
        "claimed": float(claimed_evaluation(setup, claims).objective[0]),
        "verified": float(verified_evaluation(setup, claims, verification).objective[0]),
    }


def candidate(setup: Setup, found: Round | None, start: Verification | None = None) -> Candidate:
    """Return the design of a round, or the start with the solver's verdict on it."""
    if found is not None:
        return Candidate(
            name=setup.study.name,
            round=found.index,
            x=found.solution.x,
            claims=found.claims,
            verification=found.verification,
        )
    assert start is not None
    return Candidate(
        name=setup.section.name, round=START, x=setup.x0, claims=setup.start, verification=start
    )


def handed_over(setup: Setup, rounds: Sequence[Round], start: Verification) -> Candidate:
    """Return the best verified design, the start among them; a tie is the start's."""
    entries = [candidate(setup, None, start), *(candidate(setup, found) for found in rounds)]
    return min(entries, key=lambda one: rank(setup, one))


def best_round(setup: Setup, rounds: Sequence[Round]) -> Round:
    """Return the round whose design is the best of all rounds."""
    return min(rounds, key=lambda found: rank(setup, candidate(setup, found)))


def rank(setup: Setup, one: Candidate) -> tuple[bool, int, bool, float]:
    """Return what designs are ordered by: no section, points missed, constraints broken, objective.

    Constraints and objective are the solver's, but the claims where it missed points.
    """
    missed = one.verification.missed
    evaluation = (
        claimed_evaluation(setup, one.claims)
        if missed
        else verified_evaluation(setup, one.claims, one.verification)
    )
    rows = limits(setup.problem, evaluation)
    broken = float(rows.violation(evaluation.constraints.nan_to_num(0.0))[0]) > VERIFIED_TOLERANCE
    value = float(evaluation.objective[0])
    return not one.verification.valid, missed, broken, value if np.isfinite(value) else np.inf


def doubts(
    setup: Setup, start: Candidate, best: Candidate, constraints: Sequence[Mapping[str, Any]]
) -> list[str]:
    """Return why the design should not be used as it is; empty where there is nothing.

    Args:
        setup: The study.
        start: The start.
        best: What is handed over.
        constraints: Rows of ``result.json``.
    """
    found = []
    if best.round == START:
        found.append("no better than the start")
    if not best.verification.valid:
        found.append("the contour is no section")
    total, missed = len(best.verification.verdicts), best.verification.missed
    if missed:
        found.append(f"{best.verification.solver} verified {total - missed} of {total} points")
    before, after = (objectives(setup, c.claims, c.verification) for c in (start, best))
    if best.round != START and after["verified"] >= before["verified"]:
        found.append("no better than the start, which breaks a constraint")
    broken = [row["name"] for row in constraints if row["best"]["verified_satisfied"] is False]
    claimed = [row["name"] for row in constraints if not row["best"]["satisfied"]]
    if broken:
        found.append(f"by the verdict it breaks {', '.join(broken)}")
    elif claimed and best.round != START:
        found.append(f"by its own claim it breaks {', '.join(claimed)}")
    return found


def sentence(
    setup: Setup, start: Candidate, best: Candidate, found: Candidate, reasons: Sequence[str]
) -> str:
    """Return the outcome in one sentence; what speaks against the design stands first.

    Args:
        setup: The study.
        start: The start.
        best: What is handed over.
        found: The best that the search came to.
        reasons: ``doubts``.
    """
    kind, solver = setup.study.objective.value, best.verification.solver
    first = f"{'; '.join(reasons)}. " if reasons else ""
    before, after = (objectives(setup, c.claims, c.verification) for c in (start, best))
    total, missed = len(best.verification.verdicts), best.verification.missed
    if best.round == START:
        return f"{first}The start is handed over: {_told(setup, start)}. {_refuted(setup, found)}"
    if missed:
        return (
            f"{first}{kind}: {after['claimed']:.5g} claimed (start {before['claimed']:.5g}); "
            f"{solver} verified {total - missed} of {total} operating points."
        )
    reached = total - start.verification.missed
    then = (
        f"the start: {before['verified']:.5g}"
        if reached == total
        else f"the start reaches {reached} of them"
    )
    return (
        f"{first}{kind}: {after['claimed']:.5g} claimed, {after['verified']:.5g} verified by "
        f"{solver} at all {total} operating points; {then}. {_kept(best)}"
    )


def _kept(one: Candidate) -> str:
    """Return how many of the claims lie inside their intervals."""
    said = one.claims.prediction
    inside = [
        float(said.lower[name][i]) <= verdict.labels[name] <= float(said.upper[name][i])
        for i, verdict in enumerate(one.verification.verdicts)
        for name in ("cl", "cd", "cm")
        if name in said.mean and verdict.converged
    ]
    level = 100.0 * float(said.level)
    return f"{sum(inside)} of {len(inside)} claims lie inside their {level:.0f} % intervals."


def _told(setup: Setup, one: Candidate) -> str:
    """Return claim and verdict of a design in a few words."""
    kind, values = setup.study.objective.value, objectives(setup, one.claims, one.verification)
    total, missed = len(one.verification.verdicts), one.verification.missed
    verdict = (
        f"{total - missed} of {total} operating points verified"
        if missed
        else f"{values['verified']:.5g} verified"
    )
    return f"{kind} {values['claimed']:.5g} claimed, {verdict}"


def _refuted(setup: Setup, found: Candidate) -> str:
    """Return what became of the best that the search came to."""
    if not found.verification.valid:
        return f"The search ended in a contour that is no section ({_told(setup, found)})."
    return f"The best that was found: {_told(setup, found)}."


def _row(values: Sequence[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)
