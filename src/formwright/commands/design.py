"""``formwright optimize``, ``report`` and ``demo``: a study is run, verified and reported.

A study is of an airfoil, or of what its TOML says: ``kind = "catalyst"``, ``"simulator"``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from cyclopts import Parameter
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from formwright.commands.options import (
    Folder,
    Hours,
    Json,
    MaybeOut,
    Quiet,
    Seed,
    Workers,
    within,
)
from formwright.commands.output import tell

DEMOS: Final = {
    "airfoil": (
        "multipoint.toml",
        "Designing an airfoil: minimise drag at six lift coefficients, from NACA 0012.",
    ),
    "catalyst": (
        "hydrogen.toml",
        "Designing alloys for hydrogen evolution from 5 % of a table's DFT labels.",
    ),
}


def optimize(
    study: Path,
    *,
    out: MaybeOut = None,
    resume: Annotated[bool, Parameter(negative="--no-resume")] = True,
    seed: Seed = None,
    workers: Workers = None,
    hours: Hours = None,
    quiet: Quiet = False,
    json: Json = False,
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

    A study of a simulator of your own (`kind = "simulator"`) moves inputs between bounds, and every
    case is run by your program: `verifier = "command: ./run.sh {case}"`. Its folder holds
    `result.json`, `best.json`, every case with its answer, and `report.html`.

    A study that was stopped goes on where it was. Its folder is `runs/NAME`, after the file's name,
    where `--out` does not say otherwise; `--seed` and `--workers` go before the file's keys.

    Args:
        study: The study's TOML file; docs/design-studies.md, docs/catalyst-design.md and
            docs/own-simulator.md describe the keys.
        resume: Go on with what the folder holds; with `--no-resume` it is replaced.
    """
    folder = out or Path("runs") / study.stem
    given = {"seed": seed, "workers": workers}
    with within(hours):
        return run_study(study, folder, given, resume=resume, quiet=quiet, json=json)


def report(folder: Folder, *, json: Json = False) -> None:
    """Write the report of a finished study again.

    ```text
    formwright report runs/multipoint
    ```

    """
    from formwright.design.loop import report as write_again

    path = write_again(folder)
    tell(str(path), {"report": str(path)}, json=json)


def demo(
    what: Literal["airfoil", "catalyst"] = "airfoil",
    *,
    out: MaybeOut = None,
    seed: Seed = None,
    workers: Workers = None,
    hours: Hours = None,
    quiet: Quiet = False,
    json: Json = False,
) -> int:
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
    alloys for hydrogen evolution are designed by gradient among 36 metals, and the table's other
    labels say how many of them are hits, against chance. No energy of a proposed alloy was among
    the labels.

    The folder is `runs/demo-airfoil` or `runs/demo-catalyst` where not given, and is replaced.

    Args:
        what: What to design.
    """
    from formwright.design import loop

    console = Console(stderr=True, highlight=False, soft_wrap=True, quiet=quiet)
    studies = Path(loop.__file__).parent / "studies"
    out = out or Path(f"runs/demo-{what}")
    name, line = DEMOS[what]
    console.print(line)
    given = {"seed": seed, "workers": workers}
    with within(hours):
        return run_study(studies / name, out, given, resume=False, quiet=quiet, json=json)


def run_study(
    path: Path,
    folder: Path,
    given: Mapping[str, int | None],
    *,
    resume: bool,
    quiet: bool,
    json: bool,
) -> int:
    """Run a study and print its summary; 1 where something speaks against what it designed."""
    from formwright.commands.catalyst import bar, show_catalyst, show_simulator
    from formwright.design.loop import read_study, run

    study = overridden(read_study(path), given)
    of_training = {"progress": not quiet} if getattr(study, "kind", "") == "catalyst" else {}
    with bar(quiet=quiet) as advance:
        outcome = run(study, folder, resume=resume, tell=advance, **of_training)
    if json:
        names = ("verdict", "claimed", "verified", "judged", "reasons")
        figures = {name: getattr(outcome, name) for name in names}
        tell("", {"folder": str(folder), **figures}, json=True)
        return 1 if outcome.reasons else 0
    shows, files = {
        "airfoil": (show, ("report.html", "best.dat", "result.json")),
        "catalyst": (
            show_catalyst,
            ("report.html", "proposals.csv", "best.extxyz", "result.json"),
        ),
        "simulator": (show_simulator, ("report.html", "best.json", "result.json")),
    }[outcome.result.get("kind", "airfoil")]
    shows(outcome.result)
    console = Console(highlight=False, soft_wrap=True)
    for name in files:
        console.print(f"{name:14} {(folder / name).resolve()}", markup=False)
    return 1 if outcome.reasons else 0


def overridden(study: Any, given: Mapping[str, int | None]) -> Any:
    """Return a study with the flags that were given in the place of its keys.

    Raises:
        ConfigError: A study of this kind has no such key.
    """
    from formwright.datasets.errors import ConfigError

    flags = {name: value for name, value in given.items() if value is not None}
    for name in flags:
        if not hasattr(study, name):
            raise ConfigError(f"--{name} is nothing that {study.name!r} has: leave it out.")
    return dataclasses.replace(study, **flags)


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
