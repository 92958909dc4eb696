"""The package's force integrator against OpenFOAM's own forces, over every flow of a corpus.

Both integrate pressure and friction on the wall of the same solution: OpenFOAM while it runs,
``datasets/force_integration.py`` from the record that was stored. Differences of lift are relative
to the lift, or to .05 where it is smaller.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from _common import ROOT, Benchmark, save, tell

from formwright.datasets.flow_field import FlowField, load_flow
from formwright.datasets.force_integration import integrate_flow
from formwright.datasets.rans import FLOWS

BAR = 0.01
LEAST_LIFT = 0.05
LEAST = {"cl": LEAST_LIFT, "cm": LEAST_LIFT}
"""A difference is relative to no less than this."""


def differences(flow: FlowField) -> dict[str, float]:
    """Return the relative differences of a record's coefficients and of their parts."""
    ours = integrate_flow(flow)
    found = {}
    for name, theirs in flow.forces.items():
        size = max(abs(theirs), LEAST.get(name, 0.0))
        found[name] = abs(float(getattr(ours, name)) - theirs) / size if size else 0.0
    return found


def measured(folder: Path) -> list[dict[str, Any]]:
    """Return the differences of every record of a corpus.

    Raises:
        SystemExit: There is none.
    """
    files = sorted((folder / FLOWS).glob("*.npz"))
    if not files:
        raise SystemExit(
            f"no record in {str(folder / FLOWS)!r}; compute some: formwright corpus rans --out "
            f"{folder} --cases 400"
        )
    rows = []
    for file in files:
        flow = load_flow(file)
        rows.append({"case": file.stem, "alpha_deg": flow.alpha_deg, **differences(flow)})
    return rows


def main() -> None:
    """Integrate, compare, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=ROOT / "runs" / "rans-2d")
    rows = measured(parser.parse_args().folder)
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
            split=f"every converged case of rans-2d that was there, {len(rows)}",
            notes="OpenFOAM's numbers are those of its function object `forces` in the last "
            "iteration; a test holds them to `forceCoeffs` of the same iteration.",
            details={"cases": len(rows), "worst": worst},
        )
    )


if __name__ == "__main__":
    main()
