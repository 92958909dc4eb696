from __future__ import annotations

import math

import pytest
import torch

from formwright.datasets.solvers.panel import boundary_layer, closure, equations
from formwright.datasets.solvers.panel.boundary_layer import Layer, Outer


def plate(
    reynolds, ncrit, speed=lambda arc: torch.tanh(arc / 0.005), stations=80, length=1.0, answer=0.0
):
    arc = length * torch.linspace(0, 1, stations + 1, dtype=torch.float64)[1:] ** 1.5
    arc = arc[None]
    outer = Outer(arc, speed(arc), torch.full_like(arc, answer))
    values = (torch.tensor([v], dtype=torch.float64) for v in (reynolds, ncrit))
    return arc[0], boundary_layer.march(outer, *values, newton=12)


def closures(layer: Layer, reynolds):
    reynolds = torch.tensor(reynolds, dtype=torch.float64)
    return equations.station(
        layer.log_theta, layer.shape, layer.log_shear, layer.speed.log(), reynolds, wake=False
    )


@pytest.mark.parametrize("reynolds", [1e5, 1e6])
def test_laminar_plate_is_blasius(reynolds):
    arc, layer = plate(reynolds, 1e9)
    theta = layer.log_theta.exp()[0]
    exact = 0.664 * (arc / reynolds).sqrt()
    assert theta[20:].numpy() == pytest.approx(exact[20:].numpy(), rel=0.025)
    assert layer.shape[0, 30:].numpy() == pytest.approx(2.59, abs=0.03)
    still = closures(layer, reynolds).laminar
    assert still is not None
    skin = still.friction[0]
    assert skin[30:].numpy() == pytest.approx(
        (0.664 / (reynolds * arc[30:]).sqrt()).numpy(), rel=0.03
    )


def test_turbulent_plate_has_the_friction_of_the_schoenherr_line():
    reynolds = 1e7
    arc, layer = plate(reynolds, 0.5)
    skin = closures(layer, reynolds).turbulent.friction[0]
    re_theta = reynolds * layer.log_theta.exp()[0]
    logarithm = (2 * re_theta).log10()
    schoenherr = 0.0586 / (logarithm * (logarithm + 0.8686))
    late = arc > 0.4
    assert skin[late].numpy() == pytest.approx(schoenherr[late].numpy(), rel=0.06)
    assert 1.25 < float(layer.shape[0, -1]) < 1.42


def test_stagnation_flow_stays_similar():
    _, layer = plate(1e6, 1e9, speed=lambda arc: 3.0 * arc)
    theta = layer.log_theta.exp()[0]
    assert float(theta.max() / theta.min()) == pytest.approx(1.0, abs=1e-6)
    assert layer.shape[0].numpy() == pytest.approx(closure.STAGNATION_SHAPE, abs=1e-6)
    assert closure.STAGNATION_SHAPE == pytest.approx(2.216, abs=0.03)
    assert closure.STAGNATION_GROWTH == pytest.approx(0.0855, abs=0.002)


def test_transition_of_a_plate_comes_earlier_with_less_ncrit():
    places = []
    for ncrit in (3.0, 9.0, 12.0):
        arc, layer = plate(5e6, ncrit)
        rates = equations.rate(layer.log_theta, layer.shape, layer.speed, torch.tensor(5e6))
        far = torch.full((1,), 10_000)
        grown = equations.amplification(rates, arc[None], torch.tensor(ncrit), far)
        places.append(float(((1 - grown.fraction) * (arc[1:] - arc[:-1])).sum()))
    assert places == sorted(places)
    assert 5e6 * places[1] == pytest.approx(plate_transition(2.568, 0.666), rel=0.03)
    assert plate_transition(2.591, 0.664) == pytest.approx(3.05e6, rel=0.01)


def plate_transition(shape, growth):
    """Return Re_x where N reaches 9 at constant H, with Re_theta = growth sqrt(Re_x).

    The laminar closure has H 2.568 on a plate, Blasius 2.591: to the envelope that is much.
    """
    shape = torch.tensor(shape, dtype=torch.float64)
    re_theta = torch.linspace(100.0, 3000.0, 20_000, dtype=torch.float64)
    slope = closure.amplification_rate(shape, re_theta, re_theta) * 2.0 * re_theta / growth**2
    n = (0.5 * (slope[1:] + slope[:-1]) * re_theta.diff()).cumsum(0)
    return float((re_theta[1:][n >= 9.0][0] / growth) ** 2)


def test_turbulent_fraction_is_continuous_in_ncrit():
    arc, layer = plate(5e6, 9.0)
    rates = equations.rate(layer.log_theta, layer.shape, layer.speed, torch.tensor(5e6))
    far = torch.full((1,), 10_000)
    ncrit = torch.linspace(2.0, 8.0, 400, dtype=torch.float64)
    grown = [equations.amplification(rates, arc[None], n, far).fraction.sum() for n in ncrit]
    moves = torch.stack(grown).diff().abs()
    assert float(moves.max()) < 0.3
    tripped = equations.amplification(rates, arc[None], torch.tensor(1e9), torch.tensor([7]))
    assert tripped.fraction[0].tolist() == [0.0] * 7 + [1.0] * (len(arc) - 8)


def test_adverse_gradient_separates_without_breaking():
    arc, layer = plate(2e5, 9.0, speed=lambda arc: 1.0 - 0.5 * arc, answer=40.0)
    assert torch.isfinite(torch.stack([layer.log_theta, layer.shape, layer.speed])).all()
    assert float(layer.shape.max()) > 3.0


def test_a_wake_relaxes():
    arc = torch.linspace(0, 1, 30, dtype=torch.float64)[None]
    outer = Outer(arc, 0.9 + 0.1 * arc, torch.zeros_like(arc))
    one = torch.ones(1, dtype=torch.float64)
    start = (math.log(3e-3) * one, 2.2 * one, math.log(0.08) * one)
    layer = boundary_layer.march(outer, 1e6 * one, 9.0 * one, start=start, newton=10)
    assert float(layer.shape[0, -1]) < 1.15
    drag = 2 * layer.log_theta.exp() * layer.speed ** (0.5 * (5 + layer.shape))
    late = drag[0, 12:]
    assert float(late.max() / late.min()) < 1.05


def test_closures_are_smooth_enough_for_newton():
    shape = torch.linspace(1.05, 12.0, 4000, dtype=torch.float64)
    re_theta = torch.full_like(shape, 900.0)
    still = closure.laminar(shape, re_theta)
    rough, lag = closure.turbulent(shape, re_theta, torch.full_like(shape, 0.05), wake=False)
    for values in (*still, *rough, *lag):
        assert torch.isfinite(values).all()
        steps = values.diff().abs()
        assert float(steps.max()) < 0.05 * float(values.max() - values.min() + 1e-9)
    assert float(still.log_energy.exp().min()) == pytest.approx(1.515, abs=0.02)


def test_inverse_of_small_matrices():
    generator = torch.Generator().manual_seed(1)
    m = torch.rand(3, 3, 50, generator=generator, dtype=torch.float64)
    found = boundary_layer.inverse3(m)
    product = torch.einsum("ijn,jkn->ikn", m, found)
    assert torch.allclose(
        product, torch.eye(3, dtype=torch.float64)[..., None].expand_as(m), atol=1e-9
    )
