"""What orders the cases of a simulator, and what a finished study writes down."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from formwright.datasets.config import to_mapping
from formwright.design.loop import Place, Round
from formwright.design.records import SIMULATOR_FORMAT
from formwright.design.simulators.config import SimulatorSpec
from formwright.design.simulators.verifier import Answer
from formwright.design.study_folder import versions


@dataclass(frozen=True, kw_only=True, slots=True)
class Claims:
    """Cases of a round, and what the processes say of them.

    Attributes:
        place: Folder of the answers.
        cases: Inputs by name.
        intervals: By output, middle, lower and upper end, each one number a case; empty where
            nothing was learned yet.
    """

    place: Path
    cases: tuple[Mapping[str, float], ...]
    intervals: Mapping[str, list[list[float]]]


SimulatorRound = Round[Any, Claims, tuple[Answer, ...]]
Rank = tuple[bool, float, float]
LEVEL: Final = 0.9


def pairs(rounds: Sequence[SimulatorRound]) -> Iterator[tuple[Mapping[str, float], Answer]]:
    """Yield every case with its answer."""
    for one in rounds:
        yield from zip(one.claims.cases, one.verdicts, strict=True)


def rank(study: SimulatorSpec, answer: Answer) -> Rank:
    """Return what orders cases: failed, constraints missed (their sum), objective made small."""
    if answer.reason:
        return True, 0.0, 0.0
    return False, excess(study, answer), study.sign * answer.outputs[study.output]


def excess(study: SimulatorSpec, answer: Answer) -> float:
    """Return by how much constraints are missed, each in units of its bound, in all."""
    total = 0.0
    for one in study.constraints:
        bound = max((abs(b) for b in (one.lower, one.upper) if b is not None), default=1.0)
        total += one.excess(answer.outputs[one.output]) / (bound or 1.0)
    return total


def result(
    study: SimulatorSpec, rounds: Sequence[SimulatorRound], order: Sequence[Place]
) -> dict[str, Any]:
    """Return the content of ``result.json``.

    Args:
        study: What was asked.
        rounds: All.
        order: All cases, the best first.
    """
    rows = [_row(study, one, k) for one in rounds for k in range(len(one.claims.cases))]
    found, k = order[0]
    best = _row(study, found, k)
    first = next((row for row in rows if not row["reason"]), None)
    start = rows[0] if any(one.start is not None for one in study.inputs.values()) else None
    why = reasons(study, best, start)
    return {
        "format_version": SIMULATOR_FORMAT,
        "kind": "simulator",
        "name": study.name,
        "verdict": _sentence(study, rows, best, start or first, why),
        "reasons": why,
        "objective": {
            "output": study.output,
            "unit": study.unit,
            "better": "lower" if study.minimize else "higher",
        },
        "best": best,
        "start": start,
        "cases": rows,
        "kept": [sum(row["within"] is True for row in rows), sum(_judged(row) for row in rows)],
        "level": LEVEL,
        "study": to_mapping(study),
        "seconds": sum(row["seconds"] for row in rows),
        "versions": versions(),
    }


def _judged(row: Mapping[str, Any]) -> bool:
    return row["within"] is not None


def _row(study: SimulatorSpec, one: SimulatorRound, k: int) -> dict[str, Any]:
    """Return one case: inputs, claim, verdict."""
    answer = one.verdicts[k]
    claimed = {
        name: dict(zip(("mean", "lower", "upper"), (end[k] for end in ends), strict=True))
        for name, ends in one.claims.intervals.items()
    }
    own, within = claimed.get(study.output), None
    if own is not None and not answer.reason:
        within = own["lower"] <= answer.outputs[study.output] <= own["upper"]
    missed = [
        c.output
        for c in study.constraints
        if not answer.reason and c.excess(answer.outputs[c.output])
    ]
    return {
        "round": one.index,
        "case": k,
        "inputs": dict(one.claims.cases[k]),
        "claimed": claimed,
        "outputs": dict(answer.outputs),
        "within": within,
        "missed": missed,
        "reason": answer.reason,
        "seconds": answer.seconds,
    }


def reasons(
    study: SimulatorSpec, best: Mapping[str, Any], start: Mapping[str, Any] | None
) -> list[str]:
    """Return why the best case should not be used as it is; empty where there is nothing."""
    if best["reason"]:
        return [f"no case was answered; the first failure: {best['reason']}"]
    result = []
    if best["missed"]:
        result.append(f"no case keeps all constraints; the best misses {', '.join(best['missed'])}")
    same = start is not None and (best["round"], best["case"]) == (start["round"], start["case"])
    if same:
        result.append("no better than the start")
    return result


def _sentence(
    study: SimulatorSpec,
    rows: Sequence[Mapping[str, Any]],
    best: Mapping[str, Any],
    start: Mapping[str, Any] | None,
    why: Sequence[str],
) -> str:
    """Return the outcome in one sentence; what speaks against it stands first."""
    first = f"{'; '.join(why)}. " if why else ""
    failed = sum(bool(row["reason"]) for row in rows)
    lost = f", {failed} of them failed" if failed else ""
    if best["reason"]:
        return f"{first}{len(rows)} cases were run."
    unit = f" {study.unit}" if study.unit else ""
    then = ""
    if start is not None and start["outputs"]:
        called = "the start" if start["round"] == 1 and start["case"] == 0 else "the first"
        then = f"; {called}: {start['outputs'][study.output]:.5g}{unit}"
    return (
        f"{first}{study.output}: {best['outputs'][study.output]:.5g}{unit} in round "
        f"{best['round']}{then}. {len(rows)} cases were run{lost}."
    )
