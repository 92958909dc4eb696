"""The seam between learning and design: ``Surrogate(case) -> Prediction``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from formwright.datasets.cases import Case, Quantity
from formwright.datasets.errors import ConfigError


@dataclass(frozen=True, kw_only=True, slots=True)
class Prediction:
    """What a surrogate says of a batch, one row an operating point, in the labels' own units.

    Attributes:
        mean: By label, (points,).
        std: By label, (points,); the calibrated standard deviation of the error.
        lower: By label, (points,); lower end of the interval at ``level``.
        upper: By label, (points,); upper end.
        level: Coverage that the interval was calibrated to on the validation split.
        fields: By field, (points, stations); only where the caller asked for them.
        support: How far each point is from what was learned: beyond 1 it is outside (``support``);
            None where that is not known.

    Example:
        >>> import formwright, torch
        >>> conditions = {"alpha_deg": torch.tensor([4.0]), "reynolds": torch.tensor([1e6])}
        >>> case = formwright.section_case(formwright.load_section("e387").pos.float(), conditions)
        >>> prediction = formwright.load("airfoil-polar")(case)
        >>> bool(prediction.lower["cl"] < prediction["cl"] < prediction.upper["cl"])
        True
    """

    mean: Mapping[str, Float[Tensor, " points"]]
    std: Mapping[str, Float[Tensor, " points"]]
    lower: Mapping[str, Float[Tensor, " points"]]
    upper: Mapping[str, Float[Tensor, " points"]]
    level: float
    fields: Mapping[str, Float[Tensor, "points stations"]]
    support: Float[Tensor, " points"] | None = None

    def __getitem__(self, label: str) -> Float[Tensor, " points"]:
        """Return the mean of ``label``."""
        return self.mean[label]


class Surrogate(nn.Module, ABC):
    """A model of a solver: a batch of cases in, a ``Prediction`` out.

    Differentiable in the positions and the conditions of the case. Normalisation and uncertainty
    live inside; the caller sees physical units only.

    Attributes:
        labels: What is predicted.
        training_range: Lowest and highest value of each condition seen in training.

    Example:
        >>> import formwright
        >>> surrogate = formwright.load("airfoil-polar")
        >>> isinstance(surrogate, formwright.Surrogate)
        True
        >>> [label.name for label in surrogate.labels]
        ['cl', 'cd', 'cm', 'xtr_top', 'xtr_bottom']
    """

    labels: tuple[Quantity, ...]
    training_range: Mapping[str, tuple[float, float]]

    @abstractmethod
    def forward(self, batch: Case, *, fields: bool = False) -> Prediction:
        """Predict every operating point of the batch.

        Args:
            batch: Cases, joined by ``datasets.cases.sections_batch`` or as PyG's ``Data``.
            fields: Also predict the fields (the pressure distribution).
        """


def need_labels(surrogate: Surrogate, wanted: Sequence[str], name: str, what: str) -> None:
    """Refuse a surrogate of something else.

    Args:
        surrogate: What was given.
        wanted: Labels that it must predict.
        name: What it was given as.
        what: Who needs the labels, and which surrogates have them.

    Raises:
        ConfigError: It does not predict all of them.
    """
    known = [label.name for label in surrogate.labels]
    if set(wanted) - set(known):
        raise ConfigError(
            f"{name!r} predicts {', '.join(known)}, not {', '.join(wanted)}, which {what}."
        )
