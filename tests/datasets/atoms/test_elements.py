from __future__ import annotations

import pytest
import torch
from ase.data import chemical_symbols
from ase.data import covalent_radii as radii_of_ase

from formwright.datasets.atoms.elements import (
    COUNT,
    covalent_radii,
    number,
    numbers,
    properties,
    symbols,
    table,
)
from formwright.datasets.errors import StructureError


def test_symbols_are_in_order():
    assert list(symbols()) == chemical_symbols[:COUNT]
    assert numbers(["H", "O", "Pt", "Pu"]) == [1, 8, 78, 94]


def test_unknown_element():
    with pytest.raises(StructureError, match=r"'Ptt' is no element.*Did you mean 'Pt'"):
        number("Ptt")
    with pytest.raises(StructureError):
        number("X")


def test_properties_are_standardised():
    values = properties()
    assert values.shape[0] == COUNT and values.dtype == torch.float64
    assert values.isfinite().all() and not values[0].any()
    torch.testing.assert_close(values[1:].mean(0), torch.zeros(values.shape[1]).double())
    assert (values[1:].square().mean(0) <= 1.0 + 1e-12).all()


def test_known_orders():
    columns = [name for name in next(iter(table().values())) if name != "z"]
    values = properties()
    for column, low, high in (
        ("covalent_radius_angstrom", "H", "Cs"),
        ("melting_point_k", "Hg", "W"),
    ):
        at = columns.index(column)
        assert values[number(low), at] < values[number(high), at]
    assert len({tuple(row) for row in values.tolist()}) == COUNT


def test_covalent_radii_are_those_of_cordero():
    torch.testing.assert_close(
        covalent_radii()[1:], torch.tensor(radii_of_ase[1:COUNT]), atol=0.011, rtol=0.0
    )
