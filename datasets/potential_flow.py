"""The potential flow of the panel method anywhere around a section.

The vortex sheet that ``vortex_panels`` puts on the contour induces, on a panel of length L whose
strength is ``g + s x``, in the panel's own axes (x along it from its start, y to the fluid)::

    2 pi u = g A + s (x A - y R)          A: angle that the panel subtends
    2 pi v = -g R + s (L - y A - x R)     R: ln(r1 / r2), distances from its ends

Panels whose ends are the corners of a mesh's wall leave the cells above the middles of panels,
where the flow of a polygon is smooth. Differentiable in contour, incidence and points.

Source: J. Katz and A. Plotkin, Low-Speed Aerodynamics (2001), section 10.3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from formwright.datasets.grid_knots import Knots
from formwright.datasets.solvers.vortex_panels import Sheet, sheet

CHUNK: Final = 256
_TINY: Final = 1e-24
_NODE: Final = {torch.float32: 1e-7, torch.float64: 1e-15}


@dataclass(frozen=True, kw_only=True, slots=True)
class PotentialFlow:
    """Potential flow at points.

    Attributes:
        velocity: In units of the free stream.
        pressure: Over the density, zero far away: half the pressure coefficient.
        turning: Change of the velocity per radian of incidence, without that of the free stream.
        stream: Streamfunction, zero on the contour and positive above it.
    """

    velocity: Float[Tensor, "sections points 2"]
    pressure: Float[Tensor, "sections points"]
    turning: Float[Tensor, "sections points 2"]
    stream: Float[Tensor, "sections points"]


def potential_flow(
    nodes: Float[Tensor, "sections nodes 2"],
    points: Float[Tensor, "sections points 2"],
    alpha_deg: Float[Tensor, " sections"],
    *,
    sheets: Sheet | None = None,
    knots: Knots | None = None,
    dtype: torch.dtype = torch.float32,
    chunk: int = CHUNK,
) -> PotentialFlow:
    """Return the flow at points around sections; one section after the other, in chunks.

    Args:
        nodes: Ends of the panels, upper trailing edge -> nose -> lower trailing edge, chords.
        points: In the fluid, or inside, where it is at rest; not at nodes.
        alpha_deg: Incidence, degrees.
        sheets: Of the nodes, where they are solved for already.
        knots: Where the points are the cells of a grid, those to compute; others are interpolated.
        dtype: Of the influence of panels on points; offsets are always float64.
        chunk: Points at once. Good values: those whose matrices fit the cache.
    """
    sheets = sheets or sheet(nodes.double())
    stacks = [
        _one(_Panels.of(sheets, i, dtype), points[i].double(), alpha_deg[i].double(), knots, chunk)
        for i in range(len(nodes))
    ]
    velocity, turning, stream = (torch.stack(parts) for parts in zip(*stacks, strict=True))
    pressure = 0.5 * (1.0 - velocity.square().sum(-1))
    return PotentialFlow(velocity=velocity, pressure=pressure, turning=turning, stream=stream)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Panels:
    """Panels of one section, its base last.

    Attributes:
        start: Their first ends.
        along: Unit vectors along them.
        length: Chords.
        weights: Of the six influences on u, v, u, v and two streamfunctions, the first of each for
            incidence 0, the second for 90 degrees.
        wall: Streamfunction of the contour, for both.
    """

    start: Float[Tensor, "panels 2"]
    along: Float[Tensor, "panels 2"]
    length: Float[Tensor, " panels"]
    weights: Float[Tensor, "6 panels 6"]
    wall: Float[Tensor, " 2"]

    @classmethod
    def of(cls, sheets: Sheet, i: int, dtype: torch.dtype) -> _Panels:
        nodes, vortex = sheets.nodes[i], sheets.vortex[i]
        start, end = nodes[:-1], nodes[1:]
        first, second = vortex[:-1], vortex[1:]
        source = torch.zeros_like(first)
        if bool((sheets.base_source[i] != 0.0).any()):
            start, end = torch.cat([start, nodes[-1:]]), torch.cat([end, nodes[:1]])
            first = torch.cat([first, sheets.base_vortex[i][None]])
            second = torch.cat([second, sheets.base_vortex[i][None]])
            source = torch.cat([source, sheets.base_source[i][None]])
        step = end - start
        length = (step.square().sum(-1) + _TINY).sqrt()
        along = step / length[:, None]
        slope = (second - first) / length[:, None]
        return cls(
            start=start,
            along=along,
            length=length,
            weights=_weights(along, first, slope, source).to(dtype),
            wall=sheets.stream[i],
        )


def _one(
    panels: _Panels, points: Tensor, alpha_deg: Tensor, knots: Knots | None, chunk: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Return velocity, its change with incidence, and the streamfunction, around one section."""
    tensors = (panels.start, panels.along, panels.length, panels.weights)
    wanted = torch.is_grad_enabled() and any(
        t.requires_grad for t in (points, *tensors, panels.wall, alpha_deg)
    )
    parts = [
        checkpoint(_induced, part, *tensors, use_reentrant=False)
        if wanted
        else _induced(part, *tensors)
        for part in (points if knots is None else points[knots.cells]).split(chunk)
    ]
    both = torch.cat(parts).double()
    both = both if knots is None else knots.spread(both)
    alpha = torch.deg2rad(alpha_deg)
    now = torch.stack([alpha.cos(), alpha.sin()])
    turned = torch.stack([-alpha.sin(), alpha.cos()])
    free = points[:, 1] * now[0] - points[:, 0] * now[1]
    stream = free + both[:, 4:] @ now - panels.wall @ now
    induced = both[:, :4].unflatten(1, (2, 2))
    return now + induced @ now, induced @ turned, stream


def _induced(
    points: Tensor, start: Tensor, along: Tensor, length: Tensor, weights: Tensor
) -> Float[Tensor, "points 6"]:
    """Return what the sheets induce: u and v of both incidences, then both streamfunctions."""
    dtype = weights.dtype
    normal = torch.stack([-along[:, 1], along[:, 0]], -1)
    x = (points @ along.T - (start * along).sum(-1)).to(dtype)
    y = (points @ normal.T - (start * normal).sum(-1)).to(dtype)
    size = length.to(dtype)
    back = x - size
    square = (back.square() + y.square()).clamp_min(_TINY)
    difference = size * (x + back)
    ratio = 0.5 * torch.log1p((difference / square).clamp_min(_NODE[dtype] - 1.0))
    angle = torch.atan2(y * size, y.square() + x * back)
    linear = x * angle - y * ratio
    bent = y * angle + x * ratio - size
    log = 0.5 * square.log()
    total = bent + size * log
    moment = 0.5 * ((square + difference) * ratio + difference * (log - 0.5))
    second = x * total - moment
    matrices = (angle, ratio, linear, bent, total, second)
    parts = [m @ w for m, w in zip(matrices, weights, strict=True)]
    return torch.stack(parts).sum(0) / (2.0 * math.pi)


def _weights(
    along: Tensor, strength: Tensor, slope: Tensor, source: Tensor
) -> Float[Tensor, "6 panels 6"]:
    """Return how much of each influence goes to u, v and the streamfunction."""
    cosine, sine = along[:, :1], along[:, 1:]
    none = torch.zeros_like(strength)

    def turned(u: Tensor, v: Tensor) -> Tensor:
        return torch.cat([cosine * u - sine * v, sine * u + cosine * v, none], -1)

    return torch.stack(
        [
            turned(strength, source),
            turned(source, -strength),
            turned(slope, none),
            turned(none, -slope),
            torch.cat([none, none, strength], -1),
            torch.cat([none, none, slope], -1),
        ]
    )
