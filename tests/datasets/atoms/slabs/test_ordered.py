from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from formwright.datasets.atoms.adsorbates import ADSORBATES
from formwright.datasets.atoms.elements import COUNT, covalent_radii, numbers
from formwright.datasets.atoms.slabs.ordered import (
    LOWEST,
    PROTOTYPES,
    Site,
    find_site,
    place,
    site_labels,
    sites,
    slab_positions,
    slabs,
)
from formwright.datasets.atoms.structures import Structure, structures_of, vacuum
from formwright.datasets.errors import StructureError

PAIR = {"A": 78, "B": 22}


def tensor(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def z_of(prototype: str) -> torch.Tensor:
    return torch.tensor([[PAIR[letter] for letter in PROTOTYPES[prototype]]])


@settings(max_examples=25, deadline=None)
@given(
    prototype=st.sampled_from(list(PROTOTYPES)),
    a=st.floats(2.5, 5.5),
    ratio=st.floats(0.8, 1.35),
)
def test_slab_is_that_of_ase(prototype: str, a: float, ratio: float) -> None:
    from ase import Atoms
    from ase.build import surface

    z = z_of(prototype)[0].tolist()
    flat = [(0, 0, 0), (0.5, 0.5, 0), (0.5, 0, 0.5), (0, 0.5, 0.5)]
    bulk = Atoms(z, scaled_positions=flat, cell=[a, a, a * ratio], pbc=True)
    peer = surface(bulk, (1, 1, 1), 3, vacuum=8.0)
    (mine,) = structures_of(slabs(tensor(a), tensor(a * ratio), z_of(prototype)))
    assert mine.cell[2] == pytest.approx(np.array(peer.cell)[2], abs=1e-9)
    turns = bases(mine.cell[:2, :2], np.array(peer.cell)[:2, :2])
    pos = peer.positions
    assert any(
        same(mine, np.column_stack([pos[:, :2] @ t, pos[:, 2]]), peer.numbers) for t in turns
    )


def bases(mine: np.ndarray, other: np.ndarray) -> list[np.ndarray]:
    """Rotations about the normal that take one surface lattice to the other."""
    found = []
    for entries in itertools.product((-2, -1, 0, 1, 2), repeat=4):
        changed = np.reshape(entries, (2, 2)) @ other
        if round(np.linalg.det(np.reshape(entries, (2, 2)))) == 1:
            turn = np.linalg.solve(changed, mine)
            if np.allclose(turn @ turn.T, np.eye(2), atol=1e-7):
                found.append(turn)
    return found


def same(mine: Structure, pos: np.ndarray, z: np.ndarray) -> bool:
    """Whether atoms are the same but for a shift along the surface and whole cells."""
    for start in pos[(z == mine.z[0]) & np.isclose(pos[:, 2], mine.pos[0, 2])]:
        apart = mine.pos[:, None] - (pos - start + mine.pos[0])
        whole = apart @ np.linalg.inv(mine.cell)
        near = np.abs((whole - np.round(whole)) @ mine.cell).max(2) < 1e-6
        hits = near & (mine.z[:, None] == z)
        if (hits.sum(1) == 1).all() and (hits.sum(0) == 1).all():
            return True
    return False


def test_a_slab_has_two_fixed_layers_and_vacuum() -> None:
    (one,) = structures_of(slabs(tensor(3.9), tensor(3.7), z_of("L10")))
    assert one.fixed.tolist() == [True] * 8 + [False] * 4
    assert one.tags.tolist() == [0] * 8 + [1] * 4
    assert vacuum(one) == pytest.approx(16.0)
    assert one.pbc.tolist() == [True, True, False]


def test_a_surface_cell_has_24_sites() -> None:
    kinds = [site.kind for site in sites()]
    assert {kind: kinds.count(kind) for kind in kinds} == {"top": 4, "bridge": 12, "hollow": 8}


def test_labels_of_each_prototype() -> None:
    assert set(site_labels("A1")) == {
        "top|A",
        "bridge|A_A|A",
        "hollow|A_A_A|FCC",
        "hollow|A_A_A|HCP",
    }
    assert set(site_labels("L12")) == {
        "top|A",
        "top|B",
        "bridge|A_A|A",
        "bridge|A_A|B",
        "bridge|A_B|A",
        "hollow|A_A_A|FCC",
        "hollow|A_A_A|HCP",
        "hollow|A_A_B|FCC",
        "hollow|A_A_B|HCP",
    }
    assert len(site_labels("L10")) == 10


def test_a_hollow_over_hcp_stands_on_an_atom() -> None:
    pos, cell = slab_positions(tensor(3.9), tensor(3.9))
    second, flat = pos[0, 4:8, :2].numpy(), cell[0, :2, :2].numpy()
    for site in sites():
        if site.kind != "hollow":
            continue
        shifts = np.array(site.shifts, dtype=float) @ flat
        centre = (pos[0, 8:, :2].numpy()[list(site.atoms)] + shifts).mean(0)
        apart = (second - centre) @ np.linalg.inv(flat)
        nearest = np.linalg.norm((apart - np.round(apart)) @ flat, axis=1).min()
        assert (nearest < 1e-9) == (site.stacking == "HCP")


def surroundings(site: Site, prototype: str) -> np.ndarray:
    batch = slabs(tensor(3.9), tensor(3.9), z_of(prototype), site, ADSORBATES["H"])
    (one,) = structures_of(batch)
    steps = np.array(list(itertools.product((-2, -1, 0, 1, 2), (-2, -1, 0, 1, 2), (0,))))
    images = (one.pos[:12] + (steps @ one.cell)[:, None]).reshape(-1, 3)
    apart = np.linalg.norm(images - one.pos[12], axis=1)
    z = np.tile(one.z[:12], len(steps))
    near = apart < 7.0
    order = np.lexsort((apart[near].round(6), z[near]))
    return np.stack([z[near], apart[near]])[:, order]


@pytest.mark.parametrize("prototype", ["A1", "L12"])
def test_sites_of_a_label_are_congruent_where_cubic(prototype: str) -> None:
    letters = PROTOTYPES[prototype]
    seen: dict[str, np.ndarray] = {}
    for site in sites():
        view = surroundings(site, prototype)
        first = seen.setdefault(site.label(letters), view)
        np.testing.assert_allclose(view, first, atol=1e-6)
    views = list(seen.values())
    assert not any(
        p.shape == q.shape and np.allclose(p, q) for p, q in itertools.combinations(views, 2)
    )


def test_an_adsorbate_is_as_far_as_covalent_radii_say() -> None:
    site = find_site("top|A", "A1")
    (one,) = structures_of(slabs(tensor(3.9), tensor(3.9), z_of("A1"), site, ADSORBATES["OH"]))
    radii = covalent_radii()
    assert one.pos[12, 2] - one.pos[8, 2] == pytest.approx(float(radii[8] + radii[78]))
    assert one.elements[12:] == ["O", "H"] and one.tags[12:].tolist() == [2, 2]
    wide = structures_of(slabs(tensor(5.5), tensor(5.5), z_of("A1"), sites()[-1], ADSORBATES["H"]))
    assert wide[0].pos[12, 2] - wide[0].pos[8, 2] == pytest.approx(LOWEST)


def test_batch_is_the_loop() -> None:
    a, c = tensor(3.6, 3.9, 4.1), tensor(3.6, 4.0, 4.4)
    z = torch.tensor([numbers(["Pt", "Pt", "Ni", "Ni"]), [29] * 4, numbers(["Ti", "W", "W", "W"])])
    site, what = find_site("bridge|A_B|A", "L10"), ADSORBATES["CH3"]
    together = structures_of(slabs(a, c, z, site, what))
    for i, one in enumerate(together):
        (alone,) = structures_of(slabs(a[i : i + 1], c[i : i + 1], z[i : i + 1], site, what))
        np.testing.assert_array_equal(one.pos, alone.pos)
        np.testing.assert_array_equal(one.z, alone.z)
        np.testing.assert_array_equal(one.cell, alone.cell)


def test_gradients_to_the_lattice() -> None:
    a, c = tensor(3.9, 4.0).requires_grad_(), tensor(3.7, 4.3).requires_grad_()
    assert torch.autograd.gradcheck(slab_positions, (a, c))


@pytest.mark.parametrize("label", ["top|B", "bridge|A_B|A", "hollow|A_A_B|FCC"])
def test_gradients_of_a_placed_adsorbate(label: str) -> None:
    site = find_site(label, "L12")
    a, c = tensor(3.9).requires_grad_(), tensor(3.8).requires_grad_()
    radius = tensor(1.6, 1.36, 1.36, 1.36)[None].requires_grad_()

    def placed(a: torch.Tensor, c: torch.Tensor, radius: torch.Tensor) -> torch.Tensor:
        return place(*slab_positions(a, c), radius, site, ADSORBATES["OH"])

    assert torch.autograd.gradcheck(placed, (a, c, radius))


def test_gradients_to_the_mixture() -> None:
    site = find_site("hollow|A_A_B|HCP", "L12")
    weights = torch.zeros(1, 4, COUNT, dtype=torch.float64)
    weights[..., 78], weights[..., 22] = 0.7, 0.3
    weights.requires_grad_()

    def built(weights: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        batch = slabs(tensor(3.9), tensor(3.9), z_of("L12"), site, ADSORBATES["O"], mixture=weights)
        return batch["pos"], batch.mixture

    assert torch.autograd.gradcheck(built, (weights,))


def test_a_mixture_of_one_element_is_the_element() -> None:
    site, z = find_site("top|B", "L12"), z_of("L12")
    one_hot = torch.nn.functional.one_hot(z, COUNT).double()
    whole = slabs(tensor(3.9), tensor(3.9), z, site, ADSORBATES["OH"])
    mixed = slabs(tensor(3.9), tensor(3.9), z, site, ADSORBATES["OH"], mixture=one_hot)
    torch.testing.assert_close(mixed["pos"], whole["pos"], rtol=0.0, atol=1e-12)
    assert torch.equal(mixed.mixture.argmax(1), whole.z)
    assert torch.equal(mixed.mixture.sum(1), torch.ones(14, dtype=torch.float64))


def test_unknown_names_are_refused() -> None:
    with pytest.raises(StructureError, match=r"no site 'top\|B'.*top\|A"):
        find_site("top|B", "A1")
    with pytest.raises(StructureError, match="'D03'.*L12"):
        site_labels("D03")
