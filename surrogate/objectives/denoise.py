"""Denoising: predict the noise that was added."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from formwright.surrogate.objectives.loss import Loss, check_pair


@dataclass(frozen=True, kw_only=True, slots=True)
class Denoise:
    """Error of the predicted noise, in units of its deviation.

    With the noise e ~ N(0, 1) in each of c components, added as sigma e to positions or fields,
    and its prediction p from the disturbed case::

        L = mean_i |p_i - e_i|^2 / c

    Around structures at rest this is a fit of the forces of a mixture of Gaussians at the
    structures, so for atoms it stands in for a force field. The noise is the guard: without it
    there is nothing to predict. The pretext (``Denoising``) adds it, and has the form of arXiv
    2603.17196 that is conditioned on the embedding of the undisturbed case.

    Good values: sigma of .02-.1 angstrom for atoms, of .1-.5 deviations for fields. A loss of 1 is
    that of predicting nothing.

    Sources: Zaidi et al., arXiv 2206.00133 (ICLR 2023); Perez, Gomez-Bombarelli, arXiv 2603.17196
    (2026).

    Attributes:
        kind: Its name in a configuration file.
    """

    kind: Literal["denoise"] = "denoise"

    def __call__(
        self,
        za: Float[Tensor, "points components"],
        zb: Float[Tensor, "points components"],
        generator: torch.Generator | None = None,
    ) -> Loss:
        """Return the loss of the predicted noise ``za`` and the noise ``zb``.

        Raises:
            ObjectiveError: Two shapes, or a value that is not finite.
        """
        check_pair(za, zb, "Denoise", statistics=False)
        error = (za - zb).square().mean()
        return Loss(error, {"noise": error})
