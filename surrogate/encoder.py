"""The seam of representation learning: ``Encoder(batch) -> Embedding``.

An encoder with a symmetry built in may answer for a case and for its images under the symmetry at
once: ``per_case`` then holds ``images`` equal parts side by side, that of the case itself first.
``each_image`` puts them below each other, and every image counts as a case of its own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from formwright.datasets.cases import Case


@dataclass(frozen=True, slots=True)
class Embedding:
    """What an encoder makes of a batch.

    Attributes:
        per_case: One vector a case, (cases, width).
        per_point: One vector a point, node or atom, (points, channels); None where there is none.
    """

    per_case: Float[Tensor, "cases width"]
    per_point: Float[Tensor, "points channels"] | None = None


class Encoder(nn.Module, ABC):
    """A network from the geometry or structure of a case, without its labels, to an embedding.

    Attributes:
        width: Length of ``Embedding.per_case``.
        images: Equal parts of ``per_case``, one an image of the case; 1 without a symmetry.

    Example:
        >>> import formwright
        >>> encoder = formwright.load("atoms")
        >>> isinstance(encoder, formwright.Encoder), encoder.width
        (True, 128)
    """

    width: int
    images: int = 1

    @abstractmethod
    def forward(self, batch: Case) -> Embedding:
        """Encode the cases of a batch; conditions are not looked at."""


def each_image(per_case: Float[Tensor, "cases width"], images: int) -> Float[Tensor, "rows part"]:
    """Return the parts of an embedding as rows: all cases first, then all their images."""
    return torch.cat(per_case.chunk(images, -1)) if images > 1 else per_case


def encoder_of(network: nn.Module) -> Encoder:
    """Return the encoder of a network: itself, or its attribute ``encoder``."""
    return network if isinstance(network, Encoder) else network.encoder  # pyright: ignore
