"""How far a surrogate is from the labels of a corpus, and whether its intervals keep their word."""

from __future__ import annotations

from typing import Final

import numpy as np

from formwright.datasets.airfoils.polar_data import Polars
from formwright.surrogate.airfoils.polar import LABELS, PolarSurrogate
from formwright.surrogate.kinds import Scores
from formwright.surrogate.uncertainty.conformal import LEVEL, NORMAL_QUANTILE

ROUNDING: Final = 1e-6


def score(surrogate: PolarSurrogate, polars: Polars) -> Scores:
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
        predicted, truth = answer[label], polars.labels[label]
        gap = np.abs(predicted - truth)
        half = NORMAL_QUANTILE * answer[f"{label}_std"]
        if label == "cd":
            gap, half = np.abs(np.log(predicted / truth)), half / predicted
        known = np.isfinite(truth)
        error["ln_cd" if label == "cd" else label] = float(gap[known].mean())
        coverage[label] = float((gap[known] <= half[known] * (1.0 + ROUNDING)).mean())
    return Scores(
        error=error,
        coverage=coverage,
        level=LEVEL,
        counts={"points": len(polars.section), "sections": len(polars.cst)},
    )
