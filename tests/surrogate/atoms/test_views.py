from __future__ import annotations

import pytest
import torch

from formwright.datasets.atoms import mamun
from formwright.datasets.atoms.structures import ADSORBATE, collate, with_neighbours
from formwright.datasets.errors import ViewError
from formwright.surrogate.atoms.cases import AtomCases
from formwright.surrogate.atoms.encoder import AtomGNN
from formwright.surrogate.atoms.views import HideElements, Jiggle, OtherElement, Strain
from formwright.surrogate.keeps import check_keeps
from formwright.surrogate.pretraining.matching import ViewMatch
from formwright.surrogate.pretraining.pretrain import PretrainConfig, pretrain_network

ROWS = mamun.labelled("validation")[0][:6]


def batch():
    return collate(mamun.build(ROWS), {"e_ads_ev": torch.arange(6.0)})


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("view", [Jiggle(), Strain(), HideElements(), OtherElement()])
def test_the_case_itself_stays_and_the_same_seed_gives_the_same_view(view):
    case, twin = batch(), batch()
    one, other = view(case, generator(1)), view(case, generator(1))
    for key, value in twin.to_dict().items():
        assert torch.equal(case[key], value)
        assert torch.equal(one[key], other[key])
    third = view(case, generator(2))
    assert any(not torch.equal(one[key], third[key]) for key in ("pos", "z", "cell"))


def test_jiggle_moves_atoms_by_sigma_and_drops_old_neighbours():
    case = with_neighbours(batch(), 4.0)
    case.basis = torch.zeros(1)
    moved = Jiggle(sigma=0.1)(case, generator())
    assert "edge_index" not in moved and "basis" not in moved
    assert (moved["pos"] - case["pos"]).std().item() == pytest.approx(0.1, rel=0.15)


def test_strain_keeps_fractional_positions():
    case = batch()
    strained = Strain(most=0.03)(case, generator())
    fraction = [
        torch.linalg.solve(b.cell[b.batch].mT, b["pos"][:, :, None]) for b in (case, strained)
    ]
    assert torch.allclose(*fraction, atol=1e-12)
    stretch = strained.cell[:, 0, 0] / case.cell[:, 0, 0]
    assert ((stretch - 1.0).abs() <= 0.03).all() and stretch.std() > 0


def test_elements_are_hidden_in_slabs_only():
    hidden = HideElements(share=0.9)(batch(), generator())
    assert (hidden.z[hidden.tags != ADSORBATE] == 0).float().mean() > 0.7
    assert (hidden.z[hidden.tags == ADSORBATE] > 0).all()


def test_a_false_view_is_refused_by_name_before_anything_is_trained():
    check_keeps((Jiggle(), Strain(), HideElements()), ("e_ads_ev",))
    encoder = AtomGNN(channels=4, layers=1, cutoff=3.0, radial=3, embedding=4)
    asked = PretrainConfig(labels=("e_ads_ev",), pretext=ViewMatch(), views=(OtherElement(),))
    with pytest.raises(ViewError, match="OtherElement is forbidden for 'e_ads_ev'"):
        pretrain_network(encoder, AtomCases(mamun.build(ROWS)), asked, progress=False)


def test_the_false_view_exchanges_one_metal_of_each_slab():
    case = batch()
    changed = OtherElement()(case, generator())
    assert torch.equal(changed.z[case.tags == ADSORBATE], case.z[case.tags == ADSORBATE])
    for a, b in zip(case.ptr.tolist(), case.ptr.tolist()[1:], strict=False):
        first = case.z[a]
        new = changed.z[a:b][case.z[a:b] == first]
        assert len(set(new.tolist())) == 1
