"""Sections whose two sides are linear in their parameters: what CST and B-spline share.

The parameters of a shape are, in this order: n weights of the lower side, n of the upper side, one
weight of the nose, and the thickness of the trailing edge where it is free.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from formwright.datasets.airfoils.cst import cosine_spacing
from formwright.datasets.airfoils.surface import stations_y
from formwright.datasets.cases import Case, sections_batch
from formwright.datasets.errors import ConfigError, SectionError
from formwright.design.spaces.points import OperatingPoints
from formwright.surrogate.airfoils.encoder import STATIONS

Matrices = Callable[[Tensor], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Sides:
    """A linear map from shape parameters to a contour.

    Attributes:
        matrices: ``x -> (upper, lower)``, each (points, 2 n + 2): what multiplies the weights, the
            nose and the trailing edge's thickness.
        n: Weights a side.
        trailing_edge: Its thickness in chords where fixed, None where it is a parameter.
        x: Abscissae of the contour, (P,), upper trailing edge first.
        matrix: (P, parameters).
        offset: (P,), what the fixed trailing edge adds.
        reading: (stations, P), from the ordinates to the heights that a contour encoder reads.
    """

    matrices: Matrices
    n: int
    trailing_edge: float | None
    x: Float[Tensor, " points"]
    matrix: Float[Tensor, "points parameters"]
    offset: Float[Tensor, " points"]
    reading: Float[Tensor, "stations points"]

    @classmethod
    def build(
        cls, matrices: Matrices, n: int, trailing_edge: float | None, points_per_side: int
    ) -> Sides:
        """Tabulate the map at cosine-spaced points."""
        x = cosine_spacing(points_per_side)
        upper, lower = matrices(x)
        matrix, offset = _fixed(torch.cat([upper.flip(0), lower[1:]]), trailing_edge)
        ring = torch.cat([x.flip(0), x[1:]])
        reading = reading_matrix(ring, lambda pos: stations_y(pos, STATIONS))
        return cls(matrices, n, trailing_edge, ring, matrix, offset, reading)

    def contour(
        self, shape: Float[Tensor, "designs parameters"]
    ) -> Float[Tensor, "designs points 2"]:
        """Return the contours, upper trailing edge -> nose -> lower trailing edge, in chords."""
        y = torch.addmm(self.offset, shape, self.matrix.T)
        return torch.stack([self.x.expand_as(y), y], -1)

    def fit(
        self, pos: Float[Tensor, "points 2"], *, ridge: float = 1e-10
    ) -> Float[Tensor, " parameters"]:
        """Return the parameters that come nearest to a contour, by least squares.

        Args:
            pos: Contour in chords, nose at the origin, upper trailing edge first.
            ridge: Tikhonov weight; keeps sparse contours from wild weights.
        """
        pos = pos.to(torch.float64)
        x = pos[:, 0].clamp(0.0, 1.0)
        upper, lower = self.matrices(x)
        is_upper = torch.arange(len(pos)) <= int(pos[:, 0].argmin())
        matrix, offset = _fixed(torch.where(is_upper[:, None], upper, lower), self.trailing_edge)
        penalty = torch.eye(matrix.shape[1], dtype=torch.float64) * (ridge * len(pos)) ** 0.5
        target = torch.cat([pos[:, 1] - offset, penalty.new_zeros(len(penalty))])
        stacked = torch.cat([matrix, penalty])
        return torch.linalg.lstsq(stacked, target[:, None], driver="gels").solution[:, 0]

    def thickness(
        self, shape: Float[Tensor, "designs parameters"]
    ) -> Float[Tensor, "designs stations"]:
        """Return upper minus lower ordinate, from the nose to the trailing edge."""
        y = torch.addmm(self.offset, shape, self.matrix.T)
        half = (y.shape[1] + 1) // 2
        return y[:, :half].flip(1) - y[:, half - 1 :]

    def weights(self, shape: Float[Tensor, "designs parameters"]) -> Float[Tensor, "designs 2 n"]:
        """Return the weights of the lower and of the upper side."""
        return shape[:, : 2 * self.n].unflatten(1, (2, self.n))

    def buildable(self, shape: Float[Tensor, "designs parameters"]) -> Bool[Tensor, " designs"]:
        """Return whether the thickness is positive at every station inside the chord."""
        return (self.thickness(shape)[:, 1:-1] > 0).all(1)


def decode(sides: Sides, points: OperatingPoints, x: Float[Tensor, "designs parameters"]) -> Case:
    """Return designs as one batch.

    Three attributes travel with it: for constraints ``weights`` (designs, 2, n), and ``abscissae``
    (points,), which all contours share and no parameter moves; for contour encoders ``rings``, the
    heights that they would otherwise interpolate.
    """
    width = sides.matrix.shape[1]
    shape = x[:, :width]
    pos = sides.contour(shape)
    case = sections_batch(pos, points.conditions(x[:, width:]))
    case.rings = pos[..., 1] @ sides.reading.T
    case.weights = sides.weights(shape)
    case.abscissae = sides.x
    return case


def encode(
    sides: Sides, points: OperatingPoints, case: Case
) -> Float[Tensor, "designs parameters"]:
    """Return the parameters nearest to the sections of a batch, and the incidences of the cases.

    Raises:
        SectionError: The cases hold another number of operating points than the space.
    """
    pos, ptr, alpha = case.pos, case.ptr, case.alpha_deg
    assert pos is not None
    designs = len(ptr) - 1
    if alpha.numel() != designs * len(points):
        raise SectionError(
            f"encode was given {alpha.numel()} operating points on {designs} sections; this space "
            f"has {len(points)} on each. Build the case with the points of the space."
        )
    shapes = [sides.fit(pos[a:b].detach()) for a, b in zip(ptr[:-1], ptr[1:], strict=True)]
    free = alpha.detach().to(torch.float64).reshape(designs, len(points))[:, list(points.free)]
    return torch.cat([torch.stack(shapes), free], 1)


def project(
    sides: Sides,
    bounds: Float[Tensor, "2 parameters"],
    x: Float[Tensor, "designs parameters"],
    *,
    gap: float = 0.02,
) -> Float[Tensor, "designs parameters"]:
    """Clip to the bounds; where the sides still cross, part their weights by ``gap``."""
    x = x.clamp(bounds[0], bounds[1])
    broken = ~sides.buildable(x[:, : sides.matrix.shape[1]])
    if not broken.any():
        return x
    lower, upper = x[:, : sides.n], x[:, sides.n : 2 * sides.n]
    push = 0.5 * (gap - (upper - lower)).clamp(min=0.0)
    parted = torch.cat([lower - push, upper + push, x[:, 2 * sides.n :]], 1)
    return torch.where(broken[:, None], parted, x).clamp(bounds[0], bounds[1])


def shape_names(n: int, trailing_edge: float | tuple[float, float]) -> tuple[str, ...]:
    """Return the names of the shape parameters: lower, upper, nose, and the free trailing edge."""
    weights = [f"{side}_{i + 1}" for side in ("lower", "upper") for i in range(n)]
    last = ["trailing_edge"] if isinstance(trailing_edge, tuple) else []
    return (*weights, "nose", *last)


def stack_bounds(
    shape: list[tuple[float, float]],
    trailing_edge: float | tuple[float, float],
    points: OperatingPoints,
) -> Float[Tensor, "2 parameters"]:
    """Return the bounds of a section space, the operating points' last."""
    pairs = shape + ([trailing_edge] if isinstance(trailing_edge, tuple) else [])
    return torch.cat([torch.tensor(pairs, dtype=torch.float64).T, points.bounds], 1)


