"""Class-shape transformation of sections (Kulfan 2008), batched and differentiable.

One vector describes a section: n lower weights, n upper weights, the leading-edge weight and the
trailing-edge thickness (in chords), in this order, as NeuralFoil and AeroSandbox have it::

    y(x) = sqrt(x) (1 - x) sum_i w_i B_i(x)  +  w_le x (1 - x)^(n + 1/2)  +-  x t_te / 2

with the Bernstein polynomials ``B_i`` of degree n - 1; the trailing-edge term is positive above.

Source: B. M. Kulfan, "Universal Parametric Geometry Representation Method", J. Aircraft 45 (2008);
the leading-edge term: B. M. Kulfan, "Modification of CST airfoil representation" (2020).
"""

from __future__ import annotations

from functools import cache
from math import comb
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from formwright.datasets.errors import SectionError

_TAIL: Final = 0.01


def weights_per_side(parameters: Tensor) -> int:
    """Return n of a CST vector of length 2 n + 2.

    Raises:
        SectionError: The last dimension is odd or shorter than 6.
    """
    size = parameters.shape[-1]
    if size < 6 or size % 2:
        raise SectionError(
            f"a CST vector holds n lower and n upper weights, the leading-edge weight and the "
            f"trailing-edge thickness (2 n + 2 >= 6 numbers); got {size}."
        )
    return size // 2 - 1


def basis(x: Float[Tensor, " points"], n: int) -> Float[Tensor, "points weights"]:
    """Return class function times Bernstein polynomials at ``x`` (in chords, 0..1)."""
    i = torch.arange(n, dtype=x.dtype, device=x.device)
    binomial = torch.tensor([comb(n - 1, k) for k in range(n)], dtype=x.dtype, device=x.device)
    bernstein = binomial * x[:, None] ** i * (1.0 - x[:, None]) ** (n - 1 - i)
    return (x.sqrt() * (1.0 - x))[:, None] * bernstein


def design_matrices(
    x: Float[Tensor, " points"], n: int
) -> tuple[Float[Tensor, "points parameters"], Float[Tensor, "points parameters"]]:
    """Return the matrices from a CST vector to ``y`` at ``x``, upper and lower side."""
    shape, zero = basis(x, n), torch.zeros(len(x), n, dtype=x.dtype, device=x.device)
    nose = (x * (1.0 - x) ** (n + 0.5))[:, None]
    wedge = (0.5 * x)[:, None]
    return torch.cat([zero, shape, nose, wedge], 1), torch.cat([shape, zero, nose, -wedge], 1)


def cosine_spacing(n: int, *, dtype: torch.dtype = torch.float64) -> Float[Tensor, " points"]:
    """Return n values of x/c from 0 to 1, dense at both ends."""
    return 0.5 * (1.0 - torch.cos(torch.linspace(0.0, torch.pi, n, dtype=dtype)))


def coordinates(
    parameters: Float[Tensor, "*batch parameters"], points_per_side: int = 100
) -> Float[Tensor, "*batch points 2"]:
    """Return contours: upper trailing edge -> nose -> lower trailing edge.

    Args:
        parameters: CST vectors, (..., 2 n + 2).
        points_per_side: Points on each side, the shared nose counted in both.

    Returns:
        (..., 2 * points_per_side - 1, 2), in chords.
    """
    n = weights_per_side(parameters)
    x = cosine_spacing(points_per_side, dtype=parameters.dtype).to(parameters.device)
    upper, lower = design_matrices(x, n)
    y = torch.cat([parameters @ upper.flip(0).T, parameters @ lower[1:].T], -1)
    x_ring = torch.cat([x.flip(0), x[1:]]).expand_as(y)
    return torch.stack([x_ring, y], -1)


@cache
@torch.inference_mode(False)
def _station_matrix(n: int, stations: int) -> Tensor:
    """Return the matrix from CST vectors to heights at the stations of ``surface.stations_y``."""
    angle = torch.pi * (torch.arange(stations, dtype=torch.float64) + 0.5) / stations
    upper, lower = design_matrices(0.5 * (1.0 - angle.cos()), n)
    return torch.cat([upper.flip(0), lower]).T.contiguous()


def rings(
    parameters: Float[Tensor, "sections parameters"], stations: int
) -> Float[Tensor, "sections heights"]:
    """Return y at fixed stations straight from CST vectors: ``surface.stations_y`` without points.

    Args:
        parameters: CST vectors, (sections, 2 n + 2), float64.
        stations: Stations a side.

    Returns:
        (sections, 2 stations): upper side from the trailing edge to the nose, lower side back.

    Raises:
        SectionError: A vector that is not finite, or whose sides cross.
    """
    ring = parameters @ _station_matrix(weights_per_side(parameters), stations)
    thickness = ring[:, :stations].flip(-1) - ring[:, stations:]
    if not bool(thickness.detach().min() >= 0.0):
        row = int((~(thickness >= 0.0).all(-1)).nonzero()[0, 0])
        raise SectionError(
            f"CST vector {row} ({parameters[row].tolist()}) is no section: it is not finite or its "
            "upper side lies below its lower one somewhere. The order is n lower weights, n upper "
            "weights, leading-edge weight, trailing-edge thickness."
        )
    return ring


def fit(
    pos: Float[Tensor, "points 2"], n: int = 8, *, ridge: float = 1e-8, for_lift: bool = False
) -> Float[Tensor, " parameters"]:
    """Fit a CST vector to one contour by least squares.

    Args:
        pos: Contour in chords, normalised (nose at the origin), upper trailing edge first.
        n: Weights a side.
        ridge: Tikhonov weight; keeps sparse contours from wild weights.
        for_lift: Weigh points by 1 / (1.01 - x), as the lift feels the camber at them (thin-airfoil
            theory), and keep the thickness of the trailing edge: the lift of NACA sections is
            right to .0005 instead of .007, their points to 2e-4 instead of 1.5e-4.

    Returns:
        The CST vector, (2 n + 2,); a negative trailing-edge thickness is fitted again as zero.
    """
    nose = int(pos[:, 0].argmin())
    x = pos[:, 0].clamp(0.0, 1.0)
    upper, lower = design_matrices(x, n)
    side = torch.arange(len(pos), device=pos.device) <= nose
    matrix = torch.where(side[:, None], upper, lower)
    if for_lift:
        weight, gap = 1.0 / (_TAIL + 1.0 - x), (pos[:1, 1] - pos[-1:, 1]).clamp_min(0.0)
        target = weight * (pos[:, 1] - matrix[:, -1] * gap)
        return torch.cat([_ridge_solve(weight[:, None] * matrix[:, :-1], target, ridge), gap])
    solution = _ridge_solve(matrix, pos[:, 1], ridge)
    if solution[-1] < 0:
        solution = torch.cat(
            [_ridge_solve(matrix[:, :-1], pos[:, 1], ridge), solution.new_zeros(1)]
        )
    return solution


def _ridge_solve(matrix: Tensor, target: Tensor, ridge: float) -> Tensor:
    """Return argmin |A w - y|^2 / rows + ridge |w|^2."""
    columns = matrix.shape[1]
    penalty = torch.eye(columns, dtype=matrix.dtype, device=matrix.device)
    penalty = penalty * (ridge * matrix.shape[0]) ** 0.5
    stacked = torch.cat([matrix, penalty])
    padded = torch.cat([target, target.new_zeros(columns)])
    return torch.linalg.lstsq(stacked, padded[:, None], driver="gels").solution[:, 0]
