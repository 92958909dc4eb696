"""SimSiam: predict the other view's embedding, which gets no gradient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from formwright.surrogate.objectives.byol import mean_cosine
from formwright.surrogate.objectives.loss import Loss, Target, check_pair


@dataclass(frozen=True, kw_only=True, slots=True)
class SimSiam:
    """Negative cosine from a prediction to the other view's embedding, held still.

    With the prediction p from one view and the embedding z' of the other, by the same network and
    without gradient::

        L = -1/2 mean_i cos(p_i, z'_i)

    This is one direction; the pretext adds that from the second view to the first, so the whole
    lies between -1 (all found) and 1. BYOL without the slow copy.

    Nothing in the loss itself forbids collapse; predictor and stopped gradient make it unlikely,
    less so on small physical data: try VICReg first, and watch for alarms in the log.

    Good values: a predictor a quarter as wide as the projector, with batch normalisation.

    Source: Chen, He, arXiv 2011.10566 (CVPR 2021).

    Attributes:
        kind: Its name in a configuration file.
        predictor: Whether there is one; False shows what it is for.
        target: Where targets come from; ``shared`` shows what stopping the gradient is for.
    """

    kind: Literal["simsiam"] = "simsiam"
    predictor: bool = True
    target: Target = Target.STOPPED
    both_ways: ClassVar[bool] = True
    decay: ClassVar[float] = 0.99

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
        check_pair(za, zb, "SimSiam")
        cosine = mean_cosine(za, zb, self.target)
        return Loss(-0.5 * cosine, {"cosine": cosine})
