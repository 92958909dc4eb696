"""Closure of the two-equation integral boundary layer, and the growth of instability waves.

Everything is a function of the shape factor ``H = delta* / theta`` and of the Reynolds number on
the momentum thickness; the flow is incompressible. ``H_star`` is kinetic-energy thickness / theta,
and ``dissipation`` stands for 2 C_D / H_star. The turbulent layer carries ``shear``, the square
root of the maximum shear-stress coefficient, which lags behind its equilibrium.

Sources: M. Drela and M. B. Giles, "Viscous-inviscid analysis of transonic and low Reynolds number
airfoils", AIAA J. 25 (1987); M. Drela, "XFOIL" (1989); M. Drela, "Flight Vehicle Aerodynamics" (MIT
Press, 2014), chapter 4 (amplification rates refitted).
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import torch
from torch import Tensor

SLIP: Final = 0.75
DEFECT: Final = 6.7
SUBLAYER: Final = 18.0
LAG: Final = 5.6
WAKE_LAG: Final = 0.9
EQUILIBRIUM: Final = 0.5 / (DEFECT**2 * SLIP)
STAGNATION_SHAPE: Final = 2.2295077590552776
STAGNATION_GROWTH: Final = 0.0848179340108621


class Closure(NamedTuple):
    """What the equations need of a state; ``friction`` is C_f."""

    log_energy: Tensor
    friction: Tensor
    dissipation: Tensor


class Lag(NamedTuple):
    """What the lag equation needs: rate, equilibrium shear, reference gradient."""

    rate: Tensor
    equilibrium: Tensor
    gradient: Tensor


def laminar(shape: Tensor, re_theta: Tensor) -> Closure:
    """Return the laminar closure (Falkner-Skan profiles)."""
    low = shape.clamp_max(4.35)
    bend = low - 4.35
    energy = (0.0111 - 0.0278 * bend) * bend.square() / (low + 1.0)
    energy = energy + 1.528 - 0.0002 * (bend * low).square()
    high = shape.clamp_min(4.35)
    energy = energy + 0.015 * (high - 4.35).square() / high
    low, high = shape.clamp_max(5.5), shape.clamp_min(5.5)
    friction = 0.0727 * (5.5 - low).pow(3) / (low + 1.0)
    friction = friction - 0.07 + 0.015 * (1.0 - (1.0 / (high - 4.5))).square()
    excess = (4.0 - shape).clamp_min(0.0)
    deficit = (shape - 4.0).clamp_min(0.0).square()
    dissipation = 0.207 + 0.00205 * excess.square() * excess.pow(3.5)
    dissipation = dissipation - 0.0016 * deficit / (1.0 + 0.02 * deficit)
    return Closure(energy.log(), friction / re_theta, dissipation / re_theta)


def turbulent(shape: Tensor, re_theta: Tensor, shear: Tensor, *, wake: bool) -> tuple[Closure, Lag]:
    """Return the turbulent closure; in a wake, the two halves dissipate and nothing rubs."""
    log_re = re_theta.clamp_min(3.0).log()
    re_floor = re_theta.clamp_min(200.0)
    limit = 3.0 + 400.0 / re_theta.clamp_min(400.0)
    base = 1.5 + 4.0 / re_floor
    attached = ((limit - shape) / (limit - 1.0)).clamp_min(0.0)
    over = (shape - limit).clamp_min(0.0)
    log_floor = re_floor.log()
    spread = (over + 4.0 / log_floor).square()
    energy = base + (2.0 - base) * attached.square() * 1.5 / (shape + 0.5)
    energy = energy + over.square() * (0.007 * log_floor / spread + 0.015 / shape)
    slip = (0.5 * energy * (1.0 - (shape - 1.0) / (SLIP * shape))).clamp_max(0.98)
    outer = (shear.square() * (0.995 - slip) + 0.15 * (0.995 - slip).square() / re_theta) * 2.0
    if wake:
        friction = torch.zeros_like(shape)
        dissipation = 2.0 * outer / energy
        core = shape - 1.0
    else:
        friction = turbulent_friction(shape, log_re)
        wall = friction * slip * (0.5 + 0.5 * torch.tanh((shape - 1.0) * log_re / 2.1))
        dissipation = (wall + outer) / energy
        core = (shape - 1.0 - SUBLAYER / re_theta).clamp_min(0.01)
    above = (shape - 1.0).clamp_min(1e-3)
    equilibrium = (EQUILIBRIUM * energy * above * core.square()).sqrt()
    equilibrium = equilibrium / ((1.0 - slip) * shape.pow(3)).sqrt()
    gradient = (0.5 * friction - (core / (DEFECT * shape)).square()) / SLIP
    return Closure(energy.log(), friction, dissipation), Lag(
        LAG * 1.333 / (1.0 + slip), equilibrium, gradient
    )


def turbulent_friction(shape: Tensor, log_re: Tensor) -> Tensor:
    """Return C_f of a turbulent layer (Swafford's profile family)."""
    decades = (log_re / math.log(10.0)).clamp_min(1.3).log()
    friction = 0.3 * torch.exp(-1.33 * shape - (1.74 + 0.31 * shape) * decades)
    return friction + 0.00011 * (torch.tanh(4.0 - shape / 0.875) - 1.0)


def thickness_ratio(shape: Tensor) -> Tensor:
    """Return the layer's full thickness over theta."""
    return (3.15 + 1.72 / (shape - 1.0).clamp_min(1e-3) + shape).clamp_max(12.0)


def shear_at_transition(shape: Tensor) -> Tensor:
    """Return the first turbulent shear over its equilibrium."""
    return 1.8 * torch.exp(-3.3 / (shape - 1.0).clamp_min(1e-2))


def amplification_rate(shape: Tensor, theta: Tensor, re_theta: Tensor) -> Tensor:
    """Return dN/ds, the envelope of growth rates, with a soft onset at critical Re_theta."""
    inverse = 1.0 / (shape - 1.0).clamp_min(0.05)
    onset = 2.492 * inverse.pow(0.43) + 0.7 * (torch.tanh(14.0 * inverse - 9.24) + 1.0)
    ramp = ((re_theta.log() / math.log(10.0) - onset + 0.08) / 0.16).clamp(0.0, 1.0)
    ramp = ramp.square() * (3.0 - 2.0 * ramp)
    slope = 0.028 / inverse - 0.0345 * torch.exp(-(3.87 * inverse - 2.52).square())
    path = -0.05 + inverse * (2.7 + inverse * (-5.5 + 3.0 * inverse))
    path = path + 0.1 * torch.exp(-20.0 * inverse)
    return (ramp * slope * path).clamp_min(0.0) / theta
