"""The potential flow of the panel method anywhere around a section.

The vortex sheet that ``vortex_panels`` puts on the contour induces, on a panel of length L whose
strength is ``g + s x``, in the panel's own axes (x along it from its start, y to the fluid)::

    2 pi u = g A + s (x A - y R)          A: angle that the panel subtends
    2 pi v = -g R + s (L - y A - x R)     R: ln(r1 / r2), distances from its ends

From a distance of several lengths a panel is a vortex (and a source) in its middle; nearer, that
vortex has a rigid core, and what the panel induces beyond it is added, fading in between.

Panels whose ends are the corners of a mesh's wall leave the cells above the middles of panels,
where the flow of a polygon is smooth. Differentiable in contour, incidence and points.

Source: J. Katz and A. Plotkin, Low-Speed Aerodynamics (2001), section 10.3.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from formwright.datasets.rans.mesh.grid_knots import Knots
from formwright.datasets.solvers.panel.vortex_panels import Sheet, sheet

CHUNK: Final = 1024
NEAR: Final = 6.0
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
    near: float = NEAR,
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
        near: Lengths of a panel within which it is one and no vortex; all are where it is large.
        dtype: Of the influence of panels on points; offsets of near ones are always float64.
        chunk: Points at once. Good values: those whose matrices fit the cache.
    """
    sheets = sheets or sheet(nodes.double())
    stacks = []
    for i in range(len(nodes)):
        places = points[i].double().T
        some = places if knots is None else places.index_select(1, knots.cells)
        found = _induced(some, _Panels.of(sheets, i).table, near, dtype, chunk)
        found = found if knots is None else knots.spread(found)
        stacks.append(_whole(found.double(), places, sheets.stream[i], alpha_deg[i].double()))
    velocity, turning, stream, pressure = (torch.stack(p) for p in zip(*stacks, strict=True))
    return PotentialFlow(velocity=velocity, pressure=pressure, turning=turning, stream=stream)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Panels:
    """Panels of one section, its base last; strengths for incidence 0 (first) and 90 degrees.

    Attributes:
        start: Their first ends.
        along: Unit vectors along them.
        length: Chords.
        vortex: Strength at the first ends.
        slope: Its change along them, per chord.
        source: Strength.
    """

    start: Float[Tensor, "2 panels"]
    along: Float[Tensor, "2 panels"]
    length: Float[Tensor, " panels"]
    vortex: Float[Tensor, "2 panels"]
    slope: Float[Tensor, "2 panels"]
    source: Float[Tensor, "2 panels"]

    @classmethod
    def of(cls, sheets: Sheet, i: int) -> _Panels:
        """Return those of a section of a batch."""
        nodes, vortex = sheets.nodes[i].T, sheets.vortex[i].T
        start, end = nodes[:, :-1], nodes[:, 1:]
        first, second = vortex[:, :-1], vortex[:, 1:]
        source = torch.zeros_like(first)
        if bool((sheets.base_source[i] != 0.0).any()):
            start, end = torch.cat([start, nodes[:, -1:]], 1), torch.cat([end, nodes[:, :1]], 1)
            base = sheets.base_vortex[i, :, None]
            first, second = torch.cat([first, base], 1), torch.cat([second, base], 1)
            source = torch.cat([source, sheets.base_source[i, :, None]], 1)
        step = end - start
        length = (step.square().sum(0) + _TINY).sqrt()
        slope, along = (second - first) / length, step / length
        return cls(
            start=start, along=along, length=length, vortex=first, slope=slope, source=source
        )

    @classmethod
    def of_table(cls, table: Float[Tensor, "11 panels"]) -> _Panels:
        """Return the panels of a table, in the order of the attributes."""
        start, along, length, vortex, slope, source = table.split((2, 2, 1, 2, 2, 2))
        return cls(
            start=start, along=along, length=length[0], vortex=vortex, slope=slope, source=source
        )

    @property
    def table(self) -> Float[Tensor, "11 panels"]:
        """Everything, row by row."""
        parts = self.start, self.along, self.length[None], self.vortex, self.slope, self.source
        return torch.cat(parts)

    @property
    def middle(self) -> Float[Tensor, "2 panels"]:
        """Where the vortices are."""
        return self.start + 0.5 * self.length * self.along

    @property
    def circulation(self) -> Float[Tensor, "2 panels"]:
        """Of the vortices."""
        return self.length * (self.vortex + 0.5 * self.length * self.slope)

    @property
    def flux(self) -> Float[Tensor, "2 panels"]:
        """Of the sources in their place."""
        return self.length * self.source

    def core(self, near: float) -> Float[Tensor, " panels"]:
        """Return the squared radii of the cores of the vortices."""
        return 0.5 * (near * self.length).square()


