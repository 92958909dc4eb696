"""XFoil sweeps that a study needs until it has what CMA-ES with XFoil alone reaches in 500.

Ten problems of ``benchmarks/data/design-suite`` with their own constraints and guards. Optuna's
CMA-ES moves the shape from the same start in the same space; every operating point of a design is
one sweep of XFoil, and a contour that is no section costs none. A study asks XFoil about its start
and about one design a search; its sweeps are counted until a design that keeps every constraint by
the verdict is as good as the best of CMA-ES.

    python benchmarks/solver_calls.py --keep runs/solver-calls [NAME ...]

goes on where it was stopped. With names, only these are run; what is kept is written as far as it
goes. Needs XFoil and ``pip install cmaes``.
"""

from __future__ import annotations

import argparse
import dataclasses
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import optuna
import torch
from _common import DATA, ROOT, Benchmark, save, tell
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from formwright.datasets.airfoils.sections import validate
from formwright.datasets.errors import StudyWarning
from formwright.datasets.files import write_record
from formwright.design.airfoils import handover
from formwright.design.airfoils.stages import Claims, Setup, prepare
from formwright.design.airfoils.study import Study, load_surrogate
from formwright.design.airfoils.sweeps import SweepRange
from formwright.design.airfoils.verifiers import SolverName, choose
from formwright.design.airfoils.verify import verify
from formwright.design.loop import Round, read_study, run
from formwright.design.problem import limits
from formwright.design.records import plain, read_json

SWEEPS: Final = 500
ROUNDS: Final = 12
SIGMA: Final = 0.02
REFUSED: Final = 10.0
WIDE: Final = SweepRange(above_deg=6.0)
PROBLEMS: Final = (
    "uav-mapping",
    "tail-glider",
    "wind-turbine-24",
    "human-powered-slow",
    "glider-trainer",
    "trainer-aircraft",
    "propeller-light-aircraft",
    "high-reynolds",
    "flying-wing-slow",
    "tourer",
)


def judged(setup: Setup, claims: Claims, alpha: list[float], sweep: SweepRange | None) -> Round:
    """Return XFoil's verdict on one design."""
    solver = setup.chosen.solver
    said = verify(claims.pos, setup.points, solver, alpha, sweep=sweep, workers=1)
    return Round(index=1, model=None, proposal=None, claims=claims, verdicts=said)


def sound(claims: Claims) -> bool:
    """Return whether a contour is a section."""
    try:
        validate(claims.pos)
    except ValueError:
        return False
    return True


def asked_for(found: Round) -> int:
    """Return the sweeps of a verdict: points at the same conditions share one."""
    return len({id(sweep) for sweep in found.verdicts.sweeps})


def cost(setup: Setup, found: Round, scale: float) -> tuple[float, float | None]:
    """Return what CMA-ES makes small, and the objective where every constraint is kept."""
    invalid, missed, broken, value = handover.rank(setup, found)
    if invalid or missed:
        return (REFUSED if invalid else 3.0 + missed), None
    problem = handover.judged_by(setup)
    seen = handover.verified_evaluation(problem, found)
    violation = float(limits(problem, seen).violation(seen.constraints.nan_to_num(0.0))[0])
    return value / scale + max(0.0, violation - handover.VERIFIED_TOLERANCE), (
        None if broken else value
    )


def cma(setup: Setup, folder: Path, seed: int = 0) -> list[tuple[int, float]]:
    """Return sweeps spent and the best objective so far, at each design that is a better one.

    Every trial is kept in ``folder``, and gone on from.
    """
    low, high = setup.space.bounds
    shape = [i for i, name in enumerate(setup.space.names) if not name.startswith("alpha")]
    unit = ((setup.x0 - low) / (high - low)).clamp(0.0, 1.0)
    first = judged(setup, setup.start, setup.start.alpha_deg, WIDE)
    scale = abs(handover.objectives(setup, first)["claimed"])
    study = optuna.create_study(
        study_name="cma",
        storage=JournalStorage(JournalFileBackend(str(folder / "cma.log"))),
        sampler=optuna.samplers.CmaEsSampler(
            x0={setup.space.names[i]: float(unit[i]) for i in shape}, sigma0=SIGMA, seed=seed
        ),
        load_if_exists=True,
    )
    while _spent(study) + asked_for(first) <= SWEEPS and len(study.trials) < 4 * SWEEPS:
        trial, x = study.ask(), setup.x0.clone()
        for i in shape:
            share = trial.suggest_float(setup.space.names[i], 0.0, 1.0)
            x[i] = low[i] + share * (high[i] - low[i])
        claims = dataclasses.replace(setup.start, case=setup.space.decode(x[None]))
        total, value, sweeps = REFUSED, None, 0
        if sound(claims):
            found = judged(setup, claims, setup.start.alpha_deg, WIDE)
            (total, value), sweeps = cost(setup, found, scale), asked_for(found)
        trial.set_user_attr("sweeps", sweeps)
        trial.set_user_attr("verified", value)
        study.tell(trial, total)
    return _improvements(study)


