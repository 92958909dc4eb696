from __future__ import annotations

import pytest
import torch

from formwright.surrogate.uncertainty.support import (
    SUPPORT,
    Described,
    Support,
    add_remarks,
    growth,
    remark,
)


def drawn(count: int, seed: int, shift: float = 0.0) -> tuple[Described, torch.Tensor]:
    """Cases of two classes far apart, in groups, spread along one direction of five."""
    noise = torch.Generator().manual_seed(seed)
    kind = (torch.arange(count) % 2).double()
    group = torch.arange(count) % 40
    along = torch.randn(count, 1, generator=noise).double() @ torch.ones(1, 5).double()
    small = 0.1 * torch.randn(count, 5, generator=noise).double()
    features = along + small + 20.0 * kind[:, None] + shift
    return Described(features, kind[:, None]), group


@pytest.fixture
def fitted() -> Support:
    made = Support(5, 1)
    held, _ = drawn(200, 1)
    made.fit(*drawn(800, 0), held)
    return made


def test_known_kinds_lie_below_one_and_others_above(fitted):
    new, _ = drawn(2000, 2)
    share = float((fitted(new) > 1.0).double().mean())
    assert 0.0 < share < 0.03
    across = new._replace(features=new.features + torch.tensor([3.0, -3.0, 0.0, 0.0, 0.0]))
    assert (fitted(across) > 1.0).all()


def test_a_case_is_judged_by_its_own_class(fitted):
    new, _ = drawn(200, 3)
    other = new._replace(context=1.0 - new.context)
    assert (fitted(other) > 2.0).all()


def test_the_distance_is_that_of_mahalanobis(fitted):
    known, _ = drawn(800, 0)
    mean = torch.stack([known.features[known.context[:, 0] == k].mean(0) for k in (0.0, 1.0)])
    rest = known.features - mean[known.context[:, 0].long()]
    covariance = rest.T @ rest / len(rest) + fitted.tolerance.double().square().diag()
    new, _ = drawn(50, 4)
    off = new.features - mean[new.context[:, 0].long()]
    exact = (off @ torch.linalg.inv(covariance) * off).sum(1).sqrt()
    ours = fitted(new) * fitted.limit.double()
    torch.testing.assert_close(ours, exact, rtol=2e-2, atol=2e-2)


def test_what_never_varied_says_nothing():
    cases, groups = drawn(100, 0)
    still = cases.features.clone()
    still[:, 0] = 1.0
    made = Support(5, 1)
    made.fit(cases._replace(features=still), groups, cases._replace(features=still))
    moved = still.clone()
    moved[:, 0] = 5.0
    torch.testing.assert_close(
        made(cases._replace(features=moved)), made(cases._replace(features=still))
    )


def test_gradients_are_those_of_finite_differences(fitted):
    new, _ = drawn(3, 5, shift=0.5)
    at = new.features.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: fitted(Described(x, new.context)), (at,), atol=1e-5)


def test_before_it_is_fitted_it_does_not_know():
    assert not Support(5, 1).known


def test_intervals_grow_beyond_one_only():
    far = torch.tensor([0.2, 1.0, 4.0])
    assert growth(far).tolist() == [1.0, 1.0, 4.0]


def test_remarks_are_added_to_flags():
    assert remark(0.9) == ""
    flags = {7: "a lattice", 9: "tags"}
    add_remarks(flags, {SUPPORT: torch.tensor([9.31, 0.5, 2.0]).numpy()}, [7, 8, 3])
    assert flags[7].startswith("a lattice; outside of what it learned from (distance 9.31")
    assert flags[9] == "tags" and 8 not in flags and "guess" in flags[3]
    add_remarks(flags, {}, [])
