"""Linear-vorticity panels on a section and its wake: one factorisation serves every incidence.

The streamfunction of free stream, vortex sheet and source sheet is constant on the contour::

    y cos(a) - x sin(a) + 1/2pi int gamma ln r ds + 1/2pi int sigma theta ds = psi_0

With the fluid inside at rest, ``gamma`` is the surface speed: positive above, negative below. The
Kutta condition is ``gamma_1 + gamma_N = 0``. A blunt trailing edge carries a panel with the source
and the vorticity of the dead air behind it; a sharp one repeats its node, whose second equation is
replaced by equal curvature of the two ends. Sources stand for the displacement of the boundary
layer (transpiration), on the contour and along a wake whose shape does not depend on incidence.

Source: M. Drela, "XFOIL: An Analysis and Design System for Low Reynolds Number Airfoils", Lecture
Notes in Engineering 54 (1989), section 2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from formwright.datasets.solvers.panel import lu
from formwright.datasets.solvers.panel.spline import CubicSpline

NOSE_CLUSTERING: Final = 0.85 * math.pi
SHARP_GAP: Final = 1e-4
WAKE_NODES: Final = 18
WAKE_LENGTH: Final = 1.0
WAKE_GROWTH: Final = 1.18
WAKE_BEND: Final = 0.25


@dataclass(frozen=True, kw_only=True, slots=True)
class Flow:
    """Everything of the inviscid flow that depends on the section only.

    Attributes:
        nodes: Panel ends, upper trailing edge -> nose -> lower trailing edge, chords.
        arc: Arc length at the nodes.
        basis: Node speed at incidence 0 and 90 degrees.
        response: Node speed per unit displaced flux at the nodes, then at the wake's nodes; flux
            counts positive along the order of the nodes, and away from the trailing edge.
        wake_arc: Distance of the wake's nodes from the trailing edge.
        wake_basis: Velocity at the middle of the wake's panels at 0 and 90 degrees.
        wake_response: The same per unit displaced flux.
        gap: Height of the trailing edge across the flow.
    """

    nodes: Float[Tensor, "sections nodes 2"]
    arc: Float[Tensor, "sections nodes"]
    basis: Float[Tensor, "sections nodes 2"]
    response: Float[Tensor, "sections nodes fluxes"]
    wake_arc: Float[Tensor, "sections wake"]
    wake_basis: Float[Tensor, "sections wake_panels 2 2"]
    wake_response: Float[Tensor, "sections wake_panels 2 fluxes"]
    gap: Float[Tensor, " sections"]

    def take(self, index: Tensor) -> Flow:
        """Return the flows of the sections ``index``, in this order, repeated or not."""
        return Flow(**{f.name: getattr(self, f.name)[index] for f in fields(self)})


def clustering(n: int, *, dtype: torch.dtype = torch.float64) -> Float[Tensor, " points"]:
    """Return n + 1 fractions of the arc from nose (dense) to trailing edge (less dense)."""
    angle = torch.linspace(0.0, NOSE_CLUSTERING, n + 1, dtype=dtype)
    return (1.0 - angle.cos()) / (1.0 - math.cos(NOSE_CLUSTERING))


def repanel(
    pos: Float[Tensor, "sections points 2"], panels: int
) -> Float[Tensor, "sections nodes 2"]:
    """Return ``panels + 1`` nodes on a cubic spline through the contour, the nose in the middle.

    Args:
        pos: Contours, upper trailing edge -> nose -> lower trailing edge, chords.
        panels: Even number of panels.
    """
    step = (pos[:, 1:] - pos[:, :-1]).norm(dim=-1)
    arc = torch.cat([torch.zeros_like(step[:, :1]), step.cumsum(-1)], -1)
    spline = CubicSpline.natural(arc, pos)
    nose = _nose(spline, arc, pos)[:, None]
    fraction = clustering(panels // 2, dtype=pos.dtype).to(pos.device)
    upper = nose * (1.0 - fraction.flip(0))
    lower = nose + (arc[:, -1:] - nose) * fraction[1:]
    return spline(torch.cat([upper, lower], -1))


def _nose(spline: CubicSpline, arc: Tensor, pos: Tensor) -> Float[Tensor, " sections"]:
    """Return the arc length of the foremost point; its gradient is that of x'(s) = 0."""
    index = pos[..., 0].argmin(-1).clamp(1, pos.shape[1] - 2)[:, None]
    low, high = arc.gather(-1, index - 1), arc.gather(-1, index + 1)
    with torch.no_grad():
        s = arc.gather(-1, index)
        for _ in range(12):
            slope, curvature = (spline(s, order)[..., 0] for order in (1, 2))
            s = (s - slope / curvature.clamp_min(1e-3)).clamp(low, high)
        curvature = spline(s, 2)[..., 0].clamp_min(1e-3)
    return (s - spline(s, 1)[..., 0] / curvature)[:, 0]


