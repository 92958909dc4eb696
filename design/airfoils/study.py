"""The verified loop on disk: a study is read from TOML, optimised, verified, recorded and reported.

A study's folder
----------------
``study.toml`` (as run), ``result.json``, ``polars.json``, ``start.dat``, ``best.dat``,
``labels.jsonl`` (what the solver was asked on the way: future training data), ``state/``
(how far an interrupted run came) and ``report.html``. No file holds NaN: an absent number is
``null``. A *claim* is the surrogate's, a *verdict* the solver's.

``result.json``::

    format_version   2
    name             str
    verdict          str: what speaks against the design, then objective at the start and at the
                     end, who verified it
    reasons          [str, ...] why the design should not be used as it is; empty where all is well
    notes            [str, ...] what was warned of before the search
    surrogate        {name, labels: {label: unit}, level}       level: coverage of the intervals
    solver           {requested, name, version, why, settings}  why: how "auto" was decided
    start, best      {section, file, round, parameters: {name: value}, geometry: {...}}
                     best is the best verified design; its round is null where that is the start
    points           one entry an operating point:
      {target_cl | null, reynolds, ncrit, mach, weight,
       start, best: {claimed:  {alpha_deg, labels: {label: {mean, std, lower, upper}}},
                     verified: {converged, reason, alpha_deg, labels: {label: number | null},
                                dropped, within: {label: bool}}}}
                     dropped: sweep points left out as false; within: verdict inside the interval
    objective        {kind, lower_is_better: true,
                      start, best: {claimed, verified: number | null}}
    constraints      one entry a constraint:
      {name, lower, upper: number | [number, ...] | null,
       start, best: {claimed: [number | null, ...], verified: [number | null, ...],
                     satisfied: bool (claimed), violation: number (claimed, in its own unit),
                     verified_satisfied: bool | null}}
                     verified: the same function of the solver's labels; null where it cannot be;
                     satisfied means within 1/1000 of the constraint's scale, verified within 1/10
    optimisation     {method: {kind, ...}, seed, success, message, iterations, evaluations,
                      seconds, starts: [{objective, violation, success, message, iterations}, ...],
                      history: [{round, start, iteration, objective, violation}, ...]}
                     start -1: all starts of a batched method at once (objective of the best)
    rounds           [{round, claimed, verified, feasible, offsets: {label: [number, ...]}}, ...]
                     offsets: the correction of the surrogate that this round was optimised with
    study            the study itself, as a mapping (what study.toml says, defaults filled in)
    seconds          {optimise, verify, total}
    versions         {formwright, torch, numpy, scipy, python, solver}
    started, finished   ISO 8601, UTC

``polars.json``::

    format_version   2
    stations         [x/c, ...], where the pressures are given
    sections         {start, best: {name, pos: [[x, y], ...]}}   upper trailing edge first
    start, best      one entry an operating point, in the order of ``points`` above:
      {reynolds, ncrit, mach,
       claimed:  {alpha_deg: [...], label: [...], label + "_lower": [...], label + "_upper": [...]},
       verified: {alpha_deg: [...], label: [number | null, ...], converged: [bool, ...],
                  used: [bool, ...], reason: [str, ...]},
       cp: {claimed, verified: {alpha_deg, top: [...], bottom: [...]} | null}}
                 used: converged and not dropped as false; cp: at the design's operating point
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from formwright.datasets.airfoils.sections import Section, validate, write_dat
from formwright.datasets.config import from_mapping, read_toml
from formwright.datasets.files import write_record, write_text
from formwright.design.airfoils import results
from formwright.design.airfoils.handover import handed_over
from formwright.design.airfoils.polar_files import polars
from formwright.design.airfoils.specs import Study
from formwright.design.airfoils.stages import Claims, Round, Setup, prepare, run_round, verified
from formwright.design.airfoils.verifiers import Chosen, choose
from formwright.design.airfoils.verify import Verification
from formwright.design.records import plain, read_json
from formwright.design.study_folder import STATE, now, open_folder, started
from formwright.surrogate.model import Surrogate

WRITTEN: Final = (
    "study.toml",
    "result.json",
    "polars.json",
    "start.dat",
    "best.dat",
    "labels.jsonl",
    "report.html",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class StudyResult:
    """The outcome of a study.

    Attributes:
        folder: Where everything lies.
        verdict: The outcome in one sentence.
        claimed: Objective of the design by the surrogate.
        verified: Objective by the solver; None where it did not converge at every point.
        converged: Operating points that the solver verified, and how many there are.
        feasible: Whether every constraint is met by the surrogate's claim.
        reasons: Why the design should not be used as it is: no better than the start, not verified
            at every point, a constraint broken; empty where all is well.
        result: All of ``result.json``.
    """

    folder: Path
    verdict: str
    claimed: float
    verified: float | None
    converged: tuple[int, int]
    feasible: bool
    reasons: tuple[str, ...]
    result: Mapping[str, Any]


def read_study(path: str | os.PathLike[str]) -> Study:
    """Read a study from TOML; the keys are the attributes of ``Study``.

    Raises:
        ConfigError: Unknown key, missing key or a value of the wrong kind.
    """
    return from_mapping(Study, read_toml(path), where=Path(path).name)


def run(
    study: Study,
    folder: str | os.PathLike[str],
    *,
    resume: bool = True,
    surrogate: Surrogate | None = None,
    chosen: Chosen | None = None,
) -> StudyResult:
    """Optimise, verify, record and report.

    What ``folder`` already holds of the same study is not repeated: an optimisation goes on from
    its last iteration, a finished study is returned as it is.

    Args:
        study: What to do.
        folder: Where to write; made if absent.
        resume: Go on from what is there; else begin anew.
        surrogate: Use this one instead of loading ``study.surrogate``.
        chosen: Verify with this one instead of ``study.solver``.

    Raises:
        ConfigError: The folder holds another study, or the study cannot be.
        MissingSolverError: The solver asked for is not installed.
        StorageError: The disk is full; run again to go on.
    """
    path = Path(folder)
    open_folder(path, study, WRITTEN, resume=resume)
    done = read_json(path / "result.json")
    if done is None:
        done = _run(study, path, surrogate or load_surrogate(study.surrogate), chosen)
    if not (path / "report.html").exists():
        from formwright.design.report.page import write_report

        write_report(path)
    return _summary(path, done)


def load_surrogate(name: str) -> Surrogate:
    """Return the panel method as a surrogate, a shipped one, or one from a folder, in float64.

    An optimiser near its end compares values that differ by less than float32 resolves.

    Raises:
        UnknownNameError: There is none of that name.
    """
    if name == "panel":
        from formwright.surrogate.airfoils.panel import PanelSurrogate

        return PanelSurrogate()
    from formwright.surrogate.zoo import load

    return load(name).double()


def _run(study: Study, path: Path, surrogate: Surrogate, chosen: Chosen | None) -> dict[str, Any]:
    """Run all stages that are not done yet and write what they found."""
    state = path / STATE
    surrogate = surrogate.eval().requires_grad_(False)
    setup = prepare(study, surrogate, chosen or choose(study.solver))
    rounds: list[Round] = []
    for _ in range(study.rounds):
        rounds.append(run_round(setup, rounds, state))
        _write_labels(path / "labels.jsonl", setup, [(r.claims, r.verification) for r in rounds])
    start = verified(setup, setup.start, state / "verify_start.json")
    return _write(path, setup, rounds, start)


def _write(
    path: Path, setup: Setup, rounds: Sequence[Round], start: Verification
) -> dict[str, Any]:
    """Write the files of a finished study, ``result.json`` last."""
    best = handed_over(setup, rounds, start)
    asked = [(r.claims, r.verification) for r in rounds]
    _write_labels(path / "labels.jsonl", setup, [(setup.start, start), *asked])
    named = (("start", setup.section.name, setup.start), ("best", best.name, best.claims))
    for name, called, claims in named:
        pos = claims.pos.detach()
        validate(pos, called)
        section = Section(name=called, pos=pos, family="study", source=setup.study.name)
        write_dat(path / f"{name}.dat", section)
    write_record(path / "polars.json", plain(polars(setup, best, start)))
    times = {"started": started(path), "finished": now()}
    content = plain(results.result(setup, rounds, best, start, times))
    write_record(path / "result.json", content)
    return content


def _write_labels(path: Path, setup: Setup, asked: Sequence[tuple[Claims, Verification]]) -> None:
    """Write every sweep that the solver was asked for, one a line."""
    lines, seen = [], set()
    for claims, verification in asked:
        for point, sweep in zip(setup.points.points, verification.sweeps, strict=True):
            row = {
                "solver": verification.solver,
                "settings": dict(verification.settings),
                "pos": claims.pos.tolist(),
                "reynolds": point.reynolds,
                "ncrit": point.ncrit,
                "mach": point.mach,
                "alpha_deg": sweep.alpha_deg,
                "labels": dict(sweep.labels),
                "used": sweep.used,
                "reason": sweep.reasons,
            }
            line = json.dumps(plain(row), allow_nan=False)
            if line not in seen:
                lines.append(line)
            seen.add(line)
    write_text(path, "\n".join(lines) + "\n")


def _summary(path: Path, content: Mapping[str, Any]) -> StudyResult:
    """Return the outcome that ``result.json`` holds."""
    verdicts = [point["best"]["verified"]["converged"] for point in content["points"]]
    return StudyResult(
        folder=path,
        verdict=content["verdict"],
        claimed=content["objective"]["best"]["claimed"],
        verified=content["objective"]["best"]["verified"],
        converged=(sum(verdicts), len(verdicts)),
        feasible=all(row["best"]["satisfied"] for row in content["constraints"]),
        reasons=tuple(content["reasons"]),
        result=content,
    )
