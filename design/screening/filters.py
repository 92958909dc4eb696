"""What is known of a candidate without a surrogate, and whether that rules it out."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

from formwright.datasets.atoms.bulks import formation_ev_per_atom
from formwright.datasets.atoms.elements import symbols
from formwright.datasets.atoms.mamun import Alloy
from formwright.datasets.atoms.prices import alloy_usd_per_kg
from formwright.datasets.atoms.slabs.surface_atoms import marked
from formwright.datasets.errors import FormwrightError
from formwright.design.screening.config import ScreenConfig
from formwright.design.screening.entries import Entry


@dataclass(frozen=True, kw_only=True, slots=True)
class Background:
    """What is known of a candidate beforehand.

    Attributes:
        counts: Atoms of each element, without the adsorbate's.
        price_usd_per_kg: Of the metals; None where not known.
        formation_ev_per_atom: From the fcc metals, by SevenNet-l3i5; None where not known.
    """

    counts: dict[str, int]
    price_usd_per_kg: float | None
    formation_ev_per_atom: float | None


def background(entry: Entry) -> Background:
    """Return what is known of a candidate.

    Raises:
        StructureError: An element is not known.
    """
    if entry.alloy is not None:
        return _of_alloy(entry.alloy)
    first = entry.frames[0]
    counts = dict(Counter(symbols()[z] for z in first.z[~marked(first)].tolist()))
    return Background(counts=counts, price_usd_per_kg=_price(counts), formation_ev_per_atom=None)


def ruled_out(about: Background, config: ScreenConfig) -> str:
    """Return why a candidate is left out, or nothing."""
    banned = [element for element in about.counts if element in config.exclude]
    if banned:
        return f"excluded: {', '.join(banned)}"
    price, formation = about.price_usd_per_kg, about.formation_ev_per_atom
    if config.price_at_most is not None:
        if price is None:
            return "its price is not known"
        if price > config.price_at_most:
            return f"price {price:,.0f} USD/kg is above {config.price_at_most:g}"
    if config.formation_at_most is not None and formation is not None:
        if formation > config.formation_at_most:
            return (
                f"not stable: energy of formation {formation:.3f} eV an atom is above "
                f"{config.formation_at_most:g}"
            )
    return ""


@lru_cache(maxsize=100_000)
def _of_alloy(alloy: Alloy) -> Background:
    counts = alloy.counts
    try:
        formation = formation_ev_per_atom(alloy)
    except (FormwrightError, KeyError):
        formation = None
    return Background(
        counts=counts, price_usd_per_kg=_price(counts), formation_ev_per_atom=formation
    )


def _price(counts: dict[str, int]) -> float | None:
    price = alloy_usd_per_kg(counts)
    return price if math.isfinite(price) else None
