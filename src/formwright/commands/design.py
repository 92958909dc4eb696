"""``formwright optimize``, ``report`` and ``demo``: a study is run, verified and reported."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter
from rich.console import Console
from rich.markup import escape
from rich.table import Table


def optimize(
    study: Path,
    *,
    out: Path | None = None,
    resume: Annotated[bool, Parameter(negative="--no-resume")] = True,
) -> int:
    """Run a design study: optimise with the surrogate, verify with the solver, write a report.

    ```text
    formwright optimize study.toml
    formwright optimize study.toml --out runs/second --no-resume
    ```

    The folder holds `study.toml`, `result.json`, `polars.json`, `start.dat`, `best.dat` and
    `report.html`. A study that was stopped goes on where it was.

    Args:
        study: The study's TOML file; docs/design-studies.md describes it.
        out: The study's folder; `runs/NAME` where not given, after the file's name.
        resume: Go on with what the folder holds; with `--no-resume` it is replaced.
    """
    return run_study(study, out or Path("runs") / study.stem, resume=resume)


def report(folder: Path) -> None:
    """Write the report of a finished study again.

    ```text
    formwright report runs/multipoint
    ```

    Args:
        folder: The study's folder.
    """
    from formwright.design.report import write_report

    print(write_report(folder))


def demo(what: Literal["airfoil"] = "airfoil", *, out: Path = Path("runs/demo-airfoil")) -> int:
    """Design an airfoil for six lift coefficients, verify it, and write a report: 3 minutes.

    ```text
    formwright demo
    formwright demo airfoil --out /tmp/demo
    ```

    The drag of NACA 0012 is brought down at lift coefficients from 0.8 to 1.6 under constraints on
    thickness, trailing edge and pitching moment, by gradient through the shipped surrogate. XFoil
    verifies the result where it is installed, else the embedded panel method.

    Args:
        what: What to design.
        out: The study's folder.
    """
    from formwright.design import study

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print(f"Designing an {what}: minimise drag at six lift coefficients, from NACA 0012.")
    path = Path(study.__file__).parent / "studies" / "multipoint.toml"
    return run_study(path, out, resume=False)


def run_study(path: Path, folder: Path, *, resume: bool) -> int:
    """Run a study and print its summary; 1 if the verified design misses a constraint."""
    from formwright.design.report import read
    from formwright.design.study import read_study, run

    run(read_study(path), folder, resume=resume)
    result = read(folder, "result")
    show(result)
    console = Console(highlight=False, soft_wrap=True)
    for name in ("report.html", "best.dat", "result.json"):
        console.print(f"{name:12} {(folder / name).resolve()}", markup=False)
    met = all(entry["best"]["verified_satisfied"] is not False for entry in result["constraints"])
    return 0 if met else 1


def show(result: dict[str, Any]) -> None:
    """Print what a study found: verdict, operating points, constraints missed, who verified."""
    console = Console(highlight=False)
    console.print(f"\n[bold]{escape(result['verdict'])}[/]")
    table = Table(title="drag in counts (1e-4)", title_justify="left")
    for column in ("point", "start", "design, claimed", "design, verified", "converged"):
        table.add_column(column, justify="left" if column == "point" else "right")
    for point in result["points"]:
        target = point["target_cl"]
        name = f"CL {target:.2f}  " if target is not None else ""
        best = point["best"]
        verified = best["verified"]
        table.add_row(
            f"{name}Re {point['reynolds']:,.0f}",
            counts(point["start"]["verified"]["labels"]),
            counts({"cd": best["claimed"]["labels"]["cd"]["mean"]}),
            counts(verified["labels"]),
            "yes" if verified["converged"] else verified["reason"],
        )
    console.print(table)
    for entry in result["constraints"]:
        if entry["best"]["verified_satisfied"] is False:
            console.print(f"[yellow]missed as verified:[/] {escape(entry['name'])}")
    search = result["optimisation"]
    if not search["success"]:
        console.print(f"[yellow]the optimiser did not succeed:[/] {escape(search['message'])}")
    solver, seconds = result["solver"], result["seconds"]
    console.print(f"verified by {solver['name']} {solver['version']}: {solver['why']}")
    console.print(
        f"{seconds['optimise']:.1f} s to optimise, {seconds['verify']:.1f} s to verify, "
        f"{seconds['total']:.1f} s in all\n"
    )


def counts(labels: dict[str, Any] | None) -> str:
    """Return the drag among labels in counts, a dash where there is none."""
    drag = (labels or {}).get("cd")
    return "-" if drag is None else f"{1e4 * drag:.1f}"
