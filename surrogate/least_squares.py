"""Ridge regression as the start of a linear layer."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn


class LeastSquares:
    """Ridge regression for a linear layer, from batches."""

    def __init__(self, layer: nn.Linear) -> None:
        """Begin with nothing seen."""
        self.layer, width = layer, layer.in_features + 1
        self.gram = torch.zeros(width, width, dtype=torch.float64)
        self.moment = torch.zeros(width, layer.out_features, dtype=torch.float64)

    def add(
        self, features: Float[Tensor, "rows width"], targets: Float[Tensor, "rows out"]
    ) -> None:
        """See some rows; those whose target is not finite are left out."""
        known = targets.isfinite().all(-1)
        x, y = features[known].double(), targets[known].double()
        x = torch.cat([x, torch.ones_like(x[:, :1])], -1)
        self.gram += x.T @ x
        self.moment += x.T @ y

    def solve(self, ridge: float) -> None:
        """Set the layer; if no row had a target it stays as it is."""
        rows, width = float(self.gram[-1, -1]), self.layer.in_features
        if rows == 0:
            return
        used = width if self.layer.bias is None else width + 1
        gram, moment = self.gram[:used, :used], self.moment[:used]
        penalty = ridge * gram.diagonal()[:width].mean() * torch.eye(used, dtype=torch.float64)
        penalty[width:] = 0.0
        weights = torch.linalg.solve(gram + penalty, moment).T
        with torch.no_grad():
            self.layer.weight.copy_(weights[:, :width])
            if self.layer.bias is not None:
                self.layer.bias.copy_(weights[:, width])
