"""A section's embedding joined with an operating point: one vector a point, mirrored exactly.

Every hidden unit exists twice: one belongs to the section as it is, the other to the section
mirrored in its chord (at the opposite incidence). Mirroring the case swaps the two, so what is
read from their sum keeps, what is read from their difference changes sign, and what is read from
one of them belongs to one side of the section. A layer that respects this acts on sums and
differences separately (Cohen and Welling 2016, the regular representation of a group of two).
"""

from __future__ import annotations

from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from formwright.datasets.cases import Case
from formwright.surrogate.encoder import Encoder

EVEN_FEATURES: Final = 4
ODD_FEATURES: Final = 2


def condition_features(
    alpha_deg: Float[Tensor, " points"],
    reynolds: Float[Tensor, " points"],
    ncrit: Float[Tensor, " points"],
) -> tuple[Float[Tensor, "points 4"], Float[Tensor, "points 2"]]:
    """Return what the mirror leaves alone, and what it turns round, each of order one."""
    alpha = torch.deg2rad(alpha_deg)
    sine, cosine = alpha.sin(), alpha.cos()
    speed = (reynolds.log() - 13.5) / 1.5
    even = [39.5 - 40.0 * cosine, speed, speed.square() - 1.0, (ncrit - 8.0) / 3.0]
    return torch.stack(even, -1), torch.stack([6.0 * sine, 6.0 * sine * cosine], -1)


class MirroredLinear(nn.Module):
    """A linear layer that commutes with the mirror: one matrix for sums, one for differences."""

    def __init__(self, width_in: int, width_out: int) -> None:
        """Build both matrices."""
        super().__init__()
        self.even = nn.Linear(width_in, width_out)
        self.odd = nn.Linear(width_in, width_out, bias=False)
        self.signs = nn.Buffer(torch.tensor([0.5, -0.5])[:, None, None], persistent=False)

    def forward(self, pairs: Float[Tensor, "2 rows width"]) -> Float[Tensor, "2 rows out"]:
        """Map both of a pair."""
        own, mirrored = pairs.unbind()
        even = torch.addmm(self.even.bias, own + mirrored, self.even.weight.T, alpha=0.5)
        return torch.addcmul(even, (own - mirrored) @ self.odd.weight.T, self.signs)


class Conditioned(nn.Module):
    """Encoder and trunk: a batch of cases -> one vector an operating point.

    A case is encoded once, whatever number of operating points it has.

    Attributes:
        encoder: From section to embedding: its own half, then its mirror image's.
        width: Length of the vector, ``2 * hidden``: own half, then the mirror image's.
        images: Equal parts of the vector: the point itself and its mirror image.
    """

    images: int = 2

    def __init__(self, encoder: Encoder, hidden: int = 192, layers: int = 4) -> None:
        """Put ``layers`` residual layers of ``hidden`` pairs after the join."""
        super().__init__()
        self.encoder, self.width = encoder, 2 * hidden
        self.of_case = nn.Linear(encoder.width, hidden)
        self.of_point = nn.Linear(EVEN_FEATURES + ODD_FEATURES, hidden, bias=False)
        self.layers = nn.ModuleList(MirroredLinear(hidden, hidden) for _ in range(layers))

    def cases(self, batch: Case) -> Float[Tensor, "cases width"]:
        """Return what the trunk needs to know of each section."""
        own = self.encoder(batch).per_case
        mirrored = own.roll(self.encoder.width // 2, -1)
        weight, bias = self.of_case.weight, self.of_case.bias
        return torch.cat([functional.linear(image, weight, bias) for image in (own, mirrored)], -1)

    def points(
        self,
        cases: Float[Tensor, "cases width"],
        case_of_point: Tensor,
        alpha_deg: Float[Tensor, " points"],
        reynolds: Float[Tensor, " points"],
        ncrit: Float[Tensor, " points"],
    ) -> Float[Tensor, "points width"]:
        """Return the vector of every operating point, given those of the sections."""
        even, odd = condition_features(alpha_deg, reynolds, ncrit)
        of_even, of_odd = self.of_point.weight.split((EVEN_FEATURES, ODD_FEATURES), 1)
        even_part, odd_part = even.to(cases) @ of_even.T, odd.to(cases) @ of_odd.T
        pairs = cases.index_select(0, case_of_point).unflatten(1, (2, -1)).transpose(0, 1)
        x = functional.silu(pairs + torch.stack([even_part + odd_part, even_part - odd_part]))
        for layer in self.layers:
            x = x + functional.silu(layer(x))
        return torch.cat(x.unbind(), -1)

    def forward(self, batch: Case) -> Float[Tensor, "points width"]:
        """Return the vector of every operating point of a batch."""
        cases = self.cases(batch)
        return self.points(
            cases, batch.condition_batch, batch.alpha_deg, batch.reynolds, batch.ncrit
        )
