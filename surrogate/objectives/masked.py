"""Masked autoencoding: predict the values of what was hidden."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Shaped
from torch import Tensor
from torch.nn import functional

from formwright.datasets.errors import ObjectiveError
from formwright.surrogate.objectives.loss import Loss, check_finite, check_pair


@dataclass(frozen=True, kw_only=True, slots=True)
class Masked:
    """Error of the prediction at hidden points; visible ones do not count.

    With predictions p and true values x at the hidden points H, of c channels each::

        L = mean_{i in H} |p_i - x_i|^2 / c          numbers
        L = mean_{i in H} -log softmax(p_i)[x_i]     classes (the element of an atom)

    Hiding is the guard: a network that is asked for what it sees learns to copy. The pretext
    (``MaskedPrediction``) hides and decodes, and hands over hidden points only.

    Good values: hide 75 % of the patches of a grid, 40 % of the nodes of a mesh, 20-60 % of a side
    of a contour, 15 % of the atoms.

    Sources: He et al., arXiv 2111.06377 (CVPR 2022); for nodes and atoms Hu et al., arXiv
    1905.12265 (ICLR 2020).

    Attributes:
        kind: Its name in a configuration file.
    """

    kind: Literal["masked"] = "masked"

    def __call__(
        self,
        za: Shaped[Tensor, "hidden channels"],
        zb: Shaped[Tensor, " hidden *channels"],
        generator: torch.Generator | None = None,
    ) -> Loss:
        """Return the loss of predictions ``za`` of the values ``zb``, or of classes, (hidden,).

        Raises:
            ObjectiveError: No hidden point, two shapes, or a value that is not finite.
        """
        if len(za) == 0:
            raise ObjectiveError("Masked got no hidden point: raise the share that is hidden.")
        if zb.is_floating_point():
            check_pair(za, zb, "Masked", statistics=False)
            error = (za - zb).square().mean()
            return Loss(error, {"reconstruction": error})
        check_finite(za, "prediction", "Masked")
        error = functional.cross_entropy(za, zb)
        right = (za.argmax(1) == zb).to(za.dtype).mean()
        return Loss(error, {"reconstruction": error, "accuracy": right})
