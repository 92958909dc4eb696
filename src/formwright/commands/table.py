"""Predict a CSV of cases in chunks: each section is encoded once a chunk, no row is ever lost."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np

from formwright.datasets.airfoils import Section, load_section
from formwright.datasets.cases import DEFAULT_NCRIT
from formwright.datasets.conditions import refusals
from formwright.datasets.errors import ConfigError, FormwrightError, did_you_mean
from formwright.datasets.files import replacing

NEEDED: Final = ("section", "alpha_deg", "reynolds")
NUMBERS: Final = ("alpha_deg", "reynolds", "ncrit")
REASON: Final = "reason"
CHUNK: Final = 100_000
SECTIONS_KEPT: Final = 20_000
RowPredictor: TypeAlias = Callable[..., dict[str, np.ndarray]]
SectionReader: TypeAlias = Callable[[str], Section | str]


@dataclass(kw_only=True, slots=True)
class Outcome:
    """What happened to a table: rows read, reasons by row, distinct sections, notes, seconds."""

    rows: int = 0
    failures: dict[int, str] = field(default_factory=dict)
    sections: int = 0
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0


def predict_table(
    predictor: RowPredictor,
    cases: Path,
    out: Path,
    *,
    spread: bool = False,
    prefix: str = "",
    chunk: int = CHUNK,
) -> Outcome:
    """Predict every row of ``cases`` and write ``out`` atomically, in the same order.

    Args:
        predictor: ``PolarSurrogate.predict_rows``: (sections, section_index, alpha_deg, reynolds,
            ncrit) -> every ``label`` and ``label + "_std"``, each (rows,).
        cases: A CSV with the columns ``NEEDED`` and perhaps ``ncrit``; others are kept.
        out: The CSV to write: the columns of ``cases``, the labels, and ``reason`` if a row failed.
        spread: Also write standard deviations.
        prefix: Put before the name of each new column.
        chunk: Rows predicted at once; bounds the memory.

    Raises:
        ConfigError: ``cases`` cannot be read, or a column is absent or would be written twice.
        StorageError: ``out`` cannot be written.
    """
    began, outcome = time.perf_counter(), Outcome()
    with replacing(out) as temporary:
        draft = temporary.with_name(temporary.name + ".draft")
        try:
            _write(predictor, cases, draft, outcome, spread, prefix, chunk)
            _add_reasons(draft, temporary, outcome.failures)
        finally:
            draft.unlink(missing_ok=True)
    outcome.seconds = time.perf_counter() - began
    return outcome


def read_cases(path: Path, chunk: int) -> Iterator[list[list[str]]]:
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


def columns_of(header: Sequence[str], path: Path) -> dict[str, int]:
    """Return where each known column stands.

    Raises:
        ConfigError: One is absent, or there twice; the message names the columns found.
    """
    names = [name.strip() for name in header]
    found = ", ".join(map(repr, names)) or "none"
    for name in NEEDED:
        if name not in names:
            raise ConfigError(
                f"{str(path)!r} has no column {name!r}.{did_you_mean(name, names)} Needed are "
                f"{', '.join(map(repr, NEEDED))} and, if it is not {DEFAULT_NCRIT:g}, 'ncrit', "
                f"separated by commas; found: {found}."
            )
    for name in (*NEEDED, "ncrit"):
        if names.count(name) > 1:
            raise ConfigError(f"{str(path)!r} has the column {name!r} twice; found: {found}.")
    return {name: names.index(name) for name in (*NEEDED, "ncrit") if name in names}


def _write(
    predictor: RowPredictor,
    cases: Path,
    draft: Path,
    outcome: Outcome,
    spread: bool,
    prefix: str,
    chunk: int,
) -> None:
    """Write the table without reasons; fill ``outcome``."""
    blocks = read_cases(cases, chunk)
    header = next(blocks)[0]
    places = columns_of(header, cases)
    if "ncrit" not in places:
        outcome.notes.append(f"no column 'ncrit' in {str(cases)!r}: {DEFAULT_NCRIT:g} is used.")
    reader = _section_reader(cases.parent)
    seen: set[str] = set()
    labels: list[str] | None = None
    with open(draft, "w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        for block in blocks:
            block, values = _predict_block(
                predictor, block, places, len(header), reader, outcome, spread
            )
            if labels is None:
                labels = _new_columns(values, header, prefix, cases)
                writer.writerow([*header, *labels])
            new = zip(*(_texts(column) for column in values.values()), strict=True)
            writer.writerows([*row, *cells] for row, cells in zip(block, new, strict=True))
            seen.update(row[places["section"]].strip() for row in block)
        if labels is None:
            values = _predicted(predictor, [], np.zeros(0, int), _no_numbers(), spread)
            writer.writerow([*header, *_new_columns(values, header, prefix, cases)])
    outcome.sections = len(seen)


def _predict_block(
    predictor: RowPredictor,
    block: list[list[str]],
    places: Mapping[str, int],
    width: int,
    reader: SectionReader,
    outcome: Outcome,
    spread: bool,
) -> tuple[list[list[str]], dict[str, np.ndarray]]:
    """Return the rows made equally wide and the labels, NaN where a row failed."""
    first = outcome.rows
    failures: dict[int, str] = {}
    for i, row in enumerate(block):
        if len(row) != width:
            failures[i] = f"the row has {len(row)} cells, the header {width}"
            block[i] = [*row[: width - 1], ",".join(row[width - 1 :])] if len(row) > width else row
            block[i] += [""] * (width - len(block[i]))
    numbers, unread = _numbers(block, places)
    for reasons in (unread, refusals(numbers)):
        for i, reason in reasons.items():
            failures.setdefault(i, reason)
    sections, index = _sections(block, places["section"], reader, failures)
    good = np.array([i for i in range(len(block)) if i not in failures], dtype=int)
    conditions = {name: values[good] for name, values in numbers.items()}
    predicted = _predicted(predictor, sections, index[good], conditions, spread)
    values = {label: np.full(len(block), np.nan) for label in predicted}
    for label, column in predicted.items():
        values[label][good] = column
        for i in good[~np.isfinite(column)].tolist():
            failures.setdefault(i, f"the surrogate found no finite {label} here")
    outcome.rows += len(block)
    outcome.failures.update({first + i: reason for i, reason in failures.items()})
    return block, values


def _predicted(
    predictor: RowPredictor,
    sections: Sequence[Section],
    index: np.ndarray,
    numbers: Mapping[str, np.ndarray],
    spread: bool,
) -> dict[str, np.ndarray]:
    """Call the surrogate; standard deviations are kept only where they are asked for."""
    values = predictor(sections, index, numbers["alpha_deg"], numbers["reynolds"], numbers["ncrit"])
    return {name: v for name, v in values.items() if spread or not name.endswith("_std")}


def _numbers(
    block: list[list[str]], places: Mapping[str, int]
) -> tuple[dict[str, np.ndarray], dict[int, str]]:
    """Return the conditions of the rows (a harmless value where unread) and what was unread."""
    values, unread = {}, {}
    harmless = {"alpha_deg": 0.0, "reynolds": 1e6, "ncrit": DEFAULT_NCRIT}
    for name in NUMBERS:
        if name not in places:
            values[name] = np.full(len(block), DEFAULT_NCRIT)
            continue
        texts = [row[places[name]] for row in block]
        try:
            column = np.array(texts, dtype=float)
        except ValueError:
            column = np.array([_number(text) for text in texts])
        for i in np.flatnonzero(~np.isfinite(column)).tolist():
            unread.setdefault(i, f"{name} = {texts[i]!r} is not a finite number")
            column[i] = harmless[name]
        values[name] = column
    return values, unread


def _sections(
    block: list[list[str]], place: int, reader: SectionReader, failures: dict[int, str]
) -> tuple[list[Section], np.ndarray]:
    """Return the distinct sections of the rows that are fine so far, and each row's index."""
    sections: list[Section] = []
    known: dict[str, int | str] = {}
    index = np.zeros(len(block), dtype=int)
    for i, row in enumerate(block):
        if i in failures:
            continue
        spec = row[place].strip()
        if spec not in known:
            answer = reader(spec)
            known[spec] = answer if isinstance(answer, str) else len(sections)
            if not isinstance(answer, str):
                sections.append(answer)
        which = known[spec]
        if isinstance(which, str):
            failures[i] = which
        else:
            index[i] = which
    return sections, index


