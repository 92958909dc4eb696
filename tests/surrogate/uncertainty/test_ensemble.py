"""Several surrogates as one: the mean, and intervals as wide as they differ."""

import pytest
import torch

from formwright.datasets.airfoils.sections import load_section
from formwright.datasets.cases import section_case
from formwright.datasets.errors import ConfigError
from formwright.surrogate.uncertainty.ensemble import Ensemble
from formwright.surrogate.zoo import load

NAMES = ("airfoil-polar", "airfoil-polar-large")


@pytest.fixture(scope="module")
def case():
    conditions = {
        "alpha_deg": torch.tensor([0.0, 4.0, 9.0], dtype=torch.float64),
        "reynolds": torch.full((3,), 8e5, dtype=torch.float64),
    }
    return section_case(load_section("e387").pos.double(), conditions)


@pytest.fixture(scope="module")
def members():
    return [load(name).double() for name in NAMES]


def test_the_mean_lies_between_and_the_interval_holds_what_they_differ_by(case, members):
    own, (one, other) = Ensemble(members)(case), [member(case) for member in members]
    for name in one.mean:
        pair = torch.stack([one.mean[name], other.mean[name]])
        half = 0.5 * (pair[0] - pair[1]).abs()
        assert torch.allclose(own.mean[name], pair.mean(dim=0), rtol=1e-12)
        assert torch.allclose(own.std[name] - half, 0.5 * (one.std[name] + other.std[name]))
        widths = [each.upper[name] - each.lower[name] for each in (one, other)]
        width = own.upper[name] - own.lower[name]
        assert torch.allclose(width, 0.5 * (widths[0] + widths[1]) + 2 * half)
    assert own.level == one.level
    assert torch.equal(own.support, torch.maximum(one.support, other.support))


def test_of_one_twice_nothing_changes(case, members):
    own, alone = Ensemble([members[0], members[0]])(case, fields=True), members[0](case)
    for name in alone.mean:
        assert torch.equal(own.mean[name], alone.mean[name])
        assert torch.equal(own.upper[name], alone.upper[name])
    assert own.fields and not Ensemble(members)(case).fields


def test_gradients_flow_to_the_shape_through_all(case, members):
    moved = case.clone()
    moved.pos = case.pos.clone().requires_grad_(True)
    Ensemble(members)(moved).mean["cl"].sum().backward()
    parts = []
    for member in members:
        each = case.clone()
        each.pos = case.pos.clone().requires_grad_(True)
        member(each).mean["cl"].sum().backward()
        parts.append(each.pos.grad)
    assert torch.allclose(moved.pos.grad, 0.5 * (parts[0] + parts[1]))


def test_the_training_range_is_what_all_have_seen(members, monkeypatch):
    monkeypatch.setattr(members[1], "training_range", {"reynolds": (1e5, 1e8), "mach": (0.0, 0.2)})
    low, high = members[0].training_range["reynolds"]
    found = Ensemble(members).training_range
    assert found["reynolds"] == (max(low, 1e5), min(high, 1e8)) and "alpha_deg" not in found


def test_one_alone_or_of_other_labels_is_refused(members):
    with pytest.raises(ConfigError, match="two surrogates or more"):
        Ensemble(members[:1])
    with pytest.raises(ConfigError, match="cl, cd, cm, xtr_top, xtr_bottom; cl, cd, cm"):
        Ensemble([members[0], load("rans-2d")])
