"""Boundary layers and outer flow brought to agreement: marches to start, Newton's method to finish.

Every point goes its own way (own damping, own end), so a batch gives what a loop gives.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from formwright.datasets.solvers.panel import boundary_layer, interaction, newton
from formwright.datasets.solvers.panel.boundary_layer import (
    SHAPE_CEILING,
    SHAPE_FLOOR,
    SPEED_FLOOR,
    Layer,
    Outer,
    local_stiffness,
)
from formwright.datasets.solvers.panel.interaction import Conditions
from formwright.datasets.solvers.panel.newton import Move, State
from formwright.datasets.solvers.panel.repair import repair
from formwright.datasets.solvers.panel.vortex_panels import Flow

CYCLING: Final = 6
SETTLED: Final = 1.0
JUMPED: Final = 1e-2
WILD: Final = 8.0


def solve(
    flow: Flow,
    conditions: Conditions,
    share: Float[Tensor, " stations"],
    *,
    steps: int,
    tolerance: float,
) -> tuple[State, Float[Tensor, " points"]]:
    """Return the state of every point and the change that its last step asked for.

    Args:
        flow: Panels, one row a point.
        conditions: Operating points.
        share: Where the stations of the sides lie, of ``interaction.shares``.
        steps: Newton steps at most.
        tolerance: On the largest change, over the largest that one step may make.
    """
    with torch.no_grad():
        state = start(flow, conditions, share)
        state, change = _iterate(flow, conditions, state, share, steps, tolerance)
    inputs = (flow.nodes, conditions.alpha, conditions.reynolds, conditions.ncrit)
    if torch.is_grad_enabled() and any(t.requires_grad for t in inputs):
        state = _moved(state, newton.step(flow, conditions, state, share))
    return state, change


def start(flow: Flow, conditions: Conditions, share: Tensor) -> State:
    """March once along the inviscid flow."""
    stop = interaction.first_stagnation(flow, conditions.alpha)
    none = stop.new_zeros(len(stop), 2, len(share))
    now = interaction.speeds(
        flow, conditions.alpha, stop, none, torch.zeros_like(flow.wake_arc), share
    )
    _, distance = interaction.station_arc(flow, stop, share)
    outer = Outer(distance, now.sides, local_stiffness(distance))
    reynolds, ncrit = (
        t[:, None].expand(-1, 2).flatten() for t in (conditions.reynolds, conditions.ncrit)
    )
    flat = boundary_layer.march(Outer(*(t.flatten(0, 1) for t in outer)), reynolds, ncrit)
    sides = Layer(*(getattr(flat, f.name).unflatten(0, (-1, 2)) for f in fields(Layer)))
    edge = torch.cat([sides.speed[..., -1].mean(-1, keepdim=True), now.wake], -1)
    wake = boundary_layer.march(
        Outer(flow.wake_arc, edge, local_stiffness(flow.wake_arc)),
        conditions.reynolds,
        conditions.ncrit,
        start=boundary_layer.join(sides),
    )
    free = torch.full((len(stop), 2), len(share) - newton.TAIL, device=stop.device)
    return State(sides, wake, stop, free)


def _iterate(
    flow: Flow,
    conditions: Conditions,
    state: State,
    share: Tensor,
    steps: int,
    tolerance: float,
) -> tuple[State, Tensor]:
    """Step every point until it converges; every other late step is halved, against cycles."""
    count = len(state.stop)
    change = torch.full((count,), torch.inf, dtype=share.dtype, device=share.device)
    active = torch.arange(count, device=share.device)
    where, here, part = flow, conditions, state
    for k in range(steps):
        new, size = _advance(where, here, part, share, 0.5 if k >= CYCLING and k % 2 else 1.0)
        state, change = _keep_best(state, change, active, (part, new), size, tolerance)
        going = (size > tolerance).nonzero()[:, 0]
        if not len(going):
            break
        part = new
        if len(going) < len(active):
            active = active[going]
            where, here = flow.take(active), conditions.take(active)
            part = _map(lambda t: t[going], new)  # noqa: B023
    return state, change


def _keep_best(
    state: State,
    change: Tensor,
    active: Tensor,
    part: tuple[State, State],
    size: Tensor,
    tolerance: float,
) -> tuple[State, Tensor]:
    """Keep of each point the state that asked for the least; after its step if it converged."""
    done = size <= tolerance
    for chosen, new in ((~done & (size < change[active]), part[0]), (done, part[1])):
        index = chosen.nonzero()[:, 0]
        state = _placed(state, _map(lambda t: t[index], new), active[index])  # noqa: B023
    return state, change.index_copy(0, active, torch.minimum(size, change[active]))


def _advance(
    flow: Flow, conditions: Conditions, state: State, share: Tensor, damping: float = 1.0
) -> tuple[State, Tensor]:
    """Make one damped Newton step and put transition back in order; return its size too."""
    last = _transition_interval(flow, conditions, state, share)
    move = newton.step(flow, conditions, state, share)
    size = _size(state, move, last)
    moved = _moved(state, _limited(state, move, size, damping))
    moved = moved._replace(trip=(last + 2).clamp_max(len(share) - newton.TAIL))
    jump = (_transition_interval(flow, conditions, moved, share) - last).abs().amax(-1)
    unsettled = (size > SETTLED) | (jump > 1)
    size = torch.where(jump > 0, size.clamp_min(JUMPED), size)
    index = unsettled.nonzero()[:, 0]
    if len(index):
        part = repair(
            flow.take(index),
            conditions.take(index),
            _map(lambda t: t[index], moved),
            share,
            last[index],
            len(share) - newton.TAIL,
        )
        moved = _placed(moved, part, index)
    return moved, size


def _transition_interval(flow: Flow, conditions: Conditions, state: State, share: Tensor) -> Tensor:
    """Return the number of laminar intervals on each side."""
    return (newton.transition(flow, conditions, state, share).fraction <= 0).sum(-1)


def _map(function, state: State) -> State:
    layers = [
        Layer(**{f.name: function(getattr(layer, f.name)) for f in fields(Layer)})
        for layer in (state.sides, state.wake)
    ]
    return State(*layers, function(state.stop), function(state.trip))  # pyright: ignore


def _placed(state: State, part: State, index: Tensor) -> State:
    """Return the state with the points ``index`` replaced."""
    layers = [
        Layer(
            **{
                f.name: getattr(old, f.name).index_copy(0, index, getattr(new, f.name))
                for f in fields(Layer)
            }
        )
        for old, new in ((state.sides, part.sides), (state.wake, part.wake))
    ]
    return State(
        *layers,
        state.stop.index_copy(0, index, part.stop),  # pyright: ignore
        state.trip.index_copy(0, index, part.trip),  # pyright: ignore
    )


def _size(state: State, move: Move, transition: Tensor) -> Tensor:
    """Return the largest change of each point over what one step may do."""
    index = torch.arange(state.sides.shape.shape[-1], device=transition.device)
    rough = (index > transition[..., None]).to(move.sides.dtype)
    sizes = []
    for layer, change, speed, sheared in (
        (state.sides, move.sides, move.side_speed, rough),
        (state.wake, move.wake, move.wake_speed, 1.0),
    ):
        limit = 0.5 * (layer.shape - 1.0) + 0.05
        relative = torch.stack(
            [
                change[0].abs() / 0.4,
                change[1].abs() / limit,
                change[2].abs() * sheared,
                speed.abs() / (0.2 * layer.speed + 0.1),
            ]
        )
        sizes.append(relative.movedim(1, 0).flatten(1).amax(-1))
    return torch.maximum(*sizes).nan_to_num(torch.inf)


def _limited(state: State, move: Move, size: Tensor, damping: float) -> Move:
    """Return the step shortened to what one step may do: as a whole, and what is wild by itself."""
    weight = (damping / size.clamp(1.0, WILD)).nan_to_num(0.0)

    def limit(layer: Layer, change: Tensor, speed: Tensor) -> tuple[Tensor, Tensor]:
        w = weight.reshape(-1, *(1,) * (speed.ndim - 1))
        reach = (0.4, 0.5 * (layer.shape - 1.0) + 0.05, 1.0)
        parts = [
            (w * c).nan_to_num(0.0).clamp(-one * r, one * r)
            for c, r, one in zip(change, reach, [torch.ones_like(speed)] * 3, strict=True)
        ]
        reach = 0.2 * layer.speed + 0.1
        return torch.stack(parts), (w * speed).nan_to_num(0.0).clamp(-reach, reach)

    stop = (weight * move.stop).nan_to_num(0.0).clamp(-0.02, 0.02)
    return Move(
        *limit(state.sides, move.sides, move.side_speed),
        *limit(state.wake, move.wake, move.wake_speed),
        stop,
    )


def _moved(state: State, move: Move) -> State:
    """Return the state after a step."""

    def layer(old: Layer, change: Tensor, speed: Tensor) -> Layer:
        return Layer(
            log_theta=old.log_theta + change[0],
            shape=(old.shape + change[1]).clamp(SHAPE_FLOOR, SHAPE_CEILING),
            log_shear=(old.log_shear + change[2]).clamp(-12.0, 0.5),
            speed=(old.speed + speed).clamp_min(SPEED_FLOOR),
        )

    return State(
        layer(state.sides, move.sides, move.side_speed),
        layer(state.wake, move.wake, move.wake_speed),
        state.stop + move.stop,
        state.trip,
    )
