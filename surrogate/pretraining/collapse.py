"""Does an embedding still carry anything? Figures that raise an alarm, in words.

They are alarms, not a measure of quality: among embeddings that have not collapsed, the one of the
highest rank is often not the one that predicts best.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

DEAD_FRACTION: Final = 0.05
LIVE_AXIS: Final = 0.1
ONE_AXIS: Final = 1.1
ALIKE: Final = 0.1
SHRUNK: Final = 0.15


@dataclass(frozen=True, kw_only=True, slots=True)
class CollapseReport:
    """How much of an embedding is in use.

    Attributes:
        cases: Rows looked at.
        dimensions: Columns.
        finite: Whether every value is.
        dead: Columns whose standard deviation is below 5 % of the largest.
        std_min: Smallest standard deviation of a column.
        std_median: Median one.
        std_max: Largest one.
        rank: RankMe, exp of the entropy of the centred embedding's normalised singular values.
        participation: (sum of variances)^2 / sum of squared variances along the principal axes.
        axes: Principal axes along which the deviation is at least a tenth of the largest.
        spread: Root mean square distance of a case from the mean embedding.
        size: Length of the mean embedding.
        started: Spread before training; 0 if not known.
    """

    cases: int
    dimensions: int
    finite: bool
    dead: int
    std_min: float = 0.0
    std_median: float = 0.0
    std_max: float = 0.0
    rank: float = 0.0
    participation: float = 0.0
    axes: int = 0
    spread: float = 0.0
    size: float = 0.0
    started: float = 0.0

    @property
    def alarm(self) -> str:
        """What is wrong and what to do about it, in words; empty if nothing is."""
        if not self.finite:
            return (
                "the embedding holds NaN or infinity: lower the learning rate, or look for a case "
                "with NaN in it."
            )
        remedy = (
            "collapsed; raise the variance weight or the batch size, or check that the two views "
            "differ in more than noise."
        )
        if self.std_max < 1e-6:
            return f"every case has the same embedding: {remedy}"
        if self.spread < ALIKE * self.size:
            share = f"{100 * self.spread / self.size:.2g} %"
            return f"cases differ by {share} of the embedding that all of them share: {remedy}"
        if self.spread < SHRUNK * self.started:
            share = f"{100 * self.spread / self.started:.2g} %"
            return f"the cases' spread has shrunk to {share} of that before training: {remedy}"
        carriers = 1 if self.participation < ONE_AXIS else self.axes
        if carriers <= max(1, min(2, self._most // 3)) < self.dimensions:
            return f"{carriers} of {self.dimensions} dimensions carry all variance: {remedy}"
        if self.dead > self.dimensions // 2:
            return f"{self.dead} of {self.dimensions} dimensions do not vary over cases: {remedy}"
        return ""

    @property
    def _most(self) -> int:
        """Return the highest rank that this many cases and dimensions could show."""
        return min(self.dimensions, self.cases - 1)

    def figures(self) -> dict[str, float | str]:
        """Return what a log line holds: rank, participation, spread, and the alarm if there is."""
        figures: dict[str, float | str] = {
            "embedding_rank": self.rank,
            "embedding_participation": self.participation,
            "embedding_axes": self.axes,
            "embedding_std_min": self.std_min,
            "embedding_std_median": self.std_median,
        }
        return figures | ({"alarm": self.alarm} if self.alarm else {})


def inspect(embedding: Float[Tensor, "cases dimensions"], started: float = 0.0) -> CollapseReport:
    """Measure how much of an embedding is in use.

    The alarm looks at axes that are alive, not at the participation ratio, which one strong axis
    pulls to 1: that of the shipped encoder of atoms, which predicts well, is 1.5 of 128.

    Args:
        embedding: One row a case; some hundred different cases make the figures meaningful.
        started: The spread of the same cases before training, where it is known. An embedding that
            shrinks as a whole is seen by this alone.

    Sources: Garrido et al., "RankMe", arXiv 2210.02885 (ICML 2023); the participation ratio is
    that of random-matrix theory.
    """
    z = embedding.detach().double()
    cases, dimensions = z.shape
    if cases < 2 or not torch.isfinite(z).all():
        finite = bool(torch.isfinite(z).all())
        return CollapseReport(cases=cases, dimensions=dimensions, finite=finite, dead=dimensions)
    std = z.std(0)
    singular = torch.linalg.svdvals(z - z.mean(0))
    share = singular / singular.sum().clamp_min(1e-300)
    variance = singular.square()
    return CollapseReport(
        cases=cases,
        dimensions=dimensions,
        finite=True,
        dead=int((std < DEAD_FRACTION * std.max()).sum()) if std.max() > 0 else dimensions,
        std_min=float(std.min()),
        std_median=float(std.median()),
        std_max=float(std.max()),
        rank=float(torch.exp(-(share * share.clamp_min(1e-300).log()).sum())),
        participation=float(variance.sum() ** 2 / variance.square().sum().clamp_min(1e-300)),
        axes=int((singular > LIVE_AXIS * singular.max()).sum()),
        spread=float(std.square().sum().sqrt()),
        size=float(z.mean(0).norm()),
        started=started,
    )
