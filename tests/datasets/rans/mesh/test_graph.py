"""Graphs of cells: neighbours by hand, clusters that are connected and cover everything."""

from __future__ import annotations

import numpy as np
import torch

from formwright.datasets.rans.mesh.c_grid import coarse_edges
from formwright.datasets.rans.mesh.graph import (
    cluster,
    coarse_centres,
    edge_geometry,
    hierarchy,
)


def test_clusters_are_stars_around_members_that_do_not_touch() -> None:
    edges = coarse_edges(30, 40, 0).numpy()
    parent = cluster(edges, 1200, np.random.default_rng(0))
    count = parent.max() + 1
    assert set(parent) == set(range(count)) and 200 < count < 600
    within = parent[edges[0]] == parent[edges[1]]
    degree = np.bincount(edges[0, within], minlength=1200)
    size = np.bincount(parent)
    centre = degree == size[parent] - 1
    assert (np.bincount(parent, weights=centre) >= 1).all()


def test_a_hierarchy_is_the_same_for_the_same_seed_and_shrinks() -> None:
    edges = coarse_edges(30, 40, 0)
    first, again = (hierarchy(edges, 1200, 4, seed=3) for _ in range(2))
    assert [level.size for level in first] == [level.size for level in again]
    assert all(torch.equal(a.edges, b.edges) for a, b in zip(first, again, strict=True))
    sizes = [level.size for level in first]
    assert sizes == sorted(sizes, reverse=True) and sizes[-1] < 80
    for level in first:
        assert int(level.edges.max()) < level.size
        assert (level.edges[0] != level.edges[1]).all()
        back = torch.unique(torch.cat([level.edges, level.edges.flip(0)], 1), dim=1)
        assert back.shape == level.edges.shape
    assert len(first[-1].parent) == 0


def test_a_lonely_node_is_its_own_cluster() -> None:
    edges = np.array([[0, 1], [1, 0]])
    parent = cluster(edges, 3, np.random.default_rng(0))
    assert parent[0] == parent[1] != parent[2]


def test_edges_know_their_direction_and_length() -> None:
    centres = torch.tensor([[0.0, 0.0], [0.01, 0.0], [0.01, 10.0]], dtype=torch.float64)
    found = edge_geometry(centres, torch.tensor([[0, 1], [1, 2]]))
    wanted = torch.tensor([[1.0, 0.0, -2.0], [0.0, 1.0, 1.0]], dtype=torch.float64)
    assert torch.allclose(found, wanted)
    middle = coarse_centres(centres, torch.tensor([0, 0, 1]))
    assert torch.allclose(middle, torch.tensor([[0.005, 0.0], [0.01, 10.0]]).double())
