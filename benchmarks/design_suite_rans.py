"""Six design problems with ``rans-2d`` at the defaults of a study, judged by OpenFOAM run apart.

The problems are ``benchmarks/data/design-suite-rans/*.toml``: objective, start, operating points
and what a practitioner would constrain; not one key is about guards, rounds or bounds. A design is
judged by its contour alone, by OpenFOAM runs of the benchmark's own (half a minute each) at the
whole degrees around the incidence that meets the lift. One problem alone:

    formwright optimize benchmarks/data/design-suite-rans/NAME.toml --out runs/NAME

All of them:

    python benchmarks/design_suite_rans.py [NAME ...]     (names: only these, nothing is written)
    python benchmarks/design_suite_rans.py --keep runs/design-suite-rans   (goes on)
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from _common import DATA, Benchmark, save
from _designs import LEAST_GAIN, kept_rows

from formwright.datasets.airfoils.sections import read_dat
from formwright.datasets.cases import section_case
from formwright.datasets.solvers.openfoam.solver import OpenFOAM
from formwright.design.airfoils.study import Study
from formwright.design.airfoils.sweeps import SweepRange
from formwright.design.airfoils.verify import Verification, verify
from formwright.design.loop import read_study, run
from formwright.design.objectives import OBJECTIVES
from formwright.design.spaces.points import OperatingPoints
from formwright.surrogate.model import Prediction

PROBLEMS: Final = DATA / "design-suite-rans"
AROUND: Final = SweepRange(
    step_deg=1.0, near_deg=90.0, below_deg=0.5, above_deg=0.5, from_zero=False
)
NAMES: Final = ("cl", "cd", "cm")
BARS: Final[Mapping[str, float]] = {
    "claims inside at every point": 5,
    "worse than the start": 0,
    "problems": 6,
}


def judged(path: Path, folder: Path, workers: int) -> dict[str, Any]:
    """Run one study and judge what it hands over."""
    study = dataclasses.replace(read_study(path), workers=workers)
    began = time.perf_counter()
    result: Mapping[str, Any] = run(study, folder).result
    seconds = time.perf_counter() - began
    sides = {side: apart(study, result, folder, side) for side in ("start", "best")}
    start, best = sides["start"][0], sides["best"][0]
    within = [
        (i, name, inside(point["best"]["claimed"]["labels"][name], verdict.labels[name]))
        for i, point in enumerate(result["points"])
        for verdict in [sides["best"][1].verdicts[i]]
        for name in NAMES
        if not (name == "cl" and point["target_cl"] is not None)
    ]
    return {
        "start": start,
        "verified": best,
        "claimed": result["objective"]["best"]["claimed"],
        "verified gain": (start - best) / abs(start),
        "better": bool(start - best > LEAST_GAIN * abs(start)),
        "worse": not bool(best <= start + LEAST_GAIN * abs(start)),
        "every claim inside": all(kept for *_, kept in within),
        "inside": within,
        "told": bool(result["reasons"]),
        "verdict": result["verdict"],
        "rounds": result["rounds"],
        "seconds": seconds,
    }


def apart(
    study: Study, result: Mapping[str, Any], folder: Path, side: str
) -> tuple[float, Verification]:
    """Return objective and verdicts of start or design, asked around where it met the points."""
    alpha = [
        point[side]["verified" if point[side]["verified"]["converged"] else "claimed"]["alpha_deg"]
        for point in result["points"]
    ]
    points = OperatingPoints(study.points, study.alpha_bounds_deg)
    pos = read_dat(folder / f"{side}.dat").pos
    found = verify(pos, points, OpenFOAM(), alpha, sweep=AROUND, workers=study.workers)
    values = {
        name: torch.tensor([v.labels[name] for v in found.verdicts], dtype=torch.float64)
        for name in NAMES
    }
    seen = Prediction(
        mean=values, std=values, lower=values, upper=values, level=1.0, fields={}, support=None
    )
    case = section_case(pos, {"alpha_deg": torch.tensor(alpha, dtype=torch.float64)})
    return float(OBJECTIVES[study.objective](points.weights, 0.0)(seen, case)[0]), found


def inside(ends: Mapping[str, float], verdict: float) -> bool:
    """Return whether a verdict lies inside a claimed interval; none does not."""
    return bool(ends["lower"] <= verdict <= ends["upper"])


def main() -> None:
    """Run all problems, judge, and write ``design-suite-rans.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--keep", type=Path, help="where folders and finished rows stay")
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    torch.set_num_threads(1)
    one = partial(judged, workers=given.workers)
    rows = kept_rows(PROBLEMS, given.names, given.keep, one)
    if not given.names:
        publish(rows)


def publish(rows: Mapping[str, Mapping[str, Any]]) -> None:
    """Write ``design-suite-rans.json``."""
    within = [kept for row in rows.values() for *_, kept in row["inside"]]
    value = {
        "claims inside at every point": sum(row["every claim inside"] for row in rows.values()),
        "worse than the start": sum(row["worse"] for row in rows.values()),
        "better than the start": sum(row["better"] for row in rows.values()),
        "not better, not told": sum(not row["better"] and not row["told"] for row in rows.values()),
        "verdicts inside": float(np.mean(within)),
        "problems": len(rows),
        "seconds": sum(row["seconds"] for row in rows.values()),
    }
    save(
        Benchmark(
            name="design-suite-rans",
            claim=f"{len(rows)} studies with rans-2d at their defaults, judged by OpenFOAM run "
            f"apart: {value['better than the start']} better than the start, "
            f"{value['worse than the start']} worse; of "
            f"{value['claims inside at every point']} every claim lies inside its interval.",
            value=value,
            unit="problems, share of verdicts inside the 90 % interval, s",
            better="higher",
            split="benchmarks/data/design-suite-rans: " + ", ".join(rows),
            peers={},
            bars={"bar": BARS},
            notes="Drag and moment at every operating point, and the lift where the incidence is "
            "given. Better means 0.2 % of the start's objective or more. The seconds are those of "
            "the studies, their own OpenFOAM runs included.",
            details=rows,
        )
    )


if __name__ == "__main__":
    main()
