"""A CSV of cases in, the same table with predictions out, in chunks: no row is ever lost.

What the columns mean is a ``Reader``'s business (``section_table``, ``adsorption_table``).
"""

from __future__ import annotations

import csv
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from shutil import copyfileobj
from tempfile import TemporaryDirectory
from typing import Any, Final, Protocol, TypeAlias, runtime_checkable

import numpy as np

from formwright.datasets.errors import ConfigError, did_you_mean
from formwright.datasets.files import inert, replacing

FLAG: Final = "flag"
REASON: Final = "reason"
CHUNK: Final = 100_000
PARQUET: Final = ".parquet"
STANDARD_OUTPUT: Final = Path("-")
Rows: TypeAlias = list[list[str]]
Column: TypeAlias = np.ndarray | list[str]


@dataclass(kw_only=True, slots=True)
class Outcome:
    """What happened to a table.

    Attributes:
        rows: Read.
        failures: Reasons, by row.
        flags: What to beware of in a value that is there, by row.
        distinct: How many different things the rows are about, and what they are called.
        notes: What the user should know.
        seconds: Taken.
        numeric: Names of the new columns that hold numbers.
    """

    rows: int = 0
    failures: dict[int, str] = field(default_factory=dict)
    flags: dict[int, str] = field(default_factory=dict)
    distinct: tuple[int, str] = (0, "")
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0
    numeric: tuple[str, ...] = ()

    def summary(self, out: Path) -> dict[str, Any]:
        """Return rows, failed, flagged, seconds and out, for programs."""
        return {
            "rows": self.rows,
            "failed": len(self.failures),
            "flagged": len(self.flags),
            "seconds": round(self.seconds, 3),
            "out": str(out),
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Columns:
    """The columns that a table has.

    Attributes:
        needed: Their names.
        optional: Names of those that may be there.
        hint: Of the optional ones, for the error about an absent column.
    """

    needed: tuple[str, ...]
    optional: tuple[str, ...] = ()
    hint: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """What is new in some rows.

    Attributes:
        values: By name of the column; empty or NaN where a row failed.
        failures: Reasons, by place in the block.
        flags: Warnings, by place in the block.
    """

    values: Mapping[str, Column]
    failures: Mapping[int, str]
    flags: Mapping[int, str] = field(default_factory=dict)


@runtime_checkable
class Reader(Protocol):
    """What a kind of table means."""

    columns: Columns

    def begin(self, outcome: Outcome, places: Mapping[str, int]) -> None:
        """Be told where the columns stand."""
        ...

    def predict(self, rows: Rows, places: Mapping[str, int], broken: Mapping[int, str]) -> Block:
        """Predict some rows, of which some are broken already; no rows give empty columns."""
        ...

    def end(self, outcome: Outcome) -> None:
        """Say what the rows were about."""
        ...


def predict_table(
    reader: Reader, cases: Path, out: Path, *, prefix: str = "", chunk: int = CHUNK
) -> Outcome:
    """Predict every row of ``cases`` and write ``out`` atomically, in the same order.

    Args:
        reader: What the columns mean.
        cases: A CSV; columns that the reader does not know are kept.
        out: What to write: the columns of ``cases``, the new ones, and ``flag`` and ``reason`` if
            a row has one. A CSV; Parquet where it ends in ``.parquet``; standard output for ``-``.
        prefix: Put before the name of each new column.
        chunk: Rows predicted at once; bounds the memory.

    Raises:
        ConfigError: ``cases`` cannot be read, or a column is absent or would be written twice.
        StorageError: ``out`` cannot be written.
    """
    outcome = Outcome()
    blocks = read_cases(cases, chunk)

    def predicted(header: Sequence[str]) -> Iterator[tuple[Rows, Block]]:
        places = places_of(header, reader.columns, cases)
        reader.begin(outcome, places)
        some = False
        for rows in blocks:
            broken = _even(rows, len(header))
            yield rows, reader.predict(rows, places, broken)
            some = True
        if not some:
            yield [], reader.predict([], places, {})
        reader.end(outcome)

    return write_table(out, lambda: _read_header(blocks), predicted, outcome, cases, prefix)


def write_table(
    out: Path,
    header: Callable[[], Sequence[str]],
    blocks: Callable[[Sequence[str]], Iterator[tuple[Rows, Block]]],
    outcome: Outcome,
    source: Path,
    prefix: str = "",
) -> Outcome:
    """Write a table atomically as its blocks come; fill and return ``outcome``.

    Args:
        out: What to write (``predict_table``).
        header: Returns the columns that are there.
        blocks: From the header, rows and what is new in them; one block at least.
        outcome: To be filled.
        source: Where the rows come from, for errors.
        prefix: Put before the name of each new column.

    Raises:
        ConfigError: A column would be written twice.
        StorageError: ``out`` cannot be written.
    """
    began = time.perf_counter()
    with _landing(out) as temporary:
        draft = temporary.with_name(temporary.name + ".draft")
        try:
            given = header()
            with open(draft, "w", encoding="utf-8", newline="") as handle:
                _write(
                    csv.writer(handle, lineterminator="\n"), given, blocks, outcome, source, prefix
                )
            _add_remarks(draft, temporary, {FLAG: outcome.flags, REASON: outcome.failures})
            if out.suffix.lower() == PARQUET:
                _to_parquet(temporary, outcome.numeric)
        finally:
            draft.unlink(missing_ok=True)
    outcome.seconds = time.perf_counter() - began
    return outcome


@contextmanager
def _landing(out: Path) -> Iterator[Path]:
    """Yield a path to write to: beside ``out``, or of what goes to standard output when whole."""
    if out != STANDARD_OUTPUT:
        with replacing(out) as temporary:
            yield temporary
        return
    with TemporaryDirectory(prefix="formwright-") as folder:
        made = Path(folder) / "out.csv"
        yield made
        with open(made, encoding="utf-8", newline="") as handle:
            copyfileobj(handle, sys.stdout)


def _to_parquet(path: Path, numeric: Sequence[str]) -> None:
    """Turn a CSV into Parquet in its place: new columns of numbers as such, all others as text."""
    from pyarrow import csv as arrow_csv
    from pyarrow import float64, string
    from pyarrow.parquet import ParquetWriter

    with open(path, encoding="utf-8", newline="") as handle:
        header = next(csv.reader(handle))
    _check_names(header)
    kinds = {name: float64() if name in numeric else string() for name in header}
    options = arrow_csv.ConvertOptions(
        column_types=kinds, null_values=[""], strings_can_be_null=False
    )
    whole = path.with_name(path.name + ".parquet")
    try:
        reader = arrow_csv.open_csv(
            path,
            parse_options=arrow_csv.ParseOptions(newlines_in_values=True),
            convert_options=options,
        )
        with ParquetWriter(whole, reader.schema) as writer:
            for batch in reader:
                writer.write_batch(batch)
        whole.replace(path)
    finally:
        whole.unlink(missing_ok=True)


def _check_names(header: Sequence[str]) -> None:
    """Refuse columns of one name, which Parquet cannot hold.

    Raises:
        ConfigError: The message quotes the name.
    """
    twice = [name for name, count in Counter(header).items() if count > 1]
    if twice:
        raise ConfigError(
            f"the table has several columns {twice[0]!r}, which Parquet cannot hold: rename them, "
            "or write a CSV."
        )


def _write(
    writer: Any,
    header: Sequence[str],
    blocks: Callable[[Sequence[str]], Iterator[tuple[Rows, Block]]],
    outcome: Outcome,
    source: Path,
    prefix: str,
) -> None:
    """Write the table without remarks; fill ``outcome``."""
    for number, (rows, block) in enumerate(blocks(header)):
        if number == 0:
            writer.writerow([*header, *_new_columns(block.values, header, prefix, source)])
            outcome.numeric = tuple(
                prefix + name for name, one in block.values.items() if isinstance(one, np.ndarray)
            )
        cells = zip(*(_texts(column) for column in block.values.values()), strict=True)
        writer.writerows([*row, *more] for row, more in zip(rows, cells, strict=True))
        outcome.failures.update({outcome.rows + i: text for i, text in block.failures.items()})
        outcome.flags.update({outcome.rows + i: text for i, text in block.flags.items()})
        outcome.rows += len(rows)


def _read_header(blocks: Iterator[Rows]) -> list[str]:
    return next(blocks)[0]


def read_cases(path: Path, chunk: int) -> Iterator[Rows]:
    """Yield the header (a chunk of one row), then the rows in chunks, cells as text.

    Raises:
        ConfigError: The file is absent, not text, or has no header.
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as handle:
            rows = (row for row in csv.reader(handle) if row)
            yield [next(rows, [])]
            while block := list(islice(rows, chunk)):
                yield block
    except FileNotFoundError as error:
        raise ConfigError(f"there is no file {str(path)!r}.") from error
    except IsADirectoryError as error:
        raise ConfigError(f"{str(path)!r} is a folder; give the path of a CSV.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{str(path)!r} is no CSV in UTF-8: {error}.") from error
    except OSError as error:
        raise ConfigError(f"cannot read {str(path)!r}: {error.strerror or error}.") from error


def places_of(header: Sequence[str], columns: Columns, path: Path) -> dict[str, int]:
    """Return where each known column stands.

    Raises:
        ConfigError: One is absent, or there twice; the message names the columns found.
    """
    names = [name.strip() for name in header]
    found = ", ".join(map(repr, names)) or "none"
    for name in columns.needed:
        if name not in names:
            raise ConfigError(
                f"{str(path)!r} has no column {name!r}.{did_you_mean(name, names)} Needed are "
                f"{', '.join(map(repr, columns.needed))}{columns.hint}, separated by commas; "
                f"found: {found}."
            )
    known = (*columns.needed, *columns.optional)
    for name in known:
        if names.count(name) > 1:
            raise ConfigError(f"{str(path)!r} has the column {name!r} twice; found: {found}.")
    return {name: names.index(name) for name in known if name in names}


def _even(block: Rows, width: int) -> dict[int, str]:
    """Make rows equally wide in place; return what was wrong with them."""
    failures: dict[int, str] = {}
    for i, row in enumerate(block):
        if len(row) != width:
            failures[i] = f"the row has {len(row)} cells, the header {width}"
            block[i] = [*row[: width - 1], ",".join(row[width - 1 :])] if len(row) > width else row
            block[i] += [""] * (width - len(block[i]))
    return failures


def _new_columns(
    labels: Mapping[str, object], header: Sequence[str], prefix: str, cases: Path
) -> list[str]:
    """Return the names of the new columns.

    Raises:
        ConfigError: One of them is in the table already.
    """
    names = [prefix + label for label in labels]
    for name in (*names, FLAG, REASON):
        if name in header:
            raise ConfigError(
                f"{str(cases)!r} has a column {name!r} already, and no column is overwritten; "
                "rename it, or choose other names for the new ones with --prefix."
            )
    return names


def _add_remarks(draft: Path, target: Path, remarks: Mapping[str, Mapping[int, str]]) -> None:
    """Turn the draft into the table, with a column of each kind of remark that a row has."""
    there = {name: by_row for name, by_row in remarks.items() if by_row}
    if not there:
        draft.replace(target)
        return
    with (
        open(draft, encoding="utf-8", newline="") as source,
        open(target, "w", encoding="utf-8", newline="") as handle,
    ):
        rows, writer = csv.reader(source), csv.writer(handle, lineterminator="\n")
        writer.writerow([*next(rows), *there])
        for i, row in enumerate(rows):
            writer.writerow([*row, *(inert(by_row.get(i, "")) for by_row in there.values())])


def _texts(column: Column) -> list[str]:
    """Return numbers as text with seven digits, empty where there is none; text made inert."""
    if isinstance(column, list):
        return [inert(text) for text in column]
    return ["" if value != value else f"{value:.7g}" for value in column.tolist()]
