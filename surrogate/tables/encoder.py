"""A perceptron on standardised inputs, beside the inputs themselves."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from formwright.datasets.cases import Case
from formwright.surrogate.encoder import Embedding, Encoder

_TINY = 1e-9


class TableEncoder(Encoder):
    """Layers with a bypass; the standardised inputs go to the read-out too.

    Good values: 3 layers of 128 for hundreds to thousands of rows.

    Attributes:
        width: Length of ``Embedding.per_case``.
    """

    def __init__(self, features: int, hidden: int = 128, layers: int = 3) -> None:
        """Build it; ``standardise`` sets the scale of the inputs."""
        super().__init__()
        self.centre = nn.Buffer(torch.zeros(features))
        self.scale = nn.Buffer(torch.ones(features))
        self.first = nn.Linear(features, hidden)
        self.layers = nn.ModuleList(nn.Linear(hidden, hidden) for _ in range(layers - 1))
        self.width = hidden + features

    def standardise(self, x: Float[Tensor, "rows features"]) -> None:
        """Set centre and scale from rows; a column that does not vary keeps the scale 1."""
        spread = x.std(0) if len(x) > 1 else torch.zeros_like(self.scale)
        self.centre.copy_(x.mean(0))
        self.scale.copy_(torch.where(spread > _TINY, spread, torch.ones_like(spread)))

    def forward(self, batch: Case) -> Embedding:
        """Return one vector a row."""
        x = ((batch["x"].double() - self.centre) / self.scale).float()
        hidden = nn.functional.silu(self.first(x))
        for layer in self.layers:
            hidden = hidden + nn.functional.silu(layer(hidden))
        return Embedding(torch.cat([hidden, x], 1))
