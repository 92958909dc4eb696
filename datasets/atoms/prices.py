"""What elements cost: rough prices of bulk metal, to rule out and to rank, not to buy by.

``data/prices.csv`` has US dollars a kilogram, a year and a source for each element of which an
approximate price is public; markets move by a factor of two within a few years. An element
without a price is NaN, and so is an alloy with such an element: it is not cheap, it is not known.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

from formwright.datasets.atoms.elements import number
from formwright.datasets.errors import StructureError

FILE: Final = Path(__file__).parents[1] / "data" / "prices.csv"


@cache
def prices() -> dict[str, tuple[float, int, str]]:
    """Return price in US dollars a kilogram, year and source, by symbol, where known."""
    with FILE.open(encoding="utf-8", newline="") as lines:
        return {
            row["symbol"]: (float(row["usd_per_kg"]), int(row["year"]), row["source"])
            for row in csv.DictReader(lines)
        }


def price_usd_per_kg(symbol: str) -> float:
    """Return the price of an element in US dollars a kilogram; NaN where it is not known.

    Raises:
        StructureError: There is no such element.
    """
    number(symbol)
    return prices()[symbol][0] if symbol in prices() else float("nan")


def alloy_usd_per_kg(counts: Mapping[str, float | int]) -> float:
    """Return the price of an alloy's elements in US dollars a kilogram of alloy.

    Args:
        counts: Atoms of each element, whole or not: ``{"Pt": 3, "Ti": 1}``. NaN where the price of
            one that is present is not known.

    Raises:
        StructureError: An element is not known, or the counts are none.
    """
    mass = sum(_grams_per_mole(symbol) * count for symbol, count in _checked(counts).items())
    return alloy_usd_per_mole(counts) * sum(counts.values()) / mass * 1000.0


def alloy_usd_per_mole(counts: Mapping[str, float | int]) -> float:
    """Return the price of an alloy's elements in US dollars a mole of atoms.

    Args:
        counts: As of ``alloy_usd_per_kg``.

    Raises:
        StructureError: An element is not known, or the counts are none.
    """
    present = _checked(counts)
    cost = (
        price_usd_per_kg(symbol) * _grams_per_mole(symbol) / 1000.0 * count
        for symbol, count in present.items()
    )
    return sum(cost) / sum(present.values())


def _checked(counts: Mapping[str, float | int]) -> dict[str, float]:
    """Return the elements that are present."""
    if not counts or min(counts.values()) < 0 or not sum(counts.values()) > 0:
        raise StructureError(
            f"{dict(counts)!r} is no composition: give counts, none negative, not all zero."
        )
    return {symbol: float(count) for symbol, count in counts.items() if count > 0}


def _grams_per_mole(symbol: str) -> float:
    from ase.data import atomic_masses

    return float(atomic_masses[number(symbol)])
