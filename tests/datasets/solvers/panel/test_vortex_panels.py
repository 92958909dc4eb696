from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from formwright.datasets.airfoils.sections import naca
from formwright.datasets.solvers.panel import interaction, vortex_panels
from formwright.datasets.solvers.panel.spline import (
    CubicSpline,
    hermite,
    hermite_rows,
    linear,
    slopes,
)


def karman_trefftz(points=400, centre=complex(-0.1, 0.1), angle_deg=15.0):
    """Contour in chords, its speeds by incidence, and its exact lift."""
    radius, shift = abs(1 - centre), math.asin(centre.imag / abs(1 - centre))
    power = 2 - math.radians(angle_deg) / math.pi
    turn = torch.linspace(0, 2 * math.pi, points + 1, dtype=torch.float64) - shift
    circle = torch.complex(centre.real + radius * turn.cos(), centre.imag + radius * turn.sin())
    ahead, behind = (circle + 1) ** power, (circle - 1) ** power
    behind[0] = behind[-1] = 0.0
    section = power * (ahead + behind) / (ahead - behind)
    nose, tail = section.real.min(), section.real.max()
    chord = float(tail - nose)
    pos = torch.stack([(section.real - nose) / chord, section.imag / chord], -1)

    def speed(alpha):
        offset = circle - centre
        around = 4 * math.pi * radius * math.sin(alpha + shift)
        flow = np.exp(-1j * alpha) - radius**2 * np.exp(1j * alpha) / offset**2
        flow = flow + 1j * around / (2 * math.pi) / offset
        slope = 4 * power**2 * ((circle - 1) * (circle + 1)) ** (power - 1)
        return (flow / (slope / (ahead - behind) ** 2)).abs(), 2 * around / chord

    return pos, speed


def lift(flow, alpha):
    speed = flow.basis[0] @ torch.tensor([math.cos(alpha), math.sin(alpha)], dtype=torch.float64)
    step = flow.arc[0, 1:] - flow.arc[0, :-1]
    return float(((speed[1:] + speed[:-1]) * step).sum()), speed


@pytest.mark.parametrize("alpha_deg", [0.0, 8.0])
def test_karman_trefftz_section(alpha_deg):
    pos, exact = karman_trefftz()
    alpha = math.radians(alpha_deg)
    speed, circulation = exact(alpha)
    errors = []
    for panels in (60, 120):
        flow = vortex_panels.flow(vortex_panels.repanel(pos[None], panels))
        cl, found = lift(flow, alpha)
        arc = torch.cat([pos.new_zeros(1), (pos[1:] - pos[:-1]).norm(dim=-1).cumsum(0)])
        share = flow.arc[0] / flow.arc[0, -1] * arc[-1]
        wanted = np.interp(share[4:-4], arc[1:-1], speed[1:-1])
        assert np.abs(found[4:-4].abs().numpy() - wanted).max() < 0.04
        errors.append(abs(cl - circulation))
    assert errors[0] < 0.01
    assert errors[1] < 0.6 * errors[0]


def test_thin_section_has_the_lift_slope_of_theory():
    flow = vortex_panels.flow(vortex_panels.repanel(naca("0006").pos[None], 140))
    up, down = (lift(flow, math.radians(sign))[0] for sign in (1.0, -1.0))
    slope = (up - down) / math.radians(2.0)
    assert slope == pytest.approx(2 * math.pi * (1 + 0.77 * 0.06), rel=0.01)


@pytest.mark.parametrize("gap", [0.0, 2e-5, 2e-3, 1e-2])
def test_blunt_and_sharp_trailing_edges_agree(gap):
    pos = naca("2412").pos.clone()
    pos[:, 1] += torch.where(torch.arange(len(pos)) <= len(pos) // 2, 0.5, -0.5) * gap * pos[:, 0]
    flow = vortex_panels.flow(vortex_panels.repanel(pos[None], 140))
    sharp = vortex_panels.flow(vortex_panels.repanel(naca("2412").pos[None], 140))
    assert lift(flow, 0.1)[0] == pytest.approx(lift(sharp, 0.1)[0], rel=0.004 + 2 * gap)
    assert torch.isfinite(flow.response).all() and torch.isfinite(flow.wake_response).all()


def test_panelling_keeps_the_contour_and_puts_the_nose_in_the_middle():
    pos = naca("4415", points_per_side=150).pos
    nodes = vortex_panels.repanel(pos[None], 120)[0]
    assert nodes.shape == (121, 2)
    assert int(nodes[:, 0].argmin()) == 60
    distance = torch.cdist(nodes, pos).amin(-1)
    assert float(distance.max()) < 0.02
    assert float((nodes[0] - pos[0]).abs().max()) < 1e-12
    coarse = vortex_panels.repanel(naca("4415", points_per_side=60).pos[None], 120)[0]
    assert float((coarse - nodes).abs().max()) < 5e-4


def test_jacobian_of_the_outer_flow_is_exact():
    generator = torch.Generator().manual_seed(0)
    flow = vortex_panels.flow(vortex_panels.repanel(naca("2412").pos[None], 80))
    alpha = torch.tensor([0.07], dtype=torch.float64)
    share = interaction.shares(20, 0.05, flow.nodes)
    stop = interaction.first_stagnation(flow, alpha)
    flux = 0.01 * torch.rand(1, 2, 20, generator=generator, dtype=torch.float64)
    wake = 0.01 * torch.rand(1, flow.wake_arc.shape[1], generator=generator, dtype=torch.float64)
    _, found = interaction.answers(flow, alpha, stop, flux, wake, share)

    def stacked(x):
        values = interaction.speeds(
            flow, alpha, stop, x[:, :40].unflatten(-1, (2, 20)), x[:, 40:], share
        )
        return interaction.stacked(values)

    joined = torch.cat([flux.flatten(1), wake], -1)
    wanted = torch.autograd.functional.jacobian(stacked, joined)[0, :, 0]
    assert float((found.flux[0] - wanted).abs().max()) < 1e-9 * float(wanted.abs().max())


@given(st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_interpolations_reproduce_what_they_can(seed):
    generator = torch.Generator().manual_seed(seed)
    knots = torch.rand(1, 12, generator=generator, dtype=torch.float64).cumsum(-1) + 0.01
    at = knots[:, :1] + (knots[:, -1:] - knots[:, :1]) * torch.rand(
        1, 30, generator=generator, dtype=torch.float64
    )
    parabola = 1.0 + 2.0 * knots - 3.0 * knots.square()
    wanted = 1.0 + 2.0 * at - 3.0 * at.square()
    found = hermite(knots, parabola, slopes(knots, parabola), at)
    assert torch.allclose(found, wanted, atol=1e-9, rtol=1e-9)
    values = torch.rand(1, 12, generator=generator, dtype=torch.float64)
    found = (hermite_rows(knots, at) @ values[..., None])[..., 0]
    assert torch.allclose(found, hermite(knots, values, slopes(knots, values), at), atol=1e-9)
    assert torch.allclose(linear(knots, 2.0 * knots, at), 2.0 * at, atol=1e-12)
    spline = CubicSpline.natural(knots, torch.stack([knots, parabola], -1))
    assert torch.allclose(spline(at)[..., 0], at, atol=1e-9)
    assert torch.allclose(spline(knots)[..., 1], parabola, atol=1e-9)
    assert torch.allclose(spline(at, 1)[..., 0], torch.ones_like(at), atol=1e-9)
