"""Outer flow of a section whose boundary layers displace fluid: speeds, and their exact Jacobian.

One row a point (a section at an operating point). Along each side lie stations at fixed shares of
the way from the stagnation point to the trailing edge; the displaced flux ``m = u delta*`` at the
stations and in the wake blows fluid out of the panels, and so changes speed and circulation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from formwright.datasets.solvers.panel.spline import bracket, hermite, hermite_rows, linear, slopes
from formwright.datasets.solvers.panel.vortex_panels import Flow

LAST_ANGLE: Final = 0.85 * math.pi
DEAD_AIR_LENGTH: Final = 2.5
TINY: Final = 1e-12


@dataclass(frozen=True, slots=True)
class Conditions:
    """Operating points; the incidence in radians."""

    alpha: Float[Tensor, " points"]
    reynolds: Float[Tensor, " points"]
    ncrit: Float[Tensor, " points"]

    def take(self, index: Tensor) -> Conditions:
        """Return the points ``index``."""
        return Conditions(self.alpha[index], self.reynolds[index], self.ncrit[index])


class Speeds(NamedTuple):
    """Outer speeds at the stations, at the wake's nodes but the first, at the stagnation point.

    ``nodes`` is the speed at the panel nodes, positive against their order; ``wake_velocity`` that
    at the middle of the wake's panels.
    """

    sides: Float[Tensor, "points 2 stations"]
    wake: Float[Tensor, "points wake_1"]
    stagnation: Float[Tensor, " points"]
    nodes: Float[Tensor, "points nodes"]
    wake_velocity: Float[Tensor, "points wake_1 2"]


class Answers(NamedTuple):
    """Derivatives of ``Speeds`` (sides, wake and stagnation, stacked).

    ``flux`` is by the flux at stations of both sides and at the wake's nodes; ``stop`` by the place
    of the stagnation point.
    """

    flux: Float[Tensor, "points speeds fluxes"]
    stop: Float[Tensor, "points speeds"]


def shares(stations: int, crowding: float, like: Tensor) -> Float[Tensor, " stations"]:
    """Return the stations' share of the way from the stagnation point to the trailing edge.

    They follow a cosine from the angle ``crowding`` (radians) on: the smaller, the denser the
    stations are at the stagnation point.
    """
    angle = torch.linspace(crowding, LAST_ANGLE, stations + 1, dtype=like.dtype, device=like.device)
    cosine = angle.cos()
    return ((cosine[0] - cosine) / (cosine[0] - cosine[-1]))[1:]


def side_sign(like: Tensor) -> Float[Tensor, "2 1"]:
    """Return +1 for the top, -1 for the bottom."""
    return torch.tensor([[1.0], [-1.0]], dtype=like.dtype, device=like.device)


def station_arc(flow: Flow, stop: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
    """Return arc length along the contour and distance from stagnation; (points, 2, stations)."""
    length = torch.stack([stop, flow.arc[:, -1] - stop], -1)
    distance = length[..., None] * share
    return stop[:, None, None] - side_sign(stop) * distance, distance


def dead_air(flow: Flow) -> Float[Tensor, "points wake"]:
    """Return the thickness of the dead air behind a blunt edge: a cubic that closes smoothly."""
    gap = flow.gap[:, None]
    t = (1.0 - flow.wake_arc / (DEAD_AIR_LENGTH * gap + TINY)).clamp(0.0, 1.0)
    return gap * t.square() * (3.0 - 2.0 * t)


def first_stagnation(flow: Flow, alpha: Tensor) -> Float[Tensor, " points"]:
    """Return where the inviscid speed changes sign most steeply."""
    speed = _stream(flow.basis, alpha)
    drop = (speed[:, :-1] - speed[:, 1:]) / (flow.arc[:, 1:] - flow.arc[:, :-1])
    crosses = (speed[:, :-1] > 0) & (speed[:, 1:] <= 0)
    index = torch.where(crosses, drop, -1.0).argmax(-1, keepdim=True)
    left, right = speed.gather(-1, index), speed.gather(-1, index + 1)
    s1, s2 = flow.arc.gather(-1, index), flow.arc.gather(-1, index + 1)
    share = (left / (left - right).clamp_min(TINY)).clamp(1e-6, 1.0 - 1e-6)
    return (s1 + share * (s2 - s1))[:, 0]


def _stream(basis: Tensor, alpha: Tensor) -> Tensor:
    """Return basis (..., 2) at incidence ``alpha`` (points)."""
    stream = torch.stack([alpha.cos(), alpha.sin()], -1)
    return (basis * stream.reshape(-1, *(1,) * (basis.ndim - 2), 2)).sum(-1)


def node_flux(flow: Flow, stop: Tensor, flux: Tensor, share: Tensor) -> Tensor:
    """Return the flux at the nodes, positive along their order, from that at the stations."""
    top = flow.arc < stop[:, None]
    length = torch.where(top, stop[:, None], flow.arc[:, -1:] - stop[:, None])
    at = ((flow.arc - stop[:, None]).abs() / length).clamp(0.0, 1.0)
    padded = torch.nn.functional.pad(flux, (1, 0))
    knots = torch.nn.functional.pad(share, (1, 0)).expand_as(padded[:, 0])
    upper, lower = (linear(knots, padded[:, side], at) for side in (0, 1))
    return torch.where(top, -upper, lower)


def speeds(
    flow: Flow, alpha: Tensor, stop: Tensor, flux: Tensor, wake_flux: Tensor, share: Tensor
) -> Speeds:
    """Return the outer speeds.

    Args:
        flow: Panels, one row a point.
        alpha: Incidence, radians.
        stop: Arc length of the stagnation point.
        flux: Displaced flux at the stations, (points, 2, stations).
        wake_flux: At the wake's nodes, (points, wake).
        share: Of ``shares``.
    """
    blown = torch.cat([node_flux(flow, stop, flux, share), wake_flux], -1)
    nodes = _stream(flow.basis, alpha) + (flow.response * blown[:, None]).sum(-1)
    velocity = _stream(flow.wake_basis, alpha)
    velocity = velocity + (flow.wake_response * blown[:, None, None]).sum(-1)
    arc, _ = station_arc(flow, stop, share)
    at = torch.cat([arc.flatten(1), stop[:, None]], -1)
    edge = hermite(flow.arc, nodes, slopes(flow.arc, nodes), at)
    sides = edge[:, :-1].unflatten(-1, (2, -1)) * side_sign(stop)
    wake = _to_nodes((velocity.square().sum(-1) + TINY).sqrt())
    return Speeds(sides, wake, edge[:, -1], nodes, velocity)


def _to_nodes(middle: Tensor) -> Tensor:
    """Return means of neighbours along the second dimension, the last value kept."""
    return torch.cat([0.5 * (middle[:, 1:] + middle[:, :-1]), middle[:, -1:]], 1)


def answers(
    flow: Flow, alpha: Tensor, stop: Tensor, flux: Tensor, wake_flux: Tensor, share: Tensor
) -> tuple[Speeds, Answers]:
    """Return the speeds with their derivatives by the fluxes and by the stagnation point."""
    now = speeds(flow, alpha, stop, flux, wake_flux, share)
    n = flow.nodes.shape[1]
    hats = _hats(flow, stop, share)
    rows = _hermite_rows(flow, stop, share)
    direction = now.wake_velocity / (now.wake_velocity.square().sum(-1, keepdim=True) + TINY).sqrt()
    wake_rows = _to_nodes((flow.wake_response * direction[..., None]).sum(2))
    from_nodes = torch.cat([rows @ flow.response, wake_rows], 1)
    edges = from_nodes.shape[1] - wake_rows.shape[1] - 1
    order = [*range(edges), *range(edges + 1, from_nodes.shape[1]), edges]
    from_nodes = from_nodes[:, order]
    by_flux = torch.cat([from_nodes[..., :n] @ hats, from_nodes[..., n:]], -1)
    h = 1e-6
    ahead, behind = (speeds(flow, alpha, stop + move, flux, wake_flux, share) for move in (h, -h))
    by_stop = (stacked(ahead) - stacked(behind)) / (2.0 * h)
    return now, Answers(by_flux, by_stop)


def stacked(values: Speeds) -> Float[Tensor, "points speeds"]:
    """Return sides, wake and stagnation in one row."""
    return torch.cat([values.sides.flatten(1), values.wake, values.stagnation[:, None]], -1)


def _hats(flow: Flow, stop: Tensor, share: Tensor) -> Float[Tensor, "points nodes stations_2"]:
    """Return the matrix of ``node_flux``."""
    arc, stop = flow.arc, stop[:, None]
    at = torch.stack([(stop - arc) / stop, (arc - stop) / (arc[:, -1:] - stop)], -1)
    knots = torch.nn.functional.pad(share, (1, 0))
    left = bracket(knots, at.clamp(0.0, 1.0))
    weight = (at - knots[left]) / (knots[left + 1] - knots[left])
    own = (at > 0).to(at.dtype) * torch.tensor([-1.0, 1.0], dtype=at.dtype, device=at.device)
    hats = at.new_zeros(*at.shape, len(knots))
    hats.scatter_(-1, left[..., None], ((1.0 - weight) * own)[..., None])
    hats.scatter_(-1, left[..., None] + 1, (weight * own)[..., None])
    return hats[..., 1:].flatten(-2)


def _hermite_rows(flow: Flow, stop: Tensor, share: Tensor) -> Float[Tensor, "points speeds nodes"]:
    """Return the matrix from node speeds to speeds at the stations and at the stagnation point."""
    arc, _ = station_arc(flow, stop, share)
    at = torch.cat([arc.flatten(1), stop[:, None]], -1)
    sign = torch.ones(at.shape[1], 1, dtype=at.dtype, device=at.device)
    sign[len(share) : -1] = -1.0
    return hermite_rows(flow.arc, at) * sign
