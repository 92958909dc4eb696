"""OpenFOAM on our C-mesh against NASA's CFL3D: NACA 0012, Re 6e6, k-omega SST.

CFL3D's coefficients are those of the Turbulence Modeling Resource (datasets/rans/tmr.py); other
incidences (``--alphas``) are computed as well, without a reference. ``--meshes`` adds two coarser
meshes of the same family and a finer one at 10 deg: the evidence of mesh convergence.
"""

from __future__ import annotations

import argparse
import dataclasses
import shutil
import subprocess
from typing import Any

from _common import Benchmark, save, tell

from formwright.datasets.rans import tmr
from formwright.datasets.rans.mesh.cmesh import CMesh
from formwright.datasets.solvers.openfoam.solver import MESH, OpenFOAM

AT_DEG = 10.0
LEVELS = {1.5: 3, 1.0: 3, 0.5: 3, 0.25: 2}
"""Levels of each mesh, by its number of lines over that of the corpus's mesh: all are started from
coarser ones, whose lift the far field needs."""
PATIENCE_S = 3600.0


def convergence(at_ten: tmr.Comparison) -> list[dict[str, Any]]:
    """Return lift and drag on meshes of one family, the finest first."""
    found = []
    for share, levels in LEVELS.items():
        solver = OpenFOAM(
            mesh=scaled(share),
            y_plus=OpenFOAM().y_plus / share,
            levels=levels,
            timeout_s=PATIENCE_S,
        )
        found.append(numbers(share, at_ten if share == 1.0 else tmr.compare(solver, AT_DEG)))
        tell("mesh", found[-1])
    return found


def scaled(share: float) -> CMesh:
    """Return the corpus's mesh with another number of lines in both directions."""
    counts = ("cells_side", "cells_wake", "cells_normal", "cells_base")
    cells = {name: round(getattr(MESH, name) * share) for name in counts}
    return dataclasses.replace(MESH, **cells)


def numbers(share: float, row: tmr.Comparison) -> dict[str, Any]:
    """Return the size of a mesh and what was found on it."""
    mesh = scaled(share)
    return {
        "lines": share,
        "cells": 2 * (mesh.cells_side + mesh.cells_wake) * mesh.cells_normal,
        "y_plus": OpenFOAM().y_plus / share,
        "CL": None if row.reason else row.cl,
        "CD": None if row.reason else row.cd,
        "iterations": row.iterations,
        "seconds": row.seconds,
        "reason": row.reason,
    }


def version() -> str:
    """Return OpenFOAM's version as its package tells it."""
    if shutil.which("dpkg-query") is None:
        return "unknown"
    command = ["dpkg-query", "-W", "-f", "${Version}", "openfoam"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def main() -> None:
    """Solve, compare, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--alphas", type=float, nargs="+", default=list(tmr.CFL3D_SST))
    parser.add_argument("--workers", type=int, default=None)
    parser.add_argument("--meshes", action="store_true")
    arguments = parser.parse_args()
    alphas = sorted({*arguments.alphas, *tmr.CFL3D_SST})
    rows = tmr.validate(OpenFOAM(), alphas, workers=arguments.workers, progress=False)
    for row in rows:
        tell(f"{row.alpha_deg:g} deg", dataclasses.asdict(row))
    if failed := [f"{row.alpha_deg:g} deg: {row.reason}" for row in rows if row.reason]:
        raise SystemExit("no answer at " + "; ".join(failed))
    at_ten = next(row for row in rows if row.alpha_deg == AT_DEG)
    save(benchmark(rows, convergence(at_ten) if arguments.meshes else []))


def benchmark(rows: list[tmr.Comparison], meshes: list[dict[str, Any]]) -> Benchmark:
    """Return what was found."""
    compared = [row for row in rows if row.reference is not None]
    worst = {
        "CL error": max(row.cl_error for row in compared),
        "CD error": max(row.cd_error for row in compared),
    }
    ours, theirs = {}, {}
    for row in rows:
        ours |= {f"CL {row.alpha_deg:g} deg": row.cl, f"CD {row.alpha_deg:g} deg": row.cd}
        if row.reference is not None:
            cl, cd = row.reference
            theirs |= {f"CL {row.alpha_deg:g} deg": cl, f"CD {row.alpha_deg:g} deg": cd}
    lines = [
        f"{m['cells']:,} cells: " + (m["reason"] or f"CL {m['CL']:.4f}, CD {m['CD']:.5f}")
        for m in meshes
    ]
    mesh_note = f" Meshes at {AT_DEG:g} deg: {'; '.join(lines)}." if lines else ""
    return Benchmark(
        name="naca0012-validation",
        claim=(
            f"OpenFOAM on formwright's C-mesh is within {100 * worst['CL error']:.1f} % of CFL3D's "
            f"lift and {100 * worst['CD error']:.1f} % of its drag on the NACA 0012, Re 6e6, at 0, "
            "10 and 15 deg, k-omega SST."
        ),
        value=worst | ours,
        unit="largest relative error (lift at 0 deg: absolute), and coefficients",
        better="lower",
        bars={"bar": {"CL error": tmr.CL_BAR, "CD error": tmr.CD_BAR}},
        peers={"CFL3D, SST, 897 x 257 points (NASA TMR)": theirs},
        split="incidences that NASA lists for the model: 0, 10 and 15 deg",
        notes=(
            f"OpenFOAM {version()}, the settings of the corpus rans-2d; "
            f"{sum(row.seconds for row in rows):.0f} s of wall time on a busy machine." + mesh_note
        ),
        details={"meshes": meshes, "incidences": [dataclasses.asdict(row) for row in rows]},
    )


if __name__ == "__main__":
    main()
