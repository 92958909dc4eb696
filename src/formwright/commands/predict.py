"""``formwright predict``: a table of cases in, the same table with coefficients out."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

if TYPE_CHECKING:
    from formwright.commands.table import Outcome


def predict(
    surrogate: str,
    *,
    cases: Path,
    out: Path,
    std: bool = False,
    prefix: str = "",
) -> int:
    """Predict lift, drag, moment and transition for every row of a CSV.

    ```text
    formwright predict airfoil-polar --cases cases.csv --out out.csv
    ```

    where `cases.csv` has the columns `section`, `alpha_deg`, `reynolds` and, if it is not 9,
    `ncrit`, in any order; other columns are kept:

    ```text
    section,alpha_deg,reynolds,ncrit
    naca2412,4,1e6,9
    shapes/mine.dat,2.5,250000,5
    ```

    A row that cannot be predicted keeps its place, its new columns are empty, and a column
    `reason` says why; the exit code is then 1.

    Args:
        surrogate: Name of a shipped surrogate, or a folder that `finetune` wrote.
        cases: The CSV to read.
        out: The CSV to write.
        std: Also write the standard deviation of each value, e.g. `cl_std`.
        prefix: Put this before the names of the new columns.
    """
    from formwright import load
    from formwright.commands.table import predict_table
    from formwright.datasets.errors import OutOfRangeWarning

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        warnings.simplefilter("always", OutOfRangeWarning)
        predictor = load(surrogate).predict_rows
        outcome = predict_table(predictor, cases, out, spread=std, prefix=prefix)
    messages: dict[str, str] = {}
    for entry in caught:
        messages.setdefault(str(entry.message).partition(":")[0], str(entry.message))
    return _tell(outcome, [*outcome.notes, *messages.values()], out)


def _tell(outcome: Outcome, notes: list[str], out: Path) -> int:
    """Print what was done to stderr; return the exit code."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    for note in notes:
        console.print("[yellow]note:[/]", end=" ")
        console.print(note, markup=False)
    done = outcome.rows - len(outcome.failures)
    console.print(
        f"{done:,} of {outcome.rows:,} rows predicted ({outcome.sections:,} sections, "
        f"{outcome.seconds:.1f} s): {out}",
        markup=False,
    )
    if not outcome.failures:
        return 0
    row, reason = next(iter(sorted(outcome.failures.items())))
    console.print(
        f"[bold red]{len(outcome.failures):,} rows could not be predicted[/]; the column 'reason' "
        "says why. The first:",
        end=" ",
    )
    console.print(f"row {row + 1}: {reason}", markup=False)
    return 1
