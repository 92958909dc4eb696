from __future__ import annotations

from dataclasses import replace

import numpy as np
from ase.build import fcc111, graphene

from formwright.datasets.atoms.slabs.bonds import pieces
from formwright.datasets.atoms.structures import from_ase


def found(one, chosen):
    return [(atoms.tolist(), endless) for atoms, endless in pieces(one, chosen)]


def oxygen_and_hydrogen(apart: float):
    made = fcc111("Pt", (3, 3, 3), vacuum=8)
    top = made.positions[:, 2].max()
    made.extend(type(made)("OH", positions=[[0.1, 0.1, top + 1.3], [0.1 - apart, 0.1, top + 1.3]]))
    return from_ase(made)


def test_a_bond_joins_across_the_edge_of_the_cell():
    one = oxygen_and_hydrogen(0.98)
    flat = np.linalg.solve(one.cell.T, one.pos.T).T
    inside = replace(one, pos=(flat % 1.0) @ one.cell)
    assert np.linalg.norm(inside.pos[-1] - inside.pos[-2]) > 5.0
    assert found(inside, one.z < 9) == [([27, 28], False)]


def test_what_no_bond_joins_is_in_pieces():
    one = oxygen_and_hydrogen(2.0)
    assert found(one, one.z < 9) == [([27], False), ([28], False)]
    assert found(one, one.z < 0) == []


def test_a_sheet_goes_on_without_end():
    sheet = from_ase(graphene(size=(3, 3, 1), vacuum=8))
    assert found(sheet, sheet.z == 6) == [(list(range(18)), True)]
    small = from_ase(graphene(size=(1, 1, 1), vacuum=8))
    assert found(small, small.z == 6) == [([0, 1], True)]
