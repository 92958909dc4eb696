"""How far a surrogate is from the labels of a corpus, and whether its intervals keep their word."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from formwright.datasets.airfoils.polar_data import Polars
from formwright.surrogate.airfoils.polar import LABELS, PolarSurrogate
from formwright.surrogate.uncertainty.conformal import LEVEL, NORMAL_QUANTILE

ROUNDING: Final = 1e-6


@dataclass(frozen=True, kw_only=True, slots=True)
class Scores:
    """What ``evaluate`` found.

    Attributes:
        error: Mean absolute error by label; of the drag that of its logarithm, ``ln_cd``.
        coverage: Share of the labels inside the interval, by label.
        level: The share that the interval promises.
        points: Operating points.
        sections: Sections.
    """

    error: Mapping[str, float]
    coverage: Mapping[str, float]
    level: float
    points: int
    sections: int


def evaluate(surrogate: PolarSurrogate, polars: Polars) -> Scores:
    """Compare a surrogate with labelled polars.

    Args:
        surrogate: What predicts.
        polars: Converged points, as ``polar_data.read_polars`` gives them.

    Returns:
        Errors and coverage over the points that have the label.
    """
    conditions = [polars.conditions[name] for name in ("alpha_deg", "reynolds", "ncrit")]
    answer = surrogate.predict_rows(list(polars.cst), polars.section, *conditions)
    error, coverage = {}, {}
    for label in LABELS:
        said, truth = answer[label], polars.labels[label]
        gap = np.abs(said - truth)
        half = NORMAL_QUANTILE * answer[f"{label}_std"]
        if label == "cd":
            gap, half = np.abs(np.log(said / truth)), half / said
        known = np.isfinite(truth)
        error["ln_cd" if label == "cd" else label] = float(gap[known].mean())
        coverage[label] = float((gap[known] <= half[known] * (1.0 + ROUNDING)).mean())
    return Scores(
        error=error,
        coverage=coverage,
        level=LEVEL,
        points=len(polars.section),
        sections=len(polars.cst),
    )
