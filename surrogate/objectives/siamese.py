"""The Siamese margin loss: pull pairs together, push everything else a margin apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from formwright.surrogate.objectives.loss import Loss, TwoViews, check_pair


@dataclass(frozen=True, kw_only=True, slots=True)
class Siamese(TwoViews):
    """Contrastive loss with a margin, the root of SimCLR.

    With D_ij = |z_i - z'_j|, the views of one case as the pairs that belong together and all
    others as those that do not::

        L = mean_i 1/2 D_ii^2 + negatives mean_{i != j} 1/2 max(0, margin - D_ij)^2

    A negative beyond the margin is left in peace, so that, unlike NT-Xent, nothing pushes cases
    apart for ever; near duplicates still repel each other up to the margin.

    Good values: a margin of the square root of the width (the distance of two random unit-variance
    vectors is 1.4 times that); no normalisation to the sphere.

    Source: Hadsell, Chopra, LeCun, "Dimensionality reduction by learning an invariant mapping"
    (CVPR 2006).

    Attributes:
        kind: Its name in a configuration file.
        margin: Where negatives stop to repel; None is the square root of the width.
        negatives: Weight of the negatives.
        epsilon: Added to squared distances under the root.
    """

    kind: Literal["siamese"] = "siamese"
    margin: float | None = None
    negatives: float = 1.0
    epsilon: float = 1e-8

    def __call__(
        self,
        za: Float[Tensor, "batch width"],
        zb: Float[Tensor, "batch width"],
        generator: torch.Generator | None = None,
    ) -> Loss:
        """Return the loss of two views; ``generator`` is not used.

        Raises:
            ObjectiveError: A batch of one, two shapes, or a value that is not finite.
        """
        check_pair(za, zb, "Siamese")
        n, d = za.shape
        margin = d**0.5 if self.margin is None else self.margin
        pull = 0.5 * (za - zb).square().sum(1).mean()
        centre = zb.detach().mean(0)
        a, b = za - centre, zb - centre
        squared = a.square().sum(1)[:, None] + b.square().sum(1) - 2.0 * a @ b.T
        gap = torch.relu(margin - (squared.clamp_min(0.0) + self.epsilon).sqrt())
        apart = gap.square()
        push = 0.5 * (apart.sum() - apart.diagonal().sum()) / (n * (n - 1))
        return Loss(pull + self.negatives * push, {"pull": pull, "push": push})
