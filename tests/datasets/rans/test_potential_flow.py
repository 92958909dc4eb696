"""The potential flow anywhere: exact solutions, the panel method's own answers, gradients."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from formwright.datasets.airfoils.sections import naca
from formwright.datasets.rans.potential_flow import potential_flow
from formwright.datasets.solvers.panel.vortex_panels import flow, repanel, sheet

ALPHA = torch.tensor([5.0], dtype=torch.float64)


def nodes_of(name: str = "2412", panels: int = 120, gap: float = 0.0) -> Tensor:
    pos = naca(name, points_per_side=100).pos.clone()
    half = len(pos) // 2
    wedge = 0.5 * (pos[0, 1] - pos[-1, 1] - gap) * pos[:, 0]
    pos[: half + 1, 1] -= wedge[: half + 1]
    pos[half + 1 :, 1] += wedge[half + 1 :]
    return repanel(pos[None], panels)


def joukowski(points: int, alpha: float) -> tuple[Tensor, Tensor, Tensor]:
    """Return nodes of a section, points around it, and the exact velocity there."""
    centre = complex(-0.1, 0.08)
    radius = abs(1.0 - centre)
    tail = math.atan2(0.08, 1.1)
    angle = torch.linspace(0.0, 2.0 * math.pi, points + 1, dtype=torch.float64) - tail
    zeta = centre + radius * torch.exp(1j * angle)
    nodes = zeta + 1.0 / zeta
    out = centre + radius * torch.tensor([1.15, 1.5, 3.0])[:, None] * torch.exp(1j * angle[::7])
    away = out.flatten() - centre
    speed = (
        torch.exp(torch.tensor(-1j * alpha))
        - radius**2 * torch.exp(torch.tensor(1j * alpha)) / away**2
        + 2j * radius * math.sin(alpha + tail) / away
    ) / (1.0 - 1.0 / out.flatten() ** 2)
    where = (out + 1.0 / out).flatten()

    def plane(z: Tensor) -> Tensor:
        return torch.stack([z.real, z.imag], -1).double()

    return plane(nodes)[None], plane(where)[None], plane(speed.conj())[None]


def test_a_joukowski_section_has_its_exact_flow() -> None:
    nodes, points, exact = joukowski(240, math.radians(4.0))
    found = potential_flow(nodes, points, torch.tensor([4.0]), dtype=torch.float64)
    assert (found.velocity - exact).abs().max() < 4e-3
    assert torch.allclose(found.pressure, 0.5 * (1.0 - exact.square().sum(-1)), atol=6e-3)


def test_far_away_the_stream_is_free_and_inside_it_rests() -> None:
    nodes = nodes_of()
    far = torch.tensor([[[2e4, 3e3], [-1e4, 2e4], [50.0, -4e4]]], dtype=torch.float64)
    found = potential_flow(nodes, far, ALPHA, dtype=torch.float64)
    alpha = math.radians(5.0)
    free = torch.tensor([math.cos(alpha), math.sin(alpha)], dtype=torch.float64)
    assert (found.velocity - free).abs().max() < 3e-5
    assert found.turning.abs().max() < 1e-3 and found.pressure.abs().max() < 3e-5
    inside = torch.tensor([[[0.2, 0.01], [0.5, 0.02]]], dtype=torch.float64)
    assert potential_flow(nodes, inside, ALPHA, dtype=torch.float64).velocity.abs().max() < 2e-3


@pytest.mark.parametrize("gap", [0.0, 0.01])
def test_at_the_wall_it_runs_along_it_with_the_panel_methods_own_speed(gap: float) -> None:
    nodes = nodes_of(gap=gap)
    step = nodes[0, 1:] - nodes[0, :-1]
    tangent = step / step.norm(dim=-1, keepdim=True)
    normal = torch.stack([tangent[:, 1], -tangent[:, 0]], -1)
    points = 0.5 * (nodes[0, 1:] + nodes[0, :-1]) + 1e-7 * normal
    found = potential_flow(nodes, points[None], ALPHA, dtype=torch.float64)
    speed = sheet(nodes).speed_at(ALPHA)[0]
    through = (found.velocity[0] * normal).sum(-1)
    along = -(found.velocity[0] * tangent).sum(-1)
    assert through[2:-2].abs().max() < 0.04 and through.abs().mean() < 2e-3
    assert (along - 0.5 * (speed[1:] + speed[:-1]))[2:-2].abs().max() < 0.04
    assert found.stream.abs().max() < 5e-3


@pytest.mark.parametrize("gap", [0.0, 0.01])
def test_the_sheet_is_that_of_the_coupled_solver(gap: float) -> None:
    nodes = nodes_of(gap=gap)
    assert torch.allclose(sheet(nodes).vortex, flow(nodes).basis, atol=1e-10)
    assert bool((sheet(nodes).base_source != 0.0).any()) == (gap > 0.0)


@pytest.mark.parametrize("gap", [0.0, 0.01])
def test_behind_the_section_it_is_the_flow_on_the_coupled_solvers_wake(gap: float) -> None:
    from formwright.datasets.solvers.panel import vortex_panels

    nodes = nodes_of(gap=gap)
    wake = vortex_panels._wake(nodes, vortex_panels._trailing_edge(nodes))
    middle = 0.5 * (wake[:, 1:] + wake[:, :-1])
    found = potential_flow(nodes, middle, ALPHA, near=1e4, dtype=torch.float64)
    alpha = math.radians(5.0)
    weights = torch.tensor([math.cos(alpha), math.sin(alpha)], dtype=torch.float64)
    assert torch.allclose(found.velocity, flow(nodes).wake_basis @ weights, atol=1e-9)


def test_velocity_is_the_derivative_of_the_streamfunction() -> None:
    nodes = nodes_of()
    points = torch.tensor([[[1.3, 0.2], [0.4, 0.3], [-0.1, -0.05]]], dtype=torch.float64)
    points.requires_grad_()
    found = potential_flow(nodes, points, ALPHA, dtype=torch.float64)
    (slope,) = torch.autograd.grad(found.stream.sum(), points)
    wanted = torch.stack([found.velocity[..., 1] * -1.0, found.velocity[..., 0]], -1)
    assert torch.allclose(slope, wanted, atol=1e-9)


def test_turning_is_the_change_with_incidence() -> None:
    nodes, points = nodes_of(), torch.tensor([[[0.3, 0.2], [1.2, -0.1]]], dtype=torch.float64)
    step = 1e-4

    def perturbation(alpha: Tensor) -> Tensor:
        turn = torch.deg2rad(alpha)[:, None, None]
        free = torch.cat([turn.cos(), turn.sin()], -1)
        return potential_flow(nodes, points, alpha, dtype=torch.float64).velocity - free

    up, down = perturbation(ALPHA + step), perturbation(ALPHA - step)
    change = (up - down) / math.radians(2.0 * step)
    found = potential_flow(nodes, points, ALPHA, dtype=torch.float64)
    assert torch.allclose(found.turning, change, atol=1e-7)


def test_single_precision_is_enough_near_the_wall() -> None:
    nodes = nodes_of()
    middle = 0.5 * (nodes[:, 1:] + nodes[:, :-1])
    points = middle * torch.tensor([1.0, 1.0 + 1e-4], dtype=torch.float64) + 1e-7
    precise = potential_flow(nodes, points, ALPHA, dtype=torch.float64)
    quick = potential_flow(nodes, points, ALPHA, chunk=17)
    assert (precise.velocity - quick.velocity).abs().max() < 1e-4


@pytest.mark.parametrize("gap", [0.0, 0.01])
def test_panels_are_vortices_from_afar(gap: float) -> None:
    nodes = nodes_of(gap=gap)
    generator = torch.Generator().manual_seed(0)
    middle = 0.5 * (nodes[:, 1:] + nodes[:, :-1])
    away = 10.0 ** torch.linspace(-5.0, 1.0, middle.shape[1], dtype=torch.float64)
    turn = 2.0 * math.pi * torch.rand(middle.shape[1], generator=generator, dtype=torch.float64)
    points = middle + (away * torch.stack([turn.cos(), turn.sin()])).T
    whole = potential_flow(nodes, points, ALPHA, near=1e4, dtype=torch.float64)
    off = []
    for near in (3.0, 6.0, 12.0):
        found = potential_flow(nodes, points, ALPHA, near=near, dtype=torch.float64)
        off.append(float((found.velocity - whole.velocity).norm(dim=-1).max()))
        assert torch.allclose(found.stream, whole.stream, atol=1e-3)
    assert off[0] > off[1] > off[2] and off[1] < 5e-3


def test_sections_of_a_batch_are_those_alone() -> None:
    nodes = torch.cat([nodes_of("0012"), nodes_of("4415")])
    points = torch.tensor([[[1.3, 0.2]], [[0.4, 0.4]]], dtype=torch.float64)
    alpha = torch.tensor([2.0, 7.0], dtype=torch.float64)
    both = potential_flow(nodes, points, alpha, dtype=torch.float64)
    for i in range(2):
        one = potential_flow(nodes[i, None], points[i, None], alpha[i, None], dtype=torch.float64)
        assert torch.allclose(both.velocity[i], one.velocity[0], atol=1e-12)


@pytest.mark.parametrize("near", [1.2, 6.0])
def test_gradients_to_contour_points_and_incidence_agree_with_finite_differences(
    near: float,
) -> None:
    nodes = nodes_of(panels=16, gap=0.02).requires_grad_()
    points = torch.tensor([[[0.3, 0.2], [1.2, -0.1], [0.1, -0.2]]], dtype=torch.float64)

    def fields(*inputs: Tensor) -> Tensor:
        found = potential_flow(*inputs, near=near, dtype=torch.float64, chunk=2)
        return torch.cat([found.velocity, found.pressure[..., None], found.stream[..., None]], -1)

    inputs = (nodes, points.requires_grad_(), ALPHA.clone().requires_grad_())
    assert torch.autograd.gradcheck(fields, inputs, atol=1e-6)
