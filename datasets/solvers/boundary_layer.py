"""March of the two-equation integral boundary layer with transition, coupled to the outer flow.

Along each side, from the stagnation point::

    d ln theta  = C_f / 2 ds / theta - (2 + H) d ln u
    d ln H_star = (2 C_D / H_star - C_f / 2) ds / theta - (1 - H) d ln u
    d ln S      = [k (S_eq - S) / (2 delta) + G] ds - d ln u            (turbulent)
    d N         = f(H, theta, Re_theta) ds                              (laminar)

``N`` is carried explicitly (two-step), so that the fraction of an interval that is turbulent is known
before the interval is solved; its equations are the laminar and the turbulent ones, weighted by that
fraction: results depend continuously on everything.

The layer and the outer flow are solved together at each station (quasi-simultaneous coupling): the
outer speed answers to the local displacement thickness, ``u = u_out + c u_old (delta* - delta*_old)``,
which removes the singularity of separation and vanishes once the passes agree.

Sources: M. Drela and M. B. Giles, AIAA J. 25 (1987); A. E. P. Veldman, "New, quasi-simultaneous
method to calculate interacting boundary layers", AIAA J. 19 (1981).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from formwright.datasets.solvers import closure

SHAPE_FLOOR: Final = 1.0005
SPEED_FLOOR: Final = 0.02
STEP: Final = 1e-6


class Outer(NamedTuple):
    """The outer flow along a layer, and the previous pass; each (stations, layers).

    Attributes:
        arc: Distance from the stagnation point.
        speed: Outer speed that belongs to ``displacement``.
        displacement: Displacement thickness of the previous pass; NaN-free even in the first one.
        scale: Speed of the previous pass.
        stiffness: Answer of the outer speed at a station to the displaced flux at this one and at
            those before, 1/chord.
    """

    arc: Float[Tensor, "stations layers"]
    speed: Float[Tensor, "stations layers"]
    displacement: Float[Tensor, "stations layers"] | None
    scale: Float[Tensor, "stations layers"]
    stiffness: Float[Tensor, "stations stations layers"]


class Start(NamedTuple):
    """The first station of a wake: what leaves the trailing edge; each (layers,)."""

    log_theta: Tensor
    shape: Tensor
    log_shear: Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class Layer:
    """State of boundary layers, each (stations, layers).

    Attributes:
        theta: Momentum thickness, chords.
        shape: H, displacement over momentum thickness.
        log_shear: Logarithm of the square root of the maximum shear-stress coefficient.
        speed: Edge speed over free stream.
        amplification: N of the e^N method.
        turbulent: Fraction of the interval before the station that is turbulent.
        friction: Skin-friction coefficient on the local dynamic pressure.
    """

    theta: Float[Tensor, "stations layers"]
    shape: Float[Tensor, "stations layers"]
    log_shear: Float[Tensor, "stations layers"]
    speed: Float[Tensor, "stations layers"]
    amplification: Float[Tensor, "stations layers"]
    turbulent: Float[Tensor, "stations layers"]
    friction: Float[Tensor, "stations layers"]

    @property
    def displacement(self) -> Float[Tensor, "stations layers"]:
        """Displacement thickness, chords."""
        return self.theta * self.shape


class _Point(NamedTuple):
    """A station with its closures."""

    log_theta: Tensor
    shape: Tensor
    log_shear: Tensor
    log_speed: Tensor
    laminar: closure.Closure | None
    turbulent: closure.Closure | None
    lag: closure.Lag | None


class _Edge(NamedTuple):
    """Outer flow at one station; before and after are the weights of its ends in an integral."""

    step: Tensor
    before: Tensor
    after: Tensor
    speed: Tensor
    displacement: Tensor
    scale: Tensor
    stiffness: Tensor


def march(
    outer: Outer,
    reynolds: Float[Tensor, " layers"],
    ncrit: Float[Tensor, " layers"],
    *,
    guess: Layer | None = None,
    start: Start | None = None,
    newton: int = 6,
) -> Layer:
    """March layers downstream, all at once.

    Args:
        outer: Outer flow.
        reynolds: On chord and free stream.
        ncrit: Critical amplification.
        guess: The previous pass; without it each station starts from the one before.
        start: Given for a wake; without it the first station is a stagnation-point layer.
        newton: Newton steps a station, the last one differentiable.

    Returns:
        The layers. Finite for finite input, separated or not.
    """
    wake = start is not None
    first = _from_start(outer, reynolds, start) if start else _stagnation(outer, reynolds)
    zero = torch.zeros_like(reynolds)
    points, amplification, fractions = [first], [zero], [zero + 1.0 if wake else zero]
    rate = old_rate = zero
    old_step = outer.arc[0]
    changes: list[Tensor] = []
    for i in range(1, len(outer.arc)):
        step = outer.arc[i] - outer.arc[i - 1]
        point = points[-1]
        if wake:
            n, fraction = zero, zero + 1.0
        else:
            old_rate, rate = rate, _rate(point, reynolds, fractions[-1])
            mean = (rate + 0.5 * (rate - old_rate) * (step / old_step)).clamp_min(0.0)
            growth = torch.where(fractions[-1] > 0, 0.0, mean * step)
            n = amplification[-1] + growth
            fraction = ((n - ncrit) / growth.clamp_min(1e-12)).clamp(0.0, 1.0)
            fraction = torch.where(fractions[-1] > 0, 1.0, fraction)
        changes.append(_change(outer, i - 1, point))
        edge = _edge(outer, i, point, changes, wake)
        initial = _initial(guess, i, point, fraction, fractions[-1])
        points.append(
            _station(point, edge, reynolds, fraction, fractions[-1] > 0, initial, newton, wake)
        )
        amplification.append(n)
        fractions.append(fraction)
        old_step = step
    return _layer(points, amplification, fractions, wake)


def _change(outer: Outer, i: int, point: _Point) -> Tensor:
    """Return by how much the displaced flux at a solved station differs from the last pass."""
    if outer.displacement is None:
        return torch.zeros_like(point.shape)
    flux = (point.log_theta + point.log_speed).exp() * point.shape
    return flux - outer.displacement[i] * outer.scale[i]


def _edge(outer: Outer, i: int, before: _Point, changes: list[Tensor], wake: bool) -> _Edge:
    start, end = outer.arc[i - 1], outer.arc[i]
    step = end - start
    stretch = None if wake else (end / start).log()
    weights = (step, step) if stretch is None else (start * stretch, end * stretch)
    if outer.displacement is None:
        old, speed = (before.log_theta.exp() * before.shape).detach(), outer.speed[i]
    else:
        old = outer.displacement[i]
        speed = outer.speed[i] + (outer.stiffness[i, :i] * torch.stack(changes)).sum(0)
    return _Edge(step, *weights, speed, old, outer.scale[i], outer.stiffness[i, i])


def _initial(
    guess: Layer | None, i: int, before: _Point, fraction: Tensor, was: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return where Newton starts: the previous pass, or the station before."""
    if guess is not None:
        return guess.theta[i].log(), guess.shape[i], guess.log_shear[i]
    shape = torch.where((fraction > 0) & (was < 1), 1.4 + 0.3 * (before.shape - 1.4), before.shape)
    return before.log_theta, shape, before.log_shear


