"""Forces, transition, pressure and boundary-layer state of a coupled solution."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from formwright.datasets.solvers.panel import equations, interaction, newton
from formwright.datasets.solvers.panel.interaction import Conditions
from formwright.datasets.solvers.panel.newton import State
from formwright.datasets.solvers.panel.spline import hermite, linear, slopes
from formwright.datasets.solvers.panel.vortex_panels import Flow


@dataclass(frozen=True, kw_only=True, slots=True)
class Readout:
    """Labels (...) and fields (..., 2, places) of points; side 0 is the top, 1 the bottom.

    Attributes:
        cl: Lift coefficient.
        cd: Drag coefficient.
        cm: Moment coefficient about the quarter chord, nose up positive.
        xtr_top: Transition on the upper surface, x/c; 1 where only the trailing edge forces it.
        xtr_bottom: The same below.
        separation_top: Where the turbulent layer above separates, x/c; 1 where it does not.
        separation_bottom: The same below.
        cp_top: Pressure coefficient above, at the places asked for.
        cp_bottom: The same below.
        theta: Momentum thickness, chords.
        delta_star: Displacement thickness, chords.
        shape: H.
        friction: Skin friction on the free stream's dynamic pressure.
    """

    cl: Float[Tensor, "*points"]
    cd: Float[Tensor, "*points"]
    cm: Float[Tensor, "*points"]
    xtr_top: Float[Tensor, "*points"]
    xtr_bottom: Float[Tensor, "*points"]
    separation_top: Float[Tensor, "*points"]
    separation_bottom: Float[Tensor, "*points"]
    cp_top: Float[Tensor, "*points places"]
    cp_bottom: Float[Tensor, "*points places"]
    theta: Float[Tensor, "*points 2 places"]
    delta_star: Float[Tensor, "*points 2 places"]
    shape: Float[Tensor, "*points 2 places"]
    friction: Float[Tensor, "*points 2 places"]


def read_out(
    flow: Flow,
    conditions: Conditions,
    mach: Tensor,
    state: State,
    share: Tensor,
    places: Float[Tensor, " places"],
) -> Readout:
    """Return labels and fields (at x/c = ``places`` of both sides), one row a point."""
    flux = newton.fluxes(flow, state)
    speed = interaction.speeds(flow, conditions.alpha, state.stop, *flux, share).nodes
    pressure = karman_tsien(1.0 - speed.square(), mach[:, None])
    cl, cm = _forces(flow.nodes, pressure, conditions.alpha)
    at = _arcs(flow, places)
    cp = hermite(flow.arc, pressure, slopes(flow.arc, pressure), at.flatten(1))
    cp = cp.unflatten(-1, (2, -1))
    xtr, separation, friction = _events(flow, conditions, state, share)
    return Readout(
        cl=cl,
        cd=_drag(state),
        cm=cm,
        xtr_top=xtr[:, 0],
        xtr_bottom=xtr[:, 1],
        separation_top=separation[:, 0],
        separation_bottom=separation[:, 1],
        cp_top=cp[:, 0],
        cp_bottom=cp[:, 1],
        **_layer_fields(flow, state, share, at, friction),
    )


def karman_tsien(cp: Tensor, mach: Tensor) -> Tensor:
    """Return the pressure coefficient at a small Mach number from the incompressible one."""
    beta = (1.0 - mach.square()).sqrt()
    return cp / (beta + mach.square() / (1.0 + beta) * 0.5 * cp)


def _forces(nodes: Tensor, pressure: Tensor, alpha: Tensor) -> tuple[Tensor, Tensor]:
    """Return lift and moment of a broken-line pressure over the contour, base included."""
    move = nodes.roll(-1, 1) - nodes
    after = pressure.roll(-1, -1)
    mean = 0.5 * (pressure + after)
    normal, chordwise = (mean * move[..., 0]).sum(-1), -(mean * move[..., 1]).sum(-1)
    cl = normal * alpha.cos() - chordwise * alpha.sin()
    middle = 0.5 * (nodes + nodes.roll(-1, 1))
    moment = mean * ((middle[..., 0] - 0.25) * move[..., 0] + middle[..., 1] * move[..., 1])
    moment = moment + (after - pressure) / 12.0 * move.square().sum(-1)
    return cl, -moment.sum(-1)


def _drag(state: State) -> Float[Tensor, " points"]:
    """Return Squire's and Young's drag from the end of the wake."""
    theta, speed = state.wake.log_theta[:, -1].exp(), state.wake.speed[:, -1]
    return 2.0 * theta * speed.pow(0.5 * (5.0 + state.wake.shape[:, -1]))


def _arcs(flow: Flow, places: Float[Tensor, " places"]) -> Float[Tensor, "points 2 places"]:
    """Return the arc length at x/c = ``places`` of the upper and the lower side."""
    nose = flow.nodes.shape[1] // 2
    target = places.to(flow.nodes).sqrt()
    upper = (flow.nodes[:, : nose + 1].flip(1), flow.arc[:, : nose + 1].flip(1))
    rise = 1e-9 * torch.arange(nose + 1, dtype=target.dtype, device=target.device)
    sides = []
    for nodes, arc in (upper, (flow.nodes[:, nose:], flow.arc[:, nose:])):
        root = (nodes[..., 0] - nodes[:, :1, 0]).clamp_min(1e-14).sqrt()
        root = torch.cummax(root, -1).values + rise
        sides.append(hermite(root, arc, slopes(root, arc), target.expand(len(root), -1)))
    return torch.stack(sides, 1)


def _events(
    flow: Flow, conditions: Conditions, state: State, share: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return x/c of transition and of turbulent separation (points, 2), and C_f at the stations."""
    _, distance = interaction.station_arc(flow, state.stop, share)
    reynolds, sides = conditions.reynolds[:, None, None], state.sides
    fraction = newton.transition(flow, conditions, state, share).fraction
    rough = torch.nn.functional.pad(fraction, (1, 0))
    values = (sides.log_theta, sides.shape, sides.log_shear, sides.speed.log())
    at = equations.station(*values, reynolds, wake=False)
    assert at.laminar is not None
    friction = at.laminar.friction + rough * (at.turbulent.friction - at.laminar.friction)
    step = distance[..., 1:] - distance[..., :-1]
    laminar = distance[..., 0] + ((1.0 - fraction) * step).sum(-1)
    whole = (fraction <= 0).sum(-1) >= fraction.shape[-1] + 1 - newton.TAIL
    laminar = torch.where(whole, distance[..., -1], laminar)
    apart = (friction < 0) & (rough.cumsum(-1) > 6.0)
    first = apart.to(step.dtype).argmax(-1, keepdim=True)
    separated = distance.gather(-1, first)[..., 0]
    separated = torch.where(apart.any(-1), separated, distance[..., -1])
    sign = interaction.side_sign(step)[:, 0]
    x = flow.nodes[..., 0]
    slope = slopes(flow.arc, x)
    xtr, separation = (
        hermite(flow.arc, x, slope, state.stop[:, None] - sign * d) for d in (laminar, separated)
    )
    return xtr, separation, friction


def _layer_fields(
    flow: Flow, state: State, share: Tensor, at: Tensor, friction: Tensor
) -> dict[str, Tensor]:
    """Return the boundary layer at places, whichever layer covers them."""
    arc, _ = interaction.station_arc(flow, state.stop, share)
    knots = torch.cat([arc[:, 0].flip(-1), arc[:, 1]], -1)
    names = {
        "theta": state.sides.log_theta.exp(),
        "delta_star": state.sides.displacement,
        "shape": state.sides.shape,
        "friction": friction * state.sides.speed.square(),
    }
    out = {}
    for name, values in names.items():
        line = torch.cat([values[:, 0].flip(-1), values[:, 1]], -1)
        out[name] = linear(knots, line, at.flatten(1)).unflatten(-1, (2, -1))
    return out
