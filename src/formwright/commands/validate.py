"""``formwright validate``: a solver against published results."""

from __future__ import annotations

import math

from cyclopts import App
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from formwright.commands.options import Json, Quiet, Workers
from formwright.commands.output import tell

app = App(name="validate", help="Compare a solver with published results.", help_format="markdown")


@app.command
def naca0012(
    *alpha: float,
    workers: Workers = None,
    quiet: Quiet = False,
    json: Json = False,
) -> int:
    """OpenFOAM against NASA's CFL3D on the NACA 0012, Re 6e6, k-omega SST.

    ```text
    formwright validate naca0012
    formwright validate naca0012 0 5 10 15
    ```

    Ends with 1 where lift is more than 2 % or drag more than 4 % off, or a case did not converge.

    Args:
        alpha: Incidences, degrees; CFL3D's 0, 10 and 15 where none is given.
    """
    from formwright.datasets.config import to_mapping
    from formwright.datasets.rans import tmr
    from formwright.datasets.solvers.openfoam.solver import OpenFOAM

    alphas = alpha or tuple(tmr.CFL3D_SST)
    compared = tmr.validate(OpenFOAM(), alphas, workers=workers, progress=not quiet)
    good = all(row.good for row in compared)
    if json:
        points = [{**to_mapping(row), "good": row.good} for row in compared]
        tell("", {"points": points, "good": good}, json=True)
        return 0 if good else 1
    table = Table(title="NACA 0012, Re 6e6, k-omega SST", title_justify="left")
    for column in ("alpha", "CL", "CFL3D", "off %", "CD", "CFL3D", "off %", "iterations", "s"):
        table.add_column(column, justify="right")
    for row in compared:
        cl, cd = row.reference or (math.nan, math.nan)
        table.add_row(
            f"{row.alpha_deg:g}",
            *(f"{row.cl:.4f}", f"{cl:.4f}", f"{100.0 * row.cl_error:.2f}"),
            *(f"{row.cd:.5f}", f"{cd:.5f}", f"{100.0 * row.cd_error:.2f}"),
            *(f"{row.iterations}", f"{row.seconds:.0f}"),
        )
    console = Console(highlight=False)
    console.print(table)
    for row in compared:
        if row.reason:
            console.print(escape(f"{row.alpha_deg:g} deg: {row.reason}"))
    return 0 if good else 1
