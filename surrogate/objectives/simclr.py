"""SimCLR: find the other view of a case among all views of the batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from formwright.surrogate.objectives.loss import Loss, TwoViews, check_pair


@dataclass(frozen=True, kw_only=True, slots=True)
class SimCLR(TwoViews):
    """Normalised temperature-scaled cross-entropy (NT-Xent).

    With the 2 n embeddings of both views on the unit sphere, similarity s_ij = z_i . z_j / T and
    p(i) the other view of i::

        L = mean_i [ -s_ip(i) + log sum_{k != i} exp s_ik ]

    Good values: T .1-.2; batches of 256 or more, since the batch is the set of negatives. Two
    cases that are nearly the same repel each other: not for corpora with near duplicates.

    Source: Chen, Kornblith, Norouzi, Hinton, arXiv 2002.05709 (ICML 2020).

    Attributes:
        kind: Its name in a configuration file.
        temperature: T.

    Example:
        >>> import formwright, torch
        >>> z = torch.randn(8, 4)
        >>> bool(formwright.SimCLR()(z, z).total > 0)
        True
    """

    kind: Literal["simclr"] = "simclr"
    temperature: float = 0.1

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
        check_pair(za, zb, "SimCLR")
        n = len(za)
        z = functional.normalize(torch.cat([za, zb]), dim=1)
        logits = (z @ z.T / self.temperature).fill_diagonal_(-torch.inf)
        other = torch.arange(2 * n, device=z.device).roll(n)
        total = functional.cross_entropy(logits, other)
        positive = (z[:n] * z[n:]).sum(1).mean()
        return Loss(total, {"contrast": total, "cosine": positive})
