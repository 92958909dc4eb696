"""Predict data of one's own: rows of a table, runs, whole structures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from formwright.commands.table import Block, Columns, Outcome, Rows, inert, read_cases
from formwright.datasets.errors import ConfigError, FormwrightError
from formwright.datasets.own.titles import title_of


class OwnTable:
    """A table with the inputs that a surrogate was fitted to."""

    def __init__(self, surrogate: Any, cases: Path, *, spread: bool = False) -> None:
        """Find the inputs among the titles of ``cases``; ``spread`` asks for deviations too.

        Raises:
            ConfigError: A title says another unit than the surrogate learned from.
        """
        self._surrogate, self._spread = surrogate, spread
        self._titles = _titles(surrogate.config.inputs, cases)
        self.columns = Columns(needed=tuple(self._titles.values()))

    def begin(self, outcome: Outcome, places: Mapping[str, int]) -> None:
        """Nothing is assumed."""

    def predict(self, rows: Rows, places: Mapping[str, int], broken: Mapping[int, str]) -> Block:
        """Predict some rows."""
        failures, good, kept = dict(broken), [], []
        for i, row in enumerate(rows):
            if i in broken:
                continue
            try:
                kept.append(
                    self._surrogate.rows(
                        {name: [row[places[t]].strip()] for name, t in self._titles.items()}
                    )
                )
                good.append(i)
            except FormwrightError as error:
                failures[i] = str(error)
        return self._answered(len(rows), good, kept, failures)

    def _answered(
        self, count: int, good: list[int], kept: list[Any], failures: dict[int, str]
    ) -> Block:
        """Return the columns of good rows at their places."""
        import torch

        from formwright.surrogate.tables.cases import TableCases

        x = torch.cat(kept) if kept else torch.zeros(0, len(self._surrogate.encoder.centre))
        if not kept:
            x = torch.zeros(1, x.shape[1])
        answer = self._surrogate.predict(TableCases(x=x, labels={}, groups=()))
        flags = {i: str(f) for i, f in zip(good, answer.flags, strict=False) if f}
        values = placed(answer.columns, count, good, self._spread)
        return Block(values=values, failures=failures, flags=flags)

    def end(self, outcome: Outcome) -> None:
        """Count the rows."""
        outcome.distinct = outcome.rows, "cases"


def _titles(inputs: Sequence[Any], cases: Path) -> dict[str, str]:
    """Return the title of each input in a table; its name where there is none.

    Raises:
        ConfigError: A title says another unit than the surrogate learned from.
    """
    units = {one.name: one.unit for one in inputs}
    titles = {name: name for name in units}
    for title in next(read_cases(cases, 1))[0]:
        name, unit = title_of(title)
        if name in units and unit and units[name] and unit != units[name]:
            raise ConfigError(
                f"{str(cases)!r} has {name!r} in {unit}, the surrogate learned it in "
                f"{units[name]}: convert the column and its title."
            )
        if name in units:
            titles[name] = title.strip()
    return titles


def placed(
    columns: Mapping[str, np.ndarray], count: int, good: Sequence[int], spread: bool
) -> dict[str, np.ndarray]:
    """Return columns with NaN where a row failed."""
    values = {}
    for name, column in columns.items():
        if spread or not name.endswith("_std"):
            values[name] = np.full(count, np.nan)
            values[name][list(good)] = column[: len(good)]
    return values


def predict_runs(surrogate: Any, source: Path, out: Path, *, spread: bool, prefix: str) -> Outcome:
    """Predict every run of a file or an imported corpus, a row each.

    Raises:
        CorpusError: It cannot be read.
    """
    from formwright.datasets.pde.given import runs_of

    runs, where = runs_of(source)
    answer = surrogate.predict(runs)
    rows = [[str(i), name] for i, name in enumerate(where)]
    return _written(out, ["run", "split"], rows, answer, {}, spread, prefix)


def predict_whole(surrogate: Any, source: Path, out: Path, *, spread: bool, prefix: str) -> Outcome:
    """Predict every structure of a file, a row each; a frame that cannot be read says why.

    Raises:
        StructureError: Nothing can be read.
    """
    from formwright.datasets.atoms.files.structures import iterate_frames
    from formwright.datasets.atoms.structures import check_cell
    from formwright.datasets.errors import StructureError
    from formwright.surrogate.atoms.checks import formula

    rows: Rows = []
    failures: dict[int, str] = {}
    good, fine = [], []
    for i, (one, _) in enumerate(iterate_frames(source)):
        rows.append([str(i), "", ""])
        try:
            if isinstance(one, FormwrightError):
                raise one
            check_cell(one.pos, one.cell, one.pbc, one.name)
        except FormwrightError as error:
            failures[i] = str(error)
            continue
        rows[i][1:] = inert(one.name), formula(one.elements)
        good.append(i)
        fine.append(one)
    if not fine:
        raise StructureError(failures.get(0, f"{str(source)!r} holds no structure."))
    answer = surrogate.predict(fine)
    names = ["frame", "name", "formula"]
    return _written(out, names, rows, answer, failures, spread, prefix, good)


def _written(
    out: Path,
    names: Sequence[str],
    rows: Rows,
    answer: Any,
    failures: dict[int, str],
    spread: bool,
    prefix: str,
    good: Sequence[int] | None = None,
) -> Outcome:
    """Write rows with what is predicted of them."""
    from formwright.commands.table import write_table

    at = list(range(len(rows))) if good is None else good
    outcome = Outcome()
    flags = {i: str(f) for i, f in zip(at, answer.flags, strict=True) if f}
    block = Block(
        values=placed(answer.columns, len(rows), at, spread), failures=failures, flags=flags
    )
    outcome.distinct = len(rows), "cases"
    return write_table(out, lambda: names, lambda _: iter([(rows, block)]), outcome, out, prefix)
