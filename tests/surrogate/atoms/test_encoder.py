from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import one_hot
from torch_geometric.data import Data

from formwright.datasets.atoms.adsorbates import adsorbate
from formwright.datasets.atoms.elements import COUNT
from formwright.datasets.atoms.slabs.ordered import find_site, slabs
from formwright.datasets.atoms.structures import (
    Structure,
    collate,
    structure,
    structures_of,
    with_neighbours,
)
from formwright.datasets.cases import moved
from formwright.surrogate.atoms.encoder import AtomGNN

CUTOFF = 4.5


@pytest.fixture(scope="module")
def encoder() -> AtomGNN:
    torch.manual_seed(0)
    return AtomGNN(channels=12, layers=3, cutoff=CUTOFF, radial=5, embedding=9).double().eval()


def rattled(name: str = "OH", seed: int = 0) -> Structure:
    lattice = torch.tensor([3.9]).double()
    site = find_site("hollow|A_A_B|FCC", "L12")
    z = torch.tensor([[22, 78, 78, 78]])
    one = structures_of(slabs(lattice, lattice * 1.02, z, site, adsorbate(name)))[0]
    noise = np.random.default_rng(seed).normal(0.0, 0.1, one.pos.shape)
    return replace(one, pos=one.pos + noise)


def turned(one: Structure, by: np.ndarray) -> Structure:
    return replace(one, pos=one.pos @ by, cell=one.cell @ by)


def orthogonal(seed: int) -> np.ndarray:
    q, r = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    return q * np.sign(np.diag(r))


def encoded(encoder: AtomGNN, *structures: Structure) -> tuple[torch.Tensor, torch.Tensor]:
    with torch.no_grad():
        said = encoder(collate(structures))
    assert said.per_point is not None
    return said.per_case, said.per_point


def close(found: torch.Tensor, wanted: torch.Tensor, atol: float = 1e-10) -> None:
    torch.testing.assert_close(found, wanted, rtol=0, atol=atol)


def same(encoder: AtomGNN, one: Structure, other: Structure) -> None:
    for found, wanted in zip(encoded(encoder, other), encoded(encoder, one), strict=True):
        close(found, wanted)


def test_it_sees_the_geometry_the_elements_and_the_tags(encoder):
    one = rattled()
    base = encoded(encoder, one)[0]
    z, tags = one.z.copy(), one.tags.copy()
    z[0], tags[0] = 79, 1
    for other in (rattled(seed=1), replace(one, z=z), replace(one, tags=tags)):
        assert (encoded(encoder, other)[0] - base).abs().max() > 1e-4


@settings(max_examples=10, deadline=None)
@given(shift=st.tuples(*[st.floats(-20, 20)] * 3))
def test_translation(encoder, shift):
    one = rattled()
    same(encoder, one, replace(one, pos=one.pos + np.array(shift)))


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), inverted=st.booleans())
def test_rotation_and_inversion(encoder, seed, inverted):
    one = rattled()
    same(encoder, one, turned(one, orthogonal(seed) * (-1.0 if inverted else 1.0)))


def test_permutation(encoder):
    one = rattled()
    order = np.random.default_rng(0).permutation(len(one))
    fields = {name: getattr(one, name)[order] for name in ("z", "pos", "tags", "fixed")}
    case, atoms = encoded(encoder, replace(one, **fields))
    close(case, encoded(encoder, one)[0])
    close(atoms, encoded(encoder, one)[1][torch.from_numpy(order)])


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_atoms_in_other_periodic_images(encoder, seed):
    one = rattled()
    cells = np.random.default_rng(seed).integers(-3, 4, (len(one), 3)) * one.pbc
    same(encoder, one, replace(one, pos=one.pos + cells @ one.cell))


@pytest.mark.parametrize("turn", [[[1, 1, 0], [0, 1, 0]], [[0, 1, 0], [-1, 0, 0]]])
def test_another_choice_of_the_cell(encoder, turn):
    one = rattled()
    matrix = np.array([*turn, [0, 0, 1]], float)
    same(encoder, one, replace(one, cell=matrix @ one.cell))


