"""The package's force integrator against OpenFOAM's own forces, over every flow of a corpus.

    python benchmarks/force_integrator.py [runs/rans-2d]

Both integrate pressure and friction on the wall of the same solution: OpenFOAM while it runs,
``datasets/rans/forces.py`` from what was stored. That is the whole corpus where it is there,
else the walls of test cases in the repository, in single precision. Differences of lift are
relative to the lift, or to .05 where it is smaller.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from _common import ROOT, Benchmark, save, tell
from _walls import WallCase, load_walls, wall_case
from rans_accuracy import RANS

from formwright.datasets.rans.corpus import FLOWS
from formwright.datasets.rans.data import read_rans
from formwright.datasets.rans.flow_field import load_flow
from formwright.datasets.rans.forces import integrate_wall

BAR = 0.01
LEAST_LIFT = 0.05
LEAST = {"cl": LEAST_LIFT, "cm": LEAST_LIFT}
"""A difference is relative to no less than this."""


def differences(case: WallCase) -> dict[str, float]:
    """Return the relative differences of a case's coefficients and of their parts."""
    ours = integrate_wall(case.wall, case.alpha_deg)
    found = {}
    for name, theirs in case.forces.items():
        size = max(abs(theirs), LEAST.get(name, 0.0))
        found[name] = abs(float(getattr(ours, name)) - theirs) / size if size else 0.0
    return found


def rows_of(cases: Iterable[WallCase]) -> list[dict[str, Any]]:
    """Return the differences of cases."""
    return [{"case": c.name, "alpha_deg": c.alpha_deg, **differences(c)} for c in cases]


def main() -> None:
    """Integrate, compare, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=ROOT / "runs" / "rans-2d")
    files = sorted((parser.parse_args().folder / FLOWS).glob("*.npz"))
    whole = len(files) >= len(read_rans(RANS))
    rows = rows_of((wall_case(f.stem, load_flow(f)) for f in files) if whole else load_walls())
    tell("cases", len(rows))
    value, worst = {}, {}
    for name in ("cl", "cd", "cm"):
        column = np.array([row[name] for row in rows])
        key = name.upper()
        value |= {f"{key} largest": float(column.max()), f"{key} median": float(np.median(column))}
        worst[key] = rows[int(column.argmax())]
    save(
        Benchmark(
            name="force-integrator",
            claim=(
                f"Lift and drag integrated from the stored walls differ from OpenFOAM's own by "
                f"{max(value['CL largest'], value['CD largest']):.0e} (relative) at most, in "
                f"{len(rows)} cases."
            ),
            value=value,
            unit=f"relative difference; of CL and CM relative to {LEAST_LIFT:g} at least",
            better="lower",
            bars={"bar": {"CL largest": BAR, "CD largest": BAR}},
            peers={},
            split=(f"{'every converged case' if whole else 'test cases'} of rans-2d, {len(rows)}"),
            notes="OpenFOAM's numbers are those of its function object `forces` in the last "
            "iteration; a test holds them to `forceCoeffs` of the same iteration.",
            details={"cases": len(rows), "worst": worst},
        )
    )


if __name__ == "__main__":
    main()
