"""Masked prediction: hide a part of each case, predict its values or its embedding."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from formwright.datasets.cases import Case
from formwright.datasets.errors import ConfigError
from formwright.surrogate.encoder import Embedding, each_image, encoder_of
from formwright.surrogate.objectives.compare import compare
from formwright.surrogate.objectives.jepa import JEPA
from formwright.surrogate.objectives.loss import Loss, Target
from formwright.surrogate.objectives.masked import Masked
from formwright.surrogate.pretraining.heads import Teacher
from formwright.surrogate.pretraining.hiding import Hidden, Hiding, Patches

_LOOKED_AT: Final = 256


@dataclass(frozen=True, kw_only=True, slots=True)
class MaskedPrediction:
    """Hide a part of each case and predict it from the rest.

    With ``Masked`` the values are predicted; with ``JEPA`` the vectors that the encoder, or a slow
    copy of it, gives the hidden points when it sees the whole case.

    Attributes:
        kind: Its name in a configuration file.
        objective: Compares prediction and truth.
        hiding: What is hidden.
        hidden: Width of the decoder's hidden layer.
        classes: Number of classes where the hidden attribute is one of classes.
    """

    kind: Literal["masked-prediction"] = "masked-prediction"
    objective: Masked | JEPA = field(default_factory=Masked)
    hiding: Hiding = field(default_factory=Patches)
    hidden: int = 128
    classes: int = 100

    def build(self, network: Any, data: Any, sample: Case | None = None) -> MaskedPredicting:
        """Return the encoder with a decoder of points.

        Args:
            network: Encoder, or a network around one.
            data: The cases.
            sample: A batch as the encoder will see it; absent, the first cases as they are.

        Raises:
            ConfigError: JEPA is asked for and the encoder has no vectors of points.
        """
        if sample is None:
            first: Case = data.batch(torch.arange(min(_LOOKED_AT, len(data))))
            sample = first
        return MaskedPredicting(self, network, sample)


class MaskedPredicting(nn.Module):
    """Networks of ``MaskedPrediction``."""

    two_views = False
    copies = 1

    def __init__(self, pretext: MaskedPrediction, network: Any, sample: Case) -> None:
        super().__init__()
        self.encoder, self.pretext = encoder_of(network), pretext
        hidden = pretext.hiding.hide(sample, torch.Generator().manual_seed(0))
        per_point = length_of_points(self.encoder, hidden.batch)
        if pretext.objective.kind == "jepa" and per_point == 0:
            raise ConfigError(
                f"MaskedPrediction with JEPA predicts vectors of points, and "
                f"{type(self.encoder).__name__} has none: take Masked, or ViewMatch with JEPA and "
                "a view that hides a part."
            )
        place = 0 if hidden.place is None else hidden.place.shape[1]
        width = per_point + self.encoder.width + place
        out = per_point if pretext.objective.kind == "jepa" else self._standardise(hidden)
        self.decode = nn.Sequential(
            nn.Linear(width, pretext.hidden), nn.SiLU(), nn.Linear(pretext.hidden, out)
        )
        slow = isinstance(pretext.objective, JEPA) and pretext.objective.target is Target.AVERAGE
        decay = pretext.objective.decay if isinstance(pretext.objective, JEPA) else 0.0
        self.teacher = Teacher([self.encoder], decay) if slow else None

    def forward(self, a: Case, b: Case, generator: torch.Generator) -> Loss:
        """Hide a part of ``a`` and compare its prediction with the truth."""
        hidden = self.pretext.hiding.hide(a, generator)
        predicted = self.decode(self._features(hidden))
        return compare(self.pretext.objective, predicted, self._truth(a, hidden), generator)

    def embedding(self, batch: Case) -> Float[Tensor, "rows width"]:
        """Return what is watched for collapse."""
        return each_image(self.encoder(batch).per_case, self.encoder.images)

    def after_update(self, done: float) -> None:
        """Move the slow copy; ``done`` is the finished share of the training."""
        if self.teacher is not None:
            self.teacher.follow([self.encoder], done)

    def _standardise(self, hidden: Hidden) -> int:
        """Fit the scale of the values that are predicted; return the width of a prediction."""
        if not hidden.values.is_floating_point():
            return self.pretext.classes
        seen = hidden.values[hidden.where].float()
        self.mean, self.std = nn.Buffer(seen.mean(0)), nn.Buffer(seen.std(0).clamp_min(1e-6))
        return seen.shape[1]

    def _features(self, hidden: Hidden) -> Float[Tensor, "hidden features"]:
        """Return what the decoder is told of each hidden point."""
        embedding = self.encoder(hidden.batch)
        case = hidden.batch.batch
        assert case is not None
        parts = [embedding.per_case[case[hidden.where]]]
        parts += [] if embedding.per_point is None else [embedding.per_point[hidden.where]]
        parts += [] if hidden.place is None else [hidden.place[hidden.where].to(parts[0])]
        return torch.cat(parts, 1)

    def _truth(self, whole: Case, hidden: Hidden) -> Tensor:
        """Return values, classes or vectors of the hidden points."""
        if isinstance(self.pretext.objective, Masked):
            values = hidden.values[hidden.where]
            if not values.is_floating_point():
                return values
            return (values.to(self.mean) - self.mean) / self.std
        if self.teacher is None:
            vectors = _vectors(self.encoder(whole))[hidden.where]
            shared = self.pretext.objective.target is Target.SHARED
            return vectors if shared else vectors.detach()
        with torch.no_grad():
            vectors = _vectors(self.teacher.networks[0](whole))[hidden.where]
            return functional.layer_norm(vectors, vectors.shape[1:])


def _vectors(embedding: Embedding) -> Float[Tensor, "points channels"]:
    """Return the vectors of points."""
    assert embedding.per_point is not None
    return embedding.per_point


def length_of_points(encoder: nn.Module, batch: Case) -> int:
    """Return the length of the encoder's vector of a point; 0 if it makes none."""
    with torch.no_grad():
        per_point = encoder(batch).per_point
    return 0 if per_point is None else per_point.shape[1]