def reading_matrix(
    abscissae: Float[Tensor, " points"], read: Callable[[Tensor], Tensor]
) -> Float[Tensor, "readings points"]:
    """Return the matrix by which ``read`` maps ordinates at fixed abscissae.

    Args:
        abscissae: x of a contour.
        read: ``pos (points, 2) -> (readings,)``, linear in the ordinates of smooth contours, as the
            interpolation of ``datasets.airfoils.surface`` is.
    """

    def of_ordinates(y: Tensor) -> Tensor:
        return read(torch.stack([abscissae, y], -1))

    jacobian = torch.autograd.functional.jacobian(of_ordinates, torch.zeros_like(abscissae))
    assert isinstance(jacobian, Tensor)
    return jacobian


def refuse_empty(names: tuple[str, ...], bounds: Float[Tensor, "2 parameters"]) -> None:
    """Raise where a lower bound is not below its upper bound.

    Raises:
        ConfigError: Names the parameter and its bounds.
    """
    for name, low, high in zip(names, *bounds.tolist(), strict=True):
        if not low < high:
            raise ConfigError(
                f"the bounds of parameter {name!r} hold nothing: {low:g} is not below {high:g}. "
                "Widen them, or fix the parameter where the space allows it."
            )


def _fixed(matrix: Tensor, trailing_edge: float | None) -> tuple[Tensor, Tensor]:
    """Move the trailing-edge column to the constant part where its thickness is fixed."""
    if trailing_edge is None:
        return matrix, matrix.new_zeros(len(matrix))
    return matrix[:, :-1], matrix[:, -1] * trailing_edge
