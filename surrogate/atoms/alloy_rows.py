"""Adsorption energies of many ordered alloys: rows of one site are one batch from the start.

What a row needs is an alloy, an adsorbate and a site (``mamun.Row``). Slabs are built and predicted
by prototype, adsorbate and site, ``AT_ONCE`` at a time; nothing is built one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from jaxtyping import Float

from formwright.datasets.atoms.adsorbates import adsorbate
from formwright.datasets.atoms.bulks import Lattice, lattice_of
from formwright.datasets.atoms.elements import number
from formwright.datasets.atoms.mamun import Alloy, Row, canonical_row
from formwright.datasets.atoms.slabs.ordered import PROTOTYPES, find_site, slabs
from formwright.datasets.cases import Case
from formwright.datasets.errors import (
    FormwrightError,
    StructureError,
    UnknownNameError,
    did_you_mean,
)
from formwright.surrogate.atoms.adsorption import COLUMNS, AdsorptionSurrogate
from formwright.surrogate.atoms.checks import check_adsorbate, strange_elements
from formwright.surrogate.uncertainty.support import SUPPORT, add_remarks

AT_ONCE: Final = 128


@dataclass(frozen=True, kw_only=True, slots=True)
class RowPredictions:
    """What a surrogate says of rows.

    Attributes:
        values: ``e_ads_ev`` and its ``_std``, ``_lower``, ``_upper``, eV, and, where the surrogate
            knows, ``support`` (``AdsorptionSurrogate.predict``); NaN where a row failed.
        failures: Reasons, by row.
        flags: What makes a number a guess, by row.
    """

    values: dict[str, Float[np.ndarray, " rows"]]
    failures: dict[int, str]
    flags: dict[int, str]


def predict_rows(surrogate: AdsorptionSurrogate, rows: Sequence[Row]) -> RowPredictions:
    """Predict rows in any order; one that has no meaning fails alone.

    Args:
        surrogate: Of adsorption energies.
        rows: Alloys, adsorbates and sites; an alloy that the table of ``mamun`` lacks gets an
            estimated lattice constant, and a flag. Either spelling of an L10 alloy, with the
            letters of its sites, is one row (``mamun.canonical_row``).
    """
    rows = [canonical_row(row) for row in rows]
    failures: dict[int, str] = {}
    flags: dict[int, str] = {}
    known: dict[Alloy, Lattice | str] = {}
    names = (*COLUMNS, *((SUPPORT,) if surrogate.support.known else ()))
    values = {name: np.full(len(rows), np.nan) for name in names}
    for kind, index in _groups(rows).items():
        reason = _refused(surrogate, *kind)
        if reason:
            failures.update(dict.fromkeys(index, reason))
            continue
        good = []
        for i in index:
            alloy = rows[i].alloy
            if alloy not in known:
                known[alloy] = _lattice(alloy)
            size = known[alloy]
            if isinstance(size, str):
                failures[i] = size
            else:
                good.append(i)
                _flag(surrogate, alloy, size, i, flags)
        for some, batch in batches(rows, good, known):
            for name, part in surrogate.predict_batch(batch).items():
                if name in values:
                    values[name][some] = part
    add_remarks(flags, values, range(len(rows)))
    return RowPredictions(values=values, failures=failures, flags=flags)


def batches(
    rows: Sequence[Row], index: Sequence[int], sizes: dict[Alloy, Lattice | str]
) -> Iterator[tuple[list[int], Case]]:
    """Yield rows of one prototype, adsorbate and site as batches.

    Args:
        rows: All rows.
        index: Of those that are alike and have a lattice.
        sizes: The lattice of each alloy.
    """
    for first in range(0, len(index), AT_ONCE):
        some = list(index[first : first + AT_ONCE])
        row = rows[some[0]]
        found = [sizes[rows[i].alloy] for i in some]
        ac = torch.tensor(
            [(f.a, f.c) for f in found if isinstance(f, Lattice)], dtype=torch.float64
        )
        z = torch.tensor([rows[i].alloy.z for i in some])
        site = find_site(row.site, row.alloy.prototype)
        yield some, slabs(ac[:, 0], ac[:, 1], z, site, adsorbate(row.adsorbate))


def _groups(rows: Sequence[Row]) -> dict[tuple[str, str, str], list[int]]:
    groups: dict[tuple[str, str, str], list[int]] = {}
    for i, row in enumerate(rows):
        groups.setdefault((row.alloy.prototype, row.adsorbate, row.site), []).append(i)
    return groups


def _refused(surrogate: AdsorptionSurrogate, prototype: str, name: str, site: str) -> str:
    """Return why rows of a kind have no meaning, or nothing."""
    try:
        if prototype not in PROTOTYPES:
            close = did_you_mean(prototype, PROTOTYPES)
            raise UnknownNameError(
                f"no prototype is called {prototype!r}.{close} Known: {', '.join(PROTOTYPES)}."
            )
        check_adsorbate(surrogate, name)
        find_site(site, prototype)
    except FormwrightError as error:
        return str(error)
    return ""


def _lattice(alloy: Alloy) -> Lattice | str:
    """Return the lattice of an alloy, or why there is none."""
    try:
        for symbol in (alloy.a, alloy.b):
            number(symbol)
        if (alloy.a == alloy.b) != (alloy.prototype == "A1"):
            raise StructureError(
                f"{alloy.prototype} with a = {alloy.a!r} and b = {alloy.b!r}: an A1 metal has "
                "a = b, L12 and L10 alloys have two elements."
            )
        return lattice_of(alloy)
    except FormwrightError as error:
        return str(error)


def _flag(
    surrogate: AdsorptionSurrogate, alloy: Alloy, size: Lattice, row: int, flags: dict[int, str]
) -> None:
    """Say what makes the number of an alloy a guess."""
    strange = strange_elements(surrogate, alloy.z)
    remarks = []
    if strange:
        remarks.append(f"{' and '.join(strange)}: not in the training data, the number is a guess")
    if size.estimated:
        remarks.append(f"lattice constant estimated ({size.source})")
    if remarks:
        flags[row] = "; ".join(remarks)
