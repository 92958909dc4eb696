"""The search of alloys: finds what an exhaustive one finds, and proposes only what it may."""

from __future__ import annotations

import pytest
import torch

from formwright.datasets.atoms.bulks import alloys
from formwright.datasets.atoms.prices import alloy_usd_per_mole
from formwright.design.catalysts.alloy_search import competing, propose
from formwright.design.catalysts.alloys import AlloyDesign, Target, affordable, claim
from formwright.design.catalysts.ordered_alloys import OrderedAlloys
from formwright.surrogate.atoms.adsorption import LABEL, AdsorptionConfig, AdsorptionSurrogate

ELEMENTS = ("Ag", "Al", "Cu", "Ni", "Pt", "Ti")
TINY = AdsorptionConfig(channels=8, layers=1, cutoff=4.0, radial=4, embedding=16, hidden=16)


@pytest.fixture(scope="module")
def surrogate():
    torch.manual_seed(7)
    made = AdsorptionSurrogate(TINY)
    made.scale.fill_(2.0)
    torch.nn.init.zeros_(made.spread.weight)
    torch.nn.init.constant_(made.spread.bias, -4.0)
    return made.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def every(surrogate):
    """All alloys of the elements, most probable first, and a target that few of them meet."""
    names = list(alloys(ELEMENTS, ("A1", "L12", "L10")))
    energies = sorted(one.claims["H"].energy_ev for one in claim(surrogate, [Target()], names))
    target = Target(energy_ev=energies[len(energies) // 4], tolerance_ev=0.05)
    return target, sorted(claim(surrogate, [target], names), key=lambda one: -one.hit)


def design(target, **more):
    settings = {"elements": ELEMENTS, "proposals": 4, "starts": 6, "steps": 4, **more}
    return AlloyDesign(targets=(target,), **settings)


@pytest.fixture(scope="module")
def found(surrogate, every):
    return propose(surrogate, design(every[0]))


def test_it_finds_what_an_exhaustive_search_finds(found, every):
    assert len(found.best) == 4
    assert sum(one.hit >= 0.999 * every[1][8].hit for one in found.best) >= 2
    chances = [one.hit for one in found.best]
    assert chances == sorted(chances, reverse=True)
    middle = every[1][len(every[1]) // 2].hit
    assert chances[0] >= 0.8 * every[1][0].hit and chances[0] > 2.0 * middle


def test_claims_are_those_of_the_surrogate(found, surrogate, every):
    for said, again in zip(
        found.best, claim(surrogate, [every[0]], [p.alloy for p in found.best]), strict=True
    ):
        assert said.claims["H"].site == again.claims["H"].site
        assert said.hit == pytest.approx(again.hit, rel=1e-3)


def test_the_same_seed_searches_the_same(found, surrogate, every):
    again = propose(surrogate, design(every[0]))
    assert [one.alloy for one in again.best] == [one.alloy for one in found.best]
    assert again.evaluations == found.evaluations > len(found.seen)
    assert {len(values) for values in found.trace.values()} == {3 * 4}


def test_only_what_is_allowed_is_proposed(found, surrogate, every):
    allowed = {one.alloy for one in found.best[1:]}
    some = propose(surrogate, design(every[0]), allowed=allowed)
    assert {one.alloy for one in some.best} <= allowed


def test_the_price_is_kept_and_progress_ends_at_one(surrogate, every):
    told = []
    bound = alloy_usd_per_mole({"Cu": 1, "Ni": 1})
    cheap = design(every[0], highest_price_usd_per_mol=bound, exchanges=2, prototypes=("L12",))
    some = propose(surrogate, cheap, tell=lambda what, share: told.append((what, share)))
    assert some.best and all(affordable(one.alloy, cheap) for one in some.best)
    assert not {"Pt", "Ag"} & {element for one in some.best for element in one.alloy.pair}
    shares = [share for _, share in told]
    assert shares == sorted(shares) and shares[-1] == 1.0


def test_straight_through_finds_alloys_too(surrogate, every):
    some = propose(surrogate, design(every[0], straight_through=True, prototypes=("L10",)))
    assert some.best and {one.alloy.prototype for one in some.best} <= {"L10", "A1"}


def test_sites_that_compete_hold_the_most_stable_one(surrogate):
    space = OrderedAlloys(prototype="L12", elements=ELEMENTS, adsorbates=("H", "OH"))
    low, high = space.bounds
    x = low + (high - low) * torch.rand(1, len(low), generator=torch.Generator().manual_seed(2))
    kept = competing(surrogate, space, x)
    energies = surrogate(space.decode(x)).mean[LABEL].reshape(len(space.places), -1)[:, 0]
    for name in space.adsorbates:
        own = [i for i, place in enumerate(space.places) if place[0] == name]
        assert space.places[own[int(energies[own].argmin())]] in kept
    assert len(kept) <= len(space.places)
