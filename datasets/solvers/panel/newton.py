"""One Newton step for boundary layers and outer flow together.

Unknown are ln theta, H, ln S at every station, the speeds there, and the place of the stagnation
point. ``elimination`` expresses the layers through the speeds; what remains is one dense system
a point. The step is linear in the residuals and keeps their graph: a step made at the solution
carries exact gradients (implicit function theorem).
"""

from __future__ import annotations

from typing import Final, NamedTuple

import torch
from torch import Tensor

from formwright.datasets.solvers.panel import elimination, equations, interaction, lu
from formwright.datasets.solvers.panel.boundary_layer import (
    FIRST_SHEAR,
    Layer,
    join,
    stagnation_log_theta,
)
from formwright.datasets.solvers.panel.closure import STAGNATION_SHAPE
from formwright.datasets.solvers.panel.equations import Amplification
from formwright.datasets.solvers.panel.interaction import Conditions
from formwright.datasets.solvers.panel.vortex_panels import Flow

TAIL: Final = 1
"""The last stations of a side are turbulent whatever N says: the wake that follows is."""


class State(NamedTuple):
    """Everything unknown: the layers (points, 2, stations), the wake, the stagnation point.

    ``trip`` is the number of the interval on each side from which on the flow is turbulent.
    """

    sides: Layer
    wake: Layer
    stop: Tensor
    trip: Tensor


class Move(NamedTuple):
    """Changes of ln theta, H, ln S (stacked first) and of the speeds, and of the rest."""

    sides: Tensor
    side_speed: Tensor
    wake: Tensor
    wake_speed: Tensor
    stop: Tensor


class Residuals(NamedTuple):
    """First stations and intervals of the sides and of the wake (3, ...), and the speeds."""

    first: Tensor
    sides: Tensor
    wake_first: Tensor
    wake: Tensor
    speeds: Tensor


def fluxes(flow: Flow, state: State) -> tuple[Tensor, Tensor]:
    """Return the displaced flux at the stations of the sides and at the wake's nodes."""
    sides = state.sides.speed * state.sides.displacement
    gap = interaction.dead_air(flow)
    wake = state.wake.speed * (state.wake.displacement + gap)
    first = sides[..., -1].sum(-1) + state.sides.speed[..., -1].mean(-1) * gap[:, 0]
    return sides, torch.cat([first[:, None], wake[:, 1:]], -1)


def transition(flow: Flow, conditions: Conditions, state: State, share: Tensor) -> Amplification:
    """Return the amplification along both sides."""
    _, distance = interaction.station_arc(flow, state.stop, share)
    layer, reynolds = state.sides, conditions.reynolds[:, None, None]
    rates = equations.rate(layer.log_theta, layer.shape, layer.speed, reynolds)
    return equations.amplification(rates, distance, conditions.ncrit[:, None, None], state.trip)


def residuals(
    flow: Flow, conditions: Conditions, state: State, share: Tensor, now: interaction.Speeds
) -> Residuals:
    """Return the residuals of everything; ``now`` are the speeds that belong to the fluxes."""
    sides, wake, reynolds = state.sides, state.wake, conditions.reynolds[:, None, None]
    _, distance = interaction.station_arc(flow, state.stop, share)
    start = stagnation_log_theta(distance[..., 0], sides.speed[..., 0], reynolds[..., 0])
    first = (
        sides.log_theta[..., 0] - start,
        sides.shape[..., 0] - STAGNATION_SHAPE,
        sides.log_shear[..., 0] - FIRST_SHEAR,
    )
    fraction = transition(flow, conditions, state, share).fraction
    was = torch.nn.functional.pad(fraction[..., :-1] > 0, (1, 0))
    over = equations.interval(distance[..., :-1], distance[..., 1:], fraction, was, wake=False)
    body = equations.residuals(*_ends(sides, reynolds, wake=False), over)  # pyright: ignore
    one = torch.ones_like(wake.shape[:, 1:])
    arc = flow.wake_arc
    behind = equations.interval(arc[:, :-1], arc[:, 1:], one, one > 0, wake=True)
    tail = equations.residuals(*_ends(wake, reynolds[..., 0], wake=True), behind)  # pyright: ignore
    mine = torch.stack([wake.log_theta[:, 0], wake.shape[:, 0], wake.log_shear[:, 0]])
    zero = torch.zeros_like(state.stop)[:, None]
    speed = torch.cat([sides.speed.flatten(1), wake.speed[:, 1:], zero], -1)
    return Residuals(
        first=torch.stack(first),
        sides=body,
        wake_first=mine - torch.stack(join(sides)),
        wake=tail,
        speeds=speed - interaction.stacked(now),
    )


