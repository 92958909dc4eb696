"""Several surrogates of the same labels as one, less sure where they differ."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from formwright.datasets.cases import Case
from formwright.datasets.errors import ConfigError
from formwright.surrogate.model import Prediction, Surrogate


class Ensemble(Surrogate):
    """The mean of its members; where they differ its intervals are that much wider.

    To the mean half-width and the mean standard deviation the mean absolute difference from the
    common mean is added. A point is as far from what was learned as the member says that knows it
    least, and the training range is what all of them have seen.

    Args:
        members: Surrogates with the same labels and the same level of their intervals.

    Raises:
        ConfigError: There are fewer than two, or they predict other labels.

    Example:
        >>> import formwright
        >>> from formwright.surrogate.uncertainty.ensemble import Ensemble
        >>> names = ("airfoil-polar", "airfoil-polar-large")
        >>> both = Ensemble([formwright.load(name) for name in names])
        >>> [label.name for label in both.labels][:3]
        ['cl', 'cd', 'cm']
    """

    def __init__(self, members: Sequence[Surrogate]) -> None:
        super().__init__()
        if len(members) < 2 or any(one.labels != members[0].labels for one in members):
            told = "; ".join(", ".join(label.name for label in one.labels) for one in members)
            raise ConfigError(
                f"an ensemble needs two surrogates or more with the same labels; got {told}."
            )
        self.members = nn.ModuleList(members)
        self.labels = members[0].labels
        ranges = [one.training_range for one in members]
        shared = set.intersection(*(set(one) for one in ranges))
        self.training_range = {
            name: (max(one[name][0] for one in ranges), min(one[name][1] for one in ranges))
            for name in ranges[0]
            if name in shared
        }

    def forward(self, batch: Case, *, fields: bool = False) -> Prediction:
        """Predict with every member; fields are the first member's."""
        parts: list[Prediction] = [
            cast("Callable[..., Prediction]", member)(batch, fields=fields and not i)
            for i, member in enumerate(self.members)
        ]
        mean, std, lower, upper = {}, {}, {}, {}
        for label in (one.name for one in self.labels):
            each = torch.stack([one.mean[label] for one in parts])
            mean[label] = each.mean(dim=0)
            apart = (each - mean[label]).abs().mean(dim=0)
            std[label] = _mean([one.std[label] for one in parts]) + apart
            lower[label] = _mean([one.lower[label] for one in parts]) - apart
            upper[label] = _mean([one.upper[label] for one in parts]) + apart
        known = [one.support for one in parts if one.support is not None]
        return Prediction(
            mean=mean,
            std=std,
            lower=lower,
            upper=upper,
            level=parts[0].level,
            fields=parts[0].fields,
            support=torch.stack(known).amax(dim=0) if known else None,
        )


def _mean(values: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(values)).mean(dim=0)
