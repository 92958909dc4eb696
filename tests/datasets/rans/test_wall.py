from __future__ import annotations

import math

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from formwright.datasets.airfoils.sections import naca
from formwright.datasets.rans.wall import RING, PotentialWall, potential_wall, wall_nodes
from formwright.datasets.solvers.result import stations


def wall(name: str = "2412") -> PotentialWall:
    return potential_wall(naca(name, points_per_side=120).pos[None])


def test_the_stations_are_those_of_the_solvers():
    x = wall().places[0, :, 0].numpy()
    half = RING // 2
    assert np.allclose(x[:half][::-1], stations(), atol=1e-12)
    assert np.allclose(x[half:], stations(), atol=1e-12)


def test_normals_are_of_length_one_and_point_outwards():
    found = wall()
    assert torch.allclose(found.normals.norm(dim=-1), torch.ones(1, RING).double())
    nodes = wall_nodes(naca("2412", points_per_side=120).pos[None])
    middle = 0.5 * (nodes[0].amin(0) + nodes[0].amax(0))
    outward = ((found.places[0] - middle) * found.normals[0]).sum(-1)
    assert (outward > 0).float().mean() > 0.95


@settings(deadline=None, max_examples=10)
@given(alpha=st.floats(-0.2, 0.2))
def test_incidence_and_lift_are_each_others_inverse(alpha):
    found = wall()
    at = torch.tensor([alpha]).double()
    assert torch.allclose(found.incidence_of(found.lift_at(at)), at, atol=1e-10)


def test_a_symmetric_section_has_no_lift_at_none_and_nearly_two_pi_a_radian():
    found = wall("0012")
    assert abs(float(found.lift_at(torch.zeros(1).double()))) < 1e-9
    slope = float(found.lift_at(torch.tensor([0.01]).double())) / 0.01
    thick = 2 * math.pi * (1 + 0.77 * 0.12)
    assert abs(slope / thick - 1) < 0.02


def test_circulation_gives_the_lift_of_the_pressure():
    pos = naca("4415", points_per_side=200).pos[None]
    found, alpha = potential_wall(pos), torch.tensor([0.08]).double()
    nodes = wall_nodes(pos)
    corners = nodes[:, ::2]
    pressure = 1.0 - found.speed_at(alpha).square()
    step = corners.diff(dim=1)
    force = torch.stack([-step[..., 1], step[..., 0]], -1) * pressure[..., None]
    x, y = force.sum(1)[0]
    lift = float(y * alpha.cos() - x * alpha.sin())
    assert abs(lift / float(found.lift_at(alpha)) - 1) < 0.02


def test_the_gradient_to_the_contour_is_that_of_finite_differences():
    pos = naca("2412", points_per_side=60).pos[None].double()
    bump = torch.zeros_like(pos)
    bump[0, 30, 1] = 1.0
    alpha = torch.tensor([0.05]).double()

    def lift(scale: torch.Tensor) -> torch.Tensor:
        return potential_wall(pos + scale * bump).lift_at(alpha).sum()

    at = torch.zeros((), dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(lift(at), at)
    step = torch.tensor(1e-6).double()
    numeric = (lift(step) - lift(-step)) / (2 * step)
    assert torch.allclose(slope, numeric, rtol=1e-5)
