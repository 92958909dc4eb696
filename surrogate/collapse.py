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
LOW_RANK_FRACTION: Final = 0.05


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
        if self.participation < max(1.5, LOW_RANK_FRACTION * self._most):
            carriers = max(1, round(self.participation))
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
            "embedding_std_min": self.std_min,
            "embedding_std_median": self.std_median,
        }
        return figures | ({"alarm": self.alarm} if self.alarm else {})


def inspect(embedding: Float[Tensor, "cases dimensions"]) -> CollapseReport:
    """Measure how much of an embedding is in use.

    Args:
        embedding: One row a case; some hundred different cases make the figures meaningful.

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
    )
