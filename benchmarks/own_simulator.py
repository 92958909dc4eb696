"""Calls of a foreign program that a study needs until it has what CMA-ES reaches in 200.

The program is CalculiX (Debian's ``ccx``): a cantilever of steel, 1 m long and 30 mm wide, in five
steps of height, bent by 1 kN at its end. Its mass is made small while the deflection stays below
8 mm and the stress below 160 MPa. Optuna's CMA-ES makes small the mass plus a penalty; a study
(``kind = "simulator"``) is at its defaults but for the number of rounds. Both run the same program
through the same command.

    python benchmarks/own_simulator.py            (needs ccx; pip install cmaes)
    python benchmarks/_beam.py CASE.json          (one case: what the study runs)
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import optuna
import torch
from _beam import NAMES, solved
from _common import ROOT, Benchmark, save, tell

from formwright.datasets.config import from_mapping
from formwright.design.loop import run
from formwright.design.simulators.study import SimulatorStudy

DEFLECTION_MM, STRESS_MPA = 8.0, 160.0
LOWEST, HIGHEST = 15.0, 80.0
CALLS: Final = 200
OWN_CALLS: Final = 60
SEEDS: Final = (0, 1, 2, 3, 4)
STUDY: Final[Mapping[str, Any]] = {
    "name": "cantilever",
    "verifier": f"command: {sys.executable} {ROOT / 'benchmarks' / '_beam.py'} {{case}}",
    "minimize": "mass_kg",
    "unit": "kg",
    "inputs": {name: {"lower": LOWEST, "upper": HIGHEST, "unit": "mm"} for name in NAMES},
    "constraints": [
        {"output": "deflection_mm", "upper": DEFLECTION_MM, "unit": "mm"},
        {"output": "stress_mpa", "upper": STRESS_MPA, "unit": "MPa"},
    ],
}


def cma(seed: int) -> tuple[float, int]:
    """Return the best mass that keeps the constraints, and at which call it was found."""
    sampler = optuna.samplers.CmaEsSampler(seed=seed)
    study = optuna.create_study(sampler=sampler)
    best, at = np.inf, 0
    for call in range(1, CALLS + 1):
        trial = study.ask()
        answer = solved([trial.suggest_float(name, LOWEST, HIGHEST) for name in NAMES])
        over = max(answer["deflection_mm"] / DEFLECTION_MM - 1.0, 0.0)
        over += max(answer["stress_mpa"] / STRESS_MPA - 1.0, 0.0)
        if over == 0.0 and answer["mass_kg"] < best:
            best, at = answer["mass_kg"], call
        study.tell(trial, answer["mass_kg"] + 50.0 * over)
    return float(best), at


def own(seed: int, folder: Path) -> list[float]:
    """Return the best mass after each call; infinite before a case keeps the constraints."""
    study = from_mapping(SimulatorStudy, {**STUDY, "seed": seed})
    rounds = 1 + (OWN_CALLS - study.first) // study.each
    study = from_mapping(SimulatorStudy, {**STUDY, "seed": seed, "rounds": rounds})
    result = run(study, folder).result
    kept = [
        row["outputs"]["mass_kg"] if row["outputs"] and not row["missed"] else np.inf
        for row in result["cases"]
    ]
    return np.minimum.accumulate(kept).tolist()


def row(seed: int, folder: Path) -> dict[str, Any]:
    """Return both of one seed."""
    target, at = cma(seed)
    trace = own(seed, folder)
    reached = [i for i, value in enumerate(trace, 1) if value <= target]
    return {
        "target": target,
        "found by CMA-ES at": at,
        "calls": min(reached, default=None),
        "best of the study": trace[-1],
        "calls of the study": len(trace),
    }


def publish(rows: Mapping[int, Mapping[str, Any]]) -> None:
    """Write ``own-simulator.json``."""
    calls = [np.inf if r["calls"] is None else r["calls"] for r in rows.values()]
    median, reached = float(np.median(calls)), int(np.isfinite(calls).sum())
    save(
        Benchmark(
            name="own-simulator",
            claim=f"A study of a foreign program (CalculiX, a cantilever in five steps) comes to "
            f"the mass that CMA-ES reaches in {CALLS} calls after {median:g} calls, the median of "
            f"{len(rows)} seeds; {reached} come there in {OWN_CALLS}.",
            value={"calls": median, "seeds that come there": reached},
            unit="calls of the program",
            better="lower",
            split="five heights; deflection and stress bounded",
            peers={
                f"Optuna {optuna.__version__} CMA-ES": {
                    "calls": float(np.median([r["found by CMA-ES at"] for r in rows.values()]))
                }
            },
            bars={"bar": {"calls": 40.0}},
            seeds=list(rows),
            notes="CMA-ES at its defaults, mass plus 50 kg times what bounds are missed by; its "
            "calls are those until its best. A study that does not come there counts as infinitely "
            "many in the median.",
            details={str(seed): found for seed, found in rows.items()},
        )
    )


def main() -> None:
    """Run all seeds."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.simplefilter("ignore")
    rows = {}
    with tempfile.TemporaryDirectory() as temporary:
        for seed in SEEDS:
            rows[seed] = row(seed, Path(temporary) / str(seed))
            tell(str(seed), rows[seed])
    publish(rows)


if __name__ == "__main__":
    main()
