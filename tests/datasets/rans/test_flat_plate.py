"""The plate's boundary layer: the known flat plate, the law of the wall, symmetry, gradients."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from formwright.datasets.rans.flat_plate import BoundaryLayer, boundary_layer, profile

RE = torch.tensor(5e6, dtype=torch.float64)


def plate(count: int = 400, change: float = 0.0) -> tuple[Tensor, Tensor]:
    """Return a wall that folds back on itself at the nose, and its speed along the nodes."""
    x = torch.linspace(-1.0, 1.0, count + 1, dtype=torch.float64)
    nodes = torch.stack([x.abs(), -1e-3 * x], -1)
    return nodes, torch.tanh(200.0 * x) * (1.0 + change * x.abs())


def test_without_a_pressure_gradient_it_is_the_flat_plate() -> None:
    nodes, speed = plate()
    layer = boundary_layer(nodes, speed, RE)
    x = 0.5 * (nodes[1:, 0] + nodes[:-1, 0])
    there = x > 0.2
    known = 0.036 * x * (x * RE) ** -0.2
    assert layer.thickness[there] == pytest.approx(known[there], rel=0.06)
    friction = 0.058 * (x * RE) ** -0.2
    assert layer.friction[there] == pytest.approx(friction[there], rel=0.06)
    assert layer.run == pytest.approx(x, abs=0.01)


def test_it_grows_against_a_pressure_rise_and_thins_in_a_fall() -> None:
    rising, flat, falling = (
        boundary_layer(*plate(change=c), RE).thickness[-1] for c in (-0.3, 0.0, 0.3)
    )
    assert rising > 1.3 * flat and falling < 0.8 * flat
    layer = boundary_layer(*plate(change=-0.3), RE)
    assert layer.gradient[10] < 0.0 and layer.gradient[-10] < 0.0


def test_both_sides_of_a_symmetric_flow_are_alike() -> None:
    layer = boundary_layer(*plate(change=-0.2), RE)
    for name in ("run", "thickness", "friction", "gradient", "outer"):
        values = getattr(layer, name)
        assert torch.allclose(values, values.flip(0), rtol=1e-9), name
    assert torch.allclose(layer.speed, -layer.speed.flip(0))


def test_the_profile_starts_with_the_slope_of_the_friction_and_ends_outside() -> None:
    friction = torch.full((3,), 3e-3, dtype=torch.float64)
    speed = torch.full((3,), 1.1, dtype=torch.float64)
    height = torch.tensor([1e-8, 2e-7, 0.5], dtype=torch.float64)
    found = profile(height, speed, friction, torch.full_like(speed, 1e-3), RE) * speed
    slope = 0.5 * friction * RE * height
    assert found[:2] == pytest.approx(slope[:2], rel=0.02)
    assert float(found[2]) == pytest.approx(1.1, rel=1e-9)


def test_gradients_agree_with_finite_differences() -> None:
    nodes, speed = plate(12, change=-0.2)
    inputs = (nodes.requires_grad_(), speed.requires_grad_(), RE.clone().requires_grad_())

    def described(*inputs: Tensor) -> Tensor:
        layer: BoundaryLayer = boundary_layer(*inputs)
        return torch.stack([1e3 * layer.thickness, 1e2 * layer.friction, layer.run])

    assert torch.autograd.gradcheck(described, inputs, eps=1e-7, atol=1e-4, rtol=1e-3)
