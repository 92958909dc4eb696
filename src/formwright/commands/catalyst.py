"""The study of a catalyst on the command line: bars while it runs, a table at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from formwright.design.catalysts.config import CatalystStudy

SHOWN = 8


def run_catalyst(study: CatalystStudy, folder: Path, *, resume: bool) -> int:
    """Run a study of a catalyst and print what it found; 1 if no proposal was a hit."""
    from formwright.design.catalysts.study import run
    from formwright.design.records import CATALYST_FORMAT
    from formwright.design.report.page import read

    with bar() as tell:
        found = run(study, folder, resume=resume, tell=tell)
    show(read(folder, "result", CATALYST_FORMAT))
    console = Console(highlight=False, soft_wrap=True)
    for name in ("report.html", "proposals.csv", "best.extxyz", "result.json"):
        console.print(f"{name:14} {(folder / name).resolve()}", markup=False)
    return 0 if found.hits or not found.judged else 1


@contextmanager
def bar() -> Iterator[Callable[[str, float], None]]:
    """Yield what shows how far a search is: a bar on a terminal, else a line for each stage."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    shown: list[Any] = []
    last = [""]

    def tell(what: str, share: float) -> None:
        if not console.is_terminal:
            if what != last[0]:
                console.print(f"searching {what}", markup=False)
            last[0] = what
            return
        if not shown:
            progress = Progress(*columns, console=console, transient=True)
            progress.start()
            shown.append((progress, progress.add_task("searching", total=1.0)))
        progress, task = shown[0]
        progress.update(task, completed=share, description=f"searching {what}")
        if share >= 1.0:
            progress.stop()
            shown.clear()

    try:
        yield tell
    finally:
        for progress, _ in shown:
            progress.stop()


def show(result: dict[str, Any]) -> None:
    """Print what a study found: verdict, rounds, the likeliest proposals, who verified."""
    console = Console(highlight=False)
    console.print(f"\n[bold]{escape(result['verdict'])}[/]")
    for entry in result["rounds"]:
        training = entry["training"]
        learned = f"{training['labels']} labels, " if training else ""
        console.print(
            f"round {entry['round']}: {learned}{entry['hits']} of {entry['judged']} hits; "
            f"{entry['kept']} of {entry['claims']} verdicts inside the intervals"
        )
    table = Table(title="adsorption energies, eV", title_justify="left")
    for column in ("alloy", "prototype", "adsorbate", "site", "claimed", "verified", "hit"):
        table.add_column(column, justify="right" if column in ("claimed", "verified") else "left")
    for row in result["proposals"][:SHOWN]:
        for name, claim in row["claims"].items():
            verdict = row["verdicts"][name]
            reach = claim["upper_ev"] - claim["energy_ev"]
            found = verdict["energy_ev"]
            table.add_row(
                escape(row["name"]),
                row["alloy"]["prototype"],
                name,
                escape(claim["site"]),
                f"{claim['energy_ev']:.2f} ± {reach:.2f}",
                escape(verdict["reason"]) if found is None else f"{found:.2f}",
                {True: "yes", False: "no", None: "-"}[row["hit"]],
            )
    console.print(table)
    left = len(result["proposals"]) - SHOWN
    if left > 0:
        console.print(f"and {left} more in proposals.csv")
    seconds = result["seconds"]
    console.print(f"verified by {result['verifier']['used']}: {escape(result['verifier']['why'])}")
    console.print(
        f"{seconds['train']:.1f} s to train, {seconds['search']:.1f} s to search, "
        f"{seconds['verify']:.1f} s to verify\n"
    )
