"""Forces, transition, pressure and boundary-layer state of a coupled solution."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from formwright.datasets.solvers import interaction
from formwright.datasets.solvers.interaction import Conditions, Coupled, Layers
from formwright.datasets.solvers.result import stations
from formwright.datasets.solvers.spline import hermite, linear, slopes
from formwright.datasets.solvers.vortex_panels import Flow


@dataclass(frozen=True, kw_only=True, slots=True)
class Readout:
    """Labels (sections, points) and fields (sections, points, 2, 32): side 0 top, 1 bottom.

    Attributes:
        cl: Lift coefficient.
        cd: Drag coefficient.
        cm: Moment coefficient about the quarter chord, nose up positive.
        xtr_top: Transition on the upper surface, x/c; 1 where there is none.
        xtr_bottom: The same below.
        separation_top: Where the turbulent layer above separates, x/c; 1 where it does not.
        separation_bottom: The same below.
        cp_top: Pressure coefficient above at ``result.stations()``.
        cp_bottom: The same below.
        theta: Momentum thickness at the stations, chords.
        delta_star: Displacement thickness, chords.
        shape: H.
        friction: Skin friction on the free stream's dynamic pressure.
    """

    cl: Float[Tensor, "sections points"]
    cd: Float[Tensor, "sections points"]
    cm: Float[Tensor, "sections points"]
    xtr_top: Float[Tensor, "sections points"]
    xtr_bottom: Float[Tensor, "sections points"]
    separation_top: Float[Tensor, "sections points"]
    separation_bottom: Float[Tensor, "sections points"]
    cp_top: Float[Tensor, "sections points 32"]
    cp_bottom: Float[Tensor, "sections points 32"]
    theta: Float[Tensor, "sections points 2 32"]
    delta_star: Float[Tensor, "sections points 2 32"]
    shape: Float[Tensor, "sections points 2 32"]
    friction: Float[Tensor, "sections points 2 32"]


def read_out(
    flow: Flow, conditions: Conditions, mach: Tensor, state: Coupled, layers: Layers
) -> Readout:
    """Return labels and fields of a coupled state."""
    share = interaction.fractions(state.displacement.shape[-1], flow.nodes)
    blowing = interaction.sources(flow, state, share)
    speed = interaction.node_speed(flow, conditions.alpha, blowing)
    pressure = karman_tsien(1.0 - speed.square(), mach[..., None])
    cl, cm = _forces(flow.nodes, pressure, conditions.alpha)
    at = _station_arcs(flow)
    knots = flow.arc[:, None].expand_as(pressure)
    where = at.flatten(1)[:, None].expand(*pressure.shape[:2], -1)
    cp = hermite(knots, pressure, slopes(knots, pressure), where).unflatten(-1, (2, -1))
    xtr, separation = _events(flow, state, layers, share)
    return Readout(
        cl=cl,
        cd=_drag(layers, cl.shape),
        cm=cm,
        xtr_top=xtr[..., 0],
        xtr_bottom=xtr[..., 1],
        separation_top=separation[..., 0],
        separation_bottom=separation[..., 1],
        cp_top=cp[..., 0, :],
        cp_bottom=cp[..., 1, :],
        **_layer_fields(flow, state, layers, share, where),
    )


def karman_tsien(cp: Tensor, mach: Tensor) -> Tensor:
    """Return the pressure coefficient at a small Mach number from the incompressible one."""
    beta = (1.0 - mach.square()).sqrt()
    return cp / (beta + mach.square() / (1.0 + beta) * 0.5 * cp)


def _forces(nodes: Tensor, pressure: Tensor, alpha: Tensor) -> tuple[Tensor, Tensor]:
    """Return lift and moment of a broken-line pressure over the contour, base included."""
    step = (nodes.roll(-1, 1) - nodes)[:, None]
    after = pressure.roll(-1, -1)
    mean = 0.5 * (pressure + after)
    normal, chordwise = (mean * step[..., 0]).sum(-1), -(mean * step[..., 1]).sum(-1)
    cl = normal * alpha.cos() - chordwise * alpha.sin()
    middle = 0.5 * (nodes + nodes.roll(-1, 1))[:, None]
    skew = (after - pressure) / 12.0
    arm_x, arm_y = (middle[..., 0] - 0.25), middle[..., 1]
    moment = mean * (arm_x * step[..., 0] + arm_y * step[..., 1])
    moment = moment + skew * step.square().sum(-1)
    return cl, -moment.sum(-1)


def _drag(layers: Layers, shape: torch.Size) -> Tensor:
    theta, speed = layers.wake.theta[-1], layers.wake.speed[-1]
    exponent = 0.5 * (5.0 + layers.wake.shape[-1])
    return (2.0 * theta * speed.pow(exponent)).reshape(shape)


def _station_arcs(flow: Flow) -> Float[Tensor, "sections 2 stations"]:
    """Return the arc length at the field stations of the upper and the lower side."""
    nose = flow.nodes.shape[1] // 2
    target = torch.as_tensor(stations(), dtype=flow.nodes.dtype, device=flow.nodes.device).sqrt()
    upper = (flow.nodes[:, : nose + 1].flip(1), flow.arc[:, : nose + 1].flip(1))
    sides = []
    for nodes, arc in (upper, (flow.nodes[:, nose:], flow.arc[:, nose:])):
        root = (nodes[..., 0] - nodes[:, :1, 0]).clamp_min(1e-14).sqrt()
        root = torch.cummax(root, -1).values + 1e-9 * torch.arange(
            root.shape[1], dtype=root.dtype, device=root.device
        )
        sides.append(hermite(root, arc, slopes(root, arc), target.expand(len(root), -1)))
    return torch.stack(sides, 1)


def _events(flow: Flow, state: Coupled, layers: Layers, share: Tensor) -> tuple[Tensor, Tensor]:
    """Return x/c of transition and of turbulent separation; (sections, points, 2)."""
    shape = (*state.stagnation.shape, 2)
    arc, distance = interaction.station_arc(flow, state.stagnation, share)
    turbulent = layers.sides.turbulent.T.reshape(*shape, -1)
    friction = layers.sides.friction.T.reshape(*shape, -1)
    step = distance[..., 1:] - distance[..., :-1]
    laminar = distance[..., 0] + ((1.0 - turbulent[..., 1:]) * step).sum(-1)
    settled = turbulent.cumsum(-1) > 6.0
    apart = ((friction < 0) & settled).to(friction.dtype)
    first = apart.argmax(-1, keepdim=True)
    separated = torch.where(apart.any(-1), distance.gather(-1, first)[..., 0], distance[..., -1])
    sign = torch.tensor([-1.0, 1.0], dtype=arc.dtype, device=arc.device)
    x = flow.nodes[..., 0][:, None].expand(*shape[:2], -1)
    knots = flow.arc[:, None].expand_as(x)
    return tuple(
        hermite(knots, x, slopes(knots, x), state.stagnation[..., None] + sign * d)
        for d in (laminar, separated)
    )  # pyright: ignore


def _layer_fields(
    flow: Flow, state: Coupled, layers: Layers, share: Tensor, where: Tensor
) -> dict[str, Tensor]:
    """Return the boundary layer at the field stations, whichever layer covers them."""
    shape = (*state.stagnation.shape, 2)
    arc, _ = interaction.station_arc(flow, state.stagnation, share)
    sides = layers.sides
    friction = sides.friction * sides.speed.square()
    names = {
        "theta": sides.theta,
        "delta_star": sides.displacement,
        "shape": sides.shape,
        "friction": friction,
    }
    knots = torch.cat([arc[..., 0, :].flip(-1), arc[..., 1, :]], -1)
    out = {}
    for name, values in names.items():
        values = values.T.reshape(*shape, -1)
        line = torch.cat([values[..., 0, :].flip(-1), values[..., 1, :]], -1)
        out[name] = linear(knots, line, where).unflatten(-1, (2, -1))
    return out