def _whole(
    found: Tensor, points: Tensor, wall: Tensor, alpha_deg: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return velocity, its change with incidence, streamfunction and pressure at points."""
    alpha = torch.deg2rad(alpha_deg)
    cosine, sine = alpha.cos(), alpha.sin()
    u, v = (cosine * part[0] + sine * part[1] for part in (found[:2], found[2:4]))
    turning = (cosine * part[1] - sine * part[0] for part in (found[:2], found[2:4]))
    stream = (found[4] - wall[0] + points[1]) * cosine + (found[5] - wall[1] - points[0]) * sine
    u, v = cosine + u, sine + v
    pressure = 0.5 * (1.0 - u * u - v * v)
    return torch.stack([u, v], -1), torch.stack(list(turning), -1), stream, pressure


def _induced(
    points: Tensor, table: Tensor, near: float, dtype: torch.dtype, chunk: int
) -> Float[Tensor, "6 points"]:
    """Return what the sheets induce: u, v and streamfunction, each of both incidences."""
    wanted = torch.is_grad_enabled() and (points.requires_grad or table.requires_grad)

    def run(function: Callable[..., Any], *given: object) -> Any:
        return checkpoint(function, *given, use_reentrant=False) if wanted else function(*given)

    parts = [run(_from_afar, part, table, near, dtype) for part in points.split(chunk, 1)]
    i = torch.cat([part[1] + k * chunk for k, part in enumerate(parts)])
    j = torch.cat([part[2] for part in parts])
    missing = run(_missing, points, table, i, j, near, dtype)
    return torch.cat([part[0] for part in parts], 1).index_add(1, i, missing) / (2.0 * math.pi)


def _from_afar(
    points: Tensor, table: Tensor, near: float, dtype: torch.dtype
) -> tuple[Float[Tensor, "6 points"], Int[Tensor, " pairs"], Int[Tensor, " pairs"]]:
    """Return what vortices with cores induce, and the pairs of points and panels that are near."""
    panels = _Panels.of_table(table)
    core = panels.core(near).to(dtype)
    (px, py), (mx, my) = points.to(dtype), panels.middle.to(dtype)
    g, q = panels.circulation.to(dtype), panels.flux.to(dtype)
    dx, dy = px - mx[:, None], py - my[:, None]
    square = torch.addcmul(dx * dx, dy, dy)
    inside = square.detach().numpy() < (2.0 * core.detach()).numpy()[:, None]
    j, i = (torch.from_numpy(n) for n in np.divmod(np.flatnonzero(inside), points.shape[1]))
    inverse, log = _cored(square, core[:, None])
    moments = torch.cat([part * by for part in (g, q) for by in (torch.ones_like(mx), mx, my)])
    g_1, g_x, g_y, q_1, q_x, q_y = (moments @ inverse).split(2)
    u = py * g_1 - g_y + px * q_1 - q_x
    v = py * q_1 - q_y - px * g_1 + g_x
    return torch.cat([u, v, 0.5 * g @ log]), i, j


def _cored(square: Tensor, core: Tensor) -> tuple[Tensor, Tensor]:
    """Return the speed around vortices with rigid cores over distance, twice the streamfunction."""
    square = torch.maximum(square, core)
    return square.reciprocal(), square.log()


def _missing(
    points: Tensor, table: Tensor, i: Tensor, j: Tensor, near: float, dtype: torch.dtype
) -> Float[Tensor, "6 pairs"]:
    """Return what panels ``j`` induce at points ``i`` beyond what their vortices do."""
    points, panels = points.index_select(1, i), _Panels.of_table(table.index_select(1, j))
    (ox, oy), (dx, dy) = points - panels.start, points - panels.middle
    cosine, sine = panels.along
    x, y = (ox * cosine + oy * sine).to(dtype), (oy * cosine - ox * sine).to(dtype)
    own = (part.to(dtype) for part in (panels.length, panels.vortex, panels.slope, panels.source))
    u, v, stream = _panel(x, y, *own)
    square, core = dx * dx + dy * dy, panels.core(near)
    inverse, log = _cored(square, core)
    across, back, log = ((part).to(dtype) for part in (dy * inverse, dx * inverse, log))
    cosine, sine = cosine.to(dtype), sine.to(dtype)
    g, q = panels.circulation.to(dtype), panels.flux.to(dtype)
    beyond = torch.cat(
        [
            cosine * u - sine * v - across * g - back * q,
            sine * u + cosine * v - across * q + back * g,
            stream - 0.5 * log * g,
        ]
    )
    share = (2.0 - square / core).clamp(0.0, 1.0)
    return (share * share * (3.0 - 2.0 * share)).to(dtype) * beyond


def _panel(
    x: Tensor, y: Tensor, size: Tensor, vortex: Tensor, slope: Tensor, source: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return u, v and streamfunction of panels in their own axes, each of both incidences."""
    back = x - size
    square = (back * back + y * y).clamp_min(_TINY)
    difference = size * (x + back)
    ratio = 0.5 * torch.log1p((difference / square).clamp_min(_NODE[x.dtype] - 1.0))
    angle = torch.atan2(y * size, y * y + x * back)
    bent = y * angle + x * ratio - size
    log = 0.5 * square.log()
    total = bent + size * log
    moment = 0.5 * ((square + difference) * ratio + difference * (log - 0.5))
    return (
        vortex * angle + slope * (x * angle - y * ratio) + source * ratio,
        source * angle - vortex * ratio - slope * bent,
        vortex * total + slope * (x * total - moment),
    )
