"""OpenFOAM on our C-mesh against NASA's CFL3D: NACA 0012, Re 6e6, k-omega SST.

CFL3D's coefficients are those of the Turbulence Modeling Resource (datasets/tmr.py). Incidences
between CFL3D's three are computed as well, without a reference. ``--meshes`` adds the coarser
meshes of the same family at 10 deg: the evidence of mesh convergence.
"""

from __future__ import annotations

import argparse
import dataclasses
import shutil
import subprocess

from _common import Benchmark, save, tell

from formwright.datasets import tmr
from formwright.datasets.solvers.foam_levels import coarsened
from formwright.datasets.solvers.openfoam import MESH, OpenFOAM

ALPHAS = (0.0, 2.5, 5.0, 7.5, 10.0, 12.5, 15.0)
COARSER = (2, 4)


def convergence(alpha_deg: float, finest: tmr.Comparison) -> dict[str, dict[str, float]]:
    """Return lift and drag on the mesh and on those with every 2nd and 4th line."""
    found = {"1": {"CL": finest.cl, "CD": finest.cd}}
    for factor in COARSER:
        levels = {1: 3, 2: 2, 4: 1}[factor]
        mesh = coarsened(MESH, factor)
        solver = OpenFOAM(mesh=mesh, y_plus=OpenFOAM().y_plus * factor, levels=levels)
        row = tmr.compare(solver, alpha_deg)
        found[f"1/{factor}"] = {"CL": row.cl, "CD": row.cd}
    return found


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
    parser.add_argument("--alphas", type=float, nargs="+", default=ALPHAS)
    parser.add_argument("--workers", type=int, default=None)
    parser.add_argument("--meshes", action="store_true")
    arguments = parser.parse_args()
    rows = tmr.validate(OpenFOAM(), arguments.alphas, workers=arguments.workers)
    for row in rows:
        tell(f"{row.alpha_deg:g} deg", dataclasses.asdict(row))
    compared = [row for row in rows if row.reference is not None]
    value = {
        "CL error": max(row.cl_error for row in compared),
        "CD error": max(row.cd_error for row in compared),
    }
    ours = {f"CL {row.alpha_deg:g} deg": row.cl for row in rows}
    ours |= {f"CD {row.alpha_deg:g} deg": row.cd for row in rows}
    theirs = {f"CL {row.alpha_deg:g} deg": row.reference[0] for row in compared if row.reference}
    theirs |= {f"CD {row.alpha_deg:g} deg": row.reference[1] for row in compared if row.reference}
    notes = f"OpenFOAM {version()}; {sum(row.seconds for row in rows):.0f} s of wall time."
    if arguments.meshes:
        at_ten = next(row for row in rows if row.alpha_deg == 10.0)
        meshes = convergence(10.0, at_ten)
        tell("meshes", meshes)
        lines = (f"{name}: CL {m['CL']:.4f}, CD {m['CD']:.5f}" for name, m in meshes.items())
        notes += f" Meshes at 10 deg, by the share of lines: {'; '.join(lines)}."
    save(
        Benchmark(
            name="naca0012-validation",
            claim=(
                f"OpenFOAM on formwright's C-mesh is within {100 * value['CL error']:.1f} % of "
                f"CFL3D's lift and {100 * value['CD error']:.1f} % of its drag on the NACA 0012, "
                "Re 6e6, 0 to 15 deg, k-omega SST."
            ),
            value=value | ours,
            unit="largest relative error, and coefficients",
            better="lower",
            bars={"bar": {"CL error": tmr.CL_BAR, "CD error": tmr.CD_BAR}},
            peers={"CFL3D, SST, 897 x 257 points (NASA TMR)": theirs},
            split="incidences that NASA lists for the model: 0, 10 and 15 deg",
            notes=notes,
        )
    )


if __name__ == "__main__":
    main()
