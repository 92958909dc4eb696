"""Encoder of fields on any mesh: messages between neighbouring cells, on ever coarser graphs.

Graphs and clusters come with the case (``datasets/rans/mesh/graph.py``), so that no cell has a
place in an order. Going down, nodes pass messages and clusters take their mean; going up, nodes add
what their cluster found out and pass messages again.
"""

from __future__ import annotations

from typing import Final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional
from torch_geometric.nn import MessagePassing
from torch_geometric.utils import scatter

from formwright.datasets.cases import Case
from formwright.surrogate.encoder import Embedding, Encoder

EDGE_FEATURES: Final = 3


class MeshGNN(Encoder):
    """Message passing down and up a hierarchy of graphs.

    Attributes:
        width: Length of ``Embedding.per_case``, the channels of the coarsest graph.
        channels: Length of ``Embedding.per_point``, the channels of the cells.
        levels: Graphs that a case must bring.
    """

    def __init__(
        self, features: int, stages: tuple[int, ...] = (16, 32, 48, 64, 80), rounds: int = 2
    ) -> None:
        """Build the layers.

        Args:
            features: Numbers a cell.
            stages: Channels, from the cells to the coarsest graph.
            rounds: Of messages on every coarser graph, down and up; one each between cells.
        """
        super().__init__()
        self.width, self.channels, self.levels = stages[-1], stages[0], len(stages)
        self.enter = nn.Sequential(
            nn.Linear(features, 2 * stages[0]), nn.SiLU(), nn.Linear(2 * stages[0], stages[0])
        )
        self.down = nn.ModuleList(_rounds(c, rounds if k else 1) for k, c in enumerate(stages))
        pairs = list(zip(stages, stages[1:], strict=False))
        self.widen = nn.ModuleList(nn.Linear(a, b) for a, b in pairs)
        self.narrow = nn.ModuleList(nn.Linear(b, a) for a, b in pairs)
        self.up = nn.ModuleList(_rounds(c, rounds if k else 1) for k, c in enumerate(stages[:-1]))

    def forward(self, batch: Case) -> Embedding:
        """Encode cases: ``features`` (cells, F) and the hierarchy of ``with_graphs``."""
        x = self.enter(batch.features)
        scales = []
        case = _case_of_nodes(batch)
        for k in range(self.levels):
            x = self._messages(self.down[k], x, batch, k)
            if k < self.levels - 1:
                scales.append(x)
                parent = batch[f"parent_{k}"]
                size = int(batch[f"size_{k + 1}"].sum())
                x = self.widen[k](scatter(x, parent, dim=0, dim_size=size, reduce="mean"))
                case = _of_clusters(case, parent, size)
        per_case = scatter(x, case, dim=0, reduce="mean")
        for k in reversed(range(self.levels - 1)):
            x = scales[k] + self.narrow[k](x)[batch[f"parent_{k}"]]
            x = self._messages(self.up[k], x, batch, k)
        return Embedding(per_case, x)

    @staticmethod
    def _messages(layers: nn.Module, x: Tensor, batch: Case, level: int) -> Tensor:
        for layer in layers:  # pyright: ignore
            x = layer(x, batch[f"edges_{level}"], batch[f"offsets_{level}"])
        return x

    def both(
        self,
        batch: Case,
        own: Float[Tensor, "cells features"],
        image: Float[Tensor, "cells features"],
    ) -> tuple[Embedding, Embedding]:
        """Encode cases and their mirror images.

        Args:
            batch: Cases.
            own: Their features.
            image: With the signs of the mirrored sections.
        """
        case = batch.clone()
        case.features = own
        return self(case), self(self.mirrored(batch, image))

    @staticmethod
    def mirrored(batch: Case, features: Float[Tensor, "cells features"]) -> Case:
        """Return the batch with other features, those of the mirrored sections.

        Args:
            batch: Cases.
            features: With their signs changed, in the order of the cells of the batch.
        """
        other = batch.clone()
        other.features = features
        sign = features.new_tensor([1.0, -1.0, 1.0])
        for key in [key for key in other.keys() if key.startswith("offsets_")]:
            other[key] = other[key] * sign
        return other

    @staticmethod
    def restored(batch: Case, per_point: Float[Tensor, "cells channels"]) -> Tensor:
        """Return numbers of the mirrored cells in the order of the batch, which is the same."""
        return per_point


def _rounds(channels: int, count: int) -> nn.ModuleList:
    return nn.ModuleList(_Messages(channels) for _ in range(count))


def _case_of_nodes(batch: Case) -> Int[Tensor, " nodes"]:
    sizes = batch["size_0"]
    return torch.arange(len(sizes), device=sizes.device).repeat_interleave(sizes)


def _of_clusters(case: Tensor, parent: Tensor, size: int) -> Int[Tensor, " nodes"]:
    result = case.new_empty(size)
    result[parent] = case
    return result


class _Messages(MessagePassing):
    """Mean over neighbours of what a node says, given its own state, the other's and the edge."""

    def __init__(self, channels: int) -> None:
        super().__init__(aggr="mean")
        self.own = nn.Linear(channels, channels)
        self.other = nn.Linear(channels, channels, bias=False)
        self.edge = nn.Linear(EDGE_FEATURES, channels, bias=False)
        self.out = nn.Linear(2 * channels, channels)
        nn.init.zeros_(self.out.weight)

    def forward(self, x: Tensor, edges: Tensor, offsets: Tensor) -> Tensor:
        inner = functional.silu(x)
        sent = self.propagate(
            edges, own=self.own(inner), other=self.other(inner), offset=self.edge(offsets)
        )
        return x + self.out(torch.cat([inner, sent], -1))

    def message(self, own_i: Tensor, other_j: Tensor, offset: Tensor) -> Tensor:  # pyright: ignore
        return functional.silu(own_i + other_j + offset)
