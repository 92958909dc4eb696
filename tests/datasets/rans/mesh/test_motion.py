"""Mesh motion: the wall arrives, the far field stays, cells stay cells; against re-meshing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from formwright.datasets.airfoils.naca import four_digit
from formwright.datasets.errors import SectionError
from formwright.datasets.rans.mesh.c_grid import CGrid, section_grid
from formwright.datasets.rans.mesh.cmesh import CMesh, smallest_corners
from formwright.datasets.rans.mesh.motion import moved_points, wall_displacement

SMALL = CMesh(cells_side=30, cells_wake=10, cells_normal=40, far_field=20.0, even_share=0.05)
REYNOLDS = 3e6


def contour(name: str) -> Tensor:
    camber, place, thickness = float(name[0]), float(name[1]), float(name[2:])
    return four_digit(camber, place, thickness, points_per_side=80)


@pytest.fixture(scope="module")
def grid() -> CGrid:
    return section_grid(contour("0012"), REYNOLDS, SMALL)


def moved(grid: CGrid, pos: Tensor) -> Tensor:
    points = torch.from_numpy(grid.points)
    wall = points[torch.from_numpy(grid.wall_corners)]
    return moved_points(points, wall, wall_displacement(wall, contour("0012"), pos))


def test_a_wall_that_rests_moves_nothing(grid: CGrid) -> None:
    assert torch.equal(moved(grid, contour("0012")), torch.from_numpy(grid.points))


def test_the_wall_arrives_and_the_far_field_stays(grid: CGrid) -> None:
    points, wall = torch.from_numpy(grid.points), torch.from_numpy(grid.wall_corners)
    shift = torch.randn(len(wall), 2, generator=torch.Generator().manual_seed(0)).double() * 1e-3
    shift[-1] = shift[0]
    found = moved_points(points, points[wall], shift)
    assert torch.allclose(found[wall], points[wall] + shift, atol=1e-12)
    far = points.norm(dim=-1) > 8.0
    assert far.sum() > 50 and torch.equal(found[far], points[far])


def test_the_first_cells_ride_on_the_wall(grid: CGrid) -> None:
    found = moved(grid, contour("2414")).numpy()
    heights = []
    for points in (grid.points, found):
        wall = points[grid.wall_corners]
        step = np.diff(wall, axis=0)
        normal = np.stack([step[:, 1], -step[:, 0]], -1) / np.hypot(*step.T)[:, None]
        cells = points[grid.quads[grid.wall_cells]].mean(1)
        heights.append(((cells - 0.5 * (wall[1:] + wall[:-1])) * normal).sum(1))
    assert heights[1] == pytest.approx(heights[0], rel=0.25)


@settings(max_examples=8, deadline=None)
@given(camber=st.floats(0.0, 5.0), place=st.floats(3.0, 5.0), thickness=st.floats(9.0, 16.0))
def test_cells_keep_positive_areas(
    grid: CGrid, camber: float, place: float, thickness: float
) -> None:
    pos = four_digit(camber, place, thickness, points_per_side=80)
    assert smallest_corners(moved(grid, pos).numpy(), grid.quads).min() > 0.0


def test_it_agrees_with_meshing_the_new_section(grid: CGrid) -> None:
    new = contour("1412")
    again = section_grid(new, REYNOLDS, SMALL)
    assert (again.quads == grid.quads).all()
    gone = np.hypot(*(again.points - grid.points).T)
    off = np.hypot(*(moved(grid, new).numpy() - again.points).T)
    near = np.hypot(*(grid.centres - [0.5, 0.0]).T) < 1.0
    corners = np.unique(grid.quads[near])
    assert off[again.wall_corners].max() < 2e-3
    assert off[corners].mean() < 0.5 * gone[corners].mean()


def test_it_is_linear_so_its_gradient_is_exact(grid: CGrid) -> None:
    points, wall = torch.from_numpy(grid.points), torch.from_numpy(grid.wall_corners)
    generator = torch.Generator().manual_seed(1)
    shift = 1e-3 * torch.randn(len(wall), 2, generator=generator, dtype=torch.float64)
    weights = torch.randn(len(points), 2, generator=generator, dtype=torch.float64)
    shift.requires_grad_()
    value = (moved_points(points, points[wall], shift) * weights).sum()
    (slope,) = torch.autograd.grad(value, shift)
    with torch.no_grad():
        for direction in torch.randn(3, len(wall), 2, generator=generator, dtype=torch.float64):
            ends = [
                (moved_points(points, points[wall], shift + s * direction) * weights).sum()
                for s in (1e-3, -1e-3)
            ]
            assert float((slope * direction).sum()) == pytest.approx(
                float(ends[0] - ends[1]) / 2e-3, rel=1e-7
            )


def test_a_contour_of_another_length_is_refused(grid: CGrid) -> None:
    wall = torch.from_numpy(grid.points[grid.wall_corners])
    with pytest.raises(SectionError, match="made of 159 points, and 80 are given"):
        wall_displacement(wall, contour("0012"), contour("0012")[::2])
