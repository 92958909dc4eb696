"""What a designer measures on a section, differentiable in its points and batched.

Every function takes contours of shape (..., P, 2): normalised, upper trailing edge -> nose -> lower
trailing edge. Heights between points come from ``datasets.airfoils.surface``.
"""

from __future__ import annotations

from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from formwright.datasets.airfoils.surface import height_at, stations_y, surface_y

__all__ = [
    "area",
    "camber",
    "curvature",
    "leading_edge_radius",
    "max_camber",
    "max_thickness",
    "stations_y",
    "surface_y",
    "thickness",
    "trailing_edge_angle_deg",
    "trailing_edge_thickness",
]

_STATIONS: Final = 64
_NOSE_ROOT: Final = 0.25
_NOSE_STATIONS: Final = 8
_TAIL_STATIONS: Final = 7


def thickness(
    pos: Float[Tensor, "*batch points 2"], x: Float[Tensor, " stations"]
) -> Float[Tensor, "*batch stations"]:
    """Return the height between the sides at ``x``, in chords, measured across the chord."""
    upper, lower = surface_y(pos, x)
    return upper - lower


def camber(
    pos: Float[Tensor, "*batch points 2"], x: Float[Tensor, " stations"]
) -> Float[Tensor, "*batch stations"]:
    """Return the middle between the sides at ``x``, in chords."""
    upper, lower = surface_y(pos, x)
    return 0.5 * (upper + lower)


def max_thickness(pos: Float[Tensor, "*batch points 2"]) -> Float[Tensor, "*batch"]:
    """Return the largest thickness, in chords.

    The top of a parabola through the thickest of 64 stations and its neighbours: continuous, and
    its gradient jumps only where two thickest places compete.
    """
    return _peak(thickness(pos, _station_x(pos)))


def max_camber(pos: Float[Tensor, "*batch points 2"]) -> Float[Tensor, "*batch"]:
    """Return the camber of largest magnitude with its sign, in chords."""
    return _peak(camber(pos, _station_x(pos)))


def area(pos: Float[Tensor, "*batch points 2"]) -> Float[Tensor, "*batch"]:
    """Return the enclosed area, in chords squared (the polygon's; positive, upper side first)."""
    x, y = pos.unbind(-1)
    return 0.5 * (x * y.roll(-1, -1) - y * x.roll(-1, -1)).sum(-1)


def leading_edge_radius(pos: Float[Tensor, "*batch points 2"]) -> Float[Tensor, "*batch"]:
    """Return the radius of the nose, in chords.

    Half the thickness near the nose is ``a s + b s^2 + c s^3 + d s^4`` in ``s = sqrt(x)``, fitted
    over the first 6 % of the chord; the radius is ``a^2 / 2``: for CST, with ``a`` the mean of the
    first weights of both sides; for NACA four digits, 1.1019 t^2.
    """
    s = torch.linspace(0.0, _NOSE_ROOT, _NOSE_STATIONS + 1, dtype=pos.dtype, device=pos.device)[1:]
    both = height_at(pos, torch.cat([-s.flip(0), s]))
    upper, lower = both[..., :_NOSE_STATIONS].flip(-1), both[..., _NOSE_STATIONS:]
    first = torch.linalg.pinv(torch.stack([s, s**2, s**3, s**4], -1))[0]
    slope = 0.5 * (upper - lower) @ first
    return 0.5 * slope**2


def trailing_edge_angle_deg(
    pos: Float[Tensor, "*batch points 2"], over: float = 0.05
) -> Float[Tensor, "*batch"]:
    """Return the angle between the sides at the trailing edge, in degrees.

    Args:
        pos: Contours.
        over: Part of the chord over which a parabola gives the slope of each side; the points of
            real files are too coarse for less.
    """
    back = torch.linspace(0.0, 1.0, _TAIL_STATIONS, dtype=pos.dtype, device=pos.device)
    upper, lower = surface_y(pos, 1.0 - over * back)
    powers = torch.stack([torch.ones_like(back), back, back**2], -1)
    first = torch.linalg.pinv(powers)[1] / over
    return torch.rad2deg(torch.atan(upper @ first) - torch.atan(lower @ first))


def trailing_edge_thickness(pos: Float[Tensor, "*batch points 2"]) -> Float[Tensor, "*batch"]:
    """Return the height of the trailing edge's base, in chords."""
    return pos[..., 0, 1] - pos[..., -1, 1]


def curvature(pos: Float[Tensor, "*batch points 2"]) -> Float[Tensor, "*batch points"]:
    """Return the curvature at every point, in 1 / chord; positive where the section is convex.

    One over the radius of the circle through a point and its neighbours; the ends have that of
    the point beside them, repeated points have zero.
    """
    before, after = pos[..., 1:-1, :] - pos[..., :-2, :], pos[..., 2:, :] - pos[..., 1:-1, :]
    across = pos[..., 2:, :] - pos[..., :-2, :]
    turn = before[..., 0] * after[..., 1] - before[..., 1] * after[..., 0]
    product = before.square().sum(-1) * after.square().sum(-1) * across.square().sum(-1)
    real = product.detach() > 0.0
    inner = torch.where(real, 2.0 * turn / torch.where(real, product, 1.0).sqrt(), 0.0)
    return torch.cat([inner[..., :1], inner, inner[..., -1:]], -1)


def _station_x(pos: Tensor) -> Tensor:
    """Return x at the middles of equal steps of the cosine angle."""
    step = torch.arange(_STATIONS, dtype=pos.dtype, device=pos.device) + 0.5
    return 0.5 * (1.0 - torch.cos(torch.pi * step / _STATIONS))


def _peak(values: Tensor) -> Tensor:
    """Return the extreme of largest magnitude, by the parabola through it and its neighbours."""
    at = values.detach().abs().argmax(-1, keepdim=True).clamp(1, values.shape[-1] - 2)
    before, top, after = (values.gather(-1, at + i)[..., 0] for i in (-1, 0, 1))
    bend = before - 2.0 * top + after
    curved = bend.detach().abs() > 1e-12
    lift = (after - before).square() / (8.0 * torch.where(curved, bend, 1.0))
    inside = curved & ((after - before).detach().abs() <= 2.0 * bend.detach().abs())
    return top - torch.where(inside, lift, 0.0)
