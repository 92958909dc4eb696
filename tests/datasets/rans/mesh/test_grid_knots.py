"""Smooth flows from knots of a grid: what is kept exactly, and how near the rest comes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from formwright.datasets.airfoils.sections import load_section, naca
from formwright.datasets.rans.mesh.c_grid import CGrid, section_grid
from formwright.datasets.rans.mesh.grid_knots import grid_knots
from formwright.datasets.rans.potential_flow import potential_flow

ALPHA = torch.tensor([6.0], dtype=torch.float64)


@pytest.fixture(scope="module")
def grid() -> CGrid:
    return section_grid(naca("2412", points_per_side=120).pos, 3e6)


def test_knots_keep_their_values_and_constants_stay_constant(grid: CGrid) -> None:
    knots = grid_knots(grid)
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(2, len(knots.cells), generator=generator, dtype=torch.float64)
    assert torch.allclose(knots.spread(values)[:, knots.cells], values, atol=1e-12)
    ones = knots.spread(torch.ones(1, len(knots.cells), dtype=torch.float64))
    assert torch.allclose(ones, torch.ones(1, len(grid.quads), dtype=torch.float64), atol=1e-12)


def test_polynomials_in_the_columns_of_each_part_are_exact(grid: CGrid) -> None:
    knots = grid_knots(grid)
    column = torch.arange(grid.columns, dtype=torch.float64) / grid.columns
    part = torch.zeros(grid.columns, dtype=torch.float64)
    part[grid.wake : -grid.wake] = 1.0
    wanted = (column**5 - column**2 + 3.0 * part).repeat_interleave(grid.lines)[None]
    assert torch.allclose(knots.spread(wanted[:, knots.cells]), wanted, atol=1e-10)


def test_weights_first_made_in_inference_mode_serve_gradients_later(grid: CGrid) -> None:
    with torch.inference_mode():
        grid_knots(grid, stride=5)
    knots = grid_knots(grid, stride=5)
    values = torch.ones(1, len(knots.cells), dtype=torch.float64, requires_grad=True)
    (found,) = torch.autograd.grad(knots.spread(values).sum(), values)
    assert found.sum() == pytest.approx(len(grid.quads))


def test_every_cell_as_a_knot_is_the_identity(grid: CGrid) -> None:
    knots = grid_knots(grid, stride=1, step=1e-4)
    assert sorted(knots.cells.tolist()) == list(range(len(grid.quads)))
    values = torch.arange(len(grid.quads), dtype=torch.float64)[None]
    assert torch.allclose(knots.spread(values[:, knots.cells]), values, atol=1e-9)


def test_the_mirrored_grid_has_the_mirrored_knots(grid: CGrid) -> None:
    quads = grid.quads.reshape(grid.columns, grid.lines, 4)[::-1].reshape(-1, 4)
    twin = CGrid(
        points=grid.points * np.array([1.0, -1.0]),
        quads=quads,
        columns=grid.columns,
        lines=grid.lines,
        wake=grid.wake,
    )
    size = (grid.columns, grid.lines)
    values = torch.randn(1, len(quads), generator=torch.Generator().manual_seed(1)).double()
    mirrored = values.unflatten(1, size).flip(1).flatten(1)
    knots, other = grid_knots(grid), grid_knots(twin)
    found = other.spread(mirrored[:, other.cells]).unflatten(1, size)
    wanted = knots.spread(values[:, knots.cells])
    assert torch.allclose(found.flip(1).flatten(1), wanted, atol=1e-12)


@pytest.mark.parametrize("name", ["naca2412", "e387"])
def test_the_potential_flow_is_interpolated_far_better_than_it_is_corrected(name: str) -> None:
    grid = section_grid(load_section(name).pos, 3e6)
    nodes = torch.from_numpy(grid.points[grid.wall_corners])[None]
    cells = torch.from_numpy(grid.centres)[None]
    knots = grid_knots(grid)
    whole = potential_flow(nodes, cells, ALPHA)
    found = potential_flow(nodes, cells, ALPHA, knots=knots)
    off = (found.velocity - whole.velocity).norm(dim=-1)[0]
    assert len(knots.cells) < 0.2 * len(grid.quads)
    assert off.max() < 0.02 and off.square().mean().sqrt() < 1e-3
    assert off[torch.from_numpy(grid.wall_cells)].max() < 1e-6
    assert (found.stream - whole.stream).abs().max() < 1e-3
