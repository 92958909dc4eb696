"""Contours read at any x: cubic interpolation, batched, differentiable in the points.

The height y of a side is interpolated as a function of ``u = +-sqrt(x)`` (negative above), in which
a section is smooth at the nose as well as at the trailing edge. Each interval between two points
holds the cubic through both with the slopes of the parabolas through three neighbours; at the
trailing edge and on both sides of the nose, where the curvature may jump, the parabola is
one-sided. The error falls with the cube of the spacing. The nose is the point of least x, and x is
counted from it: contours should be normalised (``datasets.airfoils.contour.normalise``).
"""

from __future__ import annotations

from typing import Final

import torch
from jaxtyping import Float, Int
from torch import Tensor

_SHORTEST: Final = 1e-7
_FREE_BEND: Final = 1.0
_BEND_RATIO: Final = 4.0


def stations_y(pos: Float[Tensor, "*batch points 2"], n: int) -> Float[Tensor, "*batch stations"]:
    """Return y at 2 n fixed stations: what a section looks like whatever its panelling.

    The stations are x = (1 - cos(a)) / 2 at the middles of n equal steps of the angle a.

    Args:
        pos: Contours, normalised (nose at the origin, trailing edge at x = 1), upper trailing
            edge first. Repeated points are harmless: contours of different lengths make a batch
            when the shorter ones repeat their last point.
        n: Stations a side.

    Returns:
        (..., 2 n): upper side from the trailing edge to the nose, lower side from the nose back.
    """
    half = 0.5 * torch.pi * (torch.arange(n, dtype=pos.dtype, device=pos.device) + 0.5) / n
    u = torch.sin(half)
    return height_at(pos, torch.cat([-u.flip(0), u]))


def surface_y(
    pos: Float[Tensor, "*batch points 2"], x: Float[Tensor, " stations"]
) -> tuple[Float[Tensor, "*batch stations"], Float[Tensor, "*batch stations"]]:
    """Return y of the upper and the lower side at ``x`` (in chords, 0..1)."""
    u = x.to(pos).clamp(0.0, 1.0).sqrt()
    both = height_at(pos, torch.cat([-u.flip(0), u]))
    return both[..., : len(u)].flip(-1), both[..., len(u) :]


def height_at(
    pos: Float[Tensor, "*batch points 2"], u: Float[Tensor, " stations"]
) -> Float[Tensor, "*batch stations"]:
    """Return y at signed roots of x, ascending: ``u = -sqrt(x)`` above, ``+sqrt(x)`` below."""
    flat = pos.reshape(-1, *pos.shape[-2:])
    knots, nose = signed_roots(flat)
    at = u.to(pos).expand(len(flat), -1).contiguous()
    values = _interpolate(knots, flat[..., 1].contiguous(), nose, at)
    return values.reshape(*pos.shape[:-2], len(u))


def signed_roots(
    pos: Float[Tensor, "sections points 2"],
) -> tuple[Float[Tensor, "sections points"], Int[Tensor, "sections 1"]]:
    """Return u of each point, never decreasing along the contour, and which point is the nose."""
    x = pos[..., 0]
    nose = x.detach().argmin(1, keepdim=True)
    side = (torch.arange(x.shape[1], device=x.device) - nose).sign()
    behind = (x - x.gather(1, nose)).clamp(min=_SHORTEST**2)
    root = torch.where(side == 0, 1.0, behind).sqrt()
    return (side * root).cummax(1).values, nose


def _interpolate(u: Tensor, y: Tensor, nose: Tensor, at: Tensor) -> Tensor:
    """Return y at ``at`` from values at the knots ``u``, straight on beyond the ends.

    The cubic is the chord of its interval less ``t (1 - t)`` times the bends at both ends (second
    divided differences of the parabolas); an end without one takes that of the other end.
    """
    k = _interval(u.detach(), at)
    last = u.shape[1] - 1
    rows = [(k + step).clamp(0, last) for step in (-1, 0, 1, 2)]
    u0, u1, u2, u3 = (u.gather(1, row) for row in rows)
    y0, y1, y2, y3 = (y.gather(1, row) for row in rows)
    h, slope = _divided(u1, u2, y1, y2)
    h_before, slope_before = _divided(u0, u1, y0, y1)
    h_after, slope_after = _divided(u2, u3, y2, y3)
    smooth_left = (u1 - u0 > _SHORTEST) & (k != nose)
    smooth_right = (u3 - u2 > _SHORTEST) & (k + 1 != nose)
    left = torch.where(smooth_left, (slope - slope_before) / (h + h_before), 0.0)
    right = torch.where(smooth_right, (slope_after - slope) / (h + h_after), 0.0)
    left, right = torch.where(smooth_left, left, right), torch.where(smooth_right, right, left)
    bend_left, bend_right = h**2 * _limited(left, right), h**2 * _limited(right, left)
    place = (at - u1) / h
    t = place.clamp(0.0, 1.0)
    rise, beyond = h * slope, place - t
    inside = y1 + t * (rise - (1.0 - t) * (bend_left + t * (bend_right - bend_left)))
    return inside + beyond * (rise + torch.where(beyond > 0.0, bend_right, -bend_left))


def _limited(bend: Tensor, other: Tensor) -> Tensor:
    """Return the bend of one end of an interval, kept to a few times that of the other end.

    Smooth sections stay as they are; at a kink or a misread point no overshoot is left.
    """
    limit = _FREE_BEND + _BEND_RATIO * other.detach().abs()
    return torch.minimum(torch.maximum(bend, -limit), limit)


def _divided(u0: Tensor, u1: Tensor, y0: Tensor, y1: Tensor) -> tuple[Tensor, Tensor]:
    """Return length and slope of intervals; those without length count as 1 and 0."""
    h = u1 - u0
    real = h.detach() > _SHORTEST
    h = torch.where(real, h, 1.0)
    return h, torch.where(real, (y1 - y0) / h, 0.0)


def _interval(u: Tensor, at: Tensor) -> Tensor:
    """Return the interval that holds each of ``at``; beyond the ends, the last that has length."""
    index = torch.arange(u.shape[1] - 1, device=u.device)
    real = u.diff(dim=1) > _SHORTEST
    first = torch.where(real, index, u.shape[1] - 2).amin(1, keepdim=True)
    last = torch.where(real, index, 0).amax(1, keepdim=True)
    k = torch.searchsorted(u, at, right=True) - 1
    return torch.minimum(torch.maximum(k, first), torch.maximum(first, last))
