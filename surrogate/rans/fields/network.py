"""The network of two-dimensional RANS fields: velocity, pressure, eddy viscosity, and the wall.

A network on a body-fitted grid (``GridCNN``) or on any mesh of cells (``MeshGNN``) corrects what
geometry alone says (``inputs``). Every case is answered together with its mirror image, so
that a mirrored section has the mirrored flow, exactly.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from formwright.datasets.cases import Batch, Case
from formwright.datasets.errors import CheckpointError
from formwright.datasets.rans.mesh.graph import GraphLevel
from formwright.surrogate.encoder import Embedding
from formwright.surrogate.rans.fields.grid import GridCNN
from formwright.surrogate.rans.fields.inputs import (
    CHANNELS,
    FEATURES,
    ODD_CHANNELS,
    ODD_FEATURES,
    WALL_CHANNELS,
    apply_at_wall,
)
from formwright.surrogate.rans.fields.samples import grid_graphs

if TYPE_CHECKING:
    from formwright.surrogate.rans.fields.mesh import MeshGNN


class Network(StrEnum):
    """What a surrogate of fields is built on."""

    GRID = "grid"
    MESH = "mesh"


@dataclass(frozen=True, kw_only=True, slots=True)
class FieldConfig:
    """Architecture.

    Attributes:
        network: On a grid or on a mesh.
        stages: Channels, from the finest grid or graph to the coarsest.
        factor: Cells of the mesh joined in both directions before the network sees them.
        hidden: Width of the layer that reads out the wall.
        features: What the network is told of a cell; weights told of others do not fit.
    """

    network: Network = Network.GRID
    stages: tuple[int, ...] = (24, 40, 64, 80)
    factor: int = 4
    hidden: int = 64
    features: tuple[str, ...] = FEATURES

    def __post_init__(self) -> None:
        """Refuse features of another version.

        Raises:
            CheckpointError: They are not those of this one.
        """
        if self.features != FEATURES:
            raise CheckpointError(
                f"these networks of fields are of another formwright: they are told "
                f"{len(self.features)} features of a cell, other than the {len(FEATURES)} of this "
                "one. Train them again."
            )


def encoder_class(network: Network) -> type[GridCNN] | type[MeshGNN]:
    """Return the encoder of a kind of network; that of meshes needs PyG, which takes a while."""
    if network is Network.GRID:
        return GridCNN
    from formwright.surrogate.rans.fields.mesh import MeshGNN

    return MeshGNN


@dataclass(frozen=True, kw_only=True, slots=True)
class Corrections:
    """What a network answers, see ``inputs``.

    Attributes:
        decambering: Radians of incidence.
        cells: In the order of ``CHANNELS``, at the cells that the network sees.
        wall: In the order of ``WALL_CHANNELS``, at the faces of the wall.
    """

    decambering: Float[Tensor, " cases"]
    cells: Float[Tensor, "cells 4"]
    wall: Float[Tensor, "cases faces 2"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Scales:
    """Mean and deviation of what is learned, over the training cases."""

    mean: Float[Tensor, " 4"] = field(default_factory=lambda: torch.tensor([0.0, 0.0, 0.0, 1.0]))
    std: Float[Tensor, " 4"] = field(default_factory=lambda: torch.ones(4))
    wall: Float[Tensor, " 2"] = field(default_factory=lambda: torch.full((2,), 0.1))
    decambering: float = 0.01


class FieldNet(nn.Module):
    """Corrections of the potential flow, from geometry and conditions alone.

    Attributes:
        config: Its architecture.
        provenance: What its weights were trained on, and what they reached; empty before.
    """

    def __init__(self, config: FieldConfig | None = None, scales: Scales | None = None) -> None:
        """Build the network; it answers with means before it is trained."""
        super().__init__()
        self.config = config = config or FieldConfig()
        self.provenance: dict[str, Any] = {}
        scales = scales or Scales()
        self.encoder = encoder_class(config.network)(len(FEATURES), config.stages)
        channels = self.encoder.channels
        at_wall = channels + len(FEATURES)
        self.of_cells = nn.Linear(channels, len(CHANNELS))
        self.of_wall = nn.Sequential(
            nn.Linear(at_wall, config.hidden),
            nn.SiLU(),
            nn.Linear(config.hidden, len(WALL_CHANNELS)),
        )
        self.of_case = nn.Sequential(
            nn.Linear(self.encoder.width + 3 * at_wall, config.hidden),
            nn.SiLU(),
            nn.Linear(config.hidden, 1),
        )
        for layer in (self.of_cells, self.of_wall[-1], self.of_case[-1]):
            for parameter in layer.parameters():
                nn.init.zeros_(parameter)
        self.mean, self.std = nn.Buffer(scales.mean.clone()), nn.Buffer(scales.std.clone())
        self.wall_std = nn.Buffer(scales.wall.clone())
        self.turn_std = nn.Buffer(torch.tensor(scales.decambering))
        signs = torch.ones(len(FEATURES))
        signs[list(ODD_FEATURES)] = -1.0
        self.feature_signs = nn.Buffer(signs, persistent=False)
        signs = torch.ones(len(CHANNELS))
        signs[list(ODD_CHANNELS)] = -1.0
        self.channel_signs = nn.Buffer(signs, persistent=False)

    def forward(self, batch: Case) -> Corrections:
        """Return the corrections of cases of one size, and of their mirror images, as one."""
        features = batch.features.to(self.mean)
        other = features * self.feature_signs
        images = self.encoder.both(batch, features, other)
        own = self._corrections(batch, features, images[0], mirror=False)
        mirrored = self._corrections(batch, other, images[1], mirror=True)
        return Corrections(
            decambering=0.5 * (own.decambering + mirrored.decambering),
            cells=0.5 * (own.cells + mirrored.cells),
            wall=0.5 * (own.wall + mirrored.wall),
        )

    def image(self, batch: Case, *, mirror: bool) -> Corrections:
        """Return the corrections from one image of the cases, in the order of the cases."""
        features = batch.features.to(self.mean)
        if not mirror:
            embedding = self.encoder(_with(batch, features))
            return self._corrections(batch, features, embedding, mirror=False)
        features = features * self.feature_signs
        embedding = self.encoder(self.encoder.mirrored(batch, features))
        points = self.encoder.restored(batch, embedding.per_point)
        embedding = Embedding(embedding.per_case, points)
        return self._corrections(batch, features, embedding, mirror=True)

    def _corrections(
        self, batch: Case, features: Tensor, embedding: Embedding, *, mirror: bool
    ) -> Corrections:
        """Return the corrections from what one image is encoded as."""
        points = embedding.per_point
        assert points is not None
        cells = self.mean + self.std * self.of_cells(points)
        at_wall = torch.cat([points, features], -1)[batch.wall_index]
        at_wall = at_wall.unflatten(0, (len(batch.grid), -1))
        faces = len(batch.wall_prior) // len(batch.grid)
        wall = self.of_wall(at_wall).transpose(1, 2)
        wall = functional.interpolate(wall, size=faces, mode="linear").transpose(1, 2)
        tails = at_wall[:, [-1, 0] if mirror else [0, -1]].flatten(1)
        of_case = torch.cat([embedding.per_case, at_wall.mean(1), tails], -1)
        turn = self.turn_std * self.of_case(of_case)[:, 0]
        return Corrections(
            decambering=-turn if mirror else turn,
            cells=cells * self.channel_signs if mirror else cells,
            wall=wall * self.wall_std,
        )


def wall_answer(
    batch: Case, answer: Corrections
) -> tuple[Float[Tensor, "cases faces"], Float[Tensor, "cases faces"]]:
    """Return pressure coefficient and friction along the faces, cases of one size."""
    prior = batch.wall_prior.unflatten(0, (len(batch.grid), -1))
    return apply_at_wall(prior.to(answer.wall), answer.decambering, answer.wall)


def graphs_for(network: FieldNet, case: Case) -> list[GraphLevel] | None:
    """Return the graphs that a network needs for cases of one size."""
    if network.config.network is not Network.MESH:
        return None
    return grid_graphs(case, network.encoder.levels)  # pyright: ignore


def _with(batch: Case, features: Tensor) -> Case:
    """Return the batch with other features; nothing is copied."""
    if features is batch.features:
        return batch
    other = batch.clone() if "edges_0" in batch else Batch(grid=batch.grid)
    other.features = features
    return other
