"""An encoder with a linear head a label: the surrogate that ``regression.regression`` makes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from formwright.datasets.cases import Case, Quantity
from formwright.datasets.errors import ConfigError
from formwright.surrogate.encoder import Encoder
from formwright.surrogate.label_efficiency.protocol import LabelledCases
from formwright.surrogate.model import Prediction, Surrogate
from formwright.surrogate.table import Table, columns_of, flagged, stacked
from formwright.surrogate.training.loop import TrainConfig
from formwright.surrogate.uncertainty.conformal import level_of, normal_quantile
from formwright.surrogate.uncertainty.support import Described, Support, add_remarks, growth

_AT_ONCE: Final = 256


@dataclass(frozen=True, kw_only=True, slots=True)
class RegressionTraining:
    """How a regression is fitted.

    Attributes:
        batch_cases: Cases a step.
        huber: Where the loss turns from square to straight, in deviations of a label.
        label: Which label, for kinds that leave the choice; empty takes all there are.
        linear_first: Whether the head is fitted before the first step.
        ridge: Of that fit, relative to the mean square of the features.
        train: The loop.
    """

    batch_cases: int = 32
    huber: float = 0.1
    label: str = ""
    linear_first: bool = False
    ridge: float = 1e-3
    train: TrainConfig = field(
        default_factory=lambda: TrainConfig(steps=2000, learning_rate=1e-3, ema_decay=0.99)
    )


class Regression(Surrogate):
    """An encoder with a linear head a label.

    Attributes:
        config: Architecture, as the kind has it.
        encoder: Cases -> one vector each.
        logarithms: Labels that are regressed as their logarithm.
    """

    def __init__(
        self,
        config: Any,
        encoder: Encoder,
        labels: Sequence[Quantity],
        logarithms: Collection[str] = (),
        described: Callable[[Case], Float[Tensor, "cases features"]] | None = None,
        width: int = 0,
    ) -> None:
        """Build an untrained surrogate.

        Args:
            config: Architecture.
            encoder: Untrained or pretrained.
            labels: What is predicted.
            logarithms: Names of labels that are regressed as their logarithm.
            described: Batch -> what tells a case that is unlike the training cases; what the
                encoder makes of it where None.
            width: Number of these features; that of the encoder where 0.
        """
        super().__init__()
        self.config, self.encoder, self.labels = config, encoder, tuple(labels)
        self.logarithms, self.training_range = frozenset(logarithms), {}
        self._described = described
        self.head = nn.Linear(encoder.width, len(self.labels))
        self.centre = nn.Buffer(torch.zeros(len(self.labels)))
        self.scale = nn.Buffer(torch.ones(len(self.labels)))
        self.calibration = nn.Buffer(torch.ones(len(self.labels)))
        self.calibrated_on = nn.Buffer(torch.zeros(()))
        self.support = Support(width or encoder.width)

    def targets(self, batch: Case) -> Float[Tensor, "cases labels"]:
        """Return the labels of a batch as they are regressed, in deviations from their mean."""
        columns = [
            batch[one.name].log() if one.name in self.logarithms else batch[one.name]
            for one in self.labels
        ]
        plain = torch.stack(columns, 1).to(self.centre) - self.offsets(batch)
        return (plain - self.centre) / self.scale

    def offsets(self, batch: Case) -> Float[Tensor, "#cases labels"]:
        """Return what is known of the labels before the encoder looks: nothing, unless overridden.

        A subclass that has offsets fits them in ``prepare``.
        """
        return torch.zeros_like(self.centre)[None]

    def restored(
        self, values: Float[Tensor, "cases labels"], batch: Case
    ) -> Float[Tensor, "cases labels"]:
        """Return regressed values as the labels are told; the same, unless overridden."""
        return values

    def prepare(self, known: LabelledCases) -> None:
        """Be told the training cases before the first step; called once by ``learn``."""

    @property
    def level(self) -> float:
        """Coverage that the intervals promise: ``LEVEL``, less with few cases to calibrate on."""
        return level_of(int(self.calibrated_on))

    def described(self, batch: Case) -> Described:
        """Return what is compared with the training cases."""
        if self._described is None:
            features = self.encoder(batch).per_case
        else:
            features = self._described(batch)
        return Described(features, features[:, :0])

    def forward(self, batch: Case, *, fields: bool = False) -> Prediction:
        """Predict the labels of the cases of a batch, differentiably; there are no fields."""
        middle = self.head(self.encoder(batch).per_case) * self.scale + self.centre
        middle = middle + self.offsets(batch)
        support = self.support(self.described(batch)) if self.support.known else None
        half = (self.calibration * self.scale).expand_as(middle)
        if support is not None:
            half = half * growth(support).to(half)[:, None]
        mean, std, lower, upper = {}, {}, {}, {}
        for i, one in enumerate(self.labels):
            log = one.name in self.logarithms
            ends = (middle[:, i] - half[:, i], middle[:, i], middle[:, i] + half[:, i])
            low, value, high = (end.exp() if log else end for end in ends)
            lower[one.name], mean[one.name], upper[one.name] = low, value, high
            std[one.name] = (value if log else 1.0) * half[:, i] / normal_quantile(self.level)
        return Prediction(
            mean=mean,
            std=std,
            lower=lower,
            upper=upper,
            level=self.level,
            fields={},
            support=support,
        )

    def predict(self, cases: LabelledCases, *, fields: bool = False) -> Table:
        """Predict cases.

        Args:
            cases: What the kind's reader makes; labels are not looked at.
            fields: There are none.

        Returns:
            By label its mean, and ``_std``, ``_lower`` and ``_upper`` of it, one number a case, and
            ``support`` where it is known; ``flags`` say which numbers are guesses.

        Raises:
            ConfigError: Fields are asked for.
        """
        if fields:
            raise ConfigError("this surrogate predicts no fields: leave out fields=True.")
        with torch.no_grad():
            columns = stacked([columns_of(self(batch)) for batch in batches(cases)])
        remarks: dict[int, str] = {}
        add_remarks(remarks, columns, range(len(cases)))
        return Table(
            labels=self.labels,
            columns=columns,
            flags=flagged((len(cases),), remarks),
            about={"case": np.arange(len(cases))},
            dims=("case",),
            level=self.level,
        )


def batches(cases: LabelledCases) -> list[Case]:
    """Return all cases, some at a time."""
    return [cases.batch(rows) for rows in torch.arange(len(cases)).split(_AT_ONCE)]
