"""A surrogate of two-dimensional RANS fields: velocity, pressure, eddy viscosity, and the wall.

A network on a body-fitted grid (``GridCNN``) or on any mesh of cells (``MeshGNN``) corrects what
geometry alone says (``inputs``). Every case is answered together with its mirror image, so
that a mirrored section has the mirrored flow, exactly.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from torch_geometric.data import Data

from formwright.datasets.config import from_mapping, to_mapping
from formwright.datasets.errors import CheckpointError
from formwright.surrogate.checkpoints import load_state, load_tensors, save_weights
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
from formwright.surrogate.rans.fields.mesh import MeshGNN

KIND: Final = "rans-fields"
FILE: Final = "surrogate.safetensors"
SHIPPED: Final = Path(__file__).parents[2] / "weights" / "rans-fields.safetensors"


class Network(StrEnum):
    """What a surrogate of fields is built on."""

    GRID = "grid"
    MESH = "mesh"


NETWORKS: Final[Mapping[Network, Any]] = {Network.GRID: GridCNN, Network.MESH: MeshGNN}


@dataclass(frozen=True, kw_only=True, slots=True)
class FieldConfig:
    """Architecture.

    Attributes:
        network: On a grid or on a mesh.
        stages: Channels, from the finest grid or graph to the coarsest.
        factor: Cells of the mesh joined in both directions before the network sees them.
        hidden: Width of the layer that reads out the wall.
    """

    network: Network = Network.GRID
    stages: tuple[int, ...] = (24, 40, 64, 80)
    factor: int = 4
    hidden: int = 64


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


class FieldSurrogate(nn.Module):
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
        self.encoder = NETWORKS[config.network](len(FEATURES), config.stages)
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

    def forward(self, batch: Data) -> Corrections:
        """Return the corrections of cases of one size, and of their mirror images, as one."""
        features = batch.features.to(self.mean)
        other = features * self.feature_signs
        images = self.encoder.both(batch, features, other)
        own = self._corrections(batch, features, images[0], mirror=False)
        twin = self._corrections(batch, other, images[1], mirror=True)
        return Corrections(
            decambering=0.5 * (own.decambering + twin.decambering),
            cells=0.5 * (own.cells + twin.cells),
            wall=0.5 * (own.wall + twin.wall),
        )

    def image(self, batch: Data, *, mirror: bool) -> Corrections:
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
        self, batch: Data, features: Tensor, embedding: Embedding, *, mirror: bool
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
    batch: Data, answer: Corrections
) -> tuple[Float[Tensor, "cases faces"], Float[Tensor, "cases faces"]]:
    """Return pressure coefficient and friction along the faces, cases of one size."""
    prior = batch.wall_prior.unflatten(0, (len(batch.grid), -1))
    return apply_at_wall(prior.to(answer.wall), answer.decambering, answer.wall)


def _with(batch: Data, features: Tensor) -> Data:
    """Return the batch with other features; nothing is copied."""
    if features is batch.features:
        return batch
    other = batch.clone() if "edges_0" in batch else Data(grid=batch.grid)
    other.features = features
    return other


def save(
    surrogate: FieldSurrogate,
    path: str | os.PathLike[str],
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Write architecture, weights and provenance as one file, atomically.

    Raises:
        StorageError: It cannot be written.
    """
    header = {
        "kind": KIND,
        "config": to_mapping(surrogate.config),
        "features": list(FEATURES),
        "provenance": dict(provenance or surrogate.provenance),
    }
    save_weights(surrogate, path, header)


def load_fields(path: str | os.PathLike[str] = SHIPPED) -> FieldSurrogate:
    """Read what ``save`` wrote, by default the shipped weights; parameters are frozen.

    Args:
        path: A file, or a folder of ``formwright finetune --fields``.

    Raises:
        CheckpointError: The file is absent, damaged, or holds something else.

    Example:
        >>> import formwright
        >>> fields = formwright.load_fields()
        >>> flow = formwright.predict_in_file(fields, "naca2412", 4.0, 3e6)
        >>> len(flow.quads)
        39200
    """
    path = Path(path) / FILE if Path(path).is_dir() else path
    tensors, header = load_tensors(path)
    if header.get("kind") != KIND:
        raise CheckpointError(
            f"{str(path)!r} holds {header.get('kind', 'other weights')!r}, not a surrogate of RANS "
            f"fields ({KIND!r}): give a folder of `formwright finetune --rans --fields`."
        )
    if header.get("features") != list(FEATURES):
        raise CheckpointError(
            f"{str(path)!r} is of another formwright: its networks are told "
            f"{len(header.get('features', []))} features of a cell, other than the {len(FEATURES)} "
            "of this one. Train it again."
        )
    surrogate = FieldSurrogate(from_mapping(FieldConfig, header["config"]))
    load_state(surrogate, tensors, str(path))
    surrogate.provenance = header["provenance"]
    return surrogate.eval().requires_grad_(False)
