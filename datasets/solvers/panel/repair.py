"""Transition put back in order after a Newton step.

A step that moves transition leaves stations behind it that were turbulent and are now laminar, or
the other way round; Newton's method is lost on them. So the few stations around transition are
marched again, each held near its speed and displaced flux by the local answer of the outer flow.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import torch
from torch import Tensor

from formwright.datasets.solvers.panel import equations, interaction
from formwright.datasets.solvers.panel.boundary_layer import (
    SPEED_FLOOR,
    Edge,
    Layer,
    local_stiffness,
    solve_station,
)
from formwright.datasets.solvers.panel.interaction import Conditions
from formwright.datasets.solvers.panel.newton import State, transition
from formwright.datasets.solvers.panel.vortex_panels import Flow

WINDOW: Final = 6
LEAD: Final = 2
NEWTON: Final = 5
SOLVED: Final = 0.05


class _March(NamedTuple):
    """The window's march: N so far, whether transition lies behind, the interval that holds it."""

    n: Tensor
    done: Tensor
    trip: Tensor


def repair(
    flow: Flow, conditions: Conditions, state: State, share: Tensor, last: Tensor, limit: int
) -> State:
    """March the stations around transition again and renew the trips behind it.

    Args:
        flow: Panels, one row a point.
        conditions: Operating points.
        state: After a Newton step.
        share: Of ``interaction.shares``.
        last: Interval that held transition before the step, (points, 2).
        limit: First interval that is turbulent in any case.
    """
    _, distance = interaction.station_arc(flow, state.stop, share)
    grown = transition(flow, conditions, state, share)
    reached = (grown.fraction <= 0).sum(-1)
    first = torch.minimum(reached, last - LEAD).clamp_min(0).flatten()
    arc = distance.flatten(0, 1)
    sides = state.sides
    names = (sides.log_theta, sides.shape, sides.log_shear, sides.speed)
    layer = [t.flatten(0, 1).clone() for t in names]
    reynolds, ncrit = (
        t[:, None].expand(-1, 2).flatten() for t in (conditions.reynolds, conditions.ncrit)
    )
    n = torch.nn.functional.pad(grown.n, (1, 0)).flatten(0, 1)
    at = first.clamp_max(arc.shape[1] - 1)
    trip = (first + WINDOW).clamp_max(limit)
    march = _March(_pick(n, at), torch.zeros_like(first, dtype=torch.bool), trip)
    old = last.flatten()
    for w in range(WINDOW):
        march = _next(arc, layer, first + 1 + w, old, march, reynolds, ncrit, limit)
    moved = Layer(*(t.unflatten(0, (-1, 2)) for t in layer))
    return state._replace(sides=moved, trip=march.trip.unflatten(0, (-1, 2)))


def _pick(values: Tensor, index: Tensor) -> Tensor:
    return values.gather(-1, index[:, None])[:, 0]


def _next(
    arc: Tensor,
    layer: list[Tensor],
    station: Tensor,
    old: Tensor,
    march: _March,
    reynolds: Tensor,
    ncrit: Tensor,
    limit: int,
) -> _March:
    """Solve one station of each layer in place; beyond the trailing edge nothing changes."""
    here = station < arc.shape[1]
    i = station.clamp_max(arc.shape[1] - 1)
    older = (i - 2).clamp_min(0)
    a, b, c = ([_pick(t, k) for t in layer] for k in (i - 1, i, older))
    start, end = _pick(arc, i - 1), _pick(arc, i)
    old_rate = equations.rate(c[0], c[1], c[3], reynolds)
    old_rate = torch.where(i > 1, old_rate, 0.0)
    old_step = start - torch.where(i > 1, _pick(arc, older), 0.0)
    rate = equations.rate(a[0], a[1], a[3], reynolds)
    growth = equations.two_step(rate, old_rate, end - start, old_step)
    n = march.n + torch.where(march.done, 0.0, growth)
    fraction = equations.turbulent_fraction(n, growth, ncrit)
    fraction = torch.where(march.done | (i > limit), 1.0, fraction)
    over = equations.interval(start, end, fraction, march.done, wake=False)
    before = equations.station(*a[:3], a[3].log(), reynolds, wake=False)  # pyright: ignore
    speed = b[3].clamp_min(SPEED_FLOOR)
    edge = Edge(
        speed,
        b[0].exp() * b[1],
        _pick(local_stiffness(arc), i) * speed,
        torch.full_like(speed, torch.inf),
    )
    guess = torch.stack(b[:3])
    begins = ~march.done & (fraction > 0)
    fresh = begins & (i != old + 1)
    at = solve_station(before, edge, over, reynolds, NEWTON, False, guess=guess, fresh=fresh)
    left = equations.residuals(before, at, over).abs().amax(0)
    here = here & (left < SOLVED)
    values = (at.log_theta, at.shape, at.log_shear, at.log_speed.exp())
    for t, value in zip(layer, values, strict=True):
        t.scatter_(-1, i[:, None], torch.where(here, value, _pick(t, i))[:, None])
    trip = torch.where(begins & (station < arc.shape[1]), i.clamp_max(limit), march.trip)
    return _March(n, march.done | begins, trip)
