"""Meshes as graphs of cells: neighbours, and coarser graphs by clustering; any mesh of quads.

A coarser graph has one node for each member of a maximal independent set; the others join a
neighbour in it. On a mesh of quadrilaterals a level has about a third of the nodes below it,
whatever the shape of the cells.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class GraphLevel:
    """One graph of a hierarchy.

    Attributes:
        edges: Both directions of every pair of neighbours.
        parent: The node of the next coarser graph; empty on the coarsest.
        size: Nodes.
    """

    edges: Int[Tensor, "2 edges"]
    parent: Int[Tensor, " nodes"]
    size: int


def hierarchy(
    edges: Int[Tensor, "2 edges"], size: int, levels: int, seed: int = 0
) -> list[GraphLevel]:
    """Return a graph and coarser ones; the same for the same seed.

    Args:
        edges: Both directions of every pair of neighbours.
        size: Nodes of the graph.
        levels: How many graphs, the first included.
        seed: Of the order in which nodes are looked at.
    """
    generator = np.random.default_rng(seed)
    result = []
    for _ in range(levels - 1):
        parent = torch.from_numpy(cluster(edges.numpy(), size, generator))
        result.append(GraphLevel(edges=edges, parent=parent, size=size))
        size = int(parent.max()) + 1
        edges = parent[edges]
        edges = torch.unique(edges[:, edges[0] != edges[1]], dim=1)
    return [*result, GraphLevel(edges=edges, parent=edges.new_empty(0), size=size)]


def cluster(
    edges: Int[np.ndarray, "2 edges"], size: int, generator: np.random.Generator
) -> Int[np.ndarray, " nodes"]:
    """Return the cluster of each node: members of a maximal independent set and their neighbours.

    Args:
        edges: Both directions of every pair of neighbours.
        size: Nodes.
        generator: Orders the nodes.
    """
    rank = generator.permutation(size)
    source, target = edges
    open_, root = np.ones(size, bool), np.zeros(size, bool)
    while open_.any():
        live = open_[source] & open_[target]
        best = np.full(size, -1)
        np.maximum.at(best, target[live], rank[source[live]])
        new = open_ & (rank > best)
        root |= new
        open_ &= ~new
        open_[target[new[source]]] = False
    owner = np.full(size, -1)
    np.maximum.at(owner, target[root[source]], rank[source[root[source]]])
    owner[root] = rank[root]
    return np.unique(owner, return_inverse=True)[1].reshape(-1)


def edge_geometry(
    centres: Float[Tensor, "nodes 2"], edges: Int[Tensor, "2 edges"]
) -> Float[Tensor, "edges 3"]:
    """Return the direction of each edge, and the log10 of its length."""
    step = centres[edges[1]] - centres[edges[0]]
    length = step.square().sum(-1).add(1e-24).sqrt()
    return torch.cat([step / length[:, None], length.log10()[:, None]], -1)


def coarse_centres(
    centres: Float[Tensor, "nodes 2"], parent: Int[Tensor, " nodes"]
) -> Float[Tensor, "clusters 2"]:
    """Return the middle of each cluster."""
    size = int(parent.max()) + 1
    total = centres.new_zeros(size, 2).index_add_(0, parent, centres)
    count = centres.new_zeros(size).index_add_(0, parent, torch.ones_like(centres[:, 0]))
    return total / count[:, None]
