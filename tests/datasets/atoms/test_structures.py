from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import add_adsorbate, bulk, fcc111, molecule
from ase.constraints import FixAtoms
from ase.neighborlist import neighbor_list
from hypothesis import given, settings
from hypothesis import strategies as st

from formwright.datasets.atoms.structures import (
    check_apart,
    check_slab,
    collate,
    from_ase,
    neighbours,
    structure,
    structures_of,
    to_ase,
    vacuum,
    with_neighbours,
)
from formwright.datasets.cases import moved
from formwright.datasets.errors import StructureError


def slab():
    made = fcc111("Pt", (2, 2, 3), vacuum=8)
    add_adsorbate(made, "O", 1.2, "fcc")
    made.pbc = True
    made.set_tags([0] * 8 + [1] * 4 + [2])
    made.set_constraint(FixAtoms(indices=range(4)))
    return from_ase(made, "O on Pt")


SEEDS = st.tuples(st.integers(0, 2**32 - 1), st.integers(1, 6), st.tuples(*[st.booleans()] * 3))


def crystal(seed):
    number, count, periodic = seed
    rng = np.random.default_rng(number)
    cell = np.diag(rng.uniform(2.5, 6.0, 3)) + rng.uniform(-1.2, 1.2, (3, 3))
    pos = rng.uniform(-1.0, 2.0, (count, 3)) @ cell
    return structure(
        rng.integers(1, 95, count),
        pos,
        cell,
        np.array(periodic),
        tags=rng.integers(0, 3, count),
        fixed=rng.integers(0, 2, count).astype(bool),
        name="random",
    )


def equal(one, other):
    for field in dataclasses.fields(one):
        np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name))


@given(SEEDS)
@settings(deadline=None, max_examples=40)
def test_ase_round_trip(seed):
    one = crystal(seed)
    equal(from_ase(to_ase(one)), one)


@given(st.lists(SEEDS, min_size=1, max_size=4))
@settings(deadline=None, max_examples=20)
def test_batch_round_trip(seeds):
    given_ = [crystal(seed) for seed in seeds]
    batch = collate(given_, {"e_ads_ev": np.arange(len(given_), dtype=float)})
    assert batch.pos.dtype == torch.float64 and batch.ptr.tolist()[-1] == len(batch.pos)
    assert batch.e_ads_ev.shape == (len(given_),)
    for one, other in zip(structures_of(batch), given_, strict=True):
        equal(dataclasses.replace(one, name="random"), other)


@given(SEEDS, st.floats(1.0, 6.0))
@settings(deadline=None, max_examples=40)
def test_neighbours_are_those_of_ase(seed, cutoff):
    one = crystal(seed)
    (sender, receiver), shift = neighbours(one.pos, one.cell, one.pbc, cutoff)
    i, j, cells, distance = neighbor_list("ijSd", to_ase(one), cutoff)
    apart = one.pos[sender] + shift @ one.cell - one.pos[receiver]
    length = np.linalg.norm(apart, axis=1)
    assert (np.diff(receiver) >= 0).all()
    clear = np.abs(length - cutoff) > 1e-9
    clear_ase = np.abs(distance - cutoff) > 1e-9
    found = sorted(zip(receiver[clear], sender[clear], *shift[clear].T, strict=True))
    expected = sorted(zip(i[clear_ase], j[clear_ase], *cells[clear_ase].T, strict=True))
    assert found == expected
    np.testing.assert_allclose(np.sort(length[clear]), np.sort(distance[clear_ase]), atol=1e-10)


def test_neighbours_of_a_batch_are_those_of_its_cases():
    two = [slab(), from_ase(bulk("Cu")), from_ase(molecule("CH4"))]
    batch = with_neighbours(collate(two), 4.0)
    edges, bounds = batch.edge_index, batch.ptr.tolist()
    assert (batch.batch[edges[0]] == batch.batch[edges[1]]).all()
    for k, one in enumerate(two):
        own = batch.batch[edges[0]] == k
        alone, shift = neighbours(one.pos, one.cell, one.pbc, 4.0)
        np.testing.assert_array_equal(edges[:, own].numpy() - bounds[k], alone)
        np.testing.assert_array_equal(batch.edge_shift[own].numpy(), shift)


def test_moved_drops_neighbours():
    batch = with_neighbours(collate([slab()]), 4.0)
    other = moved(batch, pos=batch.pos + 1.0)
    assert "edge_index" not in other and "edge_shift" not in other and "edge_index" in batch
    np.testing.assert_array_equal(other.pos, batch.pos + 1.0)


