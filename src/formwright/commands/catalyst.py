"""What a study shows while it runs; studies of catalysts and of simulators at their end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

SHOWN = 8


@contextmanager
def bar(*, quiet: bool = False) -> Iterator[Callable[[str, float], None]]:
    """Yield what shows how far a search is: a bar on a terminal, else lines, or nothing."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True, highlight=False, soft_wrap=True, quiet=quiet)
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


def show_catalyst(result: Mapping[str, Any]) -> None:
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


def show_simulator(result: Mapping[str, Any]) -> None:
    """Print what a study found: verdict, the best case, claims kept."""
    console = Console(highlight=False)
    style = "bold yellow" if result["reasons"] else "bold"
    console.print(f"\n[{style}]{escape(result['verdict'])}[/]")
    table = Table(title="the best case", title_justify="left")
    for column in ("input", "value", "unit"):
        table.add_column(column, justify="right" if column == "value" else "left")
    for name, value in result["best"]["inputs"].items():
        unit = result["study"]["inputs"][name]["unit"]
        table.add_row(escape(name), f"{value:.6g}", escape(unit))
    console.print(table)
    kept, judged = result["kept"]
    console.print(
        f"{kept} of {judged} verdicts of {result['objective']['output']} inside their "
        f"{100 * result['level']:.0f} % intervals; {result['seconds']:.1f} s in the simulator\n",
        markup=False,
    )
