"""Barlow Twins: make the cross-correlation of two views the identity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from formwright.surrogate.objectives.loss import Loss, TwoViews, check_pair


@dataclass(frozen=True, kw_only=True, slots=True)
class BarlowTwins(TwoViews):
    """Redundancy reduction between two views.

    With columns standardised over the batch (mean 0, biased variance 1) and the cross-correlation
    C = Z^T Z' / n::

        L = sum_i (1 - C_ii)^2 + redundancy sum_{i != j} C_ij^2

    Good values: redundancy .005; wide projectors (the sums are not divided by the width).

    Source: Zbontar, Jing, Misra, LeCun, Deny, arXiv 2103.03230 (ICML 2021).

    Attributes:
        kind: Its name in a configuration file.
        redundancy: Weight of the off-diagonal sum, lambda in the paper.
        epsilon: Added to variances under the root.

    Example:
        >>> import formwright, torch
        >>> z = torch.randn(8, 4)
        >>> sorted(formwright.BarlowTwins()(z, z).terms)
        ['invariance', 'redundancy']
    """

    kind: Literal["barlow-twins"] = "barlow-twins"
    redundancy: float = 5e-3
    epsilon: float = 1e-5

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
        check_pair(za, zb, "BarlowTwins")
        n = len(za)
        correlation = self._standardise(za).T @ self._standardise(zb)
        diagonal = correlation.diagonal() / n
        on = (1.0 - diagonal).square().sum()
        off = correlation.square().sum() / n**2 - diagonal.square().sum()
        return Loss(on + self.redundancy * off, {"invariance": on, "redundancy": off})

    def _standardise(self, z: Tensor) -> Tensor:
        """Return columns of mean 0 and biased variance 1."""
        return functional.batch_norm(z, None, None, training=True, eps=self.epsilon)
