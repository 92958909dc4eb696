"""Coupling of panels and boundary layers: displacement blows fluid out of the contour and the wake.

A pass goes from the displacement thickness everywhere to sources, to the outer speed, to new layers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Final, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from formwright.datasets.solvers import boundary_layer
from formwright.datasets.solvers.boundary_layer import Layer, Outer, Start
from formwright.datasets.solvers.spline import bracket, hermite, linear, slopes
from formwright.datasets.solvers.vortex_panels import Flow

STATION_ANGLES: Final = (0.08, 0.85 * math.pi)
STIFFNESS: Final = 4.0 / math.pi
STIFFNESS_FLOOR: Final = 0.5
DEAD_AIR_LENGTH: Final = 2.5
WAKE_SAFETY: Final = 2.0
TINY: Final = 1e-12


class Coupled(NamedTuple):
    """What two passes must agree on.

    Attributes:
        stagnation: Arc length of the stagnation point.
        displacement: Displacement thickness on both sides (0 top, 1 bottom).
        speed: Edge speed there.
        wake_displacement: Displacement thickness of the wake, dead air left out.
        wake_speed: Speed there.
    """

    stagnation: Float[Tensor, "sections points"]
    displacement: Float[Tensor, "sections points 2 stations"]
    speed: Float[Tensor, "sections points 2 stations"]
    wake_displacement: Float[Tensor, "sections points wake"]
    wake_speed: Float[Tensor, "sections points wake"]


@dataclass(frozen=True, slots=True)
class Conditions:
    """Operating points, each (sections, points); the incidence in radians."""

    alpha: Float[Tensor, "sections points"]
    reynolds: Float[Tensor, "sections points"]
    ncrit: Float[Tensor, "sections points"]


class Layers(NamedTuple):
    """Boundary layers of one pass: (stations, sections * points * 2) and (wake, sections * points)."""

    sides: Layer
    wake: Layer


def fractions(stations: int, like: Tensor) -> Float[Tensor, " stations"]:
    """Return the stations' share of the way from the stagnation point to the trailing edge."""
    angle = torch.linspace(*STATION_ANGLES, stations + 1, dtype=like.dtype, device=like.device)
    cosine = angle.cos()
    return ((cosine[0] - cosine) / (cosine[0] - cosine[-1]))[1:]


def node_speed(
    flow: Flow, alpha: Tensor, sources: Tensor | None
) -> Float[Tensor, "sections points nodes"]:
    """Return the surface speed at the nodes, positive against the order of the nodes."""
    stream = torch.stack([alpha.cos(), alpha.sin()], -1)
    speed = torch.einsum("bnk,bmk->bmn", flow.basis, stream)
    if sources is None:
        return speed
    return speed + torch.einsum("bnp,bmp->bmn", flow.response, sources)


def wake_speed(
    flow: Flow, alpha: Tensor, sources: Tensor | None, edge: Tensor
) -> Float[Tensor, "sections points wake"]:
    """Return the speed at the wake's nodes; ``edge`` is that at the trailing edge."""
    stream = torch.stack([alpha.cos(), alpha.sin()], -1)
    velocity = torch.einsum("bwck,bmk->bmwc", flow.wake_basis, stream)
    if sources is not None:
        velocity = velocity + torch.einsum("bwcp,bmp->bmwc", flow.wake_response, sources)
    middle = (velocity.square().sum(-1) + TINY).sqrt()
    inner = 0.5 * (middle[..., 1:] + middle[..., :-1])
    return torch.cat([edge[..., None], inner, middle[..., -1:]], -1)


def stagnation(flow: Flow, speed: Tensor) -> Float[Tensor, "sections points"]:
    """Return the arc length where the surface speed changes sign most steeply."""
    arc = flow.arc[:, None].expand_as(speed)
    drop = (speed[..., :-1] - speed[..., 1:]) / (arc[..., 1:] - arc[..., :-1])
    crosses = (speed[..., :-1] > 0) & (speed[..., 1:] <= 0)
    index = torch.where(crosses, drop, -1.0).argmax(-1, keepdim=True).detach()
    left, right = speed.gather(-1, index), speed.gather(-1, index + 1)
    s1, s2 = arc.gather(-1, index), arc.gather(-1, index + 1)
    share = left / (left - right).clamp_min(TINY)
    return (s1 + share.clamp(1e-6, 1.0 - 1e-6) * (s2 - s1))[..., 0]


