"""Tables of alloys, and files of structures, to adsorption energies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np

from formwright.commands.table import Block, Columns, Outcome, Rows, write_table
from formwright.datasets.atoms.files.structures import iterate_frames
from formwright.datasets.atoms.mamun import Alloy, Row
from formwright.datasets.atoms.structures import ADSORBATE, Structure
from formwright.datasets.errors import FormwrightError, StructureError
from formwright.datasets.files import inert
from formwright.surrogate.atoms.adsorption import COLUMNS, UNKNOWN, AdsorptionSurrogate
from formwright.surrogate.atoms.alloy_rows import predict_rows
from formwright.surrogate.atoms.checks import checked, formula
from formwright.surrogate.uncertainty.support import add_remarks

NAMES: Final = ("prototype", "a", "b", "adsorbate", "site")
ABOUT: Final = ("frame", "name", "formula", "adsorbate")
FRAMES: Final = 1024
_STD: Final = COLUMNS[1]


class AlloyTable:
    """A table of ordered alloys, adsorbates and sites, in the words of Mamun's table."""

    columns = Columns(needed=NAMES)

    def __init__(self, surrogate: AdsorptionSurrogate, *, spread: bool = False) -> None:
        """Make ready; ``spread`` asks for standard deviations too."""
        self._surrogate, self._spread = surrogate, spread
        self._seen: set[Alloy] = set()

    def begin(self, outcome: Outcome, places: Mapping[str, int]) -> None:
        """Nothing is assumed."""

    def predict(self, rows: Rows, places: Mapping[str, int], broken: Mapping[int, str]) -> Block:
        """Predict some rows."""
        good = [i for i in range(len(rows)) if i not in broken]
        at = [places[name] for name in NAMES]
        requested = []
        for i in good:
            prototype, a, b, adsorbate, site = (rows[i][place].strip() for place in at)
            requested.append(Row(Alloy(prototype, a, b), adsorbate, site))
        predicted = predict_rows(self._surrogate, requested)
        self._seen.update(row.alloy for row in requested)
        values = _columns(len(rows), good, predicted.values, self._spread)
        return Block(
            values=values,
            failures={**broken, **{good[i]: text for i, text in predicted.failures.items()}},
            flags={good[i]: text for i, text in predicted.flags.items()},
        )

    def end(self, outcome: Outcome) -> None:
        """Count the alloys."""
        outcome.distinct = len(self._seen), "alloys"


def predict_structures(
    surrogate: AdsorptionSurrogate,
    path: Path,
    out: Path,
    *,
    spread: bool = False,
    prefix: str = "",
) -> Outcome:
    """Predict every structure of a file as it is, one row a frame, and write ``out`` atomically.

    Args:
        surrogate: Of adsorption energies.
        path: See ``datasets.atoms.files.structures``; for tags
            ``datasets.atoms.slabs.surface_atoms.tag``. Where they are guessed there is a flag.
        out: What to write (``table.predict_table``): frame, name, formula and adsorbate, and what
            is predicted.
        spread: Also write standard deviations.
        prefix: Put before the name of each new column.

    Raises:
        StructureError: There is no such file, or nothing of it can be read.
        StorageError: ``out`` cannot be written.
    """
    outcome, frames = Outcome(), _frames(path)
    first = list(islice(frames, 2))
    if not first or (len(first) == 1 and isinstance(first[0], str)):
        raise StructureError(str(first[0]) if first else f"{str(path)!r} holds no structure.")

    def blocks(_: Sequence[str]) -> Iterator[tuple[Rows, Block]]:
        some = first
        while some:
            some += islice(frames, FRAMES - len(some))
            rows, block = _structures(surrogate, some, outcome.rows, spread)
            yield rows, block
            some = list(islice(frames, 1))
        outcome.distinct = outcome.rows, "structures"

    return write_table(out, lambda: ABOUT, blocks, outcome, path, prefix)


def _frames(path: Path) -> Iterator[Structure | str]:
    """Yield structures, and in the place of one that cannot be read the reason."""
    for one, _ in iterate_frames(path):
        yield str(one) if isinstance(one, FormwrightError) else one


def _structures(
    surrogate: AdsorptionSurrogate, some: Sequence[Structure | str], first: int, spread: bool
) -> tuple[Rows, Block]:
    """Return rows about structures and what is predicted of them."""
    rows: Rows = []
    failures: dict[int, str] = {}
    flags: dict[int, str] = {}
    good: list[int] = []
    fine: list[Structure] = []
    for i, one in enumerate(some):
        rows.append([str(first + i), "", "", ""])
        if isinstance(one, str):
            failures[i] = one
            continue
        rows[i][1:3] = inert(one.name), formula(one.elements)
        try:
            tagged, remarks = checked(surrogate, one)
        except FormwrightError as error:
            failures[i] = str(error)
            continue
        chosen = tagged.tags == ADSORBATE
        rows[i][3] = formula([e for e, there in zip(tagged.elements, chosen, strict=True) if there])
        if remarks:
            flags[i] = "; ".join(remarks)
        good.append(i)
        fine.append(tagged)
    predicted = surrogate.predict(fine)
    add_remarks(flags, predicted, good)
    values = _columns(len(some), good, predicted, spread)
    return rows, Block(values=values, failures=failures, flags=flags)


def _columns(
    rows: int, good: Sequence[int], predicted: Mapping[str, np.ndarray], spread: bool
) -> dict[str, np.ndarray]:
    """Return predicted columns at their places, NaN elsewhere."""
    values = {}
    for name, column in predicted.items():
        if name != UNKNOWN and (spread or name != _STD):
            values[name] = np.full(rows, np.nan)
            values[name][list(good)] = column
    return values
