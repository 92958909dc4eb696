"""Error against the number of labels: curves with intervals, and what they say in words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import torch

from formwright.datasets.config import to_mapping

SCRATCH: Final = "from scratch"
RANDOM: Final = "random encoder + ridge"
MEAN: Final = "mean"
COMPONENTS: Final = "PCA + ridge"
HAND: Final = "hand features + GP"
FROZEN: Final = "{}, frozen + ridge"
TUNED: Final = "{}, fine-tuned"
_LEAST: Final = 1e-12
_MOST: Final = 300.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluation:
    """What was found.

    Attributes:
        corpus: The data.
        label: What was predicted.
        sizes: Numbers of labelled cases.
        errors: By method and size, the test error of every seed: mean square over the variance of
            the label, so that 1 is the error of the mean.
        chosen: By method and size, the settings that validation chose.
        cases: Number of cases in each part, and of unlabeled ones.
        seconds: Wall time of this call.
    """

    corpus: str
    label: str
    sizes: tuple[int, ...]
    errors: Mapping[str, Mapping[int, tuple[float, ...]]]
    chosen: Mapping[str, Mapping[int, Mapping[str, float]]]
    cases: Mapping[str, int]
    seconds: float

    def gain(self, method: str, size: int) -> tuple[float, float, float]:
        """Return by how much a method is below training from scratch: mean and 95 % interval.

        Paired by seed, of the logarithm of the ratio, so that no end promises less than no error;
        .3 means 30 % less.
        """
        pairs = zip(self.errors[method][size], self.errors[SCRATCH][size], strict=True)
        ratios = [max(ours, _LEAST) / max(theirs, _LEAST) for ours, theirs in pairs]
        middle, low, high = interval([math.log(ratio) for ratio in ratios])
        return _less(middle), _less(high), _less(low)

    def best(self, size: int) -> str:
        """Return the pretrained method of the least mean error."""
        known = {MEAN, COMPONENTS, HAND, RANDOM, SCRATCH}
        own = [method for method in self.errors if method not in known]
        return min(own, key=lambda method: sum(self.errors[method][size]))

    def verdicts(self) -> list[str]:
        """Return, for each number of labels, whether pretraining pays, in words."""
        return [self._verdict(size) for size in self.sizes]

    def _verdict(self, size: int) -> str:
        method = self.best(size)
        middle, low, high = self.gain(method, size)
        change = f"{-100 * middle:+.0f} % error [{-100 * high:+.0f}, {-100 * low:+.0f}]"
        floors = [name for name in (COMPONENTS, HAND) if name in self.errors]
        floor = min(floors, key=lambda name: sum(self.errors[name][size]), default=None)
        beaten = floor and sum(self.errors[floor][size]) <= sum(self.errors[method][size])
        if low > 0.0:
            predicted = f"pretraining pays: {method}, {change} against training from scratch"
        elif high < 0.0:
            predicted = (
                f"pretraining costs: {method}, the best, {change} against training from scratch"
            )
        else:
            predicted = (
                f"undecided: {method}, {change} against from scratch; the interval holds zero"
            )
        mean = self.errors.get(MEAN)
        untuned = mean is not None and sum(self.errors[SCRATCH][size]) >= sum(mean[size])
        return (
            f"{size} labels: {predicted}."
            + (f" But {floor} does no worse." if beaten else "")
            + (" But training from scratch is no better than the mean: tune it." if untuned else "")
        )


def _less(log_ratio: float) -> float:
    """Return by what share an error is less, from the logarithm of its ratio."""
    return -math.expm1(min(log_ratio, _MOST))


def interval(values: list[float]) -> tuple[float, float, float]:
    """Return the mean and the ends of its 95 % interval (Student)."""
    from scipy.stats import t

    data = torch.tensor(values, dtype=torch.float64)
    half = float(t.ppf(0.975, len(data) - 1)) * float(data.std()) / math.sqrt(len(data))
    return float(data.mean()), float(data.mean()) - half, float(data.mean()) + half


def record(evaluation: Evaluation) -> dict[str, Any]:
    """Return the evaluation as JSON holds it."""
    return {
        **to_mapping(evaluation),
        "unit": "mean square error over the variance of the label",
        "verdicts": evaluation.verdicts(),
    }