def _ends(layer: Layer, reynolds: Tensor, *, wake: bool) -> list[equations.Station]:
    """Return the stations before and after each interval."""
    values = (layer.log_theta, layer.shape, layer.log_shear, layer.speed.log())
    return [
        equations.station(*(v[..., part] for v in values), reynolds, wake=wake)  # pyright: ignore
        for part in (slice(None, -1), slice(1, None))
    ]


class _Linear(NamedTuple):
    """The system of a step: factors, and all that turns residuals and unknowns into moves.

    ``side`` and ``wake`` hold the answers of the layers; ``log_flux`` those of ln(delta*) at all
    stations, ``k`` and ``flux`` belong to these.
    """

    factors: tuple[Tensor, Tensor]
    by_flux: Tensor
    blocks: elimination.Blocks
    tail: elimination.Blocks
    side: Tensor
    wake: Tensor
    join: Tensor
    log_flux: Tensor
    k: Tensor


def _linearise(flow: Flow, conditions: Conditions, state: State, share: Tensor) -> _Linear:
    """Return the linear system at ``state``."""
    sides, wake, reynolds = state.sides, state.wake, conditions.reynolds[:, None, None]
    jacobian = interaction.answers(flow, conditions.alpha, state.stop, *fluxes(flow, state), share)[
        1
    ]
    _, distance = interaction.station_arc(flow, state.stop, share)
    grown = transition(flow, conditions, state, share)
    k = elimination.yielding(sides, distance)
    wake_k = 0.5 * elimination.yielding(wake, flow.wake_arc)
    blocks = elimination.side_blocks(
        sides, distance, reynolds, conditions.ncrit[:, None, None], grown, k
    )
    tail = elimination.wake_blocks(wake, flow.wake_arc, reynolds[..., 0], wake_k)
    side = elimination.side_sweep(sides, blocks, distance)
    joined = elimination.join_matrix(sides)
    first = elimination.first_speed(sides, k, side, wake.shape.shape[1])
    behind = elimination.wake_sweep(wake, tail, side, joined, first)
    log_flux = _log_flux(sides, wake, side, behind)
    all_k = torch.cat([k.flatten(1), wake_k[:, 1:]], -1)
    speed = all_k[..., None] * log_flux
    diagonal = speed.diagonal(dim1=-2, dim2=-1)
    diagonal += 1.0
    system = -jacobian.flux @ _flux_matrix(flow, state, log_flux, speed, first)
    system[:, :-1] += speed
    system[..., -1] -= jacobian.stop
    factors = lu.factors(system)
    return _Linear(factors, jacobian.flux, blocks, tail, side, behind, joined, log_flux, all_k)


def _log_flux(sides: Layer, wake: Layer, side: Tensor, behind: Tensor) -> Tensor:
    """Return the answers of ln(delta*) at all stations but the wake's first to all unknowns."""
    n = side.shape[2]
    block = elimination.log_displacement(side, sides.shape)
    tail = elimination.log_displacement(behind[:, 1:], wake.shape[:, 1:])
    out = side.new_zeros(len(side), 2 * n, tail.shape[-1])
    out[:, :n, :n], out[:, n:, n : 2 * n] = block[:, 0, :, :n], block[:, 1, :, :n]
    out[..., -1] = block[..., -1].flatten(1)
    return torch.cat([out, tail], 1)


