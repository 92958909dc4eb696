"""How long an answer takes: the solver, the surrogate of fields on its mesh, and that of forces.

    python benchmarks/rans_speed.py

One case, solved by OpenFOAM in the same run (one core, as it solves a corpus). The surrogates have
two threads and one case at a time. ``fields on the mesh`` begins with the contour and a mesh of
39,200 cells, as the solver's time does; ``fields`` makes that mesh too; ``forces and wall`` is
``rans-2d`` from the contour.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from _common import Benchmark, save, tell

from formwright.datasets.airfoils.sections import naca
from formwright.datasets.cases import section_case
from formwright.datasets.rans.cases import COARSE
from formwright.datasets.rans.mesh.c_grid import section_grid
from formwright.datasets.solvers.openfoam.solver import OpenFOAM
from formwright.surrogate.rans.fields.predict import predict_fields, predict_section
from formwright.surrogate.rans.fields.surrogate import load_fields
from formwright.surrogate.zoo import load

ALPHA_DEG, REYNOLDS = 4.0, 3e6
REPEATS = 25
THREADS = 2


def median_seconds(answer: Callable[[], object]) -> float:
    """Return the median time of an answer, after one that does not count."""
    answer()
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        answer()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


@torch.inference_mode()
def main() -> None:
    """Solve, answer, and save the claim."""
    pos = naca("2412", points_per_side=200).pos
    solver = OpenFOAM()
    solver.require()
    flow = solver.flow(pos, ALPHA_DEG, REYNOLDS)
    tell("solver", f"{flow.seconds:.1f} s, {int(flow.quality['cells'])} cells")
    coarse = COARSE.solver.flow(pos, ALPHA_DEG, REYNOLDS)
    torch.set_num_threads(THREADS)
    fields, forces = load_fields(), load("rans-2d")
    grid = section_grid(pos, REYNOLDS)
    conditions = {"alpha_deg": torch.tensor([ALPHA_DEG]), "reynolds": torch.tensor([REYNOLDS])}
    case = section_case(pos, {name: value.double() for name, value in conditions.items()})
    seconds = {
        "fields on the mesh": median_seconds(
            lambda: predict_section(fields, pos, ALPHA_DEG, REYNOLDS, grid=grid, base=pos)
        ),
        "fields": median_seconds(lambda: predict_fields(fields, pos, ALPHA_DEG, REYNOLDS)),
        "forces and wall": median_seconds(lambda: forces(case, fields=True)),
    }
    save(
        Benchmark(
            name="rans-speed",
            claim="Times as fast as OpenFOAM, one case at a time on two cores.",
            value={name: flow.seconds / value for name, value in seconds.items()},
            unit="times faster",
            better="higher",
            split=f"NACA 2412, {ALPHA_DEG:g} deg, Re {REYNOLDS:g}, 39,200 cells",
            peers={"OpenFOAM 1912 (seconds)": dict.fromkeys(seconds, flow.seconds)},
            bars={"bar": {"fields on the mesh": 500.0}},
            notes=(
                f"Seconds: {', '.join(f'{name} {value:.4f}' for name, value in seconds.items())}; "
                f"OpenFOAM {flow.seconds:.1f} on one core, meshing included; with every second "
                f"line of the mesh (corpus rans --coarse) {coarse.seconds:.1f}."
            ),
            details={
                "seconds": seconds,
                "cl": flow.forces["cl"],
                "cd": flow.forces["cd"],
                "cd, every second line": coarse.forces["cd"],
            },
        )
    )


if __name__ == "__main__":
    main()
