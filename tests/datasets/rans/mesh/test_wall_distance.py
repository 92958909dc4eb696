from __future__ import annotations

import pytest
import torch

from formwright.datasets.airfoils.sections import load_section
from formwright.datasets.rans.mesh.c_grid import section_grid
from formwright.datasets.rans.mesh.wall_distance import nearest_wall

GENERATOR = torch.Generator().manual_seed(0)


def ring(count: int) -> torch.Tensor:
    angle = torch.linspace(0.0, 2.0 * torch.pi, count + 1, dtype=torch.float64)
    return torch.stack([angle.cos(), angle.sin()], -1)


def test_it_is_the_least_distance_over_all_points_of_the_wall() -> None:
    nodes = ring(37)
    points = 3.0 * torch.randn(200, 2, generator=GENERATOR, dtype=torch.float64)
    share = torch.linspace(0.0, 1.0, 401, dtype=torch.float64)[:, None, None]
    dense = (nodes[:-1] + share * (nodes[1:] - nodes[:-1])).flatten(0, 1)
    found = nearest_wall(nodes, points)
    wanted = torch.cdist(points, dense).min(1).values
    assert torch.allclose(found.distance, wanted, atol=1e-4)
    foot = torch.lerp(nodes[found.face], nodes[found.face + 1], found.share[:, None])
    assert torch.allclose(foot + found.distance[:, None] * found.direction, points, atol=1e-12)


@pytest.mark.parametrize("name", ["naca2412", "naca0006", "naca4421", "e387", "s1223"])
def test_faces_of_a_grids_columns_follow_from_a_few(name: str) -> None:
    grid = section_grid(load_section(name).pos, 3e6)
    nodes = torch.from_numpy(grid.points[grid.wall_corners])
    cells = torch.from_numpy(grid.centres)
    whole, found = nearest_wall(nodes, cells), nearest_wall(nodes, cells, row=grid.lines)
    same = found.face == whole.face
    assert torch.equal(found.distance[same], whole.distance[same])
    assert (~same).sum() <= (30 if name == "s1223" else 0)
    assert torch.allclose(found.distance, whole.distance, rtol=3e-4, atol=0.0)


def test_gradients_agree_with_finite_differences() -> None:
    nodes = ring(9).requires_grad_()
    points = torch.tensor([[1.5, 0.2], [0.1, -2.0], [-0.7, 0.9]], dtype=torch.float64)
    inputs = (nodes, points.requires_grad_())

    def distance(nodes: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
        near = nearest_wall(nodes, points)
        return torch.cat([near.distance[:, None], near.direction], -1)

    assert torch.autograd.gradcheck(distance, inputs)
