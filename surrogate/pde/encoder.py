"""Encoders of fields on periodic grids: a window of frames -> one vector, and one at every point.

The frames of a window are the channels of a convolutional network with circular padding, so a
shift of the grid by a multiple of the network's stride leaves the vector of the case as it is. A
window is divided by its root mean square, whose logarithm goes straight to the read-out: a run that
has decayed to a hundredth is seen as sharply as one that has just begun. A run longer than a window
is read in as many windows as fit, one after the other, and their vectors are averaged.
"""

from __future__ import annotations

from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from formwright.datasets.cases import Case
from formwright.datasets.errors import ConfigError, CorpusError
from formwright.datasets.pde.runs import grid_values, on_rings
from formwright.surrogate.encoder import Embedding, Encoder
from formwright.surrogate.training.distributed import BatchNorm, world

CONVOLUTIONS: Final = {1: nn.Conv1d, 2: nn.Conv2d}
SMALLEST: Final = 1e-6


class FieldCNN(Encoder):
    """A circular CNN in 1-D or 2-D: strided residual stages, moments over space, a read-out.

    Good values: 8 frames and stages of (48, 80, 112) make 160,000 parameters in 1-D.

    Attributes:
        frames: Of a window.
        channels: Fields at a point.
        width: Length of ``Embedding.per_case``.
        stride: Points along an axis come in multiples of it.
    """

    def __init__(
        self,
        *,
        dimensions: int = 1,
        frames: int = 8,
        channels: int = 1,
        stages: tuple[int, ...] = (48, 80, 112),
        kernel: int = 5,
        embedding: int = 128,
        point_channels: int = 32,
    ) -> None:
        """Build the layers; ``standardise`` fits the input scale to a set of runs.

        Args:
            dimensions: Axes of space, 1 or 2.
            frames: Of a window.
            channels: Fields at a point.
            stages: Channels of the stages; each halves the grid.
            kernel: Points that a convolution sees along an axis; odd.
            embedding: Length of the vector of a case.
            point_channels: Length of the vector of a point; 0 makes none.
        """
        super().__init__()
        if dimensions not in CONVOLUTIONS:
            raise ConfigError(f"FieldCNN(dimensions={dimensions}) should be 1 or 2.")
        self.dimensions, self.frames, self.channels = dimensions, frames, channels
        self.width, self.stride = embedding, 2 ** len(stages)
        self.mean = nn.Buffer(torch.zeros(channels))
        self.std = nn.Buffer(torch.ones(channels))
        sizes = (frames * channels, *stages)
        self.stages = nn.ModuleList(
            _Stage(dimensions, before, after, kernel)
            for before, after in zip(sizes, sizes[1:], strict=False)
        )
        features = 2 * stages[-1] + channels
        self.norm = BatchNorm(features)
        self.read_out = nn.Linear(features, embedding)
        convolution = CONVOLUTIONS[dimensions]
        self.of_points = nn.ModuleList(
            convolution(after, point_channels, 1) for after in stages if point_channels
        )

    def standardise(self, batch: Case) -> None:
        """Take mean and deviation of each channel from a set of runs."""
        values = batch.field.flatten(0, 1)
        self.mean.copy_(values.mean(0))
        self.std.copy_(values.std(0).clamp_min(SMALLEST))

    def forward(self, batch: Case) -> Embedding:
        """Encode the cases of a batch.

        Raises:
            CorpusError: The grid or the number of frames or channels does not fit the encoder, or
                an axis is not periodic.
        """
        if "periodic" in batch:
            on_rings(batch.periodic, "FieldCNN's padding")
        whole = self._checked(grid_values(batch)).to(self.mean)
        cases, space = len(whole), whole.shape[3:]
        windows = whole.shape[1] // self.frames
        values = whole[:, : windows * self.frames].reshape(-1, self.frames, *whole.shape[2:])
        shape = (-1, *[1] * self.dimensions)
        x = (values - self.mean.reshape(shape)) / self.std.reshape(shape)
        size = x.square().mean((1, *range(3, x.dim()))).add(SMALLEST).sqrt()
        x = (x / size.reshape(len(x), 1, *self._column(size))).flatten(1, 2)
        scales = []
        for stage in self.stages:
            x = stage(x)
            scales.append(x)
        flat = x.flatten(2)
        mean = flat.mean(2, keepdim=True)
        deviation = (flat - mean).square().mean(2).add(SMALLEST).sqrt()
        features = self.norm(torch.cat([mean.squeeze(2), deviation, size.log()], 1))
        per_case = self.read_out(features).unflatten(0, (cases, windows)).mean(1)
        return Embedding(per_case, self._points(scales, cases, space))

    def _column(self, size: Tensor) -> tuple[int, ...]:
        return (size.shape[1], *[1] * self.dimensions)

    def _points(
        self, scales: list[Tensor], cases: int, space: torch.Size
    ) -> Float[Tensor, "points channels"] | None:
        """Return the vector of every point: what each stage says there, averaged over windows."""
        if not len(self.of_points):
            return None
        parts = [
            functional.interpolate(layer(x), size=space)
            for layer, x in zip(self.of_points, scales, strict=True)
        ]
        total = torch.stack(parts).sum(0).unflatten(0, (cases, -1)).mean(1)
        return total.flatten(2).transpose(1, 2).flatten(0, 1)

    def _checked(self, values: Tensor) -> Tensor:
        """Return the fields if they fit."""
        _, frames, channels, *space = values.shape
        fits = channels == self.channels and len(space) == self.dimensions
        if not fits or frames < self.frames or any(n % self.stride for n in space):
            raise CorpusError(
                f"this FieldCNN reads windows of {self.frames} frames of {self.channels} field(s) "
                f"in {self.dimensions}-D with points in multiples of {self.stride}; got {frames} "
                f"frame(s) of {channels} on a grid of {tuple(space)}."
            )
        return values


class _Stage(nn.Module):
    """A strided convolution and a residual one, each normalised over the batch."""

    def __init__(self, dimensions: int, before: int, after: int, kernel: int) -> None:
        super().__init__()
        make = CONVOLUTIONS[dimensions]
        around = {"padding_mode": "circular", "bias": False}
        self.down = make(before, after, kernel, stride=2, padding=kernel // 2, **around)
        self.down_norm = _PointNorm(after)
        self.mix = make(after, after, 3, padding=1, **around)
        self.mix_norm = _PointNorm(after)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.silu(self.down_norm(self.down(x)))
        return x + functional.silu(self.mix_norm(self.mix(x)))


class _PointNorm(BatchNorm):
    """Batch normalisation of channels over cases and points."""

    def forward(self, input: Tensor) -> Tensor:
        flat = input.flatten(2)
        if world() == 1 or not self.training:
            return nn.BatchNorm1d.forward(self, flat).reshape(input.shape)
        rows = super().forward(flat.transpose(1, 2).flatten(0, 1))
        return rows.unflatten(0, (len(flat), -1)).transpose(1, 2).reshape(input.shape)
