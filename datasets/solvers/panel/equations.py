"""Equations of the two-equation integral boundary layer over one interval, or over many at once.

From one station to the next::

    d ln theta  = C_f / 2 ds / theta - (2 + H) d ln u
    d ln H_star = (2 C_D / H_star - C_f / 2) ds / theta - (1 - H) d ln u
    d ln S      = [k (S_eq - S) / (2 delta) + G] ds - d ln u            (turbulent)
    d N         = f(H, theta, Re_theta) ds                              (laminar)

``N`` is carried explicitly (two-step), so the fraction of an interval that is turbulent is known
before the interval is solved; its equations are the laminar and the turbulent ones, weighted by
that fraction: results depend continuously on everything.

Source: M. Drela and M. B. Giles, AIAA J. 25 (1987).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from formwright.datasets.solvers.panel import closure


class Station(NamedTuple):
    """A station, or many, with closures."""

    log_theta: Tensor
    shape: Tensor
    log_shear: Tensor
    log_speed: Tensor
    laminar: closure.Closure | None
    turbulent: closure.Closure
    lag: closure.Lag


class Interval(NamedTuple):
    """Length of an interval, the weights of its ends in an integral, its turbulent fraction.

    ``was_turbulent`` says whether the interval before held some turbulent flow.
    """

    step: Tensor
    before: Tensor
    after: Tensor
    fraction: Tensor
    was_turbulent: Tensor


def station(
    log_theta: Tensor,
    shape: Tensor,
    log_shear: Tensor,
    log_speed: Tensor,
    reynolds: Tensor,
    *,
    wake: bool,
) -> Station:
    """Return a station with its closures; a wake has no laminar one."""
    re_theta = reynolds * (log_theta + log_speed).exp()
    layer, lag = closure.turbulent(shape, re_theta, log_shear.exp(), wake=wake)
    still = None if wake else closure.laminar(shape, re_theta)
    return Station(log_theta, shape, log_shear, log_speed, still, layer, lag)


def interval(
    start: Tensor, end: Tensor, fraction: Tensor, was_turbulent: Tensor, *, wake: bool
) -> Interval:
    """Return the interval between two distances; logarithmic weights keep similarity exact."""
    step = end - start
    if wake:
        return Interval(step, step, step, fraction, was_turbulent)
    stretch = (end / start).log()
    return Interval(step, start * stretch, end * stretch, fraction, was_turbulent)


def rate(log_theta: Tensor, shape: Tensor, speed: Tensor, reynolds: Tensor) -> Tensor:
    """Return the amplification rate dN/ds of a laminar layer."""
    theta = log_theta.exp()
    return closure.amplification_rate(shape, theta, reynolds * speed * theta)


def residuals(a: Station, b: Station, over: Interval) -> Tensor:
    """Return momentum, kinetic energy and lag residuals from a to b, stacked first."""
    d_speed = b.log_speed - a.log_speed
    bend = ((b.shape - 1.0) / (a.shape - 1.0)).log()
    sharp = 1.0 if b.laminar is None else 5.0
    weight = 1.0 - 0.5 * torch.exp(-bend.square() * (sharp / b.shape.square()))
    first, second = _mixed(a, over.fraction), _mixed(b, over.fraction)
    shape = 0.5 * (a.shape + b.shape)
    scale1, scale2 = over.before * (-a.log_theta).exp(), over.after * (-b.log_theta).exp()
    rub1, rub2 = 0.5 * first.friction * scale1, 0.5 * second.friction * scale2
    momentum = b.log_theta - a.log_theta + (2.0 + shape) * d_speed - 0.5 * (rub1 + rub2)
    work1, work2 = first.dissipation * scale1 - rub1, second.dissipation * scale2 - rub2
    energy = second.log_energy - first.log_energy + (1.0 - shape) * d_speed
    energy = energy - (1.0 - weight) * work1 - weight * work2
    lag = _lag(a, b, over, weight, d_speed)
    return torch.stack(torch.broadcast_tensors(momentum, energy, lag))


def _mixed(at: Station, fraction: Tensor) -> closure.Closure:
    """Return the laminar and the turbulent closure weighted by the turbulent fraction."""
    if at.laminar is None:
        return at.turbulent
    pairs = zip(at.laminar, at.turbulent, strict=True)
    return closure.Closure(*(still + fraction * (rough - still) for still, rough in pairs))


def _lag(a: Station, b: Station, over: Interval, weight: Tensor, d_speed: Tensor) -> Tensor:
    """Return the residual of the shear-stress lag; in a laminar interval, S of its onset."""
    onset1 = (closure.shear_at_transition(a.shape) * a.lag.equilibrium).log()
    onset2 = (closure.shear_at_transition(b.shape) * b.lag.equilibrium).log()
    onset = onset2 + over.fraction * (onset1 - onset2)
    shear1 = torch.where(over.was_turbulent, a.log_shear, onset)
    relax = closure.WAKE_LAG if b.laminar is None else 1.0
    lead = 1.0 - weight
    pull = lead * a.lag.rate + weight * b.lag.rate
    excess = lead * (a.lag.equilibrium - relax * shear1.exp())
    excess = excess + weight * (b.lag.equilibrium - relax * b.log_shear.exp())
    theta1, theta2 = a.log_theta.exp(), b.log_theta.exp()
    thick = lead * closure.thickness_ratio(a.shape) * theta1
    thick = thick + weight * closure.thickness_ratio(b.shape) * theta2
    gradient = lead * a.lag.gradient / (a.shape * theta1)
    gradient = gradient + weight * b.lag.gradient / (b.shape * theta2)
    change = over.step * (pull * excess / (2.0 * thick) + gradient) - d_speed
    return b.log_shear - shear1 - over.fraction * change


class Amplification(NamedTuple):
    """N after each interval, its growth there, and the turbulent fraction of the interval."""

    n: Tensor
    growth: Tensor
    fraction: Tensor


def amplification(rates: Tensor, distance: Tensor, ncrit: Tensor, trip: Tensor) -> Amplification:
    """Return N along laminar layers; what lies behind transition counts as turbulent.

    Args:
        rates: dN/ds at the stations, (..., stations).
        distance: From the stagnation point.
        ncrit: Broadcasts to ``rates``.
        trip: Number of the first interval that is turbulent whatever N says, (...).
    """
    step = distance[..., 1:] - distance[..., :-1]
    old_step = torch.cat([distance[..., :1], step[..., :-1]], -1)
    old = torch.nn.functional.pad(rates[..., :-2], (1, 0))
    growth = two_step(rates[..., :-1], old, step, old_step)
    n = growth.cumsum(-1)
    fraction = turbulent_fraction(n, growth, ncrit)
    index = torch.arange(growth.shape[-1], device=growth.device)
    return Amplification(n, growth, torch.where(index >= trip[..., None], 1.0, fraction))


def two_step(rate: Tensor, old_rate: Tensor, step: Tensor, old_step: Tensor) -> Tensor:
    """Return the growth of N over a step from the rates at its start and one station before."""
    return (rate + 0.5 * (rate - old_rate) * (step / old_step)).clamp_min(0.0) * step


def turbulent_fraction(n: Tensor, growth: Tensor, ncrit: Tensor) -> Tensor:
    """Return how much of an interval lies behind the place where N passes ``ncrit``."""
    return ((n - ncrit) / growth.clamp_min(1e-12)).clamp(0.0, 1.0)