def station_arc(flow: Flow, stop: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
    """Return arc length along the contour and distance from stagnation; (sections, points, 2, K)."""
    length = torch.stack([stop, flow.arc[:, -1:] - stop], -1)
    distance = length[..., None] * share
    sign = torch.tensor([-1.0, 1.0], dtype=stop.dtype, device=stop.device)[:, None]
    return stop[..., None, None] + sign * distance, distance


def sources(flow: Flow, state: Coupled, share: Tensor) -> Float[Tensor, "sections points panels"]:
    """Return source strengths of contour and wake panels that stand for the displacement."""
    flux = _node_flux(flow, state, share)
    step = flow.arc[:, 1:] - flow.arc[:, :-1]
    contour = (flux[..., 1:] - flux[..., :-1]) / step[:, None]
    layer = (state.displacement * state.speed)[..., -1].sum(-1, keepdim=True)
    wake = state.wake_speed * state.wake_displacement
    wake = torch.cat([layer, wake[..., 1:]], -1) + state.wake_speed * dead_air(flow)[:, None]
    step = flow.wake_arc[:, 1:] - flow.wake_arc[:, :-1]
    return torch.cat([contour, (wake[..., 1:] - wake[..., :-1]) / step[:, None]], -1)


def _node_flux(flow: Flow, state: Coupled, share: Tensor) -> Tensor:
    """Return the displaced flux at the nodes, positive along the order of the nodes."""
    arc = flow.arc[:, None]
    stop = state.stagnation[..., None]
    top = arc < stop
    length = torch.where(top, stop, flow.arc[:, -1:, None] - stop)
    at = ((arc - stop).abs() / length).clamp(0.0, 1.0)
    mass = torch.nn.functional.pad(state.displacement * state.speed, (1, 0))
    knots = torch.nn.functional.pad(share, (1, 0)).expand_as(mass[..., 0, :])
    upper = linear(knots, mass[..., 0, :], at)
    lower = linear(knots, mass[..., 1, :], at)
    return torch.where(top, -upper, lower)


def dead_air(flow: Flow) -> Float[Tensor, "sections wake"]:
    """Return the thickness of the dead air behind a blunt edge: a cubic that closes smoothly."""
    gap = flow.gap.clamp_min(0.0)[:, None]
    t = (1.0 - flow.wake_arc / (DEAD_AIR_LENGTH * gap + TINY)).clamp(0.0, 1.0)
    return gap * t.square() * (3.0 - 2.0 * t)


def advance(
    flow: Flow,
    conditions: Conditions,
    state: Coupled | None,
    guess: Layers | None,
    answer: Tensor,
    *,
    stations: int,
    newton: int,
    active: Tensor | None = None,
) -> tuple[Coupled, Layers]:
    """Make one pass.

    Args:
        flow: Panels.
        conditions: Operating points.
        state: Of the previous pass; without it the outer flow is the inviscid one.
        guess: Layers of the previous pass.
        answer: Of ``stiffness``.
        stations: On each side.
        newton: Newton steps a station.
        active: The points to march, (sections, points); the layers of the others stay.

    Returns:
        The state after the pass, and its layers.
    """
    share = fractions(stations, flow.nodes)
    blowing = None if state is None else sources(flow, state, share)
    speed = node_speed(flow, conditions.alpha, blowing)
    stop = stagnation(flow, speed)
    arc, distance = station_arc(flow, stop, share)
    knots = flow.arc[:, None].expand_as(speed)
    edge = hermite(knots, speed, slopes(knots, speed), arc.flatten(2)).reshape(arc.shape)
    sign = torch.tensor([1.0, -1.0], dtype=edge.dtype, device=edge.device)[:, None]
    edge = edge * sign
    old = None if state is None else (state.displacement, state.speed)
    sides = _march_sides(conditions, distance, edge, answer, old, guess, newton, active)
    leaving = sides.speed[-1].reshape(*stop.shape, 2).mean(-1)
    wake_edge = wake_speed(flow, conditions.alpha, blowing, leaving)
    old = None if state is None else (state.wake_displacement, state.wake_speed)
    wake = _march_wake(flow, conditions, sides, wake_edge, old, guess, newton, active)
    shape = stop.shape
    after = Coupled(
        stagnation=stop,
        displacement=sides.displacement.T.reshape(*shape, 2, stations),
        speed=sides.speed.T.reshape(*shape, 2, stations),
        wake_displacement=wake.displacement.T.reshape(*shape, -1),
        wake_speed=wake.speed.T.reshape(*shape, -1),
    )
    return after, Layers(sides, wake)


def stiffness(flow: Flow, stop: Tensor, share: Tensor) -> Float[Tensor, "stations stations layers"]:
    """Return how the speed at a side's stations answers to the displaced flux at its stations.

    A change at the trailing edge passes on to the first node of the wake.
    """
    arc, distance = station_arc(flow, stop, share)
    step = flow.arc[:, 1:] - flow.arc[:, :-1]
    panels = flow.response[..., : step.shape[1]] / step[:, None]
    pad = torch.nn.functional.pad
    to_speed = pad(panels, (1, 0)) - pad(panels, (0, 1))
    sign = torch.tensor([1.0, -1.0], dtype=stop.dtype, device=stop.device)[:, None, None]
    answer = torch.einsum("bnk,bmskj->bmsnj", to_speed, _hats(flow, stop, share)) * -sign
    wake = -flow.response[..., step.shape[1]] / flow.wake_arc[:, 1:2]
    answer = torch.cat([answer[..., :-1], answer[..., -1:] + wake[:, None, None, :, None]], -1)
    left = bracket(flow.arc[:, None, None].expand(*arc.shape[:3], -1), arc)
    knots = flow.arc[:, None, None].expand(*arc.shape[:3], -1)
    start, end = knots.gather(-1, left), knots.gather(-1, left + 1)
    weight = ((arc - start) / (end - start))[..., None]
    index = left[..., None].expand(*left.shape, share.shape[0])
    rows = answer.gather(-2, index) * (1.0 - weight) + answer.gather(-2, index + 1) * weight
    rows = (rows * sign).flatten(0, 2)
    floor = STIFFNESS_FLOOR * _local_stiffness(distance).flatten(0, 2)
    diagonal = torch.maximum(rows.diagonal(dim1=-2, dim2=-1), floor)
    rows = rows.tril(-1) + torch.diag_embed(diagonal)
    return rows.permute(1, 2, 0).contiguous()


def _hats(flow: Flow, stop: Tensor, share: Tensor) -> Tensor:
    """Return the weights that interpolate station values to nodes: (..., 2, nodes, stations)."""
    arc = flow.arc[:, None]
    stop = stop[..., None]
    at = torch.stack([(stop - arc) / stop, (arc - stop) / (flow.arc[:, -1:, None] - stop)], -2)
    knots = torch.nn.functional.pad(share, (1, 0))
    left = bracket(knots, at.clamp(0.0, 1.0))
    weight = (at - knots[left]) / (knots[left + 1] - knots[left])
    own = (at > 0).to(at.dtype)
    hats = at.new_zeros(*at.shape, len(knots))
    hats.scatter_(-1, left[..., None], ((1.0 - weight) * own)[..., None])
    hats.scatter_(-1, left[..., None] + 1, (weight * own)[..., None])
    return hats[..., 1:]


def _local_stiffness(arc: Tensor) -> Tensor:
    """Return the estimate for a flat plate at stations with these distances, stations last."""
    step = arc[..., 1:] - arc[..., :-1]
    inner = 0.5 * (step[..., 1:] + step[..., :-1])
    return STIFFNESS / torch.cat([step[..., :1], inner, step[..., -1:]], -1)


def _wake_stiffness(arc: Tensor) -> Tensor:
    local = 0.5 * WAKE_SAFETY * _columns(_local_stiffness(arc))
    return torch.diag_embed(local.T).permute(1, 2, 0)


def _march_sides(
    conditions: Conditions,
    distance: Tensor,
    speed: Tensor,
    answer: Tensor,
    old: tuple[Tensor, Tensor] | None,
    guess: Layers | None,
    newton: int,
    active: Tensor | None,
) -> Layer:
    floor = boundary_layer.SPEED_FLOOR
    displacement, scale = old if old is not None else (None, speed.clamp_min(floor))
    outer = Outer(
        arc=_columns(distance),
        speed=_columns(speed),
        displacement=None if displacement is None else _columns(displacement),
        scale=_columns(scale),
        stiffness=answer,
    )
    reynolds = conditions.reynolds[..., None].expand(*conditions.reynolds.shape, 2).flatten()
    ncrit = conditions.ncrit[..., None].expand(*conditions.ncrit.shape, 2).flatten()
    columns = None
    if active is not None:
        columns = active[..., None].expand(*active.shape, 2).flatten().nonzero()[:, 0]
    return _march(outer, reynolds, ncrit, guess.sides if guess else None, None, newton, columns)


def _march(
    outer: Outer,
    reynolds: Tensor,
    ncrit: Tensor,
    guess: Layer | None,
    start: Start | None,
    newton: int,
    columns: Tensor | None,
) -> Layer:
    """March the given columns only; the others keep their guess."""
    if columns is None or guess is None or len(columns) == len(reynolds):
        return boundary_layer.march(outer, reynolds, ncrit, guess=guess, start=start, newton=newton)
    part = boundary_layer.march(
        Outer(*(None if t is None else t[..., columns] for t in outer)),  # pyright: ignore
        reynolds[columns],
        ncrit[columns],
        guess=Layer(**{f.name: getattr(guess, f.name)[:, columns] for f in fields(Layer)}),
        start=Start(*(t[columns] for t in start)) if start else None,
        newton=newton,
    )
    merged = {}
    for f in fields(Layer):
        merged[f.name] = getattr(guess, f.name).index_copy(1, columns, getattr(part, f.name))
    return Layer(**merged)


def _columns(values: Tensor) -> Tensor:
    """Return (stations, layers) of (sections, points, ..., stations)."""
    return values.flatten(0, -2).T


def _march_wake(
    flow: Flow,
    conditions: Conditions,
    sides: Layer,
    speed: Tensor,
    old: tuple[Tensor, Tensor] | None,
    guess: Layers | None,
    newton: int,
    active: Tensor | None,
) -> Layer:
    arc = flow.wake_arc[:, None].expand_as(speed)
    displacement, scale = old if old is not None else (None, speed)
    outer = Outer(
        arc=_columns(arc),
        speed=_columns(speed),
        displacement=None if displacement is None else _columns(displacement),
        scale=_columns(scale),
        stiffness=_wake_stiffness(arc),
    )
    return _march(
        outer,
        conditions.reynolds.flatten(),
        conditions.ncrit.flatten(),
        guess.wake if guess else None,
        _trailing_edge(sides),
        newton,
        None if active is None else active.flatten().nonzero()[:, 0],
    )


def _trailing_edge(sides: Layer) -> Start:
    """Return what the two layers give to the wake; a laminar one arrives freshly turbulent."""
    theta = sides.theta[-1].reshape(-1, 2)
    shape = sides.shape[-1].reshape(-1, 2)
    shear = sides.log_shear[-1].reshape(-1, 2).exp()
    total = theta.sum(-1)
    return Start(
        log_theta=total.log(),
        shape=(theta * shape).sum(-1) / total,
        log_shear=((theta * shear).sum(-1) / total).log(),
    )
