"""Encoders of a section: heights at fixed stations of the contour, seen directly and mirrored.

Whatever the number and spacing of its points, a contour is read at the same stations
(``datasets.airfoils.surface.stations_y``: x = (1 - cos a) / 2, from the upper trailing edge round
the nose to the lower one). The network sees the ring of heights, and once more the ring of the
section mirrored in its chord. The embedding holds both answers, one after the other, so that
mirroring the section swaps its halves: exactly, by construction.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from formwright.datasets.airfoils.surface import stations_y
from formwright.datasets.cases import Case
from formwright.surrogate.encoder import Embedding, Encoder

STATIONS: Final = 32
_TYPICAL_HEIGHT: Final = 0.06


def mirrored(ring: Float[Tensor, "*cases heights"]) -> Float[Tensor, "*cases heights"]:
    """Return the heights of the section mirrored in its chord."""
    return -ring.flip(-1)


def rings(batch: Case, stations: int = STATIONS) -> Float[Tensor, "cases heights"]:
    """Return the heights of every section of a batch, ``2 * stations`` a section.

    A batch that already carries them as ``rings`` is taken at its word.
    """
    if "rings" in batch and batch.rings.shape[-1] == 2 * stations:
        return batch.rings
    return stations_y(contours(batch), stations)


def contours(batch: Case) -> Float[Tensor, "cases points 2"]:
    """Return the contours of a batch; shorter ones repeat their last point."""
    pos, ptr = batch.pos, batch.ptr
    assert pos is not None and ptr is not None
    lengths = ptr.diff()
    longest = int(lengths.max())
    if int(lengths.min()) == longest:
        return pos.reshape(-1, longest, 2)
    column = torch.arange(longest, device=pos.device)
    return pos[ptr[:-1, None] + torch.minimum(column, lengths[:, None] - 1)]


class ContourMLP(Encoder):
    """A multilayer perceptron on the whole ring.

    Good values: hidden (384, 256), embedding 128.

    Attributes:
        stations: Heights a side.
        width: ``2 * embedding``: the section's own half, then its mirror image's.
    """

    images = 2

    def __init__(
        self, *, stations: int = STATIONS, hidden: Sequence[int] = (384, 256), embedding: int = 128
    ) -> None:
        """Build the layers; ``standardise`` fits the input scale to a set of sections."""
        super().__init__()
        self.stations, self.width = stations, 2 * embedding
        self.scale = _Standardise(2 * stations)
        sizes = [2 * stations, *hidden]
        layers: list[nn.Module] = []
        for before, after in zip(sizes, sizes[1:], strict=False):
            layers += [nn.Linear(before, after), nn.SiLU()]
        self.layers = nn.Sequential(*layers, nn.Linear(sizes[-1], embedding))

    def standardise(self, ring: Float[Tensor, "cases heights"]) -> None:
        """Take mean and deviation of the heights from a set of sections."""
        self.scale.fit(ring)

    def forward(self, batch: Case) -> Embedding:
        """Encode the sections of a batch."""
        return Embedding(_both_images(self.layers, self.scale, rings(batch, self.stations)))


class ContourCNN(Encoder):
    """A circular 1-D CNN on the ring, dilated, with residual blocks and a linear read-out.

    Attributes:
        stations: Heights a side.
        width: ``2 * embedding``: the section's own half, then its mirror image's.
    """

    images = 2

    def __init__(
        self, *, stations: int = STATIONS, channels: int = 48, blocks: int = 3, embedding: int = 128
    ) -> None:
        """Build the layers; ``standardise`` fits the input scale to a set of sections."""
        super().__init__()
        self.stations, self.width = stations, 2 * embedding
        self.scale = _Standardise(2 * stations)
        angle = torch.pi * (torch.arange(stations) + 0.5) / stations
        cosine, sine = angle.cos(), angle.sin()
        place = [torch.cat([cosine.flip(0), cosine]), torch.cat([sine.flip(0), -sine])]
        self.place = nn.Buffer(torch.stack(place))
        self.enter = nn.Conv1d(3, channels, 5, padding=2, padding_mode="circular")
        self.blocks = nn.ModuleList(
            nn.Conv1d(
                channels, channels, 5, padding=2 * 2**i, dilation=2**i, padding_mode="circular"
            )
            for i in range(blocks)
        )
        self.squeeze = nn.Conv1d(channels, 8, 1)
        self.read_out = nn.Linear(8 * 2 * stations, embedding)

    def standardise(self, ring: Float[Tensor, "cases heights"]) -> None:
        """Take mean and deviation of the heights from a set of sections."""
        self.scale.fit(ring)

    def forward(self, batch: Case) -> Embedding:
        """Encode the sections of a batch."""
        return Embedding(_both_images(self._network, self.scale, rings(batch, self.stations)))

    def _network(self, ring: Tensor) -> Tensor:
        place = self.place.expand(len(ring), -1, -1)
        x = functional.silu(self.enter(torch.cat([ring[:, None], place], 1)))
        for block in self.blocks:
            x = x + functional.silu(block(x))
        return self.read_out(functional.silu(self.squeeze(x)).flatten(1))


SectionEncoder = ContourMLP | ContourCNN


class _Standardise(nn.Module):
    """Heights of order one; mean and deviation respect the mirror."""

    def __init__(self, stations: int) -> None:
        super().__init__()
        self.mean = nn.Buffer(torch.zeros(stations))
        self.std = nn.Buffer(torch.full((stations,), _TYPICAL_HEIGHT))

    def fit(self, ring: Tensor) -> None:
        both = torch.cat([ring, mirrored(ring)])
        self.mean.copy_(both.mean(0))
        self.std.copy_(both.std(0).clamp_min(1e-4))

    def forward(self, ring: Tensor) -> Tensor:
        return (ring.to(self.mean) - self.mean) / self.std


def _both_images(network, scale: _Standardise, ring: Tensor) -> Tensor:  # noqa: ANN001
    """Return the network's answers to each ring and to its mirror image, side by side."""
    answers = network(scale(torch.cat([ring, mirrored(ring)])))
    return torch.cat(answers.chunk(2), -1)
