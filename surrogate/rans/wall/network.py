"""A network along the wall: what cheap flow says at every station -> what to add to it.

Dilated circular convolutions run round the ring of stations; after each, every station hears the
mean of all (squeeze and excitation, Hu et al. 2018). A case is seen as it is and mirrored in its
chord (the ring turned round, what is odd with its sign changed), and both answers are joined with
the signs that they must have, so that mirrored cases get mirrored answers: by construction.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

FORCES: Final = 3


class WallView(NamedTuple):
    """Cases as the network sees them; ``even`` keeps its sign in the mirror, ``odd`` changes it."""

    even: Float[Tensor, "points even ring"]
    odd: Float[Tensor, "points odd ring"]
    even_whole: Float[Tensor, "points whole_even"]
    odd_whole: Float[Tensor, "points whole_odd"]

    def mirrored(self) -> WallView:
        """Return the cases mirrored in their chords."""
        return WallView(self.even.flip(-1), -self.odd.flip(-1), self.even_whole, -self.odd_whole)


class WallAnswer(NamedTuple):
    """What the network says, of order one.

    Attributes:
        pressure: At the stations.
        forces: Lift and moment (they change sign in the mirror) around drag (it keeps).
        vector: Of the case, then of its mirror image.
    """

    pressure: Float[Tensor, "points ring"]
    forces: Float[Tensor, "points 3"]
    vector: Float[Tensor, "points width"]


class WallNet(nn.Module):
    """The network.

    Attributes:
        width: Length of the vector of a case, both halves.
    """

    def __init__(
        self,
        *,
        even: int,
        odd: int,
        whole: int,
        channels: int = 48,
        blocks: int = 5,
        hidden: int = 64,
    ) -> None:
        """Build the layers; the last ones begin at zero, so that it begins by adding nothing.

        Args:
            even: Channels of ``WallView.even``.
            odd: Channels of ``WallView.odd``.
            whole: Numbers of the case as a whole, even and odd.
            channels: Of a station.
            blocks: Convolutions, each reaching twice as far as the one before.
            hidden: Half the length of the vector.
        """
        super().__init__()
        self.enter = nn.Conv1d(even + odd, channels, 1)
        self.blocks = nn.ModuleList(_Block(channels, 2**i) for i in range(blocks))
        self.of_station = nn.Conv1d(channels, 1, 1)
        self.width = 2 * hidden
        self.of_case = nn.Sequential(
            nn.Linear(2 * channels + whole, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU()
        )
        self.of_forces = nn.Linear(hidden, FORCES)
        for layer in (self.of_station, self.of_forces):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)  # pyright: ignore[reportArgumentType]

    def forward(self, view: WallView) -> WallAnswer:
        """Return the answer for every case."""
        pairs = zip(view, view.mirrored(), strict=True)
        both = WallView(*(torch.cat(pair).to(self.enter.weight) for pair in pairs))
        stations, vectors = self._image(both)
        own, mirror = stations.chunk(2)
        mine, other = vectors.chunk(2)
        predicted, mirrored = self.of_forces(mine), self.of_forces(other)
        signs = predicted.new_tensor([-1.0, 1.0, -1.0])
        return WallAnswer(
            pressure=0.5 * (own + mirror.flip(-1)),
            forces=0.5 * (predicted + signs * mirrored),
            vector=torch.cat([mine, other], -1),
        )

    def _image(self, view: WallView) -> tuple[Tensor, Tensor]:
        """Return pressure and vector of images, each for itself."""
        x = self.enter(torch.cat([view.even, view.odd], 1))
        for block in self.blocks:
            x = block(x)
        pooled = [x.mean(-1), x.amax(-1), view.even_whole, view.odd_whole]
        return self.of_station(x)[:, 0], self.of_case(torch.cat(pooled, -1))


class _Block(nn.Module):
    """Normalise, convolve, hear the mean of all stations, add."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(1, channels)
        self.near = nn.Conv1d(
            channels, channels, 5, padding=2 * dilation, dilation=dilation, padding_mode="circular"
        )
        self.all = nn.Linear(channels, channels)
        self.leave = nn.Conv1d(channels, channels, 1)

    def forward(self, x: Float[Tensor, "points channels ring"]) -> Tensor:
        """Return the channels after the block."""
        near = self.near(functional.silu(self.norm(x)))
        return x + self.leave(functional.silu(near + self.all(x.mean(-1))[..., None]))