def test_mixture_is_rounded():
    batch = collate([structure(["Pt", "Cu"], [[0, 0, 0], [2.5, 0, 0]], np.eye(3) * 5)])
    weights = torch.zeros(2, 95, dtype=torch.float64)
    weights[0, 28], weights[0, 29], weights[1, 79] = 0.4, 0.6, 1.0
    batch.mixture = weights
    assert structures_of(batch)[0].elements == ["Cu", "Au"]


def test_good_slab_passes():
    check_slab(slab())
    assert vacuum(slab()) == pytest.approx(16.0 - 1.2)
    wrapped = slab()
    wrapped = dataclasses.replace(wrapped, pos=wrapped.pos + 0.37 * wrapped.cell[2])
    assert vacuum(wrapped) == pytest.approx(16.0 - 1.2)


def test_bad_slabs_are_quoted():
    one = slab()
    cases = [
        (dataclasses.replace(one, cell=np.zeros((3, 3)), pbc=np.zeros(3, bool)), "no cell"),
        (dataclasses.replace(one, cell=one.cell * [[1], [1], [0.35]]), "of vacuum along"),
        (dataclasses.replace(one, tags=np.minimum(one.tags, 1)), "no adsorbate"),
    ]
    for wrong, words in cases:
        with pytest.raises(StructureError, match=words) as caught:
            check_slab(wrong)
        assert "O on Pt" in str(caught.value)
    near = one.pos.copy()
    near[12] = near[8] + [0.0, 0.0, 0.4]
    with pytest.raises(StructureError, match=r"O on Pt: atoms .*0\.400 angstrom apart"):
        check_slab(dataclasses.replace(one, pos=near))


def test_overlap_across_the_cell_is_seen():
    with pytest.raises(StructureError, match="overlap"):
        check_apart(structure(["Pt", "Pt"], [[0.1, 0, 0], [7.9, 0, 0]], np.eye(3) * 8.0))
    check_apart(structure(["Pt", "Pt"], [[0.1, 0, 0], [7.9, 0, 0]]))


@pytest.mark.parametrize(
    ("elements", "pos", "words"),
    [
        (["Pt", "Pt"], [[0, 0, 0]], "2 element"),
        ([], np.zeros((0, 3)), "one atom"),
        (["Pt"], [[0, 0, np.nan]], "finite"),
        (np.array([99]), [[0, 0, 0]], "99"),
        (["Qq"], [[0, 0, 0]], "'Qq'"),
    ],
)
def test_what_is_no_structure_is_refused(elements, pos, words):
    with pytest.raises(StructureError, match=words):
        structure(elements, pos)


def test_molecule_from_ase():
    one = from_ase(Atoms("CO", [[0, 0, 0], [0, 0, 1.13]]))
    assert not one.pbc.any() and one.elements == ["C", "O"] and len(one) == 2


def test_a_refusal_names_the_atom():
    with pytest.raises(StructureError, match=r"atom 1 has the atomic number 0 \(X, a ghost"):
        structure(np.array([78, 0, 29]), np.eye(3))
    with pytest.raises(StructureError, match=r"position of atom 2 \(O\) is not finite"):
        structure(["Pt", "Pt", "O"], [[0, 0, 0], [0, 0, 2], [np.inf, 0, 4]])


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        (np.diag([5.6, 4.9, 1e6]), "more than 10000"),
        (np.diag([5.6, 4.9, np.inf]), "more than 10000"),
        ([[5.6, 0, 0], [5.6, 0, 0], [0, 0, 22]], "a cell without volume"),
        (np.diag([5.6, 4.9, 0]), "a cell without volume"),
        (np.diag([1e-3, 4.9, 22]), "a cell without volume"),
        (np.zeros((3, 3)), "no cell"),
    ],
)
def test_cells_that_no_neighbour_list_survives_are_refused(cell, words):
    one = dataclasses.replace(slab(), cell=np.array(cell, float), pbc=np.ones(3, bool))
    for asks in (check_apart, lambda s: neighbours(s.pos, s.cell, s.pbc, 6.0)):
        with pytest.raises(StructureError, match=words):
            asks(one)


def test_atoms_that_are_lost_in_an_open_direction_are_refused():
    pos = slab().pos.copy()
    pos[12, 2] = 1e6
    one = dataclasses.replace(slab(), pos=pos, pbc=np.array([True, True, False]))
    with pytest.raises(StructureError, match=r"O on Pt .*angstrom apart"):
        check_apart(one)
