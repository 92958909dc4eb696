from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from torch.nn.functional import one_hot

from formwright.datasets.atoms import mamun
from formwright.datasets.atoms.adsorbates import adsorbate
from formwright.datasets.atoms.bulks import bulk
from formwright.datasets.atoms.elements import COUNT
from formwright.datasets.atoms.slabs.cut import cut, repeat
from formwright.datasets.atoms.slabs.placement import place
from formwright.datasets.atoms.slabs.sites import find_sites
from formwright.datasets.atoms.structures import Structure, collate
from formwright.datasets.cases import moved
from formwright.surrogate.atoms.surroundings import WIDTH, described, surroundings

NAMES = ("bond", "hold", "depth", "bonds", "spacing", "ring", "next", "uneven")


def on(slab: Structure, name: str = "O", height: float | None = None) -> Structure:
    return place(slab, find_sites(slab)[-1], adsorbate(name), height=height)


def numbers(*some: Structure) -> dict[str, list[float]]:
    found = surroundings(collate(some))
    assert found.shape == (len(some), WIDTH) and found.isfinite().all()
    return dict(zip(NAMES, found.T.tolist(), strict=True))


def test_facets_are_told_by_their_neighbours():
    slabs = [cut(bulk("Cu", "A1"), miller)[0] for miller in ((1, 1, 1), (1, 0, 0))]
    found = numbers(*(on(slab) for slab in slabs))
    assert np.exp(found["ring"]) - 0.1 == pytest.approx([9.0, 8.0], abs=0.2)
    assert found["next"][1] > found["next"][0] + 0.2
    nearest = mamun.lattice(mamun.Alloy("A1", "Cu", "Cu"))[0] / math.sqrt(2.0)
    assert np.exp(found["spacing"]) == pytest.approx([nearest, nearest], rel=1e-2)
    assert max(found["uneven"]) < 1e-3


def test_height_bonds_and_depth():
    slab = cut(bulk("Pt", "A1"))[0]
    found = numbers(on(slab, "OH"), on(slab, "O", 1.2), on(slab, "O", 4.0), on(slab, "O", -1.1))
    assert found["bonds"] == pytest.approx([1.0, 0.0, 0.0, 0.0], abs=0.05)
    assert 0.8 < found["bond"][1] < 1.1 and found["bond"][2] > 1.8
    assert found["depth"][3] < 0.5 * found["depth"][1]


def test_neither_frame_nor_order_nor_cell_matters():
    slab = cut(bulk("Pt3Ti", "L12"))[0]
    one = on(slab, "OH")
    turn, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))
    turned = dataclasses.replace(one, pos=one.pos @ turn + 1.0, cell=one.cell @ turn)
    back = slice(None, None, -1)
    turned_round = dataclasses.replace(
        one, z=one.z[back], pos=one.pos[back], tags=one.tags[back], fixed=one.fixed[back]
    )
    found = surroundings(collate([one, turned, turned_round]))
    torch.testing.assert_close(found[1:], found[:1].expand(2, -1), atol=1e-9, rtol=0.0)
    small = cut(bulk("Pt", "A1"))[0]
    pair = surroundings(collate([on(small, "OH"), on(repeat(small, (2, 1)), "OH")]))
    torch.testing.assert_close(pair[0], pair[1], atol=0.02, rtol=0.0)


def test_gradients_and_mixtures():
    batch = collate([on(cut(bulk("Pt3Ti", "L12"))[0], "OH")])
    weights = one_hot(batch.z, COUNT).double()
    plain, mixed = described(batch), described(moved(batch, mixture=weights))
    torch.testing.assert_close(plain.features, mixed.features)
    torch.testing.assert_close(plain.context, mixed.context)
    along = torch.randn(batch["pos"].shape, generator=torch.Generator().manual_seed(0)).double()

    def at(t: torch.Tensor) -> torch.Tensor:
        return surroundings(moved(batch, pos=batch["pos"] + t * along, mixture=weights))[:, :7]

    start = torch.full((), 0.02, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(at, (start,), eps=1e-5, atol=1e-5)


def test_what_has_no_surface_or_no_adsorbate_is_finite():
    crystal = bulk("Pt", "A1")
    alone = Structure(
        z=np.array([8]), pos=np.zeros((1, 3)), cell=20.0 * np.eye(3), pbc=np.ones(3, bool),
        tags=np.array([2]), fixed=np.zeros(1, bool),
    )  # fmt: skip
    numbers(crystal, alone, dataclasses.replace(crystal, tags=np.zeros(len(crystal), int)))
