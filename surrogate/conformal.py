"""Split conformal prediction: from residuals on cases not trained on to intervals that cover.

Vovk et al. 2005; Lei et al., JASA 113 (2018), with a learned scale of the error.
"""

from __future__ import annotations

import math
from typing import Final

from jaxtyping import Float
from torch import Tensor

LEVEL: Final = 0.9
NORMAL_QUANTILE: Final = 1.6448536
"""Half width of a normal interval at ``LEVEL``, in standard deviations."""


def conformal_factor(
    residual: Float[Tensor, " cases"], expected: Float[Tensor, " cases"], level: float
) -> Float[Tensor, ""]:
    """Return the factor on the expected error whose interval covers a share ``level`` of cases.

    It is the finite-sample quantile of |residual| / expected; cases without a residual (NaN) do not
    count.
    """
    score = (residual.abs() / expected).flatten()
    known = score[score.isfinite()]
    rank = min(len(known), math.ceil((len(known) + 1) * level))
    return known.sort().values[rank - 1]