def _flux_matrix(
    flow: Flow, state: State, log_flux: Tensor, speed: Tensor, first: Tensor
) -> Tensor:
    """Return the answers of the displaced fluxes to all unknowns: (points, 2 K + W, ...)."""
    mass, thick = _flux_factors(flow, state)
    rows = mass[..., None] * log_flux + thick[..., None] * speed
    k = state.sides.shape.shape[-1]
    gap = interaction.dead_air(flow)[:, :1]
    joint = rows[:, k - 1] + rows[:, 2 * k - 1] + gap * first
    return torch.cat([rows[:, : 2 * k], joint[:, None], rows[:, 2 * k :]], 1)


def _flux_factors(flow: Flow, state: State) -> tuple[Tensor, Tensor]:
    """Return what multiplies d ln(delta*) and d u in the flux, at all but the wake's first."""
    sides, wake = state.sides, state.wake
    behind = wake.displacement[:, 1:]
    thick = behind + interaction.dead_air(flow)[:, 1:]
    mass = torch.cat(
        [(sides.speed * sides.displacement).flatten(1), wake.speed[:, 1:] * behind], -1
    )
    return mass, torch.cat([sides.displacement.flatten(1), thick], -1)


def step(flow: Flow, conditions: Conditions, state: State, share: Tensor) -> Move:
    """Return the Newton step at ``state``; differentiable through the residuals only."""
    with torch.no_grad():
        a = _linearise(flow, conditions, state, share)
        mass, thick = _flux_factors(flow, state)
        gap = interaction.dead_air(flow)[:, 0]
    sides, wake, n = state.sides, state.wake, len(share)
    now = interaction.speeds(flow, conditions.alpha, state.stop, *fluxes(flow, state), share)
    r = residuals(flow, conditions, state, share, now)
    shift = elimination.side_shift(r.first, r.sides, a.blocks)
    grows = shift[..., 0] + shift[..., 1] / sides.shape
    joint = 0.5 * (a.k[:, : 2 * n].unflatten(-1, (2, n)) * grows)[..., -1].sum(-1)
    behind = elimination.wake_shift(r.wake_first, r.wake, a.tail, shift, a.join, joint)
    tail = behind[:, 1:, 0] + behind[:, 1:, 1] / wake.shape[:, 1:]
    grows = torch.cat([grows.flatten(1), tail], -1)
    faster = a.k * grows
    pushed = mass * grows + thick * faster
    middle = pushed[:, n - 1] + pushed[:, 2 * n - 1] + gap * joint
    pushed = torch.cat([pushed[:, : 2 * n], middle[:, None], pushed[:, 2 * n :]], -1)
    right = (a.by_flux @ pushed[..., None])[..., 0] - r.speeds
    right = torch.cat([right[:, :-1] - faster, right[:, -1:]], -1)
    x = torch.linalg.lu_solve(*a.factors, right[..., None])[..., 0]
    own = torch.cat([x[:, : 2 * n].unflatten(-1, (2, n)), x[:, None, -1:].expand(-1, 2, 1)], -1)
    moved = (a.side * own[:, :, None, None]).sum(-1) + shift
    wake_moved = (a.wake * x[:, None, None]).sum(-1) + behind
    speed = x[:, :-1] + a.k * (a.log_flux * x[:, None]).sum(-1) + faster
    side_speed = speed[:, : 2 * n].unflatten(-1, (2, n))
    first = side_speed[..., -1].mean(-1) + sides.speed[..., -1].mean(-1) - wake.speed[:, 0]
    return Move(
        sides=moved.movedim(-1, 0),
        side_speed=side_speed,
        wake=wake_moved.movedim(-1, 0),
        wake_speed=torch.cat([first[:, None], speed[:, 2 * n :]], -1),
        stop=x[:, -1],
    )
