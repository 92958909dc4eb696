"""JEPA: predict the embedding of what is hidden, or of what follows, from that of the context."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from formwright.surrogate.objectives.loss import Loss, Target, check_pair
from formwright.surrogate.objectives.vicreg import spread


@dataclass(frozen=True, kw_only=True, slots=True)
class JEPA:
    """Prediction in the space of embeddings, kept alive by a slow target or by its variance.

    With the prediction p from the context and the target's embedding t::

        L = prediction mean (p - t)^2 + variance v(T) + covariance c(T)

    v and c are those of VICReg. Two ways to forbid collapse, one is enough:

    * ``target="average"``: t comes from a moving average of the encoder, without gradient.
    * ``target="shared"`` with ``variance`` and ``covariance``: one encoder, with gradient.

    What context and target are, the pretext says: two windows of one run, the predictor told the
    lag (``ViewMatch`` with a time-lag view); the visible part of a case and the whole
    (``ViewMatch`` with a masking view); visible and hidden points (``MaskedPrediction``). Context
    and target by lag suit a state and its control more than constants of a run: those are the same
    in both, and nothing asks for them.

    Good values: a decay of .99-.996; or ``prediction=25, variance=25, covariance=1``. No projector.

    Sources: Assran et al., arXiv 2301.08243 (CVPR 2023); with variance and covariance, Sobal et
    al., arXiv 2211.10831 (2022).

    Attributes:
        kind: Its name in a configuration file.
        prediction: Weight of the error of prediction.
        variance: Weight of v.
        covariance: Weight of c.
        target: Where targets come from.
        decay: Of the moving average, at the beginning.
        epsilon: Added to variances under the root.
    """

    kind: Literal["jepa"] = "jepa"
    prediction: float = 1.0
    variance: float = 0.0
    covariance: float = 0.0
    target: Target = Target.AVERAGE
    decay: float = 0.99
    epsilon: float = 1e-4
    predictor: ClassVar[bool] = True
    both_ways: ClassVar[bool] = False

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
        check_pair(za, zb, "JEPA")
        goal = zb if self.target is Target.SHARED else zb.detach()
        error = (za - goal).square().mean()
        total, terms = self.prediction * error, {"prediction": error}
        if self.variance or self.covariance:
            v, c = spread(goal, self.epsilon)
            total = total + self.variance * v + self.covariance * c
            terms |= {"variance": v, "covariance": c}
        return Loss(total, terms)
