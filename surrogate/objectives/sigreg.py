"""LeJEPA: invariance plus SIGReg, which makes embeddings an isotropic Gaussian."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from formwright.surrogate.objectives.loss import Loss, check_pair


@dataclass(frozen=True, kw_only=True, slots=True)
class LeJEPA:
    """Invariance between views plus sketched isotropic Gaussian regularisation of each view.

    Along random unit directions a, the embeddings' empirical characteristic function is held
    against that of N(0, 1) by the Epps-Pulley statistic, for each view by itself::

        L      = (1 - weight) s + weight [SIGReg(Z) + SIGReg(Z')] / 2
        s      = mean over views, rows and columns of (Z - (Z + Z') / 2)^2
        SIGReg = mean_a n int |mean_k exp(i t a.z_k) - exp(-t^2/2)|^2 exp(-t^2/2) dt

    The integral over the real line is twice the trapezoid rule with ``knots`` on [0, ``reach``].

    Good values: weight .02-.05; outputs of 16-64 dimensions; 256-1,024 slices, drawn anew at each
    call.

    Source: Balestriero, LeCun, arXiv 2511.08544 (2025).

    Attributes:
        weight: lambda in the paper.
        slices: Random directions a call.
        knots: Points of the quadrature.
        reach: Largest t.
    """

    weight: float = 0.05
    slices: int = 256
    knots: int = 17
    reach: float = 3.0

    def __call__(
        self,
        za: Float[Tensor, "batch width"],
        zb: Float[Tensor, "batch width"],
        generator: torch.Generator | None = None,
    ) -> Loss:
        """Return the loss of two views.

        Args:
            za: Embeddings of the first view.
            zb: Embeddings of the second view.
            generator: Draws the directions; the global one if absent.

        Raises:
            ObjectiveError: A batch of one, two shapes, or a value that is not finite.
        """
        check_pair(za, zb, "LeJEPA")
        device = za.device if generator is None else generator.device
        directions = torch.randn(za.shape[1], self.slices, generator=generator, device=device)
        directions = (directions / directions.norm(dim=0)).to(za)
        s = 0.25 * (za - zb).square().mean()
        gauss = 0.5 * (self.statistic(za @ directions) + self.statistic(zb @ directions))
        total = (1.0 - self.weight) * s + self.weight * gauss
        return Loss(total, {"invariance": s, "sigreg": gauss})

    def statistic(self, projected: Float[Tensor, "batch slices"]) -> Float[Tensor, ""]:
        """Return the Epps-Pulley statistic against N(0, 1), averaged over the columns."""
        t = torch.linspace(0.0, self.reach, self.knots).to(projected)
        gauss = torch.exp(-0.5 * t.square())
        weights = 2.0 * gauss * self.reach / (self.knots - 1)
        weights[0], weights[-1] = 0.5 * weights[0], 0.5 * weights[-1]
        phase = projected[..., None] * t
        gap = (phase.cos().mean(0) - gauss).square() + phase.sin().mean(0).square()
        return len(projected) * (gap @ weights).mean()