def _spent(study: optuna.Study) -> int:
    """Return the sweeps of all trials that were finished."""
    return sum(trial.user_attrs.get("sweeps", 0) for trial in study.trials)


def _improvements(study: optuna.Study) -> list[tuple[int, float]]:
    """Return where the best objective verified was bettered."""
    spent, best, trace = 0, np.inf, []
    for trial in study.trials:
        spent += trial.user_attrs.get("sweeps", 0)
        value = trial.user_attrs.get("verified")
        if value is not None and value < best:
            best = value
            trace.append((spent, value))
    return trace


def own(study: Study, folder: Path) -> list[tuple[int, float | None]]:
    """Return sweeps spent and the objective verified, None of a design that breaks a constraint."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", StudyWarning)
        result = run(study, folder / "study").result
    sweeps = len({(point.reynolds, point.ncrit, point.mach) for point in study.points})
    return [
        (sweeps * (2 + i), one["verified"] if one["verified_feasible"] else None)
        for i, one in enumerate(result["rounds"])
    ]


def row(name: str, folder: Path) -> dict[str, Any]:
    """Return one problem, from its files where they are there."""
    study = dataclasses.replace(
        read_study(DATA / "design-suite" / f"{name}.toml"),
        solver=SolverName.XFOIL,
        workers=1,
        rounds=ROUNDS,
    )
    kept = folder / "cma.json"
    trace = read_json(kept)
    if trace is None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", StudyWarning)
            setup = prepare(study, load_surrogate(study.surrogate), choose(study.solver))
        folder.mkdir(parents=True, exist_ok=True)
        trace = {"trace": cma(setup, folder)}
        write_record(kept, plain(trace))
    target = trace["trace"][-1][1] if trace["trace"] else float("inf")
    steps = own(study, folder)
    reached = [spent for spent, value in steps if value is not None and value <= target]
    return {
        "target": target,
        "cma": trace["trace"],
        "study": steps,
        "sweeps": min(reached, default=None),
    }


def publish(rows: Mapping[str, Mapping[str, Any]]) -> None:
    """Write ``solver-calls.json``."""
    spent = [np.inf if r["sweeps"] is None else r["sweeps"] for r in rows.values()]
    median, reached = float(np.median(spent)), sum(np.isfinite(spent))
    own_value = {"median": median, "reached": int(reached), "problems": len(rows)}
    other = [r["cma"][-1][0] if r["cma"] else np.inf for r in rows.values()]
    save(
        Benchmark(
            name="solver-calls",
            claim=f"On {reached} of {len(rows)} airfoil problems a study comes to what CMA-ES with "
            f"XFoil alone reaches in {SWEEPS} sweeps; the median takes {median:g} sweeps.",
            value=own_value,
            unit="XFoil sweeps, problems",
            better="lower",
            split="benchmarks/data/design-suite: " + ", ".join(rows),
            peers={
                f"Optuna {optuna.__version__} CMA-ES, XFoil alone": {
                    "median": float(np.median(other)),
                    "reached": sum(bool(r["cma"]) for r in rows.values()),
                    "problems": len(rows),
                }
            },
            bars={"bar": {"median": 40.0, "problems": 10}},
            seeds=[0],
            notes="One seed of CMA-ES (first spread .02 of the bounds, from the start). The "
            f"study has at most {ROUNDS} rounds; a problem that it has not solved by then counts "
            "as infinitely many in the median; the peer's is that of the sweep of its best.",
            details=rows,
        )
    )


def main() -> None:
    """Run the problems that are not done yet, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--keep", type=Path, default=ROOT / "runs" / "solver-calls")
    given = parser.parse_args()
    torch.set_num_threads(1)
    for name in given.names or PROBLEMS:
        file = given.keep / name / "row.json"
        if read_json(file) is None:
            write_record(file, plain(row(name, given.keep / name)))
        tell(name, {k: v for k, v in read_json(file).items() if k in ("target", "sweeps")})
    rows = {name: read_json(given.keep / name / "row.json") for name in PROBLEMS}
    publish({name: found for name, found in rows.items() if found is not None})


if __name__ == "__main__":
    main()
