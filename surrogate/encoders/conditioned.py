"""A section's embedding joined with an operating point: one vector a point."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch_geometric.data import Data

from formwright.surrogate.encoders.encoder import Encoder


def condition_features(batch: Data) -> Float[Tensor, "points 4"]:
    """Return incidence, logarithm of the Reynolds number and Ncrit, each of order one."""
    alpha = torch.deg2rad(batch.alpha_deg)
    speed = (batch.reynolds.log10() - 5.8) / 0.7
    ncrit = (batch.ncrit - 8.0) / 3.0
    return torch.stack([6.0 * alpha.sin(), 20.0 * (1.0 - alpha.cos()), speed, ncrit], -1)


class Conditioned(nn.Module):
    """Encoder and trunk: a batch of cases -> one vector an operating point.

    A case is encoded once, whatever number of operating points it has.

    Attributes:
        encoder: From section to embedding.
        width: Length of the vector.
    """

    def __init__(self, encoder: Encoder, width: int = 128, layers: int = 2) -> None:
        """Put ``layers`` hidden layers of ``width`` after the join."""
        super().__init__()
        self.encoder, self.width = encoder, width
        self.of_case = nn.Linear(encoder.width, width)
        self.of_point = nn.Linear(4, width, bias=False)
        steps: list[nn.Module] = [nn.SiLU()]
        for _ in range(layers):
            steps += [nn.Linear(width, width), nn.SiLU()]
        self.trunk = nn.Sequential(*steps)

    def forward(self, batch: Data) -> Float[Tensor, "points width"]:
        """Return the vector of every operating point."""
        case = self.of_case(self.encoder(batch).per_case)
        point = self.of_point(condition_features(batch).to(case))
        return self.trunk(case[batch.condition_batch] + point)
