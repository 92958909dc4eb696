"""A constraint: a function of prediction and case between two bounds, whatever the subject."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from formwright.datasets.cases import Case
from formwright.datasets.errors import ConfigError
from formwright.surrogate.model import Prediction

Function = Callable[[Prediction, Case], Tensor]
Bound = float | tuple[float, ...] | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Constraint:
    """``lower <= function(prediction, case) <= upper``; equal bounds make an equation.

    Attributes:
        name: For messages and reports.
        function: ``(prediction, case) -> (designs, values)`` or ``(designs,)``.
        lower: One bound, or one a value, or None for none.
        upper: Likewise.
        scale: Size of a change that matters; violations are measured in it.
    """

    name: str
    function: Function
    lower: Bound = None
    upper: Bound = None
    scale: float = 1.0

    def __post_init__(self) -> None:
        """Refuse bounds that cannot be met."""
        if self.lower is None and self.upper is None:
            raise ConfigError(f"constraint {self.name!r} has neither a lower nor an upper bound.")
        if not self.scale > 0:
            raise ConfigError(f"constraint {self.name!r}: scale = {self.scale!r} is not positive.")
        low, high = np.array(as_list(self.lower, -np.inf)), np.array(as_list(self.upper, np.inf))
        if len(low) != len(high) and 1 not in (len(low), len(high)):
            raise ConfigError(
                f"constraint {self.name!r} has {len(low)} lower and {len(high)} upper bounds."
            )
        if not np.all(low <= high):
            raise ConfigError(
                f"constraint {self.name!r} cannot be met: its lower bound {self.lower} is above "
                f"its upper bound {self.upper}."
            )

    def values(self, prediction: Prediction, case: Case) -> Float[Tensor, "designs values"]:
        """Return the values, one row a design."""
        values = self.function(prediction, case)
        return values[:, None] if values.ndim == 1 else values


def as_list(bound: Bound, missing: float) -> list[float]:
    """Return the numbers of a bound; ``missing`` stands for none."""
    if bound is None:
        return [missing]
    return [float(bound)] if isinstance(bound, int | float) else [float(b) for b in bound]


def stacked(
    constraints: Sequence[Constraint], prediction: Prediction, case: Case
) -> Float[Tensor, "designs rows"]:
    """Return the values of all constraints, one at least, side by side."""
    return torch.cat([c.values(prediction, case).to(torch.float64) for c in constraints], 1)
