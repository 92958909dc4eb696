from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
from ase.build import fcc111, hcp0001

from formwright.datasets.atoms.slabs.sites import all_sites, find_sites
from formwright.datasets.atoms.slabs.surface_atoms import tag, with_tags
from formwright.datasets.atoms.structures import Structure, from_ase
from formwright.datasets.errors import StructureError


def tagged(atoms) -> Structure:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return tag(from_ase(atoms))


def relaxed() -> Structure:
    made = fcc111("Pt", (2, 2, 3), vacuum=8)
    made.positions += np.random.default_rng(1).normal(0.0, 0.03, made.positions.shape)
    return tagged(made)


def test_order_and_choice_do_not_hang_on_the_description():
    one = relaxed()
    order = np.random.default_rng(0).permutation(len(one))
    other = replace(one, z=one.z[order], pos=one.pos[order], tags=one.tags[order])
    other = replace(other, pos=other.pos + 2.0 * one.cell[0] - one.cell[1])
    other.cell[1] += one.cell[0]
    mine, its = find_sites(one), find_sites(other)
    assert [site.label for site in mine] == [site.label for site in its]
    steps = np.array([(a.position - b.position)[:2] for a, b in zip(mine, its, strict=True)])
    flat = np.linalg.solve(one.cell[:2, :2].T, steps.T)
    np.testing.assert_allclose(flat, flat.round(), atol=1e-9)


def test_sites_that_differ_by_the_side_of_a_neighbour_are_two():
    made = hcp0001("Ru", (2, 2, 4), vacuum=8)
    made.symbols[-1] = "Ni"
    one = tagged(made)
    apart = [site for site in find_sites(one) if site.label.startswith("bridge|Ru_Ru|Ru")]
    assert len(apart) == 2
    every = [site for site in all_sites(one) if site.label == "bridge|Ru_Ru|Ru"]
    assert len(every) == 6


def test_a_surface_that_leans_is_refused():
    made = fcc111("Pt", (2, 2, 3), vacuum=8)
    made.rotate(30, "x", rotate_cell=True)
    one = with_tags(from_ase(made), np.zeros(len(made), bool))
    with pytest.raises(StructureError, match=r"normal is \+z"):
        find_sites(one)
