"""What makes a column or a row of a table no good: named, and left out or refused."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from jaxtyping import Bool, Float

from formwright.datasets.errors import ConfigError, CorpusError, UnknownNameError, did_you_mean
from formwright.datasets.own.notes import Notes

FEWEST: Final = 12
"""Rows below which nothing is to be learned."""
FEW: Final = 60
MOST_WORDS: Final = 20
"""Different words that a column of choices may have."""
_OUTLIER: Final = 30.0
"""Distances from the median, in middle ranges, beyond which a number is absurd."""
_EMPTY: Final = ("", "nan", "na", "n/a", "null", "none")
Cells = Mapping[str, Sequence[str]]
Numbers = Mapping[str, Float[np.ndarray, " rows"]]


def check_names(
    cells: Cells,
    outputs: Sequence[str],
    inputs: Sequence[str] | None,
    group: str | None,
    units: Mapping[str, str],
) -> None:
    """Refuse names that are no columns, and columns that are two things."""
    if not outputs:
        raise ConfigError(
            f"a table needs --outputs, the columns to predict; it has {', '.join(cells)}."
        )
    for name in (*outputs, *(inputs or ()), *([group] if group else ()), *units):
        if name not in cells:
            raise UnknownNameError(
                f"the table has no column {name!r}.{did_you_mean(name, cells)} Its columns: "
                f"{', '.join(cells)}."
            )
    both = set(inputs or ()) & set(outputs)
    if both:
        raise ConfigError(f"column {min(both)!r} is given as input and as output: it is one.")


def numbers(cells: Sequence[str]) -> Float[np.ndarray, " rows"]:
    """Return cells as numbers, NaN where they are none."""
    return np.array([_number(cell) for cell in cells])


def _number(cell: str) -> float:
    """Return a cell as a number; an infinite one is none."""
    try:
        value = float(cell)
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan


def _empty(cell: str) -> bool:
    return cell.strip().lower() in _EMPTY


def choices(
    cells: Cells,
    inputs: Sequence[str],
    numbers: Numbers,
    notes: Notes,
) -> dict[str, tuple[str, ...]]:
    """Return the words of the inputs that are choices: more text than numbers in them."""
    result = {}
    for name in inputs:
        filled = np.array([not _empty(cell) for cell in cells[name]])
        if np.isfinite(numbers[name]).sum() * 2 >= filled.sum():
            continue
        words = sorted({cell for cell in cells[name] if not _empty(cell)})
        if len(words) > MOST_WORDS:
            raise CorpusError(
                f"input {name!r} has {len(words)} different words, e.g. {words[0]!r}: that is a "
                "name, not a choice. Leave it out of --inputs, or give it as --group."
            )
        result[name] = tuple(words)
        notes.guessed.append(f"input {name!r} is a choice of {', '.join(words)}")
    return result


def good_rows(
    cells: Cells,
    numbers: Numbers,
    inputs: Sequence[str],
    outputs: Sequence[str],
    words: Mapping[str, Any],
    notes: Notes,
) -> np.ndarray:
    """Return which rows have all inputs, and no text among their numbers; name the others."""
    good = np.ones(len(next(iter(cells.values()))), bool)
    for name in (*inputs, *outputs):
        for i, cell in enumerate(cells[name]):
            bad = _empty(cell) if name in words else math.isnan(numbers[name][i])
            if not bad or (name in outputs and _empty(cell)):
                continue
            good[i] = False
            what = "is empty" if _empty(cell) else f"{cell[:40]!r} is no finite number"
            notes.refused.append(f"row {i + 1}: {name} {what}")
    empty = np.array([[_empty(cell) for cell in cells[name]] for name in outputs]).all(0)
    for i in np.flatnonzero(good & ~empty).tolist():
        for name in outputs:
            if good[i] and _empty(cells[name][i]):
                good[i] = False
                notes.refused.append(f"row {i + 1}: {name} is empty, and other outputs are not")
    return good


def varying(
    cells: Cells,
    numbers: Numbers,
    inputs: Sequence[str],
    words: Mapping[str, Any],
    good: Bool[np.ndarray, " rows"],
    notes: Notes,
) -> list[str]:
    """Return the inputs that differ between rows; name the others."""
    kept = []
    for name in inputs:
        values = [cells[name][i] for i in np.flatnonzero(good).tolist()]
        result = set(values) if name in words else set(numbers[name][good].tolist())
        if len(result) > 1:
            kept.append(name)
        else:
            notes.refused.append(f"input {name!r} is {min(values, default='')} in every row")
    if not kept:
        raise CorpusError("no input differs between rows: there is nothing to predict from.")
    return kept


def groups(
    cells: Cells,
    group: str | None,
    rows: int,
    inputs: Sequence[str],
    notes: Notes,
) -> list[str]:
    """Return the group of every row; equal inputs are one group where none is named."""
    if group is not None:
        return [cell or "(none)" for cell in cells[group]]
    notes.guessed.append("every row is a group of its own, rows of equal inputs are one")
    return ["|".join(cells[name][i] for name in inputs) for i in range(rows)]


def look_for_outliers(
    numbers: Numbers, names: Sequence[str], good: Bool[np.ndarray, " rows"], notes: Notes
) -> None:
    """Leave out rows with a number far beyond all others; name them."""
    for name in names:
        values = numbers[name][good & np.isfinite(numbers[name])]
        if not len(values):
            continue
        low, middle, high = np.quantile(values, (0.1, 0.5, 0.9))
        far = good & (np.abs(numbers[name] - middle) > _OUTLIER * max(high - low, 1e-300))
        if high <= low or far.sum() > max(1, 0.02 * good.sum()):
            continue
        for i in np.flatnonzero(far).tolist():
            good[i] = False
            notes.refused.append(
                f"row {i + 1}: {name} = {numbers[name][i]:.4g} is absurd, 80 % of the column lie "
                f"in {low:.4g} to {high:.4g}"
            )


def check_enough(
    kept: np.ndarray,
    rows: int,
    outputs: Sequence[str],
    numbers: Numbers,
    notes: Notes,
) -> None:
    """Refuse what nothing can be learned from; say where it is little."""
    if len(kept) < FEWEST:
        first = f" The first refused: {notes.refused[0]}." if notes.refused else ""
        raise CorpusError(
            f"{len(kept)} of {rows} rows are left, and {FEWEST} are the fewest that can be split "
            f"in three.{first}"
        )
    if len(kept) < FEW:
        notes.guessed.append(
            f"{len(kept)} rows are few: with fewer than 9 of them for validation the intervals "
            "promise less than 90 %"
        )
    for name in outputs:
        values = numbers[name][kept]
        if values.std() <= 1e-12 * np.abs(values).max(initial=0.0):
            raise CorpusError(
                f"output {name!r} is {values[0]:.6g} in every row: there is nothing to predict."
            )


def duplicates(
    cells: Cells,
    inputs: Sequence[str],
    groups: Sequence[str],
    good: Bool[np.ndarray, " rows"],
    notes: Notes,
) -> None:
    """Leave out rows whose inputs a row of another group has, and name them."""
    seen: dict[tuple[str, ...], int] = {}
    for i in np.flatnonzero(good).tolist():
        first = seen.setdefault(tuple(cells[name][i] for name in inputs), i)
        if groups[first] != groups[i]:
            good[i] = False
            notes.refused.append(
                f"row {i + 1}: its inputs are those of row {first + 1}, of another group "
                f"({groups[i]!r} and {groups[first]!r}); split by group, one would teach the other"
            )
