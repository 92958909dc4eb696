"""Ordered alloys as a design space: exact gradients, real alloys exactly, one name each."""

from __future__ import annotations

import pytest
import torch

from formwright.datasets.atoms import mamun
from formwright.datasets.atoms.mamun import Alloy, Row
from formwright.datasets.atoms.structures import collate
from formwright.datasets.errors import ConfigError
from formwright.design.catalysts.ordered_alloys import OrderedAlloys
from formwright.surrogate.atoms.adsorption import LABEL, AdsorptionConfig, AdsorptionSurrogate

ELEMENTS = ("Pt", "Ti", "Cu", "Ni", "Au")
TINY = AdsorptionConfig(channels=8, layers=1, cutoff=4.0, radial=4, embedding=16, hidden=16)


@pytest.fixture(scope="module")
def surrogate():
    torch.manual_seed(3)
    return AdsorptionSurrogate(TINY).double().eval().requires_grad_(False)


def space(prototype="L12", **more):
    settings = {"elements": ELEMENTS, "adsorbates": ("OH",), **more}
    return OrderedAlloys(prototype=prototype, **settings)


def start(one, designs=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    low, high = one.bounds
    draw = torch.rand(designs, len(low), generator=generator, dtype=torch.float64)
    return low + (high - low) * draw


@pytest.mark.parametrize("prototype", ["A1", "L12", "L10"])
def test_gradients_are_those_of_finite_differences(surrogate, prototype):
    """To composition, strain and the adsorbate's place."""
    one = space(prototype, strain=(-0.05, 0.05), shift_angstrom=(-0.2, 0.2), sharpness=4.0)
    x = start(one).requires_grad_(True)

    def energy(at):
        return surrogate(one.decode(at)).mean[LABEL].reshape(len(one.places), -1)

    weights = torch.linspace(0.5, 1.5, len(one.places), dtype=torch.float64)[:, None]
    (slope,) = torch.autograd.grad((weights * energy(x)).sum(), x)
    names = one.names
    for i in (0, len(names) - 5, *range(len(names) - 4, len(names))):
        step = torch.zeros_like(x)
        step[:, i] = 1e-5
        with torch.no_grad():
            ends = [(weights * energy(x + sign * step)).sum(0) for sign in (1.0, -1.0)]
        found = (ends[0] - ends[1]) / 2e-5
        assert slope[:, i].abs().max() > 1e-6, names[i]
        torch.testing.assert_close(slope[:, i], found, rtol=1e-5, atol=1e-8, msg=names[i])


@pytest.mark.parametrize(
    "alloys", [[Alloy("L12", "Pt", "Ti"), Alloy("L12", "Cu", "Au")], [Alloy("L10", "Pt", "Ti")]]
)
def test_a_sharp_mixture_is_the_real_alloy_exactly(surrogate, alloys):
    one = space(alloys[0].prototype, sharpness=2000.0)
    said = surrogate(one.decode(one.parameters(alloys))).mean[LABEL]
    said = said.reshape(len(one.places), len(alloys))
    for k, (name, site) in enumerate(one.places):
        real = surrogate(collate(mamun.build([Row(alloy, name, site) for alloy in alloys])))
        torch.testing.assert_close(said[k], real.mean[LABEL], rtol=0, atol=1e-10)


def test_projection_gives_real_alloys_and_encoding_finds_them_again():
    one = space("L12", sharpness=2000.0)
    x = one.project(start(one, designs=6))
    torch.testing.assert_close(one.project(x), x, rtol=0, atol=0)
    torch.testing.assert_close(one.encode(one.decode(x)), x, rtol=0, atol=1e-9)
    alloys = [Alloy("L12", "Pt", "Ti"), Alloy("L12", "Ti", "Pt"), Alloy("L12", "Au", "Cu")]
    assert one.alloys(one.parameters(alloys)) == alloys


def test_mixtures_are_weights():
    one = space("L10", sharpness=8.0)
    mixed = one.mixtures(start(one, designs=4))
    assert mixed.shape == (4, 2, len(ELEMENTS))
    torch.testing.assert_close(mixed.sum(-1), torch.ones(4, 2).double(), rtol=0, atol=1e-12)
    sharp = one.sharpened(200.0).mixtures(start(one, designs=4))
    assert (sharp.amax(-1) >= mixed.amax(-1)).all()


def test_straight_through_looks_at_real_elements_with_the_gradient_of_the_mixture(surrogate):
    soft, hard = space(sharpness=4.0), space(sharpness=4.0, straight_through=True)
    x = start(soft).requires_grad_(True)
    with torch.no_grad():
        real = surrogate(hard.sharpened(2000.0).decode(hard.project(x))).mean[LABEL]
    said = surrogate(hard.decode(x)).mean[LABEL]
    torch.testing.assert_close(said, real, rtol=0, atol=1e-9)
    (slope,) = torch.autograd.grad(said.sum(), x)
    assert slope[:, : len(ELEMENTS)].abs().max() > 1e-6
    weights = torch.rand(2, 2, len(ELEMENTS), generator=torch.Generator().manual_seed(1)).double()
    of = [torch.autograd.grad((one.mixtures(x) * weights).sum(), x)[0] for one in (soft, hard)]
    torch.testing.assert_close(*of, rtol=0, atol=1e-12)


def test_an_l10_alloy_has_one_name_and_equal_elements_are_a_metal():
    one = space("L10")
    (there,) = one.alloys(one.parameters([Alloy("L10", "Pt", "Ti")]))
    (back,) = one.alloys(one.parameters([Alloy("L10", "Ti", "Pt")]))
    assert there == back and there in mamun.lattices()
    x = one.parameters([Alloy("L10", "Cu", "Cu")])
    assert one.alloys(x) == [Alloy("A1", "Cu", "Cu")]


def test_places_can_be_restricted(surrogate):
    one = space(adsorbates=("H", "OH"))
    some = one.places[1::3]
    few = one.restricted(some)
    assert few.places == some and few.names == one.names
    x = start(one)
    whole = surrogate(one.decode(x)).mean[LABEL].reshape(len(one.places), -1)
    part = surrogate(few.decode(x)).mean[LABEL].reshape(len(some), -1)
    torch.testing.assert_close(part, whole[1::3], rtol=0, atol=1e-10)


def test_strain_and_shift_move_what_they_say():
    one = space(strain=(-0.05, 0.05), shift_angstrom=(-0.5, 0.5))
    x = one.parameters([Alloy("L12", "Pt", "Ti")])
    moved = x.clone()
    moved[:, one.names.index("strain")] = 0.03
    moved[:, one.names.index("shift_z_angstrom")] = 0.25
    x[:, -4:] = 0.0
    before, after = one.decode(x), one.decode(moved)
    torch.testing.assert_close(after.cell[:, :2], 1.03 * before.cell[:, :2])
    torch.testing.assert_close(after.cell[:, 2], before.cell[:, 2])
    adsorbed = before.tags == 2
    risen = (after.pos - before.pos)[:, 2]
    assert (risen[~adsorbed].abs() < 1e-12).all() and (risen[adsorbed] > 0.15).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"prototype": "B2"}, "A1, L12, L10"),
        ({"elements": ("Pt",)}, "two elements or more"),
        ({"elements": ("Pt", "Xe")}, "two elements or more"),
    ],
)
def test_what_no_slab_can_be_made_of_is_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        space(**settings)
