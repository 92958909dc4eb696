from __future__ import annotations

import math

import pytest

from formwright.datasets.atoms.mamun import metals
from formwright.datasets.atoms.prices import (
    alloy_usd_per_kg,
    alloy_usd_per_mole,
    price_usd_per_kg,
    prices,
)
from formwright.datasets.errors import StructureError


def test_every_price_is_positive_and_dated() -> None:
    for symbol, (price, year, source) in prices().items():
        assert 0.01 < price < 1e6, symbol
        assert 1995 <= year <= 2026 and source


def test_metals_are_in_a_plausible_order() -> None:
    cheap_first = ["Fe", "Al", "Cu", "Ni", "Co", "Ag", "Ru", "Au", "Rh"]
    costs = [price_usd_per_kg(symbol) for symbol in cheap_first]
    assert costs == sorted(costs)


def test_only_technetium_of_the_table_has_no_price() -> None:
    assert [m for m in metals() if math.isnan(price_usd_per_kg(m))] == ["Tc"]


def test_an_alloy_is_the_mean_of_its_elements_by_mass() -> None:
    assert alloy_usd_per_kg({"Pt": 1}) == pytest.approx(price_usd_per_kg("Pt"))
    mass = {"Pt": 195.084, "Ti": 47.867}
    whole = 3 * mass["Pt"] + mass["Ti"]
    cost = 3 * mass["Pt"] * price_usd_per_kg("Pt") + mass["Ti"] * price_usd_per_kg("Ti")
    assert alloy_usd_per_kg({"Pt": 3, "Ti": 1}) == pytest.approx(cost / whole)
    assert alloy_usd_per_mole({"Pt": 3, "Ti": 1}) == pytest.approx(cost / 4000.0)
    assert alloy_usd_per_mole({"Pt": 0.75, "Ti": 0.25}) == pytest.approx(cost / 4000.0)


def test_an_unknown_price_is_not_a_low_one() -> None:
    assert math.isnan(price_usd_per_kg("Tc"))
    assert math.isnan(alloy_usd_per_kg({"Tc": 1, "Fe": 3}))
    assert alloy_usd_per_kg({"Tc": 0, "Fe": 3}) == price_usd_per_kg("Fe")


def test_no_element_and_no_composition_are_refused() -> None:
    with pytest.raises(StructureError, match="'Ptt'"):
        price_usd_per_kg("Ptt")
    for counts in ({}, {"Pt": 0}, {"Pt": 2, "Ti": -1}):
        with pytest.raises(StructureError, match="no composition"):
            alloy_usd_per_kg(counts)
