"""Inputs and corrections of RANS fields: inverse of each other, mirrored exactly, gradients."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from formwright.datasets.airfoils.sections import naca
from formwright.datasets.rans.mesh.c_grid import CGrid, section_grid
from formwright.datasets.rans.mesh.cmesh import CMesh
from formwright.surrogate.rans.fields.inputs import (
    CHANNELS,
    FEATURES,
    ODD_CHANNELS,
    ODD_FEATURES,
    CaseInputs,
    _asinh,
    apply,
    apply_at_wall,
    case_inputs,
    corrections,
    decambering,
    joined_to_wall,
)

SMALL = CMesh(cells_side=20, cells_wake=8, cells_normal=24, far_field=20.0)
RE = torch.tensor(3e6, dtype=torch.float64)
ALPHA = torch.tensor(3.0, dtype=torch.float64)
GENERATOR = torch.Generator().manual_seed(0)


@pytest.fixture(scope="module")
def grid() -> CGrid:
    return section_grid(naca("2412").pos, 3e6, SMALL)


def parts(grid: CGrid) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(grid.points[grid.wall_corners]), torch.from_numpy(grid.centres)


@pytest.fixture(scope="module")
def inputs(grid: CGrid) -> CaseInputs:
    return case_inputs(*parts(grid), ALPHA, RE, dtype=torch.float64)


def draw(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=GENERATOR, dtype=torch.float64)


def test_features_are_finite_and_of_order_one(inputs: CaseInputs) -> None:
    assert inputs.features.shape == (56 * 24, len(FEATURES))
    assert torch.isfinite(inputs.features).all()
    assert inputs.features.abs().max() < 12.0


def test_corrections_and_fields_are_inverse_to_each_other(inputs: CaseInputs) -> None:
    cells = len(inputs.features)
    truth = torch.cat([0.2 * draw(cells, 3), draw(cells, 1).abs()], -1)
    turn = torch.tensor(-0.02, dtype=torch.float64)
    fields = apply(inputs, turn, truth, RE)
    found = corrections(inputs, turn, *fields, reynolds=RE)
    assert torch.allclose(found, truth, atol=1e-8)


def test_without_corrections_the_outer_flow_is_potential_and_the_wall_at_rest(
    grid: CGrid, inputs: CaseInputs
) -> None:
    none = torch.zeros(len(inputs.features), len(CHANNELS), dtype=torch.float64)
    velocity, pressure, nut = apply(inputs, torch.zeros((), dtype=torch.float64), none, RE)
    far = inputs.distance > 2.0
    assert torch.allclose(velocity[far], inputs.velocity[far], atol=1e-12)
    assert torch.allclose(pressure, inputs.pressure, atol=1e-12) and nut.abs().max() == 0.0
    assert velocity[torch.from_numpy(grid.wall_cells)].norm(dim=-1).max() < 0.1


def test_the_decambering_of_a_turned_flow_is_found(inputs: CaseInputs) -> None:
    prior = torch.stack(
        [inputs.wall_speed, inputs.wall_turning, inputs.wall_cf, inputs.wall_scale], -1
    )
    turn = torch.tensor(-0.013, dtype=torch.float64)
    cp, cf = apply_at_wall(prior, turn, torch.zeros(len(prior), 2, dtype=torch.float64))
    assert torch.equal(cf, inputs.wall_cf)
    assert float(decambering(prior, cp)) == pytest.approx(-0.013, abs=1e-9)


def test_the_mirrored_case_has_the_mirrored_inputs(grid: CGrid, inputs: CaseInputs) -> None:
    nodes, cells = parts(grid)
    flip = torch.tensor([1.0, -1.0], dtype=torch.float64)
    twin = case_inputs(nodes.flip(0) * flip, cells * flip, -ALPHA, RE, dtype=torch.float64)
    signs = torch.ones(len(FEATURES), dtype=torch.float64)
    signs[list(ODD_FEATURES)] = -1.0
    off = (twin.features - inputs.features * signs).abs().max(0).values
    names = [name for name, value in zip(FEATURES, off.tolist(), strict=True) if value > 1e-6]
    assert names == []
    assert torch.allclose(twin.wall_speed.flip(0), -inputs.wall_speed, atol=1e-8)
    assert torch.allclose(twin.wall_turning.flip(0), inputs.wall_turning, atol=1e-7)
    answer = 0.1 * draw(len(cells), 4).abs()
    signs = torch.ones(4, dtype=torch.float64)
    signs[list(ODD_CHANNELS)] = -1.0
    turn = torch.tensor(0.01, dtype=torch.float64)
    own, other = apply(inputs, turn, answer, RE), apply(twin, -turn, answer * signs, RE)
    assert torch.allclose(other[0], own[0] * flip, atol=1e-8)
    assert torch.allclose(other[1], own[1], atol=1e-8)


def test_the_first_cells_get_what_the_wall_has_and_the_far_ones_keep_theirs(
    grid: CGrid, inputs: CaseInputs
) -> None:
    cells, at_wall = len(inputs.features), torch.from_numpy(grid.wall_cells)
    velocity, pressure = draw(cells, 2), draw(cells)
    wanted = draw(len(at_wall)), 0.01 * draw(len(at_wall), 2)
    found = joined_to_wall(inputs, velocity, pressure, at_wall, *wanted)
    assert torch.allclose(found[0][at_wall], wanted[1], atol=1e-10)
    assert torch.allclose(found[1][at_wall], wanted[0], atol=1e-10)
    far = inputs.distance > 1.0
    assert torch.allclose(found[0][far], velocity[far], atol=1e-6)
    assert torch.allclose(found[1][far], pressure[far], atol=1e-6)


def test_gradients_to_the_wall_agree_with_finite_differences(grid: CGrid) -> None:
    nodes, cells = parts(grid)
    cells = cells[::37]
    nodes = nodes.clone().requires_grad_()
    alpha = ALPHA.clone().requires_grad_()

    def described(nodes: Tensor, alpha: Tensor) -> Tensor:
        found = case_inputs(nodes, cells, alpha, RE, dtype=torch.float64)
        return (found.features * weights).sum() + found.wall_cf.sum() + found.wall_speed.sum()

    weights = draw(len(cells), len(FEATURES))
    slopes = torch.autograd.grad(described(nodes, alpha), (nodes, alpha))
    step = 1e-7
    away = draw(*nodes.shape) * 0.01
    away[[0, -1]] = 0.0
    with torch.no_grad():
        ends = [described(nodes + s * away, alpha + s) for s in (step, -step)]
    numeric = float(ends[0] - ends[1]) / (2.0 * step)
    assert float((slopes[0] * away).sum() + slopes[1]) == pytest.approx(numeric, rel=1e-4)


def test_the_inverse_hyperbolic_sine_is_that_of_the_library_and_odd() -> None:
    x = torch.cat([torch.logspace(-12, 12, 200, dtype=torch.float64), torch.zeros(1)])
    assert torch.allclose(_asinh(x), torch.asinh(x), rtol=1e-14, atol=0.0)
    assert torch.equal(_asinh(-x), -_asinh(x))
    near = torch.logspace(-6, 3, 20, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(_asinh, near, rtol=1e-6)
