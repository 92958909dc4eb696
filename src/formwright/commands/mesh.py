"""``formwright mesh``: a section as a case for OpenFOAM, and its mesh for Gmsh and SU2."""

from __future__ import annotations

from formwright.commands.options import Json, Out, Section
from formwright.commands.output import tell


def mesh(
    section: Section,
    *,
    out: Out,
    alpha_deg: float = 0.0,
    reynolds: float = 1e6,
    chord: float = 1.0,
    y_plus: float = 1.0,
    first_cell: float | None = None,
    coarser: int = 1,
    iterations: int = 3000,
    json: Json = False,
) -> None:
    """Write a case for OpenFOAM around a section, with its mesh for Gmsh and SU2 as well.

    ```text
    formwright mesh naca2412 --out cases/naca2412 --alpha-deg 4 --reynolds 1e6
    cd cases/naca2412 && simpleFoam
    formwright mesh wing.dat --out cases/wing --coarser 0 --y-plus 0.8 --chord 0.35
    ```

    The folder is a whole case: `polyMesh` with `airfoil` as a wall, `farfield` as a patch, `front`
    and `back` as `empty`; steady, incompressible, k-omega SST resolved to the wall; coefficients in
    `postProcessing`. Beside it lie `mesh.msh` (Gmsh; `gmshToFoam` takes it), `mesh.su2` (the plane,
    with the markers `airfoil` and `farfield`) and `mesh.vtu` (ParaView). The free stream has 1 m/s
    and the viscosity follows from the Reynolds number. The folder of the case is new or empty.

    `checkMesh` passes as long as the cells at the wall are less than 1,000 times longer than thick;
    below (`--y-plus 0.4`, or a larger Reynolds number) their aspect ratio is its one complaint, and
    `simpleFoam` runs all the same.

    Args:
        alpha_deg: Incidence, degrees: the free stream turns, the section stays.
        reynolds: On the chord.
        chord: Metres.
        y_plus: Of the middle of the first cell, from the friction of a flat plate.
        first_cell: Height of the first cell in chords, in place of `--y-plus`.
        coarser: How often every second line of the mesh is left out: 0 is the mesh of
            `corpus rans`, 1 has a quarter of its cells.
        iterations: At most, of `simpleFoam`.
    """
    from formwright.datasets.airfoils.sections import load_section
    from formwright.datasets.solvers.openfoam.handover import HandedCase, write_openfoam

    case = HandedCase(
        alpha_deg=alpha_deg,
        reynolds=reynolds,
        chord=chord,
        y_plus=y_plus,
        first_cell=first_cell,
        coarser=coarser,
        iterations=iterations,
    )
    written = write_openfoam(out, load_section(section).pos, case)
    cells = len(written.cells)
    figures = {"out": str(out), "cells": cells, "first_cell": case.mesh.first_cell, "chord": chord}
    line = f"{cells:,} cells, first cell {case.mesh.first_cell:.2e} chords: {out}"
    tell(line, figures, json=json)