@pytest.mark.parametrize("repeats", [(2, 1), (2, 3)])
def test_a_supercell_has_the_same_atoms_and_the_same_means(encoder, repeats):
    one = rattled()
    shifts = [(i, j, 0) for i in range(repeats[0]) for j in range(repeats[1])]
    large = structure(
        np.tile(one.z, len(shifts)),
        np.concatenate([one.pos + np.array(shift) @ one.cell for shift in shifts]),
        one.cell * np.array([*repeats, 1])[:, None],
        one.pbc,
        tags=np.tile(one.tags, len(shifts)),
    )
    case, atoms = encoded(encoder, large)
    close(case, encoded(encoder, one)[0])
    close(atoms, encoded(encoder, one)[1].repeat(len(shifts), 1))


def test_a_batch_is_a_loop(encoder):
    many = [rattled(name, seed) for seed, name in enumerate(("OH", "H", "CH3", "O"))]
    case, atoms = encoded(encoder, *many)
    alone = [encoded(encoder, one) for one in many]
    close(case, torch.cat([c for c, _ in alone]), 1e-12)
    close(atoms, torch.cat([a for _, a in alone]), 1e-12)


def test_a_longer_list_of_neighbours_changes_nothing(encoder):
    batch = collate([rattled()])
    exact, longer = (with_neighbours(batch, CUTOFF + more) for more in (0.0, 1.0))
    assert longer.edge_index.shape[1] > exact.edge_index.shape[1]
    close(encoder(longer).per_case, encoder(exact).per_case, 1e-13)


def test_the_whole_of_an_element_is_the_element(encoder):
    batch = collate([rattled(), rattled("H", 1)])
    pure = moved(batch, mixture=one_hot(batch.z, COUNT).double())
    close(encoder(pure).per_case, encoder(batch).per_case, 1e-13)


def test_a_prepared_basis_is_the_computed_one(encoder):
    batch = collate([rattled(), rattled("H", 1)])
    prepared = moved(batch, basis=encoder.basis(batch))
    assert torch.equal(encoder(prepared).per_case, encoder(batch).per_case)


def pair(apart: float) -> Structure:
    pos = [[0.0, 0.0, 0.0], [0.0, 0.0, apart]]
    return structure(["Pt", "O"], pos, np.diag([30.0, 30.0, 30.0]), tags=[1, 2])


def test_it_is_smooth_at_the_cutoff(encoder):
    """The end is of third order, and the sines vanish there too."""
    beyond = encoded(encoder, pair(CUTOFF + 1.0))[0]
    assert torch.equal(encoded(encoder, pair(CUTOFF + 1e-6))[0], beyond)
    steps = [0.04, 0.02, 0.01]
    off = [(encoded(encoder, pair(CUTOFF - h))[0] - beyond).abs().max() for h in steps]
    assert off[0] > 0
    for larger, smaller in zip(off, off[1:], strict=False):
        assert larger / smaller == pytest.approx(16.0, rel=0.1)


@pytest.fixture(scope="module")
def tiny() -> tuple[AtomGNN, Data]:
    torch.manual_seed(1)
    network = AtomGNN(channels=4, layers=2, cutoff=3.2, radial=3, embedding=3).double().eval()
    pos = [[0.0, 0.0, 8.0], [1.4, 1.5, 9.7], [0.3, 1.2, 11.2], [0.5, 1.9, 12.0]]
    cell = [[3.0, 0.1, 0.0], [0.2, 2.9, 0.0], [0.0, 0.0, 20.0]]
    one = structure(["Pt", "Ti", "O", "H"], pos, cell, [True, True, False], tags=[0, 1, 2, 2])
    return network.requires_grad_(False), collate([one])


@pytest.mark.parametrize("name", ["pos", "cell"])
def test_gradients_to_positions_and_cell(tiny, name):
    network, batch = tiny
    at = batch[name].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: network(moved(batch, **{name: x})).per_case, (at,))


def test_gradients_to_a_mixture(tiny):
    network, batch = tiny
    weights = torch.rand(4, 3, generator=torch.Generator().manual_seed(0)).double()
    columns = torch.tensor([22, 29, 78])

    def of_weights(w: torch.Tensor) -> torch.Tensor:
        mixture = torch.zeros(4, COUNT).double().index_copy(1, columns, w)
        return network(moved(batch, mixture=mixture)).per_case

    assert torch.autograd.gradcheck(of_weights, (weights.requires_grad_(),))


def test_second_derivatives_to_positions(tiny):
    network, batch = tiny
    at = batch["pos"].clone().requires_grad_()

    def total(x: torch.Tensor) -> torch.Tensor:
        return network(moved(batch, pos=x)).per_case.sum()

    assert torch.autograd.gradgradcheck(total, (at,))
