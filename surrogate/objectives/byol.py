"""BYOL and SimSiam: predict the other view's target, which gets no gradient."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import get_ema_multi_avg_fn

from formwright.surrogate.objectives.loss import Loss, check_pair


@dataclass(frozen=True, kw_only=True, slots=True)
class BYOL:
    """Squared distance on the unit sphere from each prediction to the other view's target.

    With predictions p, p' of the online network and targets t, t' (no gradient)::

        L = mean_i |p_i / |p_i| - t'_i / |t'_i||^2 + mean_i |p'_i / |p'_i| - t_i / |t_i||^2

    For BYOL the targets come from a moving average of the online network (``update_target``); for
    SimSiam from the network itself, and the loss is this one up to scale: |p - t|^2 = 2 - 2 cos.

    Nothing in the loss itself forbids collapse; predictor and stopped gradient make it unlikely,
    less so on small physical data. Watch ``collapse.inspect``.

    Good values: decay .99 rising to 1; a predictor with batch normalisation.

    Sources: Grill et al., arXiv 2006.07733 (2020); Chen, He, arXiv 2011.10566 (2020).
    """

    def __call__(
        self,
        pa: Float[Tensor, "batch width"],
        pb: Float[Tensor, "batch width"],
        ta: Float[Tensor, "batch width"],
        tb: Float[Tensor, "batch width"],
    ) -> Loss:
        """Return the loss of two views' predictions and targets.

        Raises:
            ObjectiveError: A batch of one, two shapes, or a value that is not finite.
        """
        check_pair(pa, tb, "BYOL")
        check_pair(pb, ta, "BYOL")
        cosine = 0.5 * (
            functional.cosine_similarity(pa, tb.detach()).mean()
            + functional.cosine_similarity(pb, ta.detach()).mean()
        )
        return Loss(4.0 - 4.0 * cosine, {"cosine": cosine})


def update_target(target: nn.Module, online: nn.Module, decay: float) -> None:
    """Move the parameters of ``target`` towards those of ``online``: t <- decay t + (1 - decay) o.

    Args:
        target: Changed in place.
        online: A network of the same architecture.
        decay: 0 copies, 1 leaves the target as it is.
    """
    with torch.no_grad():
        get_ema_multi_avg_fn(decay)([*target.parameters()], [*online.parameters()], 1)
