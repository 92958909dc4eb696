"""What alloys are designed for: the probability of a hit, claims on real alloys, prices."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.special import log_ndtr, logsumexp
from torch_geometric.data import Data

from formwright.datasets.atoms import mamun
from formwright.datasets.atoms.bulks import formation_ev_per_atom
from formwright.datasets.atoms.elements import radioactive
from formwright.datasets.atoms.mamun import Alloy, Row
from formwright.datasets.atoms.prices import alloy_usd_per_mole, prices
from formwright.datasets.atoms.slabs.ordered import site_labels
from formwright.datasets.atoms.structures import collate
from formwright.datasets.errors import ConfigError
from formwright.design.catalysts.alloys import (
    AlloyDesign,
    Target,
    affordable,
    claim,
    forms,
    log_hit,
    most_stable,
    price_constraint,
)
from formwright.design.catalysts.labels import fits
from formwright.design.catalysts.ordered_alloys import OrderedAlloys
from formwright.surrogate.atoms.adsorption import LABEL, AdsorptionConfig, AdsorptionSurrogate
from formwright.surrogate.model import Prediction

TARGET = Target(adsorbate="H", energy_ev=-0.24, tolerance_ev=0.1)
TINY = AdsorptionConfig(channels=8, layers=1, cutoff=4.0, radial=4, embedding=16, hidden=16)


@pytest.fixture(scope="module")
def surrogate():
    torch.manual_seed(5)
    return AdsorptionSurrogate(TINY).double().eval().requires_grad_(False)


@pytest.mark.parametrize("std", [0.01, 0.1, 1.0])
@pytest.mark.parametrize("off", [0.0, 0.09, 0.1, 0.5, 3.0, -3.0])
def test_the_probability_of_a_hit_is_that_of_a_normal(off, std):
    mean = TARGET.energy_ev + off
    a, b = ((end - off) / std for end in (-TARGET.tolerance_ev, TARGET.tolerance_ev))
    a, b = (-b, -a) if a > 0 else (a, b)
    by_tails = logsumexp([log_ndtr(b), log_ndtr(a)], b=[1.0, -1.0])
    nearest = min(max(0.0, a), b)
    shifted, _ = quad(lambda t: math.exp(0.5 * (nearest**2 - t**2)), a, b, points=[nearest])
    by_integral = math.log(shifted) - 0.5 * nearest**2 - 0.5 * math.log(2.0 * math.pi)
    said = log_hit(*(torch.tensor(v, dtype=torch.float64) for v in (mean, std)), TARGET)
    assert float(said) == pytest.approx(by_tails, rel=1e-9, abs=1e-12)
    if shifted > 1e-3 * (b - a):
        assert float(said) == pytest.approx(by_integral, rel=1e-6)


def test_far_tails_have_finite_values_and_exact_gradients():
    mean = torch.tensor([-9.0, -0.5, -0.23, 0.4, 9.0], dtype=torch.float64, requires_grad=True)
    std = torch.tensor([0.02, 0.1, 0.05, 0.2, 0.02], dtype=torch.float64, requires_grad=True)
    value = log_hit(mean, std, TARGET)
    assert value.isfinite().all() and (value <= 0.0).all()
    assert value[0] < -1e4 and value[2] > -0.1
    of_mean, of_std = torch.autograd.grad(value.sum(), (mean, std))
    assert of_mean[0] > 0 > of_mean[-1] and of_std[0] > 0
    torch.autograd.gradcheck(lambda m, s: log_hit(m, s, TARGET), (mean, std), eps=1e-7, rtol=1e-4)


def test_the_most_stable_site_is_smooth_where_two_compete():
    energies = torch.tensor([[0.3, -1.0], [-0.2, -1.0], [1.0, 2.0]], dtype=torch.float64)
    stds = torch.tensor([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]], dtype=torch.float64)
    energy, std = most_stable(energies, stds)
    torch.testing.assert_close(energy, torch.tensor([-0.2, -1.0]).double(), rtol=0, atol=1e-6)
    torch.testing.assert_close(std, torch.tensor([0.3, 0.3]).double(), rtol=0, atol=1e-6)


def test_claims_are_the_surrogates_at_the_most_stable_site(surrogate):
    alloys = [Alloy("L10", "Ag", "Al"), Alloy("L12", "Pt", "Ti"), Alloy("A1", "Cu", "Cu")]
    targets = (TARGET, Target(adsorbate="OH", energy_ev=0.5, tolerance_ev=0.3))
    said = claim(surrogate, targets, alloys)
    assert [one.alloy for one in said] == alloys
    for proposal in said:
        chance = 0.0
        for target in targets:
            labels = list(site_labels(proposal.alloy.prototype))
            rows = [Row(proposal.alloy, target.adsorbate, site) for site in labels]
            found = surrogate(collate(mamun.build(rows)))
            energies = found.mean[LABEL]
            least = int(energies.argmin())
            one = proposal.claims[target.adsorbate]
            assert one.site == labels[least]
            assert one.energy_ev == pytest.approx(float(energies[least]), abs=1e-9)
            assert one.std_ev == pytest.approx(float(found.std[LABEL][least]), abs=1e-9)
            near = most_stable(energies[:, None], found.std[LABEL][:, None])
            chance += float(log_hit(*near, target)[0])
        assert math.log(proposal.hit) == pytest.approx(chance, abs=1e-7)


@pytest.mark.parametrize("alloy", [Alloy("L12", "Pt", "Ti"), Alloy("L10", "Pt", "Ni")])
def test_the_price_of_a_sharp_mixture_is_the_alloys(alloy):
    design = AlloyDesign(elements=("Pt", "Ti", "Ni"), highest_price_usd_per_mol=500.0)
    space = OrderedAlloys(
        prototype=alloy.prototype, elements=design.elements, sharpness=2000.0, adsorbates=("H",)
    )
    (constraint,) = price_constraint(design, alloy.prototype)
    case: Data = space.decode(space.parameters([alloy]))
    said = Prediction(mean={}, std={}, lower={}, upper={}, level=0.9, fields={})
    share = {"L12": {alloy.a: 3, alloy.b: 1}, "L10": {alloy.a: 1, alloy.b: 1}}[alloy.prototype]
    price = float(constraint.function(said, case))
    assert price == pytest.approx(alloy_usd_per_mole(share), rel=1e-12)
    assert affordable(alloy, design) == (price <= 500.0)


def test_what_would_not_form_is_not_proposed_and_radioactive_metals_only_where_named():
    design = AlloyDesign()
    assert "Tc" not in design.elements and len(design.elements) == len(mamun.metals()) - 1
    forming, apart = Alloy("L12", "Pt", "Ti"), Alloy("L10", "Ag", "Ni")
    assert formation_ev_per_atom(forming) < 0.0 < formation_ev_per_atom(apart)
    assert fits(forming, design) and not fits(apart, design)
    assert fits(Alloy("A1", "Pt", "Pt"), design)
    unknown = Alloy("L12", "Nd", "Ti")
    assert formation_ev_per_atom(unknown) is None and not forms(unknown, design)
    free = AlloyDesign(highest_formation_ev=10.0, elements=("Ag", "Ni", "Tc"))
    assert fits(apart, free) and not forms(unknown, free)
    assert radioactive("Tc") and radioactive("Po") and not radioactive("Bi")


def test_no_bound_is_no_constraint_and_an_unknown_price_is_named():
    assert price_constraint(AlloyDesign(), "L12") == ()
    assert affordable(Alloy("L12", "Pt", "Rh"), AlloyDesign())
    unknown = sorted(set(mamun.metals()) - set(prices()))
    if unknown:
        design = AlloyDesign(elements=("Pt", unknown[0]), highest_price_usd_per_mol=1.0)
        with pytest.raises(ConfigError, match=unknown[0]):
            price_constraint(design, "L12")


@pytest.mark.parametrize("targets", [(), (TARGET, TARGET)])
def test_targets_are_one_an_adsorbate(targets):
    with pytest.raises(ConfigError, match="one target for each adsorbate"):
        AlloyDesign(targets=targets)


def test_prices_are_finite_where_they_are_known():
    assert np.isfinite([row[0] for row in prices().values()]).all()
