"""Tables of sections: each section is encoded once a chunk."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np

from formwright.commands.tables.write import Block, Columns, Outcome, Rows
from formwright.datasets.airfoils.sections import Section, load_section
from formwright.datasets.cases import DEFAULT_NCRIT
from formwright.datasets.conditions import refusals
from formwright.datasets.errors import FormwrightError, SectionWarning
from formwright.surrogate.airfoils.polar import DEFAULT_RANGE
from formwright.surrogate.uncertainty.support import add_remarks

NUMBERS: Final = ("alpha_deg", "reynolds", "ncrit")
MACH: Final = ("mach", "Mach")
"""Columns that are looked at only to say that the surrogates do not."""
COLUMNS: Final = Columns(
    needed=("section", "alpha_deg", "reynolds"),
    optional=("ncrit", *MACH),
    hint=f" and, if it is not {DEFAULT_NCRIT:g}, 'ncrit'",
)
SECTIONS_KEPT: Final = 20_000
RowPredictor: TypeAlias = Callable[..., dict[str, np.ndarray]]
SectionReader: TypeAlias = Callable[[str], Section | str]


class SectionTable:
    """A table of sections and conditions."""

    columns = COLUMNS

    def __init__(self, predictor: RowPredictor, cases: Path, *, spread: bool = False) -> None:
        """Make ready.

        Args:
            predictor: ``PolarSurrogate.predict_rows``: (sections, section_index, alpha_deg,
                reynolds, ncrit) -> every ``label``, ``label + "_std"`` and, where the surrogate
                knows, ``support``, each (rows,).
            cases: The table; sections may be files beside it.
            spread: Also write standard deviations.
        """
        self._predictor, self._cases, self._spread = predictor, cases, spread
        self._odd: dict[str, str] = {}
        self._read = _files_beside(cases.parent, self._odd)
        self._seen: set[str] = set()

    def begin(self, outcome: Outcome, places: Mapping[str, int]) -> None:
        """Say so where a condition is assumed."""
        if "ncrit" not in places:
            outcome.notes.append(
                f"no column 'ncrit' in {str(self._cases)!r}: {DEFAULT_NCRIT:g} is used."
            )

    def predict(self, rows: Rows, places: Mapping[str, int], broken: Mapping[int, str]) -> Block:
        """Predict some rows."""
        failures = dict(broken)
        numbers, unread = _numbers(rows, places)
        for reasons in (unread, refusals(numbers)):
            for i, reason in reasons.items():
                failures.setdefault(i, reason)
        fast, impossible = _mach(rows, places)
        for i, reason in impossible.items():
            failures.setdefault(i, reason)
        sections, index = _sections(rows, places["section"], self._read, failures)
        good = np.array([i for i in range(len(rows)) if i not in failures], dtype=int)
        alpha, reynolds, ncrit = (numbers[name][good] for name in NUMBERS)
        values: dict[str, np.ndarray] = {}
        predicted = self._predictor(sections, index[good], alpha, reynolds, ncrit)
        for label, column in predicted.items():
            if label.endswith("_std") and not self._spread:
                continue
            values[label] = np.full(len(rows), np.nan)
            values[label][good] = column
            for i in good[~np.isfinite(column)].tolist():
                failures.setdefault(i, f"the surrogate found no finite {label} here")
        specs = [row[places["section"]].strip() for row in rows]
        flags = {i: self._odd[specs[i]] for i in good.tolist() if specs[i] in self._odd}
        for i in fast.keys() - failures.keys():
            flags[i] = "; ".join(filter(None, (flags.get(i), fast[i])))
        add_remarks(flags, predicted, good.tolist())
        self._seen.update(specs)
        return Block(values=values, failures=failures, flags=flags)

    def end(self, outcome: Outcome) -> None:
        """Count the sections."""
        outcome.distinct = len(self._seen), "sections"


def _numbers(
    block: Rows, places: Mapping[str, int]
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


def _mach(block: Rows, places: Mapping[str, int]) -> tuple[dict[int, str], dict[int, str]]:
    """Return which rows are beyond incompressible flow, and which Mach numbers are none."""
    low, high = DEFAULT_RANGE["mach"]
    fast: dict[int, str] = {}
    impossible: dict[int, str] = {}
    for name in (name for name in MACH if name in places):
        texts = [row[places[name]].strip() for row in block]
        values = np.array([_number(text) if text else 0.0 for text in texts])
        refused = refusals({"mach": values})
        for i in np.flatnonzero(~((low <= values) & (values <= high))).tolist():
            if not np.isfinite(values[i]):
                impossible[i] = f"{name} = {texts[i]!r} is not a finite number"
            elif i in refused:
                impossible[i] = refused[i]
            else:
                fast[i] = (
                    f"{name} = {texts[i]} is not looked at: what was learned from is "
                    f"incompressible ({low:g} .. {high:g}), the number is a guess"
                )
    return fast, impossible


def _sections(
    block: Rows, place: int, read: SectionReader, failures: dict[int, str]
) -> tuple[Sequence[Section], np.ndarray]:
    """Return the distinct sections of the rows that are fine so far, and each row's index."""
    sections: list[Section] = []
    known: dict[str, int | str] = {}
    index = np.zeros(len(block), dtype=int)
    for i, row in enumerate(block):
        if i in failures:
            continue
        spec = row[place].strip()
        if spec not in known:
            answer = read(spec)
            known[spec] = answer if isinstance(answer, str) else len(sections)
            if not isinstance(answer, str):
                sections.append(answer)
        which = known[spec]
        if isinstance(which, str):
            failures[i] = which
        else:
            index[i] = which
    return sections, index


def _files_beside(folder: Path, odd: dict[str, str]) -> SectionReader:
    """Return a reader of sections that remembers; a path may also be relative to ``folder``.

    What is odd about a section goes to ``odd``.
    """

    @lru_cache(maxsize=SECTIONS_KEPT)
    def read(spec: str) -> Section | str:
        if not spec:
            return "the section is empty"
        beside = folder / spec
        try:
            is_beside = not Path(spec).exists() and beside.is_file()
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always", SectionWarning)
                section = load_section(beside if is_beside else spec)
            if caught:
                odd[spec] = "; ".join(str(entry.message) for entry in caught)
            return section
        except FormwrightError as error:
            return str(error)
        except (OSError, ValueError) as error:
            return f"cannot read the section {spec!r}: {error}"

    return read


def _number(text: str) -> float:
    """Return a number, NaN where the text is none."""
    try:
        return float(text)
    except ValueError:
        return float("nan")