def _section_reader(folder: Path) -> SectionReader:
    """Return a reader that remembers; a path may also be relative to ``folder``."""

    @lru_cache(maxsize=SECTIONS_KEPT)
    def read(spec: str) -> Section | str:
        if not spec:
            return "the section is empty"
        beside = folder / spec
        try:
            is_beside = not Path(spec).exists() and beside.is_file()
            return load_section(beside if is_beside else spec)
        except FormwrightError as error:
            return str(error)
        except (OSError, ValueError) as error:
            return f"cannot read the section {spec!r}: {error}"

    return read


def _new_columns(
    labels: Mapping[str, object], header: Sequence[str], prefix: str, cases: Path
) -> list[str]:
    """Return the names of the new columns.

    Raises:
        ConfigError: One of them is in the table already.
    """
    names = [prefix + label for label in labels]
    for name in (*names, REASON):
        if name in header:
            raise ConfigError(
                f"{str(cases)!r} has a column {name!r} already, and no column is overwritten; "
                "rename it, or choose other names for the new ones with --prefix."
            )
    return names


def _add_reasons(draft: Path, target: Path, failures: Mapping[int, str]) -> None:
    """Turn the draft into the table, with a column of reasons if a row failed."""
    if not failures:
        draft.replace(target)
        return
    with (
        open(draft, encoding="utf-8", newline="") as source,
        open(target, "w", encoding="utf-8", newline="") as handle,
    ):
        rows, writer = csv.reader(source), csv.writer(handle, lineterminator="\n")
        writer.writerow([*next(rows), REASON])
        writer.writerows([*row, failures.get(i, "")] for i, row in enumerate(rows))


def _number(text: str) -> float:
    """Return a number, NaN where the text is none."""
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _texts(column: np.ndarray) -> list[str]:
    """Return numbers as text with seven digits; empty where there is none."""
    return ["" if value != value else f"{value:.7g}" for value in column.tolist()]


def _no_numbers() -> dict[str, np.ndarray]:
    """Return the conditions of no rows."""
    return {name: np.zeros(0) for name in NUMBERS}
