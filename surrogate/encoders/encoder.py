"""The seam of representation learning: ``Encoder(batch) -> Embedding``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn
from torch_geometric.data import Data


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
    """

    width: int

    @abstractmethod
    def forward(self, batch: Data) -> Embedding:
        """Encode the cases of a batch; conditions are not looked at."""
