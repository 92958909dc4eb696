"""Properties of the elements, as vectors that a mixture of elements is a mixture of.

The table (``data/elements.csv``) covers hydrogen to plutonium; its numbers are those of pymatgen
(Ong et al. 2013) and, for covalent radii, of Cordero et al. 2008 by way of ASE.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from formwright.datasets.errors import StructureError, did_you_mean

FILE: Final = Path(__file__).parents[1] / "data" / "elements.csv"
COUNT: Final = 95
"""Rows of ``properties`` and columns of a mixture: atomic numbers from 0 (nothing) to 94."""

RADIOACTIVE: Final = frozenset(("Tc", "Pm"))
"""Elements lighter than polonium without a stable isotope; all from polonium on have none."""
_POLONIUM: Final = 84


@cache
def table() -> dict[str, dict[str, float]]:
    """Return, by symbol, every column of the table; NaN where a number is not known."""
    with FILE.open(encoding="utf-8", newline="") as lines:
        return {
            row.pop("symbol"): {name: float(text or "nan") for name, text in row.items()}
            for row in csv.DictReader(lines)
        }


@cache
def symbols() -> tuple[str, ...]:
    """Return the symbols by atomic number; "X" stands for 0."""
    return ("X", *table())


def radioactive(symbol: str) -> bool:
    """Return whether an element has no stable isotope; bismuth, of 2e19 years, counts as stable.

    Raises:
        StructureError: There is no such element.
    """
    return symbol in RADIOACTIVE or number(symbol) >= _POLONIUM


def number(symbol: str) -> int:
    """Return the atomic number of a symbol.

    Raises:
        StructureError: There is no such element in the table.
    """
    row = table().get(symbol)
    if row is None:
        raise StructureError(
            f"{symbol!r} is no element that is known here.{did_you_mean(symbol, table())} Known: "
            f"{', '.join(table())}."
        )
    return int(row["z"])


def numbers(names: Iterable[str]) -> list[int]:
    """Return the atomic numbers of symbols."""
    return [number(name) for name in names]


@cache
def properties() -> Float[Tensor, "elements properties"]:
    """Return the standardised properties of each element, (``COUNT``, properties), float64.

    Unknown numbers are set to the mean; row 0 is zero. Melting point is taken as its logarithm.
    """
    columns = [name for name in next(iter(table().values())) if name != "z"]
    rows = [[row[name] for name in columns] for row in table().values()]
    values = torch.tensor(rows, dtype=torch.float64)
    melting = columns.index("melting_point_k")
    values[:, melting] = values[:, melting].log()
    known = values.isfinite()
    count = known.sum(0)
    mean = torch.where(known, values, 0.0).sum(0) / count
    offset = torch.where(known, values - mean, 0.0)
    scaled = offset / (offset.square().sum(0) / count).sqrt()
    return torch.cat([scaled.new_zeros(1, len(columns)), scaled])


@cache
def covalent_radii() -> Float[Tensor, " elements"]:
    """Return covalent radii in angstrom by atomic number; row 0 is zero."""
    radii = [row["covalent_radius_angstrom"] for row in table().values()]
    return torch.tensor([0.0, *radii], dtype=torch.float64)
