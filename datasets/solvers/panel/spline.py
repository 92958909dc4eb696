"""Batched, differentiable interpolation along curves: natural cubic splines and local cubics."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from formwright.datasets.solvers.panel import lu


@dataclass(frozen=True, slots=True)
class CubicSpline:
    """Natural cubic splines, one a row.

    Attributes:
        knots: Increasing abscissae.
        values: Ordinates; the last dimension holds components.
        second: Second derivatives at the knots.
    """

    knots: Float[Tensor, "batch knots"]
    values: Float[Tensor, "batch knots components"]
    second: Float[Tensor, "batch knots components"]

    @classmethod
    def natural(cls, knots: Tensor, values: Tensor) -> CubicSpline:
        """Fit: second derivatives continuous, and zero at both ends."""
        step = knots[:, 1:] - knots[:, :-1]
        slope = (values[:, 1:] - values[:, :-1]) / step[..., None]
        matrix = (
            torch.diag_embed(2.0 * (step[:, :-1] + step[:, 1:]))
            + torch.diag_embed(step[:, 1:-1], 1)
            + torch.diag_embed(step[:, 1:-1], -1)
        )
        inner = lu.solve(matrix, 6.0 * (slope[:, 1:] - slope[:, :-1]))
        second = torch.nn.functional.pad(inner, (0, 0, 1, 1))
        return cls(knots, values, second)

    def __call__(self, at: Float[Tensor, "batch points"], order: int = 0) -> Tensor:
        """Return values (order 0) or derivatives (1, 2) at ``at``; (batch, points, components)."""
        left = bracket(self.knots, at)
        x1, x2 = self.knots.gather(-1, left), self.knots.gather(-1, left + 1)
        y1, y2 = rows(self.values, left), rows(self.values, left + 1)
        m1, m2 = rows(self.second, left), rows(self.second, left + 1)
        h = (x2 - x1)[..., None]
        b = (at - x1)[..., None] / h
        a = 1.0 - b
        if order == 2:
            return a * m1 + b * m2
        if order == 1:
            bend = (1.0 - 3.0 * a.square()) * m1 + (3.0 * b.square() - 1.0) * m2
            return (y2 - y1) / h + bend * h / 6.0
        bend = (a.pow(3) - a) * m1 + (b.pow(3) - b) * m2
        return a * y1 + b * y2 + bend * h.square() / 6.0


def bracket(knots: Tensor, at: Tensor) -> Tensor:
    """Return the index of the interval of ``knots`` (..., n) that holds each of ``at`` (..., m)."""
    result = torch.searchsorted(knots.detach().contiguous(), at.detach().contiguous(), right=True)
    return (result - 1).clamp(0, knots.shape[-1] - 2)


def rows(values: Tensor, index: Tensor) -> Tensor:
    """Return ``values[b, index[b, m]]`` with all components."""
    return values.gather(1, index[..., None].expand(*index.shape, values.shape[-1]))


def slopes(knots: Tensor, values: Tensor) -> Tensor:
    """Return derivatives at the knots from the parabola through three neighbours."""
    step = knots[..., 1:] - knots[..., :-1]
    secant = (values[..., 1:] - values[..., :-1]) / step
    left, right = step[..., :-1], step[..., 1:]
    inner = (right * secant[..., :-1] + left * secant[..., 1:]) / (left + right)
    first = 2.0 * secant[..., :1] - inner[..., :1]
    last = 2.0 * secant[..., -1:] - inner[..., -1:]
    return torch.cat([first, inner, last], -1)


def hermite(knots: Tensor, values: Tensor, slope: Tensor, at: Tensor) -> Tensor:
    """Return the local cubic through ``values`` with ``slope``; leading dimensions must agree."""
    left = bracket(knots, at)
    x1, x2 = knots.gather(-1, left), knots.gather(-1, left + 1)
    y1, y2 = values.gather(-1, left), values.gather(-1, left + 1)
    d1, d2 = slope.gather(-1, left), slope.gather(-1, left + 1)
    h = x2 - x1
    t = (at - x1) / h
    rise = y2 - y1
    bend = (1.0 - t) * (d1 * h - rise) + t * (rise - d2 * h)
    return y1 + t * rise + t * (1.0 - t) * bend


def linear(knots: Tensor, values: Tensor, at: Tensor) -> Tensor:
    """Return the broken line through ``values``; leading dimensions must agree."""
    left = bracket(knots, at)
    x1, x2 = knots.gather(-1, left), knots.gather(-1, left + 1)
    y1, y2 = values.gather(-1, left), values.gather(-1, left + 1)
    return y1 + (y2 - y1) * (at - x1) / (x2 - x1)


def hermite_rows(knots: Tensor, at: Tensor) -> Tensor:
    """Return the matrix (..., points, knots) by which ``hermite`` with ``slopes`` maps values."""
    left = bracket(knots, at)
    h = knots.gather(-1, left + 1) - knots.gather(-1, left)
    t = (at - knots.gather(-1, left)) / h
    smooth = t.square() * (3.0 - 2.0 * t)
    rows = at.new_zeros(*at.shape, knots.shape[-1])
    rows.scatter_add_(-1, left[..., None], (1.0 - smooth)[..., None])
    rows.scatter_add_(-1, left[..., None] + 1, smooth[..., None])
    start, weights = _slope_weights(knots)
    factors = (t * (1.0 - t).square() * h, t.square() * (t - 1.0) * h)
    three = torch.arange(3, device=at.device)
    for index, factor in zip((left, left + 1), factors, strict=True):
        gathered = weights.gather(-2, index[..., None].expand(*index.shape, 3))
        rows.scatter_add_(-1, start[index][..., None] + three, factor[..., None] * gathered)
    return rows


def _slope_weights(knots: Tensor) -> tuple[Tensor, Tensor]:
    """Return of each knot the first of the three knots its slope needs, and their weights."""
    step = knots[..., 1:] - knots[..., :-1]
    left, right = step[..., :-1], step[..., 1:]
    before, after = right / (left * (left + right)), left / (right * (left + right))
    inner = torch.stack([-before, before - after, after], -1)
    zero = torch.zeros_like(step[..., 0])
    first = torch.stack([-2.0 / step[..., 0], 2.0 / step[..., 0], zero], -1) - inner[..., 0, :]
    last = torch.stack([zero, -2.0 / step[..., -1], 2.0 / step[..., -1]], -1) - inner[..., -1, :]
    count = knots.shape[-1]
    start = (torch.arange(count, device=knots.device) - 1).clamp(0, count - 3)
    return start, torch.cat([first[..., None, :], inner, last[..., None, :]], -2)
