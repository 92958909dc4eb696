"""Periodic grids and the exponential time stepper of stiff equations on them.

An equation u_t = L u + N(u, t) with L diagonal in Fourier space is stepped by ETDRK4: the linear
part exactly, the other by a fourth-order Runge-Kutta method. Everything is batched over runs and
differentiable in initial state and parameters.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from formwright.datasets.errors import ConfigError

CONTOUR_POINTS = 32
Nonlinear = Callable[[Tensor, float], Tensor]


@dataclass(frozen=True, kw_only=True, slots=True)
class Grid:
    """Equally spaced points of a periodic box, without the repeated last one.

    Attributes:
        points: Along each axis; even.
        lengths: Of the box along each axis.
    """

    points: tuple[int, ...]
    lengths: tuple[float, ...]

    def __post_init__(self) -> None:
        """Refuse boxes that a real Fourier transform does not fit."""
        if len(self.points) != len(self.lengths) or not self.points:
            raise ConfigError(
                f"Grid(points={self.points}, lengths={self.lengths}) should have one length for "
                "each axis."
            )
        if any(n < 4 or n % 2 for n in self.points) or any(a <= 0 for a in self.lengths):
            raise ConfigError(
                f"Grid(points={self.points}, lengths={self.lengths}) should have even numbers of "
                "points, at least 4, and positive lengths."
            )

    @property
    def axes(self) -> tuple[int, ...]:
        """Return the axes of space, counted from the end."""
        return tuple(range(-len(self.points), 0))

    @property
    def spacing(self) -> tuple[float, ...]:
        """Return the distance of neighbours along each axis."""
        return tuple(a / n for a, n in zip(self.lengths, self.points, strict=True))

    def coordinates(self, dtype: torch.dtype = torch.float64) -> tuple[Tensor, ...]:
        """Return the coordinates of the points, one tensor an axis, broadcasting over the grid."""
        lines = [
            torch.arange(n, dtype=dtype) * h for n, h in zip(self.points, self.spacing, strict=True)
        ]
        return tuple(self._along(line, axis) for axis, line in enumerate(lines))

    def wavenumbers(self, like: Tensor) -> tuple[Tensor, ...]:
        """Return 2 pi m / length along each axis, broadcasting over the modes.

        Args:
            like: Gives precision and device.
        """
        lines = []
        for axis, (n, h) in enumerate(zip(self.points, self.spacing, strict=True)):
            last = axis == len(self.points) - 1
            count = torch.fft.rfftfreq if last else torch.fft.fftfreq
            exact = 2.0 * math.pi * count(n, h, dtype=torch.float64, device=like.device)
            lines.append(self._along(exact.to(like.real.dtype), axis))
        return tuple(lines)

    def dealiased(self, like: Tensor) -> Float[Tensor, "*modes"]:
        """Return 1 for modes below two thirds of the highest on every axis, 0 for the others."""
        keep = torch.ones((), dtype=like.real.dtype, device=like.device)
        for axis, (n, k) in enumerate(zip(self.points, self.wavenumbers(like), strict=True)):
            highest = math.pi * n / self.lengths[axis]
            keep = keep * (k.abs() < 2.0 / 3.0 * highest - 1e-6 * highest)
        return keep

    def to_modes(self, u: Float[Tensor, "*runs_and_space"]) -> Complex[Tensor, "*runs_and_modes"]:
        """Return the real Fourier transform over space."""
        return torch.fft.rfftn(u, dim=self.axes)

    def to_points(
        self, modes: Complex[Tensor, "*runs_and_modes"]
    ) -> Float[Tensor, "*runs_and_space"]:
        """Return the field on the grid."""
        return torch.fft.irfftn(modes, s=self.points, dim=self.axes)

    def _along(self, line: Tensor, axis: int) -> Tensor:
        return line.reshape([-1 if a == axis else 1 for a in range(len(self.points))])


@dataclass(frozen=True, slots=True)
class Coefficients:
    """The factors of one ETDRK4 step, each of the shape of the linear part.

    With h the step and z = h L: ``decay`` = exp z, ``half`` = exp(z/2), and::

        q  = h (exp(z/2) - 1) / z
        f1 = h (-4 - z + exp(z) (4 - 3 z + z^2)) / z^3
        f2 = h (2 + z + exp(z) (z - 2)) / z^3
        f3 = h (-4 - 3 z - z^2 + exp(z) (4 - z)) / z^3
    """

    decay: Tensor
    half: Tensor
    q: Tensor
    f1: Tensor
    f2: Tensor
    f3: Tensor


def coefficients(linear: Tensor, step: float) -> Coefficients:
    """Return the factors of a step, by averages over a circle around each z.

    The formulas lose all digits near z = 0; their mean over a circle of radius 1 does not. Worked
    out in double precision whatever the precision of ``linear``.

    Source: Kassam and Trefethen, SIAM J. Sci. Comput. 26 (2005) 1214.

    Args:
        linear: Symbol of L, real or complex, one value a run and mode.
        step: h, in the equation's unit of time.
    """
    z = step * linear.to(torch.complex128)
    sums = [torch.zeros_like(z) for _ in range(4)]
    for j in range(CONTOUR_POINTS):
        angle = 2.0 * math.pi * (j + 0.5) / CONTOUR_POINTS
        r = z + complex(math.cos(angle), math.sin(angle))
        e, cube = torch.exp(r), r**3
        terms = (
            (torch.exp(0.5 * r) - 1.0) / r,
            (-4.0 - r + e * (4.0 - 3.0 * r + r**2)) / cube,
            (2.0 + r + e * (r - 2.0)) / cube,
            (-4.0 - 3.0 * r - r**2 + e * (4.0 - r)) / cube,
        )
        sums = [total + term for total, term in zip(sums, terms, strict=True)]
    result = (torch.exp(z), torch.exp(0.5 * z), *(step / CONTOUR_POINTS * total for total in sums))
    if not linear.is_complex():
        result = tuple(value.real for value in result)
    return Coefficients(*(value.to(linear.dtype) for value in result))


def etdrk4(v: Tensor, t: float, step: float, c: Coefficients, nonlinear: Nonlinear) -> Tensor:
    """Return the modes one step later.

    Args:
        v: Modes at time ``t``.
        t: Time.
        step: h.
        c: From ``coefficients``.
        nonlinear: ``(modes, time) -> modes`` of N.
    """
    n = nonlinear(v, t)
    a = c.half * v + c.q * n
    na = nonlinear(a, t + 0.5 * step)
    b = c.half * v + c.q * na
    nb = nonlinear(b, t + 0.5 * step)
    last = c.half * a + c.q * (2.0 * nb - n)
    return c.decay * v + c.f1 * n + 2.0 * c.f2 * (na + nb) + c.f3 * nonlinear(last, t + step)
