"""Design space of cubic B-spline sides."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from formwright.datasets.cases import Case
from formwright.design.airfoils.spaces import sides
from formwright.design.spaces.points import OperatingPoints
from formwright.design.spaces.space import DesignSpace


@dataclass(frozen=True, kw_only=True)
class BSpline(DesignSpace):
    """Sections by the ordinates of cubic B-spline control points, with the free incidences.

    Each side is a clamped cubic spline in t = sqrt(x), so that the nose is round and the map is
    linear in the ordinates::

        y(x) = +-c_nose N_1(t) + sum_i c_i N_{i+1}(t) +- x t_te / 2,   t = sqrt(x)

    Both sides share ``c_nose``: slope and curvature are continuous around the nose. A control point
    moves the section only nearby, where a CST weight moves all of its side.

    Attributes:
        points: Operating points of every design.
        n: Free control points a side, besides nose and trailing edge.
        lower: Bounds of the lower ordinates, in chords.
        upper: Bounds of the upper ordinates, in chords.
        nose: Bounds of the nose's ordinate, in chords; larger is blunter.
        trailing_edge: Thickness of the trailing edge in chords; two numbers make it a parameter
            between them.
        points_per_side: Contour points on each side.

    Example:
        >>> import formwright
        >>> points = formwright.OperatingPoints.at_lift([0.6], reynolds=1e6)
        >>> space = formwright.BSpline(points=points, n=6)
        >>> space.bounds.shape == (2, len(space.names))
        True
    """

    points: OperatingPoints
    n: int = 8
    lower: tuple[float, float] = (-0.2, 0.1)
    upper: tuple[float, float] = (-0.1, 0.2)
    nose: tuple[float, float] = (0.001, 0.05)
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
        pairs = [self.lower] * self.n + [self.upper] * self.n + [self.nose]
        return sides.stack_bounds(pairs, self.trailing_edge, self.points)

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
        return sides.project(self.sides, self.bounds, x, gap=0.002)


def design_matrices(
    x: Float[Tensor, " points"], n: int
) -> tuple[Float[Tensor, "points parameters"], Float[Tensor, "points parameters"]]:
    """Return what multiplies the 2 n + 2 parameters on the upper and on the lower side."""
    spline = torch.tensor(basis(x.detach().numpy(), n))
    nose, free = spline[:, 1:2], spline[:, 2:-1]
    zero, wedge = torch.zeros_like(free), (0.5 * x)[:, None]
    return (
        torch.cat([zero, free, nose, wedge], 1),
        torch.cat([free, zero, -nose, -wedge], 1),
    )


def basis(x: Float[np.ndarray, " points"], n: int) -> Float[np.ndarray, "points functions"]:
    """Return the n + 3 clamped cubic B-splines in sqrt(x), the last one for the trailing edge."""
    from scipy.interpolate import BSpline as Spline

    inner = np.linspace(0.0, 1.0, n + 1)
    knots = np.concatenate([np.zeros(3), inner, np.ones(3)])
    return Spline.design_matrix(np.sqrt(x), knots, 3).toarray()