def flow(nodes: Float[Tensor, "sections nodes 2"]) -> Flow:
    """Factor the panel equations of each section once, for every incidence and source strength."""
    ends = _trailing_edge(nodes)
    wake = _wake(nodes, ends)
    matrix, sources = _streamfunction_matrix(nodes, ends), _source_matrix(nodes, wake)
    right = torch.cat([-nodes[..., 1:], nodes[..., :1], -sources], -1)
    right = torch.cat([right, torch.zeros_like(right[:, :1])], 1)
    matrix, right = _sharpen(matrix, right, ends.gap)
    solution = lu.solve(matrix, right)[:, :-1]
    basis, response = solution[..., :2], solution[..., 2:]
    from_vortices, from_sources = _wake_influence(nodes, wake, ends)
    stream = torch.eye(2, dtype=nodes.dtype, device=nodes.device)
    wake_response = torch.einsum("bwcn,bnk->bwck", from_vortices, response) + from_sources
    steps = (nodes[:, 1:] - nodes[:, :-1]).norm(dim=-1), (wake[:, 1:] - wake[:, :-1]).norm(dim=-1)
    return Flow(
        nodes=nodes,
        arc=_arc(nodes),
        basis=basis,
        response=_per_flux(response, steps),
        wake_arc=_arc(wake),
        wake_basis=torch.einsum("bwcn,bnk->bwck", from_vortices, basis) + stream,
        wake_response=_per_flux(wake_response.flatten(1, 2), steps).unflatten(1, (-1, 2)),
        gap=(ends.gap * ends.across).clamp_min(0.0),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Sheet:
    """The sheets that make the inviscid flow, at incidence 0 (first) and 90 degrees.

    Attributes:
        nodes: Panel ends, upper trailing edge -> nose -> lower trailing edge, chords.
        vortex: Strength of the vortex sheet at the nodes: the surface speed.
        stream: Streamfunction on the contour.
        base_vortex: Strength of the panel across a blunt trailing edge, from the lower corner to
            the upper one; 0 where it is sharp.
        base_source: Its source.
    """

    nodes: Float[Tensor, "sections nodes 2"]
    vortex: Float[Tensor, "sections nodes 2"]
    stream: Float[Tensor, "sections 2"]
    base_vortex: Float[Tensor, "sections 2"]
    base_source: Float[Tensor, "sections 2"]

    def speed_at(self, alpha_deg: Float[Tensor, " sections"]) -> Float[Tensor, "sections nodes"]:
        """Return the speed at the nodes, positive where it runs toward the upper trailing edge."""
        alpha = torch.deg2rad(alpha_deg.double())[:, None]
        return self.vortex[..., 0] * alpha.cos() + self.vortex[..., 1] * alpha.sin()


def sheet(nodes: Float[Tensor, "sections nodes 2"]) -> Sheet:
    """Solve for the inviscid flow alone; differentiable in the nodes."""
    ends = _trailing_edge(nodes)
    right = torch.cat([-nodes[..., 1:], nodes[..., :1]], -1)
    right = torch.cat([right, torch.zeros_like(right[:, :1])], 1)
    matrix, right = _sharpen(_streamfunction_matrix(nodes, ends), right, ends.gap)
    solution = lu.solve(matrix, right)
    vortex = solution[:, :-1]
    jump = 0.5 * (vortex[:, 0] - vortex[:, -1]) * (ends.gap > SHARP_GAP)[:, None]
    return Sheet(
        nodes=nodes,
        vortex=vortex,
        stream=solution[:, -1],
        base_vortex=-ends.along[:, None] * jump,
        base_source=ends.across[:, None] * jump,
    )


def _per_flux(response: Tensor, steps: tuple[Tensor, Tensor]) -> Tensor:
    """Turn answers to the panels' sources into answers to the flux at the panels' ends."""
    pad = torch.nn.functional.pad
    n = steps[0].shape[1]
    parts = (response[..., :n], response[..., n:])
    scaled = [part / step[:, None] for part, step in zip(parts, steps, strict=True)]
    return torch.cat([pad(part, (1, 0)) - pad(part, (0, 1)) for part in scaled], -1)


def _arc(points: Tensor) -> Tensor:
    step = (points[:, 1:] - points[:, :-1]).norm(dim=-1)
    return torch.cat([torch.zeros_like(step[:, :1]), step.cumsum(-1)], -1)


@dataclass(frozen=True, slots=True)
class _TrailingEdge:
    """Bisector, gap, and the panel's direction across and along the bisector."""

    bisector: Float[Tensor, "sections 2"]
    gap: Float[Tensor, " sections"]
    across: Float[Tensor, " sections"]
    along: Float[Tensor, " sections"]


def _trailing_edge(nodes: Tensor) -> _TrailingEdge:
    unit = torch.nn.functional.normalize
    upper = unit(nodes[:, 0] - nodes[:, 1], dim=-1)
    lower = unit(nodes[:, -1] - nodes[:, -2], dim=-1)
    bisector = unit(upper + lower, dim=-1)
    panel = nodes[:, 0] - nodes[:, -1]
    gap = (panel.square().sum(-1) + 1e-24).sqrt()
    panel = panel / gap[:, None]
    across = bisector[:, 0] * panel[:, 1] - bisector[:, 1] * panel[:, 0]
    return _TrailingEdge(bisector, gap, across, (bisector * panel).sum(-1))


def _wake(nodes: Tensor, ends: _TrailingEdge) -> Float[Tensor, "sections wake 2"]:
    """Return the wake's nodes: along the bisector first, then bending to the chord's direction."""
    step = WAKE_GROWTH ** torch.arange(WAKE_NODES - 1, dtype=nodes.dtype, device=nodes.device)
    step = step * (WAKE_LENGTH / step.sum())
    middle = step.cumsum(0) - 0.5 * step
    slope = torch.atan2(ends.bisector[:, 1], ends.bisector[:, 0])[:, None]
    slope = slope * torch.exp(-middle / WAKE_BEND)
    move = torch.stack([step * slope.cos(), step * slope.sin()], -1)
    start = 0.5 * (nodes[:, :1] + nodes[:, -1:])
    return torch.cat([start, start + move.cumsum(1)], 1)


def _panel_frame(
    points: Tensor, start: Tensor, end: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Return x1, x2, y, ln r1, ln r2, the angle subtended and the length; (points, panels)."""
    along = end - start
    length = (along.square().sum(-1) + 1e-24).sqrt()[:, None]
    cosine, sine = (along / length[:, 0, :, None])[:, None].unbind(-1)
    dx, dy = (points[:, :, None, k] - start[:, None, :, k] for k in range(2))
    x1 = dx * cosine + dy * sine
    y = dy * cosine - dx * sine
    x2 = x1 - length
    square = y * y
    log1 = 0.5 * (x1 * x1 + square).clamp_min(1e-22).log()
    log2 = 0.5 * (x2 * x2 + square).clamp_min(1e-22).log()
    product = square + x1 * x2
    degenerate = (y.abs() < 1e-13) & (product.abs() < 1e-13)
    angle = torch.atan2(y * length, torch.where(degenerate, 1.0, product))
    return x1, x2, y, log1, log2, angle, length


def _vortex_potential(points: Tensor, start: Tensor, end: Tensor) -> tuple[Tensor, Tensor]:
    """Return the streamfunction per unit strength at a panel's start and at its end."""
    x1, x2, y, log1, log2, angle, length = _panel_frame(points, start, end)
    total = x1 * log1 - x2 * log2 - length + y * angle
    square, square1, square2 = y * y, x1 * x1, x2 * x2
    moment = 0.5 * ((square1 + square) * log1 - (square2 + square) * log2)
    moment = moment - 0.25 * (square1 - square2)
    second = (x1 * total - moment) / length
    return (total - second) / (2 * math.pi), second / (2 * math.pi)


def _source_potential(
    points: Tensor, start: Tensor, end: Tensor, middle_angle: Tensor
) -> Float[Tensor, "sections points panels"]:
    """Return the streamfunction of constant-strength source panels.

    Args:
        points: Where.
        start: Panels' first ends.
        end: Panels' second ends.
        middle_angle: Angle from each panel's middle to each point, continuous from point to point.
    """
    x1, x2, y, log1, log2, _, _ = _panel_frame(points, start, end)
    middle = 0.5 * (x1 + x2)
    theta1 = middle_angle + _turn(middle, y, x1, y)
    theta2 = middle_angle + _turn(middle, y, x2, y)
    return (x1 * theta1 - x2 * theta2 + y * (log1 - log2)) / (2 * math.pi)


def _turn(ax: Tensor, ay: Tensor, bx: Tensor, by: Tensor) -> Tensor:
    """Return the angle from a to b in (-pi, pi]; zero where either vanishes."""
    sine, cosine = ax * by - ay * bx, ax * bx + ay * by
    nothing = (sine.abs() < 1e-26) & (cosine.abs() < 1e-26)
    return torch.atan2(sine, torch.where(nothing, 1.0, cosine))


def _streamfunction_matrix(nodes: Tensor, ends: _TrailingEdge) -> Tensor:
    """Return the matrix that maps node strengths and psi_0 to the residuals, Kutta row last."""
    n = nodes.shape[1]
    first, second = _vortex_potential(nodes, nodes[:, :-1], nodes[:, 1:])
    pad = torch.nn.functional.pad
    matrix = pad(first, (0, 1)) + pad(second, (1, 0))
    matrix = matrix + _base_panel(nodes, ends)
    matrix = torch.cat([matrix, -torch.ones_like(matrix[..., :1])], -1)
    kutta = torch.zeros_like(matrix[:, :1])
    kutta[..., 0] = kutta[..., n - 1] = 1.0
    return torch.cat([matrix, kutta], 1)


def _base_panel(nodes: Tensor, ends: _TrailingEdge) -> Tensor:
    """Return the share of a blunt trailing edge: source and vortex of half the speed jump."""
    start, end = nodes[:, -1:], nodes[:, :1]
    first, second = _vortex_potential(nodes, start, end)
    offset = nodes - 0.5 * (start + end)
    turn = _turn(offset[:, :-1, 0], offset[:, :-1, 1], offset[:, 1:, 0], offset[:, 1:, 1])
    angle = torch.cat([torch.zeros_like(turn[:, :1]), turn.cumsum(1)], 1)[..., None]
    source = _source_potential(nodes, start, end, angle)
    along, across = ends.along[:, None, None], ends.across[:, None, None]
    jump = 0.5 * (across * source - along * (first + second))
    jump = torch.where((ends.gap > SHARP_GAP)[:, None, None], jump, 0.0)
    middle = jump.new_zeros(*jump.shape[:2], nodes.shape[1] - 2)
    return torch.cat([jump, middle, -jump], -1)


def _source_matrix(nodes: Tensor, wake: Tensor) -> Tensor:
    """Return the streamfunction at the nodes per unit strength of contour and wake panels."""
    start, end = nodes[:, :-1], nodes[:, 1:]
    offset = nodes[:, :, None] - 0.5 * (start + end)[:, None]
    before, after = offset[:, :-1], offset[:, 1:]
    turn = _turn(before[..., 0], before[..., 1], after[..., 0], after[..., 1])
    own = torch.eye(turn.shape[1], dtype=torch.bool, device=nodes.device)
    turn = torch.where(own, -math.pi, turn)
    angle = torch.cat([torch.zeros_like(turn[:, :1]), turn.cumsum(1)], 1)
    contour = _source_potential(nodes, start, end, angle)
    start, end = wake[:, :-1], wake[:, 1:]
    ahead = (start - end)[:, None]
    offset = nodes[:, :, None] - 0.5 * (start + end)[:, None]
    angle = _turn(ahead[..., 0], ahead[..., 1], offset[..., 0], offset[..., 1])
    return torch.cat([contour, _source_potential(nodes, start, end, angle)], -1)


def _sharpen(matrix: Tensor, right: Tensor, gap: Tensor) -> tuple[Tensor, Tensor]:
    """Replace the repeated node's equation of sharp trailing edges by equal end curvatures."""
    n = right.shape[1] - 1
    row = torch.zeros_like(matrix[:, :1])
    for column, value in zip((0, 1, 2, n - 3, n - 2, n - 1), (1, -2, 1, -1, 2, -1), strict=True):
        row[..., column] = value
    sharp = (gap <= SHARP_GAP)[:, None, None]
    last = torch.where(sharp, row, matrix[:, n - 1 : n])
    matrix = torch.cat([matrix[:, : n - 1], last, matrix[:, n:]], 1)
    last = torch.where(sharp, 0.0, right[:, n - 1 : n])
    return matrix, torch.cat([right[:, : n - 1], last, right[:, n:]], 1)


def _wake_influence(nodes: Tensor, wake: Tensor, ends: _TrailingEdge) -> tuple[Tensor, Tensor]:
    """Return velocity at the wake's panel middles per node strength and per source strength."""
    middle = 0.5 * (wake[:, :-1] + wake[:, 1:])
    start, end = nodes[:, :-1], nodes[:, 1:]
    first, second, source = _velocities(middle, start, end)
    pad = torch.nn.functional.pad
    vortices = pad(first, (0, 1)) + pad(second, (1, 0))
    base1, base2, base_source = _velocities(middle, nodes[:, -1:], nodes[:, :1])
    along, across = ends.along[:, None, None, None], ends.across[:, None, None, None]
    jump = 0.5 * (across * base_source - along * (base1 + base2))
    jump = torch.where((ends.gap > SHARP_GAP)[:, None, None, None], jump, 0.0)
    vortices = vortices + pad(jump, (0, nodes.shape[1] - 1)) - pad(jump, (nodes.shape[1] - 1, 0))
    _, _, wake_source = _velocities(middle, wake[:, :-1], wake[:, 1:])
    own = torch.eye(middle.shape[1], dtype=torch.bool, device=nodes.device)[:, None]
    return vortices, torch.cat([source, torch.where(own, 0.0, wake_source)], -1)


def _velocities(points: Tensor, start: Tensor, end: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return velocities (points, 2, panels) of vortex strength at both ends, and of sources."""
    x1, _, y, log1, log2, angle, length = _panel_frame(points, start, end)
    ratio = log1 - log2
    tangent = torch.nn.functional.normalize(end - start, dim=-1)
    cosine, sine = tangent[:, None, :, 0], tangent[:, None, :, 1]

    def turned(u: Tensor, v: Tensor) -> Tensor:
        return torch.stack([cosine * u - sine * v, sine * u + cosine * v], 2) / (2 * math.pi)

    second = turned((x1 * angle - y * ratio) / length, (length - y * angle - x1 * ratio) / length)
    return turned(angle, -ratio) - second, second, turned(ratio, angle)
