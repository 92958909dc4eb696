"""Encoder of fields on body-fitted C-grids: a U-Net whose wake halves touch each other.

Cells of a case are a picture, columns along the section and its wake, lines away from it
(``datasets/rans/mesh/c_grid.py``). A convolution that looks below the first line sees the other
half of the wake there, and at the wall the first line again; outlets and far field repeat their
last cells.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from formwright.datasets.cases import Batch, Case
from formwright.surrogate.encoder import Embedding, Encoder


class GridCNN(Encoder):
    """A U-Net of residual stages, each with half the columns and lines of the one before.

    Good values: stages of (16, 32, 48, 80) have 450,000 parameters and take about 0.1 s forward and
    backward for 196 x 50 cells on one core.

    Attributes:
        width: Length of ``Embedding.per_case``, the channels of the coarsest stage.
        channels: Length of ``Embedding.per_point``, the channels of the finest.
    """

    def __init__(self, features: int, stages: tuple[int, ...] = (16, 32, 48, 80)) -> None:
        """Build the layers.

        Args:
            features: Numbers a cell.
            stages: Channels, from the finest grid to the coarsest.
        """
        super().__init__()
        self.width, self.channels = stages[-1], stages[0]
        self.enter = nn.Conv2d(features, stages[0], 1)
        self.down = nn.ModuleList(_Residual(c) for c in stages)
        self.widen = nn.ModuleList(
            nn.Conv2d(a, b, 1) for a, b in zip(stages, stages[1:], strict=False)
        )
        self.over = nn.Linear(stages[-1], stages[-1])
        self.bottom = _Residual(stages[-1])
        self.narrow = nn.ModuleList(
            nn.Conv2d(b, a, 1) for a, b in zip(stages, stages[1:], strict=False)
        )
        self.up = nn.ModuleList(_Residual(c) for c in stages[:-1])

    def forward(self, batch: Case) -> Embedding:
        """Encode cases of one size: ``features`` (cells, F), ``grid`` (cases, 3).

        ``grid`` holds columns, lines, and columns of half a wake.
        """
        columns, lines, wake = (int(n) for n in batch.grid[0])
        x = self.enter(batch.features.unflatten(0, (-1, columns, lines)).permute(0, 3, 1, 2))
        share = wake / columns
        scales = []
        for stage, widen in zip(self.down, self.widen, strict=False):
            x = stage(x, share)
            scales.append(x)
            x = widen(functional.avg_pool2d(x, 2, ceil_mode=True))
        x = self.down[-1](x, share)
        x = self.bottom(x + self.over(x.mean((2, 3)))[:, :, None, None], share)
        per_case = x.mean((2, 3))
        for k in reversed(range(len(scales))):
            size = scales[k].shape[2:]
            x = functional.interpolate(self.narrow[k](x), size=size, mode="bilinear")
            x = self.up[k](x + scales[k], share)
        return Embedding(per_case, x.permute(0, 2, 3, 1).flatten(0, 2))

    def both(
        self,
        batch: Case,
        own: Float[Tensor, "cells features"],
        image: Float[Tensor, "cells features"],
    ) -> tuple[Embedding, Embedding]:
        """Encode cases and their mirror images at once; both in the order of the cells.

        Args:
            batch: Cases.
            own: Their features.
            image: With the signs of the mirrored sections, in the order of the cells of the batch.
        """
        features = torch.cat([own, self.restored(batch, image)])
        whole = self(Batch(features=features, grid=batch.grid.repeat(2, 1)))
        (case, other), (points, others) = whole.per_case.chunk(2), whole.per_point.chunk(2)
        return Embedding(case, points), Embedding(other, self.restored(batch, others))

    @staticmethod
    def mirrored(batch: Case, features: Float[Tensor, "cells features"]) -> Case:
        """Return the batch with other features, those of the mirrored sections, upper side first.

        Args:
            batch: Cases.
            features: With their signs changed, in the order of the cells of the batch.
        """
        return Batch(features=GridCNN.restored(batch, features), grid=batch.grid)

    @staticmethod
    def restored(batch: Case, per_point: Float[Tensor, "cells channels"]) -> Tensor:
        """Return numbers of the mirrored cells in the order of the cells of the batch."""
        columns, lines, _ = (int(n) for n in batch.grid[0])
        return per_point.unflatten(0, (-1, columns, lines)).flip(1).flatten(0, 2)


class _Residual(nn.Module):
    """Two convolutions around the cut, added to what came in; they start from nothing."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3)
        self.second = nn.Conv2d(channels, channels, 3)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor, share: float) -> Tensor:
        inner = functional.silu(self.first(around(functional.silu(x), share)))
        return x + self.second(around(inner, share))


def around(
    x: Float[Tensor, "cases channels columns lines"], share: float
) -> Float[Tensor, "cases channels columns_2 lines_2"]:
    """Return a grid with one more cell on every side.

    Args:
        x: Of cells.
        share: Of the columns, that half a wake has.
    """
    columns = x.shape[2]
    wake = round(share * columns)
    first = x[..., :1]
    across = first.flip(2)
    low = torch.cat(
        [across[:, :, :wake], first[:, :, wake : columns - wake], across[:, :, columns - wake :]], 2
    )
    whole = torch.cat([low, x, x[..., -1:]], 3)
    return torch.cat([whole[:, :, :1], whole, whole[:, :, -1:]], 2)
