"""``formwright optimize``, ``report`` and ``demo``: a study is run, verified and reported.

A study is of an airfoil, or of a catalyst where its TOML says ``kind = "catalyst"``.
"""

from __future__ import annotations

from collections.abc import Mapping
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
    """Run a design study: search with the surrogate, verify with the solver, write a report.

    ```text
    formwright optimize study.toml
    formwright optimize study.toml --out runs/second --no-resume
    ```

    A study of an airfoil minimises drag or the like over sections and is verified by XFoil or the
    panel method; its folder holds `result.json`, `polars.json`, `start.dat`, `best.dat` and
    `report.html`. What is handed over is the best verified design, the start among them; the exit
    code is 1 where it is no better than the start, was not verified at every operating point, or
    breaks a constraint.

    A study of a catalyst (`kind = "catalyst"` in the TOML) fine-tunes a surrogate on few DFT
    labels, designs alloys by gradient for the adsorption energies that are wanted, and is verified
    by DFT where the table has the alloy, else by CHGNet where it is installed; its folder holds
    `result.json`, `proposals.csv`, `best.extxyz` and `report.html`.

    A study that was stopped goes on where it was.

    Args:
        study: The study's TOML file; docs/design-studies.md and docs/catalyst-design.md describe
            the keys.
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
    from formwright.design.loop import report as write_again

    print(write_again(folder))


def demo(what: Literal["airfoil", "catalyst"] = "airfoil", *, out: Path | None = None) -> int:
    """Design an airfoil or a catalyst, verify it, and write a report: 3 minutes.

    ```text
    formwright demo
    formwright demo catalyst
    formwright demo airfoil --out /tmp/demo
    ```

    `airfoil`: the drag of NACA 0012 is brought down at lift coefficients from 0.8 to 1.6 under
    constraints on thickness, trailing edge and pitching moment, by gradient through the shipped
    surrogate. XFoil verifies the result where it is installed, else the embedded panel method.

    `catalyst`: the shipped encoder is fine-tuned on 5 % of the DFT labels of a table of alloys;
    alloys for hydrogen evolution are designed by gradient among 37 metals, and the table's other
    labels say how many of them are hits, against chance. No energy of a proposed alloy was among
    the labels.

    Args:
        what: What to design.
        out: The study's folder, replaced if it exists; `runs/demo-airfoil` or `runs/demo-catalyst`
            where not given.
    """
    from formwright.design import loop

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    studies = Path(loop.__file__).parent / "studies"
    out = out or Path(f"runs/demo-{what}")
    if what == "catalyst":
        console.print("Designing alloys for hydrogen evolution from 5 % of a table's DFT labels.")
        return run_study(studies / "hydrogen.toml", out, resume=False)
    console.print("Designing an airfoil: minimise drag at six lift coefficients, from NACA 0012.")
    return run_study(studies / "multipoint.toml", out, resume=False)


def run_study(path: Path, folder: Path, *, resume: bool) -> int:
    """Run a study and print its summary; 1 where something speaks against what it found."""
    from formwright.commands.catalyst import bar, show_catalyst
    from formwright.design.loop import read_study, run

    with bar() as tell:
        found = run(read_study(path), folder, resume=resume, tell=tell)
    shows, files = {
        "airfoil": (show, ("report.html", "best.dat", "result.json")),
        "catalyst": (
            show_catalyst,
            ("report.html", "proposals.csv", "best.extxyz", "result.json"),
        ),
    }[found.result.get("kind", "airfoil")]
    shows(found.result)
    console = Console(highlight=False, soft_wrap=True)
    for name in files:
        console.print(f"{name:14} {(folder / name).resolve()}", markup=False)
    return 1 if found.reasons else 0


def show(result: Mapping[str, Any]) -> None:
    """Print what a study found: verdict, operating points, constraints missed, who verified."""
    console = Console(highlight=False)
    style = "bold yellow" if result["reasons"] else "bold"
    console.print(f"\n[{style}]{escape(result['verdict'])}[/]")
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
            "yes" if verified["converged"] else escape(verified["reason"]),
        )
    console.print(table)
    for entry in result["constraints"]:
        if entry["best"]["verified_satisfied"] is False:
            console.print(f"[yellow]missed as verified:[/] {escape(entry['name'])}")
    search = result["optimisation"]
    if not search["success"]:
        from formwright.design.report.page import advice

        predicted = f"{search['message'].rstrip('.')}. {advice(result)}"
        console.print(f"[yellow]the optimiser did not succeed:[/] {escape(predicted)}")
    solver, seconds = result["solver"], result["seconds"]
    verifier = f"verified by {solver['name']} {solver['version']}: {solver['why']}"
    console.print(verifier, markup=False)
    console.print(
        f"{seconds['optimise']:.1f} s to optimise, {seconds['verify']:.1f} s to verify, "
        f"{seconds['total']:.1f} s in all\n"
    )


def counts(labels: dict[str, Any] | None) -> str:
    """Return the drag among labels in counts, a dash where there is none."""
    drag = (labels or {}).get("cd")
    return "-" if drag is None else f"{1e4 * drag:.1f}"
