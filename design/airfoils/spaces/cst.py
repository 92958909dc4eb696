"""Design space of Kulfan's class-shape transformation."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial

from jaxtyping import Float
from torch import Tensor

from formwright.datasets.airfoils.cst import design_matrices
from formwright.datasets.cases import Case
from formwright.design.airfoils.spaces import sides
from formwright.design.spaces.points import OperatingPoints
from formwright.design.spaces.space import DesignSpace


@dataclass(frozen=True, kw_only=True)
class CST(DesignSpace):
    """Sections by CST weights (``datasets.airfoils.cst``), with the incidences that are free.

    Good values: n = 8 fits three quarters of the database to 0.0008 chord; the bounds hold every
    ordinary section of up to 25 % thickness.

    Attributes:
        points: Operating points of every design.
        n: Weights a side.
        lower: Bounds of the lower weights.
        upper: Bounds of the upper weights.
        nose: Bounds of the leading-edge weight.
        first_weight: The first upper weight is at least this, the first lower one at most its
            negative: a round nose.
        trailing_edge: Thickness of the trailing edge in chords; two numbers make it a parameter
            between them.
        points_per_side: Contour points on each side.

    Example:
        >>> import formwright
        >>> points = formwright.OperatingPoints.at_lift([0.6], reynolds=1e6)
        >>> space = formwright.CST(points=points, n=6)
        >>> space.names[:2], len(space.names)
        (('lower_1', 'lower_2'), 14)
    """

    points: OperatingPoints
    n: int = 8
    lower: tuple[float, float] = (-0.5, 0.25)
    upper: tuple[float, float] = (-0.25, 0.5)
    nose: tuple[float, float] = (-1.0, 1.0)
    first_weight: float = 0.05
    trailing_edge: float | tuple[float, float] = 0.0
    points_per_side: int = 100

    def __post_init__(self) -> None:
        """Refuse bounds that hold nothing."""
        sides.refuse_empty(self.names, self.bounds)

    @cached_property
    def sides(self) -> sides.Sides:
        """The linear map from shape parameters to the contour."""
        fixed = None if isinstance(self.trailing_edge, tuple) else self.trailing_edge
        matrices = partial(design_matrices, n=self.n)
        return sides.Sides.build(matrices, self.n, fixed, self.points_per_side)

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each parameter."""
        return sides.shape_names(self.n, self.trailing_edge) + self.points.names

    @cached_property
    def bounds(self) -> Float[Tensor, "2 parameters"]:
        """Lowest and highest value of each parameter."""
        first = self.first_weight
        lower = [(self.lower[0], min(self.lower[1], -first))] + [self.lower] * (self.n - 1)
        upper = [(max(self.upper[0], first), self.upper[1])] + [self.upper] * (self.n - 1)
        return sides.stack_bounds([*lower, *upper, self.nose], self.trailing_edge, self.points)

    def decode(self, x: Float[Tensor, "designs parameters"]) -> Case:
        """Return the designs as one batch of cases."""
        return sides.decode(self.sides, self.points, x)

    def encode(self, case: Case) -> Float[Tensor, "designs parameters"]:
        """Return the parameters nearest to the sections, by least squares."""
        return sides.encode(self.sides, self.points, case)

    def project(
        self, x: Float[Tensor, "designs parameters"]
    ) -> Float[Tensor, "designs parameters"]:
        """Clip to the bounds and part sides that cross."""
        return sides.project(self.sides, self.bounds, x)
