"""March of boundary layers downstream, coupled to the outer flow at each station.

The layer and the outer flow are solved together (quasi-simultaneous coupling): the outer speed
answers to the displacement at the station and yields where the layer is about to separate, which
removes the singularity of separation. The result starts the Newton method of ``coupling``.

Source: A. E. P. Veldman, "New, quasi-simultaneous method to calculate interacting boundary layers",
AIAA J. 19 (1981).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from formwright.datasets.solvers.panel import closure, equations
from formwright.datasets.solvers.panel.equations import Interval, Station

SHAPE_FLOOR: Final = 1.0005
SHAPE_CEILING: Final = 30.0
SPEED_FLOOR: Final = 2e-3
STEP: Final = 1e-6
LAMINAR_CEILING: Final = 4.0
TURBULENT_CEILING: Final = 2.2
YIELD: Final = 0.2
FIRST_SHEAR: Final = -3.5


class Outer(NamedTuple):
    """The outer flow along layers, stations last.

    Attributes:
        arc: Distance from the stagnation point (of a wake: from the trailing edge).
        speed: Outer speed without displacement.
        answer: Rise of the outer speed at a station with its own displaced flux, 1/chord.
    """

    arc: Float[Tensor, "layers stations"]
    speed: Float[Tensor, "layers stations"]
    answer: Float[Tensor, "layers stations"]


@dataclass(frozen=True, slots=True)
class Layer:
    """State of boundary layers, stations last.

    Attributes:
        log_theta: Logarithm of the momentum thickness in chords.
        shape: H, displacement over momentum thickness.
        log_shear: Logarithm of the square root of the maximum shear-stress coefficient.
        speed: Edge speed over free stream.
    """

    log_theta: Float[Tensor, "*layers stations"]
    shape: Float[Tensor, "*layers stations"]
    log_shear: Float[Tensor, "*layers stations"]
    speed: Float[Tensor, "*layers stations"]

    @property
    def displacement(self) -> Float[Tensor, "*layers stations"]:
        """Displacement thickness, chords."""
        return self.log_theta.exp() * self.shape


def stagnation_log_theta(distance: Tensor, speed: Tensor, reynolds: Tensor) -> Tensor:
    """Return ln theta of the similar layer at a stagnation point."""
    return 0.5 * (closure.STAGNATION_GROWTH * distance / (reynolds * speed)).log()


def join(sides: Layer) -> tuple[Tensor, Tensor, Tensor]:
    """Return ln theta, H and ln S that two sides (..., 2, stations) give to their wake."""
    theta, shape, shear = (
        sides.log_theta[..., -1].exp(),
        sides.shape[..., -1],
        sides.log_shear[..., -1].exp(),
    )
    total = theta.sum(-1)
    return (
        total.log(),
        (theta * shape).sum(-1) / total,
        ((theta * shear).sum(-1) / total).log(),
    )


def march(
    outer: Outer,
    reynolds: Float[Tensor, " layers"],
    ncrit: Float[Tensor, " layers"],
    *,
    start: tuple[Tensor, Tensor, Tensor] | None = None,
    newton: int = 6,
) -> Layer:
    """March layers downstream, all at once.

    Args:
        outer: Outer flow.
        reynolds: On chord and free stream.
        ncrit: Critical amplification.
        start: ``join`` of two sides, for a wake; without it the layer starts at a stagnation point.
        newton: Newton steps a station.

    Returns:
        The layers; finite for finite input, separated or not.
    """
    wake = start is not None
    speed = outer.speed[:, 0].clamp_min(1e-4)
    if start is None:
        log_theta = stagnation_log_theta(outer.arc[:, 0], speed, reynolds)
        shape = torch.full_like(log_theta, closure.STAGNATION_SHAPE)
        start = (log_theta, shape, torch.full_like(log_theta, FIRST_SHEAR))
    stations = [equations.station(*start, speed.log(), reynolds, wake=wake)]
    transition = _Transition(ncrit, outer.arc[:, 0], wake)
    for i in range(1, outer.arc.shape[1]):
        before = stations[-1]
        fraction, was = transition.advance(before, outer.arc[:, i] - outer.arc[:, i - 1], reynolds)
        over = equations.interval(outer.arc[:, i - 1], outer.arc[:, i], fraction, was, wake=wake)
        edge = _edge(outer, i, before, fraction)
        stations.append(solve_station(before, edge, over, reynolds, newton, wake))
    names = ("log_theta", "shape", "log_shear")
    values = {n: torch.stack([getattr(s, n) for s in stations], -1) for n in names}
    return Layer(**values, speed=torch.stack([s.log_speed for s in stations], -1).exp())


class _Transition:
    """Amplification along the march; says how much of the next interval is turbulent."""

    def __init__(self, ncrit: Tensor, first_step: Tensor, wake: bool) -> None:
        self.ncrit, self.old_step = ncrit, first_step
        self.n = self.old_rate = torch.zeros_like(ncrit)
        self.fraction = torch.ones_like(ncrit) if wake else torch.zeros_like(ncrit)

    def advance(self, before: Station, step: Tensor, reynolds: Tensor) -> tuple[Tensor, Tensor]:
        was = self.fraction > 0
        rate = equations.rate(before.log_theta, before.shape, before.log_speed.exp(), reynolds)
        growth = equations.two_step(rate, self.old_rate, step, self.old_step)
        self.n = self.n + torch.where(was, 0.0, growth)
        fraction = equations.turbulent_fraction(self.n, growth, self.ncrit)
        self.fraction = torch.where(was, 1.0, fraction)
        self.old_rate, self.old_step = rate, step
        return self.fraction, was


class Edge(NamedTuple):
    """Outer speed at a station, the displacement it belongs to, its answer to a change of it.

    Above the shape factor ``ceiling`` the speed yields, so that separation stays moderate.
    """

    speed: Tensor
    displacement: Tensor
    answer: Tensor
    ceiling: Tensor


def _edge(outer: Outer, i: int, before: Station, fraction: Tensor) -> Edge:
    speed = outer.speed[:, i].clamp_min(SPEED_FLOOR)
    ceiling = LAMINAR_CEILING + fraction * (TURBULENT_CEILING - LAMINAR_CEILING)
    old = before.log_theta.exp() * before.shape
    return Edge(speed, old, outer.answer[:, i] * speed, ceiling)


def solve_station(
    before: Station,
    edge: Edge,
    over: Interval,
    reynolds: Tensor,
    newton: int,
    wake: bool,
    guess: Tensor | None = None,
    fresh: Tensor | None = None,
) -> Station:
    """Solve one station by damped Newton steps with difference quotients.

    They start from the station before; or from ``guess`` where it is given and ``fresh`` not set.
    """

    def at(z: Tensor) -> Station:
        rise = edge.answer * (z[0].exp() * z[1] - edge.displacement)
        rise = rise + YIELD * (z[1] - edge.ceiling).clamp_min(0.0)
        low = rise.clamp_max(0.0) / edge.speed
        speed = edge.speed * low.exp() + rise.clamp_min(0.0)
        return equations.station(z[0], z[1], z[2], speed.log(), reynolds, wake=wake)

    begins = (over.fraction > 0) & ~over.was_turbulent
    onset = closure.shear_at_transition(before.shape) * before.lag.equilibrium
    shear = torch.where(begins, onset.log(), before.log_shear)
    z = torch.stack([before.log_theta, before.shape, shear])
    if guess is not None and fresh is not None:
        z = torch.where(fresh, z, guess)
    offsets = STEP * torch.eye(3, dtype=z.dtype, device=z.device)[:, :, None]
    for _ in range(newton):
        many = torch.cat([z[:, None], z[:, None] + offsets], 1)
        values = equations.residuals(before, at(many), over)
        inverse = inverse3((values[:, 1:] - values[:, :1]) / STEP)
        z = _damped(z, -(inverse * values[None, :, 0]).sum(1))
    return at(z)


def _damped(z: Tensor, move: Tensor) -> Tensor:
    """Return z + move, the move shortened so that no variable changes too much."""
    one = torch.ones_like(z[0])
    reach = torch.stack([0.4 * one, 0.35 * (z[1] - 1.0) + 0.02, 0.7 * one])
    z = z + move / (move.abs() / reach).amax(0).clamp_min(1.0)
    return torch.stack([z[0], z[1].clamp(SHAPE_FLOOR, SHAPE_CEILING), z[2].clamp(-12.0, 0.5)])


def local_stiffness(arc: Tensor) -> Tensor:
    """Return the answer of a flat plate's outer speed to the flux at a station."""
    step = arc[..., 1:] - arc[..., :-1]
    inner = 0.5 * (step[..., 1:] + step[..., :-1])
    return (4.0 / torch.pi) / torch.cat([step[..., :1], inner, step[..., -1:]], -1)


def inverse3(m: Tensor) -> Tensor:
    """Return the inverse of 3 x 3 matrices m[row, column, ...] by cofactors."""
    a, b, c = m[0]
    d, e, f = m[1]
    g, h, i = m[2]
    first, second, third = e * i - f * h, f * g - d * i, d * h - e * g
    determinant = a * first + b * second + c * third
    tiny = 1e-14 * torch.where(determinant < 0, -1.0, 1.0)
    determinant = torch.where(determinant.abs() < 1e-14, tiny, determinant)
    rows = (
        torch.stack([first, c * h - b * i, b * f - c * e]),
        torch.stack([second, a * i - c * g, c * d - a * f]),
        torch.stack([third, b * g - a * h, a * e - b * d]),
    )
    return torch.stack(rows) / determinant
