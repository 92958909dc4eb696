"""LeJEPA: invariance plus SIGReg, which makes embeddings an isotropic Gaussian."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from formwright.surrogate.objectives.loss import Loss, TwoViews, check_pair


@dataclass(frozen=True, kw_only=True, slots=True)
class LeJEPA(TwoViews):
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
        kind: Its name in a configuration file.
        weight: lambda in the paper.
        slices: Random directions a call.
        knots: Points of the quadrature.
        reach: Largest t.
    """

    kind: Literal["lejepa"] = "lejepa"
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
        directions = unit_directions(za, self.slices, generator)
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
        step = self.reach / (self.knots - 1)
        cosine, sine = _Characteristic.apply(projected, step, self.knots)  # pyright: ignore
        gap = (cosine - gauss[:, None]).square() + sine.square()
        return len(projected) * (weights @ gap).mean()


class _Characteristic(torch.autograd.Function):
    """Means over rows of cos(k step x) and sin(k step x), k = 0, 1, ...: (knots, slices) each.

    Multiples of an angle come from the angle by complex multiplication, one sine and one cosine a
    number in all; the derivative is a polynomial in exp(i step x), summed by Horner's rule.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, step: float, knots: int) -> tuple[Tensor, Tensor]:
        ctx.step, ctx.knots = step, knots
        c, s = (step * x).cos_(), (step * x).sin_()
        ctx.save_for_backward(c, s)
        real, imaginary = torch.ones_like(c), torch.zeros_like(s)
        means = torch.zeros(2, knots, x.shape[1], dtype=x.dtype, device=x.device)
        means[0, 0] = 1.0
        for k in range(1, knots):
            turned = (real * c).addcmul_(imaginary, s, value=-1.0)
            imaginary.mul_(c).addcmul_(real, s)
            real = turned
            means[0, k], means[1, k] = real.mean(0), imaginary.mean(0)
        return means[0], means[1]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        c, s = ctx.saved_tensors
        scale = ctx.step * torch.arange(ctx.knots, device=c.device, dtype=c.dtype) / len(c)
        of_sine, of_cosine = gradients[1] * scale[:, None], gradients[0] * scale[:, None]
        real, imaginary = torch.zeros_like(c), torch.zeros_like(c)
        for k in reversed(range(ctx.knots)):
            turned = (real * c).addcmul_(imaginary, s, value=-1.0).add_(of_sine[k])
            imaginary.mul_(c).addcmul_(real, s).add_(of_cosine[k])
            real = turned
        return real, None, None


def unit_directions(
    z: Float[Tensor, "batch width"], slices: int, generator: torch.Generator | None
) -> Float[Tensor, "width slices"]:
    """Return random directions of length 1 in the space of ``z``, one a column."""
    device = z.device if generator is None else generator.device
    drawn = torch.randn(z.shape[1], slices, generator=generator, device=device)
    return (drawn / drawn.norm(dim=0)).to(z)
