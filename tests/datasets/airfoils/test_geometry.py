"""Geometry against closed forms, finite differences, mirroring and re-panelling."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from formwright.datasets.airfoils import cst, geometry, naca
from formwright.datasets.airfoils.sections import database

WEIGHTS = torch.tensor(
    [-0.17, -0.12, -0.10, -0.06, -0.08, -0.05, -0.04, -0.03]
    + [0.19, 0.22, 0.18, 0.24, 0.20, 0.22, 0.19, 0.21]
    + [0.05, 0.003],
    dtype=torch.float64,
)
STATIONS = torch.tensor([0.02, 0.1, 0.33, 0.5, 0.77, 0.9], dtype=torch.float64)
MEASURES: dict[str, Callable[[Tensor], Tensor]] = {
    "thickness": lambda pos: geometry.thickness(pos, STATIONS),
    "camber": lambda pos: geometry.camber(pos, STATIONS),
    "max_thickness": geometry.max_thickness,
    "max_camber": geometry.max_camber,
    "area": geometry.area,
    "leading_edge_radius": geometry.leading_edge_radius,
    "trailing_edge_angle_deg": geometry.trailing_edge_angle_deg,
    "trailing_edge_thickness": geometry.trailing_edge_thickness,
    "curvature": geometry.curvature,
    "stations_y": lambda pos: geometry.stations_y(pos, 24),
}
ODD = ("camber", "max_camber")


def mirrored(pos: Tensor) -> Tensor:
    return pos.flip(-2) * pos.new_tensor([1.0, -1.0])


@st.composite
def cst_vectors(draw) -> Tensor:
    sides = [
        draw(st.lists(st.floats(0.06, 0.4), min_size=8, max_size=8)),
        draw(st.lists(st.floats(-0.04, 0.4), min_size=7, max_size=7)),
    ]
    lower = [-w for w in sides[1]]
    values = [-0.08, *lower, *sides[0], draw(st.floats(-0.1, 0.1)), draw(st.floats(0.0, 0.01))]
    return torch.tensor(values, dtype=torch.float64)


def analytic_heights(parameters: Tensor, n: int) -> Tensor:
    angle = torch.pi * (torch.arange(n, dtype=torch.float64) + 0.5) / n
    upper, lower = cst.design_matrices(0.5 * (1.0 - angle.cos()), 8)
    return torch.cat([(upper @ parameters).flip(0), lower @ parameters])


@settings(deadline=None, max_examples=40)
@given(cst_vectors())
def test_stations_hardly_depend_on_the_panelling(parameters):
    truth = analytic_heights(parameters, 32)
    for points_per_side, tolerance in ((60, 1e-5), (100, 2e-6), (200, 4e-7)):
        found = geometry.stations_y(cst.coordinates(parameters, points_per_side), 32)
        assert float((found - truth).abs().max()) < tolerance


@settings(deadline=None, max_examples=40)
@given(cst_vectors(), st.integers(21, 90))
def test_mirror_is_exact(parameters, points_per_side):
    pos = cst.coordinates(parameters, points_per_side)
    for name, measure in MEASURES.items():
        here, there = measure(pos), measure(mirrored(pos))
        if name in ("stations_y", "curvature"):
            there = there.flip(-1) * (-1.0 if name == "stations_y" else 1.0)
        elif name in ODD:
            there = -there
        torch.testing.assert_close(there, here, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", MEASURES)
def test_batch_equals_loop(name):
    pos = cst.coordinates(torch.stack([WEIGHTS, 0.7 * WEIGHTS, 1.2 * WEIGHTS]), 60)
    looped = torch.stack([MEASURES[name](one) for one in pos])
    torch.testing.assert_close(MEASURES[name](pos), looped, rtol=0.0, atol=1e-14)
    nested = MEASURES[name](pos[None].expand(2, *pos.shape))
    torch.testing.assert_close(nested[1], looped, rtol=0.0, atol=1e-14)


@pytest.mark.parametrize("name", MEASURES)
def test_gradient_agrees_with_finite_differences(name):
    pos = cst.coordinates(WEIGHTS, 25)
    generator = torch.Generator().manual_seed(0)
    for _ in range(4):
        direction = torch.randn(pos.shape, generator=generator, dtype=torch.float64)
        step = 1e-7
        value = torch.func.jvp(MEASURES[name], (pos,), (direction,))[1]
        ahead, behind = (
            MEASURES[name](pos + step * direction),
            MEASURES[name](pos - step * direction),
        )
        torch.testing.assert_close(
            value, (ahead - behind) / (2.0 * step), rtol=2e-5, atol=2e-6 * float(value.abs().max())
        )


@pytest.mark.parametrize("name", MEASURES)
def test_gradients_are_finite_on_a_sharp_padded_contour(name):
    pos = naca.coordinates("2412", points_per_side=40)
    pos = torch.cat([pos, pos[-1:].expand(7, 2)]).requires_grad_()
    MEASURES[name](pos).sum().backward()
    assert pos.grad is not None and bool(pos.grad.isfinite().all())


def test_padding_with_the_last_point_changes_nothing():
    for section in ("naca23012", "e423", "fx79w660a"):
        pos = database()[section].pos
        padded = torch.cat([pos, pos[-1:].expand(50, 2)])
        assert torch.equal(geometry.stations_y(padded, 32), geometry.stations_y(pos, 32))


@pytest.mark.parametrize(("digits", "height"), [("0012", 0.12), ("0024", 0.24)])
def test_naca_thickness_and_nose(digits, height):
    pos = naca.coordinates(digits, points_per_side=150, closed=False)
    assert float(geometry.max_thickness(pos)) == pytest.approx(height, abs=1e-4)
    assert float(geometry.leading_edge_radius(pos)) == pytest.approx(1.1019 * height**2, rel=3e-3)
    assert float(geometry.trailing_edge_thickness(pos)) == pytest.approx(0.021 * height, abs=1e-12)


def test_naca_camber():
    pos = naca.coordinates("4412", points_per_side=150)
    assert float(geometry.max_camber(pos)) == pytest.approx(0.04, abs=2e-4)
    assert float(geometry.max_camber(mirrored(pos))) == pytest.approx(-0.04, abs=2e-4)


def test_cst_measures_have_their_closed_forms():
    pos = cst.coordinates(WEIGHTS, 200)
    lower, upper, gap = WEIGHTS[:8], WEIGHTS[8:16], float(WEIGHTS[-1])
    radius = 0.5 * (0.5 * float(upper[0] - lower[0])) ** 2
    assert float(geometry.leading_edge_radius(pos)) == pytest.approx(radius, rel=2e-3)
    assert float(geometry.trailing_edge_thickness(pos)) == pytest.approx(gap, abs=1e-12)
    slopes = torch.atan(-upper[-1] + gap / 2), torch.atan(-lower[-1] - gap / 2)
    angle = float(torch.rad2deg(slopes[1] - slopes[0]))
    assert float(geometry.trailing_edge_angle_deg(pos)) == pytest.approx(angle, abs=0.1)
    x = torch.linspace(0.0, 1.0, 20001, dtype=torch.float64)
    above, below = cst.design_matrices(x, 8)
    exact = torch.trapezoid((above - below) @ WEIGHTS, x)
    assert float(geometry.area(pos)) == pytest.approx(float(exact), abs=2e-5)
    assert float(geometry.max_thickness(pos)) == pytest.approx(
        float(((above - below) @ WEIGHTS).max()), abs=1e-6
    )


def test_curvature_of_a_circle():
    angle = torch.linspace(0.0, 2.0 * torch.pi, 90, dtype=torch.float64)
    pos = torch.stack([0.5 + 0.5 * angle.cos(), 0.5 * angle.sin()], -1)
    torch.testing.assert_close(geometry.curvature(pos), torch.full_like(angle, 2.0))
    repeated = torch.cat([pos[:40], pos[39:]])
    assert bool(geometry.curvature(repeated).isfinite().all())


def test_surface_is_read_in_any_order_of_x():
    pos = cst.coordinates(WEIGHTS, 100)
    upper, lower = geometry.surface_y(pos, STATIONS)
    for i in (5, 0, 3):
        one = geometry.surface_y(pos, STATIONS[i : i + 1])
        torch.testing.assert_close(one[0], upper[i : i + 1])
        torch.testing.assert_close(one[1], lower[i : i + 1])
    backwards = geometry.surface_y(pos, STATIONS.flip(0))
    torch.testing.assert_close(backwards[0].flip(0), upper)
