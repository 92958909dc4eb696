"""How near the embedded solver comes to XFoil on sections of the database, and at what cost.

Random sections, Reynolds numbers and Ncrit; both solvers get the same contours and incidences.
XFoil sweeps, the panel solver treats every point by itself. Errors are over the points that both
converge.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence

import numpy as np
import torch
from _common import Benchmark, save

from formwright.datasets.airfoils.cst import coordinates, fit
from formwright.datasets.airfoils.sections import database
from formwright.datasets.cases import Case, section_case
from formwright.datasets.solvers.panel.solver import Panel
from formwright.datasets.solvers.result import Result
from formwright.datasets.solvers.xfoil.solver import XFoil

ALPHA = (-10.0, 16.0)
REYNOLDS = (5e4, 1e7)
NCRIT = (3.0, 13.0)
BANDS = (5e4, 3e5, 1e6, 3e6, 1e7)
ERRORS = {
    "cl": "CL",
    "log_cd": "ln CD",
    "cm": "CM",
    "xtr_top": "xtr top",
    "xtr_bottom": "xtr bottom",
}


def sample(count: int, incidences: int, seed: int) -> list[Case]:
    """Return cases: random sections of the database, each at one Reynolds number and one Ncrit."""
    generator = np.random.default_rng(seed)
    sections = database()
    names = generator.choice(sorted(sections), size=count, replace=False)
    cases = []
    for name in names:
        pos = coordinates(fit(sections[name].pos), 100)
        alpha = torch.from_numpy(np.linspace(*ALPHA, incidences))
        reynolds = float(np.exp(generator.uniform(*np.log(REYNOLDS))))
        conditions = {
            "alpha_deg": alpha,
            "reynolds": torch.full_like(alpha, reynolds),
            "ncrit": torch.full_like(alpha, float(generator.uniform(*NCRIT))),
        }
        cases.append(section_case(pos, conditions))
    return cases


def solved(solver: Panel | XFoil, cases: Sequence[Case]) -> tuple[list[Result], float]:
    """Return the results and the processor seconds that they took, children included."""
    begin = sum(_times())
    results = list(solver.solve(cases))
    return results, sum(_times()) - begin


def _times() -> tuple[float, ...]:
    now = os.times()
    return now.user, now.system, now.children_user, now.children_system


def labels(results: Sequence[Result]) -> dict[str, np.ndarray]:
    """Return the labels of all points, ln CD with them."""
    names = ("cl", "cd", "cm", "xtr_top", "xtr_bottom")
    joined = {name: np.concatenate([r.labels[name] for r in results]) for name in names}
    joined["log_cd"] = np.log(joined["cd"])
    return joined


def errors(
    ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray], mask: np.ndarray
) -> dict[str, float]:
    """Return mean and median of the absolute errors where ``mask`` holds."""
    value = {}
    for name, title in ERRORS.items():
        error = np.abs(ours[name] - theirs[name])[mask]
        value[f"{title} mean"] = float(error.mean())
        value[f"{title} median"] = float(np.median(error))
    return value


def shares(found: np.ndarray, known: np.ndarray, reynolds: np.ndarray) -> dict[str, float]:
    """Return the share of XFoil's points that converge, by band of the Reynolds number."""
    value = {}
    for low, high in zip(BANDS[:-1], BANDS[1:], strict=True):
        band = known & (reynolds >= low) & (reynolds <= high)
        if band.any():
            value[f"converged, of XFoil's, Re {low:.0e}-{high:.0e}"] = float(found[band].mean())
    return value


def main() -> None:
    """Solve the sample with both, compare, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sections", type=int, default=40)
    parser.add_argument("--incidences", type=int, default=14)
    parser.add_argument("--seed", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cases = sample(arguments.sections, arguments.incidences, arguments.seed)
    begin = time.perf_counter()
    ours, our_seconds = solved(Panel(), cases)
    theirs, their_seconds = solved(XFoil(), cases)
    panel, xfoil = labels(ours), labels(theirs)
    found, known = np.isfinite(panel["cl"]), np.isfinite(xfoil["cl"])
    both = found & known
    value = errors(panel, xfoil, both)
    value["converged, of XFoil's"] = float(both.sum() / known.sum())
    reynolds = np.concatenate([case["reynolds"].numpy() for case in cases])
    calm = known & (reynolds >= 3e5) & (np.abs(xfoil["cl"]) < 1.2)
    value["converged, of XFoil's, Re > 3e5, CL < 1.2"] = float(found[calm].mean())
    value |= shares(found, known, reynolds)
    value["converged, of all"] = float(found.mean())
    value["CPU ms a point"] = 1e3 * our_seconds / len(found)
    save(
        Benchmark(
            name="panel-vs-xfoil",
            claim=(
                f"The embedded solver gives CL within {value['CL median']:.4f} and CD within "
                f"{100 * value['ln CD median']:.1f} % of XFoil's (median) where both converge."
            ),
            value=value,
            unit="absolute error",
            better="lower",
            peers={
                "XFoil 6.99": {
                    "converged, of all": float(known.mean()),
                    "CPU ms a point": 1e3 * their_seconds / len(found),
                }
            },
            seeds=[arguments.seed],
            split=(
                f"{arguments.sections} random sections of the database (CST 8 + 8), "
                f"{arguments.incidences} incidences {ALPHA[0]:g} to {ALPHA[1]:g} deg each, "
                f"Re {REYNOLDS[0]:.0e} to {REYNOLDS[1]:.0e} and Ncrit {NCRIT[0]:g} to {NCRIT[1]:g} "
                f"at random; {int(both.sum())} points converged in both"
            ),
            notes=(
                "XFoil sweeps from neighbour to neighbour; the panel solver starts every point "
                "afresh, so that it can be batched. Laps, both solvers: "
                f"{time.perf_counter() - begin:.0f} s on a shared machine."
            ),
        )
    )


if __name__ == "__main__":
    main()
