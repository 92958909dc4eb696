"""Tables of one's own: columns read, looked through, and written as a corpus."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from formwright.datasets.cases import Quantity
from formwright.datasets.config import from_mapping
from formwright.datasets.corpus import Corpus
from formwright.datasets.errors import CorpusError
from formwright.datasets.own import table_checks as checks
from formwright.datasets.own.corpus import (
    GROUP,
    SPLIT,
    UNLABELED,
    open_own,
    rows_of,
    start_own,
    write_rows,
)
from formwright.datasets.own.groups import split_by_group
from formwright.datasets.own.notes import Notes
from formwright.datasets.own.titles import titled


@dataclass(frozen=True, slots=True)
class Column:
    """An input of a table.

    Attributes:
        name: As its header says.
        unit: Or empty.
        choices: Its words, where it is one of several; numbers have none.
    """

    name: str
    unit: str = ""
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnTable:
    """A part of an imported table.

    Attributes:
        inputs: Columns that are known beforehand.
        labels: Columns that are predicted.
        values: Of both by name, one a row: numbers, or words of a choice; labels may be NaN.
        groups: Of each row.
    """

    inputs: tuple[Column, ...]
    labels: tuple[Quantity, ...]
    values: Mapping[str, np.ndarray]
    groups: tuple[str, ...]


def columns_of(source: Any) -> dict[str, list[str]]:
    """Return the columns of a CSV, a Parquet file or a DataFrame as text.

    Raises:
        CorpusError: It cannot be read, or has no rows.
    """
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        if not path.is_file():
            raise CorpusError(f"there is no file {str(path)!r}.")
        result = _parquet(path) if path.suffix == ".parquet" else _csv(path)
    elif hasattr(source, "columns"):
        result = {str(name): [_text(v) for v in source[name]] for name in source.columns}
    elif isinstance(source, Mapping):
        result = {str(name): [_text(v) for v in values] for name, values in source.items()}
    else:
        raise CorpusError(
            f"{type(source).__name__} is no table: give a .csv, a .parquet, a DataFrame or a "
            "mapping from names to columns."
        )
    if not result or not len(next(iter(result.values()))):
        raise CorpusError(f"{str(source)[:80]!r} holds no rows.")
    return result


def _text(value: Any) -> str:
    """Return a value as text, empty where there is none."""
    return "" if value is None or (isinstance(value, float) and math.isnan(value)) else str(value)


def _parquet(path: Path) -> dict[str, list[str]]:
    """Read a Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise CorpusError(f"{str(path)!r} is no Parquet file that can be read: {error}.") from error
    return {name: [_text(v) for v in table[name].to_pylist()] for name in table.column_names}


def _csv(path: Path) -> dict[str, list[str]]:
    """Read a CSV; commas, semicolons or tabs."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise CorpusError(
            f"{str(path)!r} is no text in UTF-8 ({error}): save it as CSV."
        ) from error
    first = text.partition("\n")[0]
    mark = max(",;\t", key=first.count)
    rows = [
        row for row in csv.reader(text.splitlines(), delimiter=mark) if any(map(str.strip, row))
    ]
    header = [name.strip() for name in rows[0]] if rows else []
    twice = {name for name in header if header.count(name) > 1}
    if twice:
        raise CorpusError(f"{str(path)!r} has two columns {min(twice)!r}: rename one.")
    for number, row in enumerate(rows[1:], 2):
        if len(row) != len(header):
            raise CorpusError(
                f"{str(path)!r}, row {number}, has {len(row)} cells, the header {len(header)}: "
                f"{mark.join(row)[:60]!r}."
            )
    return {name: [row[i].strip() for row in rows[1:]] for i, name in enumerate(header)}


def import_table(
    source: Any,
    out: str | os.PathLike[str],
    *,
    outputs: Sequence[str],
    inputs: Sequence[str] | None = None,
    group: str | None = None,
    units: Mapping[str, str] | None = None,
    licence: str = "not stated",
) -> tuple[Corpus, Notes]:
    """Write a table as a corpus; see ``datasets.own.importing.import_corpus``.

    Raises:
        UnknownNameError: There is no such column.
        CorpusError: Too few rows are left, or an output says nothing.
    """
    (cells, in_titles), notes = titled(columns_of(source)), Notes()
    known = {**in_titles, **(units or {})}
    checks.check_names(cells, outputs, inputs, group, known)
    taken = [n for n in cells if n not in outputs and n != group] if inputs is None else inputs
    if inputs is None:
        notes.guessed.append(f"the inputs are all other columns: {', '.join(taken)}")
    rows = len(next(iter(cells.values())))
    numbers = {name: checks.numbers(cells[name]) for name in (*taken, *outputs)}
    words = checks.choices(cells, taken, numbers, notes)
    good = checks.good_rows(cells, numbers, taken, outputs, words, notes)
    taken = checks.varying(cells, numbers, taken, words, good, notes)
    groups = checks.groups(cells, group, rows, taken, notes)
    checks.look_for_outliers(
        numbers, (*[n for n in taken if n not in words], *outputs), good, notes
    )
    checks.duplicates(cells, taken, groups, good, notes)
    kept = np.flatnonzero(good)
    rows_kept = kept.tolist()
    labelled = np.isfinite(numbers[outputs[0]][kept])
    checks.check_enough(kept[labelled], rows, outputs, numbers, notes)
    names = [groups[i] for i in rows_kept]
    dealt = iter(split_by_group([groups[i] for i in kept[labelled].tolist()]))
    split = [next(dealt) if known_row else UNLABELED for known_row in labelled]
    notes.read.append(
        f"{len(kept)} of {rows} rows, {len(taken)} inputs, {len(outputs)} outputs, "
        f"{len(set(names))} groups; "
        + ", ".join(f"{split.count(s)} {s}" for s in dict.fromkeys(("train", *sorted(split))))
    )
    labels = [Quantity(n, known.get(n, ""), "output of the table") for n in outputs]
    columns = [Column(n, known.get(n, ""), words.get(n, ())) for n in taken]
    told = [*labels, *(Quantity(c.name, c.unit, "input of the table") for c in columns)]
    more = {"inputs": [_mapping(c) for c in columns], "outputs": list(outputs)}
    corpus = start_own(out, "table", source, told, notes, licence=licence, more=more)
    data: dict[str, Any] = {GROUP: names, SPLIT: split}
    for name in (*taken, *outputs):
        data[f"v:{name}"] = (
            [cells[name][i] for i in rows_kept] if name in words else numbers[name][kept]
        )
    write_rows(corpus, data)
    return corpus, notes


def read_table_corpus(path: str | os.PathLike[str], split: str) -> OwnTable:
    """Return a split of an imported table.

    Raises:
        CorpusError: It is none.
    """
    corpus = open_own(path, "table")
    rows, settings = rows_of(corpus, split), corpus.manifest["settings"]
    inputs = tuple(from_mapping(Column, one) for one in settings["inputs"])
    quantities = corpus.manifest["quantities"]
    labels = tuple(Quantity(n, **quantities[n]) for n in settings["outputs"])
    names = [*(c.name for c in inputs), *(q.name for q in labels)]
    values = {name: np.array(rows[f"v:{name}"].to_pylist()) for name in names}
    return OwnTable(
        inputs=inputs, labels=labels, values=values, groups=tuple(rows[GROUP].to_pylist())
    )


def _mapping(column: Column) -> dict[str, Any]:
    return {"name": column.name, "unit": column.unit, "choices": list(column.choices)}
