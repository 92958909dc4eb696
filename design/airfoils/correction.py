"""A surrogate corrected where the solver has spoken: space mapping at the operating points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import torch
from torch import Tensor

from formwright.datasets.cases import Case
from formwright.design.airfoils.verify import Verdict
from formwright.surrogate.model import Prediction, Surrogate

CORRECTED: Final = ("cl", "cd", "cm")
MOST_DOUBT: Final = 8.0
"""Deviations beyond which a verdict makes a search no more cautious."""


class Corrected(Surrogate):
    """A surrogate with an offset at each operating point, the same for every design.

    CL and CM are shifted, CD is multiplied (an offset of its logarithm), so that the corrected
    surrogate says at the last verified design what the solver said there (Bandler et al. 1994).

    Attributes:
        base: The surrogate that is corrected.
        offsets: By label, one number an operating point; of ln CD for ``cd``.
    """

    def __init__(self, base: Surrogate, offsets: Mapping[str, Sequence[float]]) -> None:
        """Wrap ``base``; labels without an offset pass unchanged."""
        super().__init__()
        self.base = base
        self.labels = base.labels
        self.training_range = base.training_range
        self.offsets = {name: tuple(values) for name, values in offsets.items()}

    def forward(self, batch: Case, *, fields: bool = False) -> Prediction:
        """Predict a batch of designs, each at all operating points."""
        plain = self.base(batch, fields=fields)
        parts = {part: dict(getattr(plain, part)) for part in ("mean", "std", "lower", "upper")}
        for name, offset in self.offsets.items():
            for part, values in parts.items():
                rows = values[name].new_tensor(offset).repeat(len(values[name]) // len(offset))
                values[name] = shifted(values[name], rows, name, part)
        return replace(plain, **parts)


def shifted(values: Tensor, offset: Tensor | float, name: str, part: str = "mean") -> Tensor:
    """Return one part of a prediction of a label with the offset of that label applied."""
    if name == "cd":
        return values * torch.as_tensor(offset, dtype=values.dtype).exp()
    return values if part == "std" else values + offset


def offsets_from(
    prediction: Prediction, verdicts: Sequence[Verdict], before: Mapping[str, Sequence[float]]
) -> dict[str, tuple[float, ...]]:
    """Return the offsets that make a prediction agree with the verdicts.

    Args:
        prediction: Of the uncorrected surrogate, for the verified section at the verified
            incidences, one row an operating point.
        verdicts: What the solver said there; where it did not converge, the old offset stays.
        before: The offsets so far.
    """
    result: dict[str, tuple[float, ...]] = {}
    for name in CORRECTED:
        if name not in prediction.mean:
            continue
        claimed = torch.as_tensor(prediction.mean[name]).tolist()
        kept = before.get(name, (0.0,) * len(claimed))
        result[name] = tuple(
            _offset(name, verdict.labels[name], claim) if verdict.converged else old
            for verdict, claim, old in zip(verdicts, claimed, kept, strict=True)
        )
    return result


def _offset(name: str, verified: float, claimed: float) -> float:
    """Return the offset of one label at one point."""
    if name != "cd":
        return verified - claimed
    return float(torch.tensor(verified / claimed, dtype=torch.float64).log())


def doubt(prediction: Prediction, verdicts: Sequence[Verdict], label: str) -> float:
    """Return how many of its deviations a surrogate was off at the worst point, 1 to 8.

    Args:
        prediction: What it said of the section, one row an operating point.
        verdicts: What the solver said; points that it missed say nothing.
        label: Which label.
    """
    claimed, deviation = prediction.mean[label].tolist(), prediction.std[label].tolist()
    rows = zip(verdicts, claimed, deviation, strict=True)
    off = [abs(v.labels[label] - mean) / max(std, 1e-12) for v, mean, std in rows if v.converged]
    return min(max([1.0, *off]), MOST_DOUBT)