def _rate(point: _Point, reynolds: Tensor, fraction: Tensor) -> Tensor:
    theta = point.log_theta.exp()
    re_theta = reynolds * point.log_speed.exp() * theta
    rate = closure.amplification_rate(point.shape, theta, re_theta)
    return torch.where(fraction > 0, 0.0, rate)


def _stagnation(outer: Outer, reynolds: Tensor) -> _Point:
    """Return the similar layer of a stagnation point at the first station."""
    speed = outer.speed[0].clamp_min(SPEED_FLOOR * 1e-2)
    gradient = speed / outer.arc[0]
    log_theta = 0.5 * (closure.STAGNATION_GROWTH / (reynolds * gradient)).log()
    shape = torch.full_like(log_theta, closure.STAGNATION_SHAPE)
    return _close(
        log_theta, shape, torch.full_like(log_theta, -3.5), speed.log(), reynolds, wake=False
    )


def _from_start(outer: Outer, reynolds: Tensor, start: Start) -> _Point:
    speed = outer.speed[0].clamp_min(SPEED_FLOOR)
    shape = start.shape.clamp_min(SHAPE_FLOOR)
    return _close(start.log_theta, shape, start.log_shear, speed.log(), reynolds, wake=True)


def _close(
    log_theta: Tensor,
    shape: Tensor,
    log_shear: Tensor,
    log_speed: Tensor,
    reynolds: Tensor,
    *,
    wake: bool,
) -> _Point:
    re_theta = reynolds * (log_theta + log_speed).exp()
    layer, lag = closure.turbulent(shape, re_theta, log_shear.exp(), wake=wake)
    lam = None if wake else closure.laminar(shape, re_theta)
    return _Point(log_theta, shape, log_shear, log_speed, lam, layer, lag)


