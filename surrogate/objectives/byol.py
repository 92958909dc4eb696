"""BYOL: predict the embedding that a slow copy of the network has of the other view."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from formwright.surrogate.objectives.loss import Loss, Target, check_pair


@dataclass(frozen=True, kw_only=True, slots=True)
class BYOL:
    """Squared distance on the unit sphere from a prediction to the other view's target.

    With the prediction p of the online network from one view and the target t' of the other view,
    by a moving average of the online network and without gradient::

        L = mean_i |p_i / |p_i| - t'_i / |t'_i||^2 = mean_i (2 - 2 cos(p_i, t'_i))

    This is one direction; the pretext adds that from the second view to the first.

    Nothing in the loss itself forbids collapse; predictor and slow target make it unlikely, less
    so on small physical data: try VICReg first, and watch for alarms in the log.

    Good values: a decay of .99 (it rises to 1 during training); a predictor with batch
    normalisation.

    Source: Grill et al., arXiv 2006.07733 (NeurIPS 2020).

    Attributes:
        kind: Its name in a configuration file.
        decay: Of the moving average, at the beginning.
        predictor: Whether there is one; False shows what it is for.
        target: Where targets come from; anything but the average shows what it is for.
    """

    kind: Literal["byol"] = "byol"
    decay: float = 0.99
    predictor: bool = True
    target: Target = Target.AVERAGE
    both_ways: ClassVar[bool] = True

    def __call__(
        self,
        za: Float[Tensor, "batch width"],
        zb: Float[Tensor, "batch width"],
        generator: torch.Generator | None = None,
    ) -> Loss:
        """Return the loss of predictions ``za`` and targets ``zb``; ``generator`` is not used.

        Raises:
            ObjectiveError: A batch of one, two shapes, or a value that is not finite.
        """
        check_pair(za, zb, "BYOL")
        cosine = mean_cosine(za, zb, self.target)
        return Loss(2.0 - 2.0 * cosine, {"cosine": cosine})


def mean_cosine(
    prediction: Float[Tensor, "batch width"], goal: Float[Tensor, "batch width"], target: Target
) -> Float[Tensor, ""]:
    """Return the mean cosine between rows; the gradient reaches ``goal`` where it is shared."""
    goal = goal if target is Target.SHARED else goal.detach()
    dot = torch.linalg.vecdot(prediction, goal)
    size = torch.linalg.vecdot(prediction, prediction) * torch.linalg.vecdot(goal, goal)
    return (dot * size.clamp_min(torch.finfo(size.dtype).tiny).rsqrt()).mean()
