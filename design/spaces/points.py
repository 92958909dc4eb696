"""The operating points of a design: what is asked where, and which incidences are free.

A point with a lift target has a free incidence (a parameter of the space, found so that the lift
is met); a point without one is flown at the incidence that is given.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from formwright.datasets.cases import DEFAULT_MACH, DEFAULT_NCRIT
from formwright.datasets.conditions import refusals
from formwright.datasets.errors import ConditionError

LIFT_SLOPE_PER_DEG: Final = 0.11


@dataclass(frozen=True, kw_only=True, slots=True)
class OperatingPoint:
    """One condition that the section is designed for.

    Attributes:
        reynolds: Reynolds number on the chord.
        cl: Lift coefficient to fly at; the incidence is then free.
        alpha_deg: Incidence in degrees; with ``cl`` only where the search starts.
        ncrit: Critical amplification exponent of the e^N method.
        mach: Mach number.
        weight: Weight of the point in the objective.

    Example:
        >>> import formwright
        >>> formwright.OperatingPoint(cl=0.6, reynolds=3e5, weight=2.0).alpha_deg is None
        True
    """

    reynolds: float
    cl: float | None = None
    alpha_deg: float | None = None
    ncrit: float = DEFAULT_NCRIT
    mach: float = DEFAULT_MACH
    weight: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what has no meaning."""
        if self.cl is None and self.alpha_deg is None:
            raise ConditionError(
                "an operating point needs a lift target `cl` or an incidence `alpha_deg`; got "
                f"neither (reynolds = {self.reynolds:g})."
            )
        requested = {name: getattr(self, name) for name in ("reynolds", "ncrit", "mach")}
        requested["alpha_deg"] = self.alpha_deg or 0.0
        refused = refusals({name: np.array([value]) for name, value in requested.items()})
        if refused:
            raise ConditionError(f"an operating point cannot be: {refused[0]}.")
        if not math.isfinite(self.cl or 0.0) or not math.isfinite(self.weight):
            raise ConditionError(f"cl and weight are finite numbers; got {self.cl}, {self.weight}.")

    @property
    def start_alpha_deg(self) -> float:
        """The incidence given, or that of a symmetrical thin section at the lift target."""
        if self.alpha_deg is not None:
            return self.alpha_deg
        return (self.cl or 0.0) / LIFT_SLOPE_PER_DEG


@dataclass(frozen=True)
class OperatingPoints:
    """All operating points of a design, in order.

    Attributes:
        points: The points.
        alpha_bounds_deg: Lowest and highest incidence of the free points.

    Example:
        >>> import formwright
        >>> points = formwright.OperatingPoints.at_lift([0.4, 0.8], reynolds=1e6)
        >>> points.names
        ('alpha_deg_1', 'alpha_deg_2')
    """

    points: tuple[OperatingPoint, ...]
    alpha_bounds_deg: tuple[float, float] = (-6.0, 18.0)

    def __post_init__(self) -> None:
        """Refuse an empty set and bounds that hold no incidence."""
        if not self.points:
            raise ConditionError("a design needs at least one operating point; got none.")
        low, high = self.alpha_bounds_deg
        if not low < high:
            raise ConditionError(f"alpha_bounds_deg = {self.alpha_bounds_deg!r} hold no incidence.")

    @classmethod
    def at_lift(
        cls,
        cl: Sequence[float],
        reynolds: Sequence[float] | float,
        *,
        weight: Sequence[float] | float = 1.0,
        ncrit: float = DEFAULT_NCRIT,
        mach: float = DEFAULT_MACH,
        alpha_bounds_deg: tuple[float, float] = (-6.0, 18.0),
    ) -> OperatingPoints:
        """Return one point for each lift coefficient.

        Args:
            cl: Lift targets.
            reynolds: Reynolds number of each point, or one for all.
            weight: Weight of each point, or one for all.
            ncrit: Critical amplification exponent of all points.
            mach: Mach number of all points.
            alpha_bounds_deg: Lowest and highest incidence.
        """
        re = [reynolds] * len(cl) if isinstance(reynolds, int | float) else reynolds
        weights = [weight] * len(cl) if isinstance(weight, int | float) else weight
        points = tuple(
            OperatingPoint(
                cl=float(c),
                reynolds=float(r),
                weight=float(w),
                ncrit=float(ncrit),
                mach=float(mach),
            )
            for c, r, w in zip(cl, re, weights, strict=True)
        )
        return cls(points, alpha_bounds_deg)

    def __len__(self) -> int:
        """Return the number of points."""
        return len(self.points)

    @property
    def free(self) -> tuple[int, ...]:
        """Indices of the points whose incidence is a parameter."""
        return tuple(i for i, point in enumerate(self.points) if point.cl is not None)

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each free incidence."""
        return tuple(f"alpha_deg_{i + 1}" for i in self.free)

    @property
    def weights(self) -> tuple[float, ...]:
        """Weight of each point in the objective."""
        return tuple(point.weight for point in self.points)

    @property
    def bounds(self) -> Float[Tensor, "2 free"]:
        """Lowest and highest value of each free incidence."""
        low_high = torch.tensor(self.alpha_bounds_deg, dtype=torch.float64)
        return low_high[:, None].expand(2, len(self.free))

    @cached_property
    def start(self) -> Float[Tensor, " free"]:
        """Where the search of the free incidences starts, within the bounds."""
        alpha = [self.points[i].start_alpha_deg for i in self.free]
        return torch.tensor(alpha, dtype=torch.float64).clamp(*self.alpha_bounds_deg)

    @cached_property
    def _table(self) -> Float[Tensor, "4 points"]:
        """Incidence, Reynolds number, Ncrit and Mach of each point as given."""
        rows = [[p.start_alpha_deg, p.reynolds, p.ncrit, p.mach] for p in self.points]
        return torch.tensor(rows, dtype=torch.float64).T.contiguous()

    def conditions(
        self, alpha_deg: Float[Tensor, "designs free"]
    ) -> dict[str, Float[Tensor, "designs points"]]:
        """Return the conditions of each design, the free incidences put in their places."""
        designs = len(alpha_deg)
        alpha, reynolds, ncrit, mach = (row.expand(designs, -1) for row in self._table)
        if len(self.free) == len(self.points):
            alpha = alpha_deg
        elif self.free:
            index = torch.tensor(self.free).expand(designs, -1)
            alpha = alpha.scatter(1, index, alpha_deg)
        return {"alpha_deg": alpha, "reynolds": reynolds, "ncrit": ncrit, "mach": mach}