def _station(
    before: _Point,
    edge: _Edge,
    reynolds: Tensor,
    fraction: Tensor,
    was_turbulent: Tensor,
    initial: tuple[Tensor, Tensor, Tensor],
    newton: int,
    wake: bool,
) -> _Point:
    """Solve one station by damped Newton; the last step carries the gradient."""

    def point(z: Tensor) -> _Point:
        log_theta, shape, log_shear = z[0], z[1], z[2]
        move = edge.scale * edge.stiffness * (log_theta.exp() * shape - edge.displacement)
        speed = edge.speed + move
        floor = SPEED_FLOOR + 0.0 * speed
        speed = torch.maximum(speed, floor)
        return _close(log_theta, shape, log_shear, speed.log(), reynolds, wake=wake)

    z = torch.stack(initial).detach()
    for k in range(newton):
        last = k == newton - 1
        with torch.no_grad():
            offsets = STEP * torch.eye(3, dtype=z.dtype, device=z.device)[:, :, None]
            many = torch.cat([z[:, None], z[:, None] + offsets], 1)
            values = _residuals(before, point(many), edge, fraction, was_turbulent)
            jacobian = (values[:, 1:] - values[:, :1]) / STEP
            inverse = _inverse(jacobian)
        if last and torch.is_grad_enabled():
            value = _residuals(before, point(z), edge, fraction, was_turbulent)
        else:
            value = values[:, 0]
        move = -(inverse * value[None]).sum(1)
        z = _damped(z, move)
    return point(z)


def _damped(z: Tensor, move: Tensor) -> Tensor:
    """Return z + move, the move shortened so that no variable changes too much."""
    reach = torch.stack(
        [torch.full_like(z[0], 0.4), 0.35 * (z[1] - 1.0) + 0.02, torch.full_like(z[0], 0.7)]
    )
    ratio = (move.detach().abs() / reach).amax(0).clamp_min(1.0)
    z = z + move / ratio
    return torch.stack([z[0], z[1].clamp(SHAPE_FLOOR, 30.0), z[2].clamp(-12.0, 0.5)])


def _residuals(
    a: _Point, b: _Point, edge: _Edge, fraction: Tensor, was_turbulent: Tensor
) -> Tensor:
    """Return the three residuals of the interval from a to b, stacked first."""
    assert a.turbulent and b.turbulent and a.lag and b.lag
    d_speed = b.log_speed - a.log_speed
    bend = ((b.shape - 1.0) / (a.shape - 1.0)).log()
    sharp = 5.0 if b.laminar is None else 1.0
    weight = 1.0 - 0.5 * torch.exp(-(bend.square()) * (sharp / b.shape.square()))
    step1, step2 = edge.before * (-a.log_theta).exp(), edge.after * (-b.log_theta).exp()
    friction1, friction2 = a.turbulent.friction, b.turbulent.friction
    dissipation1, dissipation2 = a.turbulent.dissipation, b.turbulent.dissipation
    energy = b.turbulent.log_energy - a.turbulent.log_energy
    if a.laminar is not None and b.laminar is not None:
        rest = 1.0 - fraction
        friction1 = fraction * friction1 + rest * a.laminar.friction
        friction2 = fraction * friction2 + rest * b.laminar.friction
        dissipation1 = fraction * dissipation1 + rest * a.laminar.dissipation
        dissipation2 = fraction * dissipation2 + rest * b.laminar.dissipation
        energy = fraction * energy + rest * (b.laminar.log_energy - a.laminar.log_energy)
    shape = 0.5 * (a.shape + b.shape)
    rub1, rub2 = 0.5 * friction1 * step1, 0.5 * friction2 * step2
    momentum = b.log_theta - a.log_theta + (2.0 + shape) * d_speed - 0.5 * (rub1 + rub2)
    work = (1.0 - weight) * (dissipation1 * step1 - rub1) + weight * (dissipation2 * step2 - rub2)
    kinetic = energy + (1.0 - shape) * d_speed - work
    return torch.stack(
        torch.broadcast_tensors(
            momentum, kinetic, _lag(a, b, edge, fraction, was_turbulent, weight, d_speed)
        )
    )


def _lag(
    a: _Point,
    b: _Point,
    edge: _Edge,
    fraction: Tensor,
    was_turbulent: Tensor,
    weight: Tensor,
    d_speed: Tensor,
) -> Tensor:
    """Return the residual of the shear-stress lag; in a laminar interval, S of its onset."""
    assert a.lag and b.lag
    onset = (closure.shear_at_transition(b.shape) * b.lag.equilibrium).log() * (1.0 - fraction) + (
        closure.shear_at_transition(a.shape) * a.lag.equilibrium
    ).log() * fraction
    shear1 = torch.where(was_turbulent, a.log_shear, onset)
    relax = closure.WAKE_LAG if b.laminar is None else 1.0
    lead = 1.0 - weight
    rate = lead * a.lag.rate + weight * b.lag.rate
    excess = lead * (a.lag.equilibrium - relax * shear1.exp())
    excess = excess + weight * (b.lag.equilibrium - relax * b.log_shear.exp())
    thick1 = closure.thickness_ratio(a.shape) * a.log_theta.exp()
    thick2 = closure.thickness_ratio(b.shape) * b.log_theta.exp()
    thick = lead * thick1 + weight * thick2
    gradient = lead * a.lag.gradient / (a.shape * a.log_theta.exp())
    gradient = gradient + weight * b.lag.gradient / (b.shape * b.log_theta.exp())
    change = edge.step * (rate * excess / (2.0 * thick) + gradient) - d_speed
    return b.log_shear - shear1 - fraction * change


def _inverse(m: Tensor) -> Tensor:
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


def _layer(
    points: list[_Point], amplification: list[Tensor], fractions: list[Tensor], wake: bool
) -> Layer:
    turbulent = torch.stack(fractions)
    friction = torch.stack([p.turbulent.friction for p in points if p.turbulent])
    if not wake:
        still = torch.stack([p.laminar.friction for p in points if p.laminar])
        friction = turbulent * friction + (1.0 - turbulent) * still
    return Layer(
        theta=torch.stack([p.log_theta for p in points]).exp(),
        shape=torch.stack([p.shape for p in points]),
        log_shear=torch.stack([p.log_shear for p in points]),
        speed=torch.stack([p.log_speed for p in points]).exp(),
        amplification=torch.stack(amplification),
        turbulent=turbulent,
        friction=friction,
    )
