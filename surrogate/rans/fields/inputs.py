"""What a network of RANS fields sees of a case, and the flow that it corrects: geometry alone.

The prior is the potential flow U of the section times the profile m of a boundary layer under its
surface speed (``flat_plate``). One number of the case, the decambering a, adds to U its change with
incidence T; the rest are corrections c in axes along U and across it::

    U' = U + a T              velocity = m (U' + c)
    nut = (e^c - 1) / Re      pressure = (1 - |U'|^2) / 2 + c (1 + |U|^2) / 4
    wall: cp = 1 - |U'|^2 + c (1 + |U|^2) / 2,  cf = plate + c (plate + 0.3 flat plate)

Near the wall velocity so falls to zero with a slope that is corrected by a factor, as friction is.
Mirrored in the chord, features and corrections keep or change their sign: ``ODD`` of each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from formwright.datasets.rans.flat_plate import BoundaryLayer, boundary_layer, profile
from formwright.datasets.rans.mesh.grid_knots import Knots
from formwright.datasets.rans.mesh.wall_distance import nearest_wall
from formwright.datasets.rans.potential_flow import potential_flow
from formwright.datasets.solvers.panel.vortex_panels import sheet

CHANNELS: Final = ("along", "across", "pressure", "nut")
WALL_CHANNELS: Final = ("cp", "cf")
FEATURES: Final = (
    "x", "y", "log_distance", "log_y_plus", "toward_x", "toward_y", "u", "v", "pressure",
    "stream", "stream_near", "turning_along", "turning_across", "turning_pressure", "profile",
    "log_layers", "wall_friction", "wall_pressure", "wall_gradient", "wall_run", "side",
    "incidence", "reynolds",
)  # fmt: skip
ODD_FEATURES: Final = tuple(
    FEATURES.index(name)
    for name in (
        "y", "toward_y", "v", "stream", "stream_near", "turning_along", "turning_pressure",
        "side", "incidence",
    )
)  # fmt: skip
ODD_CHANNELS: Final = (CHANNELS.index("across"),)
_LEAST_PROFILE: Final = 1e-6
_SMALL: Final = 1e-12


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseInputs:
    """One case: features and prior at its cells and at the faces of its wall.

    Attributes:
        features: In the order of ``FEATURES``, each of order one, (C, F).
        velocity: Of the potential flow, (C, 2).
        pressure: Of the potential flow, (C,).
        profile: Of the boundary layer, (C,).
        axes: Unit vector along the potential flow, (C, 2).
        turning: Change of the potential velocity per radian of incidence, (C, 2).
        wall_speed: Of the potential flow at the faces, signed in their order, (W,).
        wall_turning: Its change per radian of incidence, (W,).
        wall_cf: Friction of the plate at the faces, signed as the speed, (W,).
        wall_scale: What corrections of the friction are multiplied by, signed likewise, (W,).
        face: The nearest face of each cell, (C,).
        distance: From it, chords, (C,).
        thickness: Momentum thickness of the plate's boundary layer at the faces, (W,).
    """

    features: Float[Tensor, "cells features"]
    velocity: Float[Tensor, "cells 2"]
    pressure: Float[Tensor, " cells"]
    profile: Float[Tensor, " cells"]
    axes: Float[Tensor, "cells 2"]
    turning: Float[Tensor, "cells 2"]
    wall_speed: Float[Tensor, " faces"]
    wall_turning: Float[Tensor, " faces"]
    wall_cf: Float[Tensor, " faces"]
    wall_scale: Float[Tensor, " faces"]
    face: Int[Tensor, " cells"]
    distance: Float[Tensor, " cells"]
    thickness: Float[Tensor, " faces"]


def case_inputs(
    nodes: Float[Tensor, "nodes 2"],
    cells: Float[Tensor, "cells 2"],
    alpha_deg: Float[Tensor, ""],
    reynolds: Float[Tensor, ""],
    *,
    knots: Knots | None = None,
    dtype: torch.dtype = torch.float32,
) -> CaseInputs:
    """Return the inputs of a case; differentiable in everything.

    Args:
        nodes: Corners of the wall, upper trailing edge -> nose -> lower trailing edge, chords.
        cells: Middles of the cells.
        alpha_deg: Incidence, degrees.
        reynolds: On the chord.
        knots: Of the grid of the cells; the potential flow is interpolated between them.
        dtype: Of the influence of panels, profile and features, in which these are computed; what
            is returned is float64, but for the features.
    """
    nodes, cells = nodes.double(), cells.double()
    alpha_deg, reynolds = alpha_deg.double(), reynolds.double()
    sheets = sheet(nodes[None])
    flow = potential_flow(
        nodes[None], cells[None], alpha_deg[None], sheets=sheets, knots=knots, dtype=dtype
    )
    velocity, pressure = flow.velocity[0], flow.pressure[0]
    speed = -sheets.speed_at(alpha_deg[None])[0]
    change = -sheets.speed_at(alpha_deg[None] + 90.0)[0]
    layer = boundary_layer(nodes, speed, reynolds)
    near = nearest_wall(nodes, cells, row=1 if knots is None else knots.lines)
    at_face = torch.stack([layer.outer, layer.friction, layer.thickness]).to(dtype)
    distance = near.distance.to(dtype)
    part = profile(distance, *at_face.index_select(1, near.face), reynolds=reynolds.to(dtype))
    size = (dot(velocity, velocity) + _SMALL).sqrt()
    axes = torch.stack([velocity[:, 0] / size, velocity[:, 1] / size], -1)
    turning = flow.turning[0]
    described = {
        **_place(cells.to(dtype), distance, near.direction.to(dtype), reynolds.to(dtype)),
        **_potential(velocity, pressure, flow.stream[0], axes, turning, dtype),
        **_at_wall(layer, reynolds, near.face, dtype),
        "profile": part,
    }
    described["log_layers"] = described["log_distance"] + described["log_layers"]
    conditions = {
        "incidence": torch.deg2rad(alpha_deg).sin().mul(5.0),
        "reynolds": reynolds.log() - 15.0,
    }
    described |= {name: v.to(dtype).expand(len(cells)) for name, v in conditions.items()}
    way = torch.tanh(20.0 * layer.speed)
    return CaseInputs(
        features=torch.stack([described[name] for name in FEATURES]).T,
        velocity=velocity,
        pressure=pressure,
        profile=part.double(),
        axes=axes,
        turning=turning,
        wall_speed=layer.speed,
        wall_turning=0.5 * (change[1:] + change[:-1]),
        wall_cf=layer.friction * way,
        wall_scale=(layer.friction + 0.3 * plate_friction(reynolds)) * way,
        face=near.face,
        distance=near.distance,
        thickness=layer.thickness,
    )


def plate_friction(reynolds: Tensor) -> Tensor:
    """Return the friction coefficient of a turbulent flat plate (Prandtl)."""
    return 0.058 * reynolds**-0.2


def _place(
    cells: Tensor, distance: Tensor, direction: Tensor, reynolds: Tensor
) -> dict[str, Tensor]:
    """Return where cells lie, in chords and in viscous lengths of a flat plate."""
    log = distance.log10()
    return {
        "x": _asinh(2.0 * (cells[:, 0] - 0.5)),
        "y": _asinh(2.0 * cells[:, 1]),
        "log_distance": (log + 2.5) / 2.0,
        "log_y_plus": (log + (reynolds**0.9 * 0.029**0.5).log10() - 2.0) / 2.0,
        "toward_x": direction[:, 0],
        "toward_y": direction[:, 1],
    }


def _potential(
    velocity: Tensor,
    pressure: Tensor,
    stream: Tensor,
    axes: Tensor,
    turning: Tensor,
    dtype: torch.dtype,
) -> dict[str, Tensor]:
    """Return the potential flow and its change with incidence, squeezed."""
    velocity, axes, turning = (part.to(dtype) for part in (velocity, axes, turning))
    stream = stream.to(dtype)
    return {
        "u": velocity[:, 0],
        "v": velocity[:, 1],
        "pressure": _asinh(2.0 * pressure.to(dtype)),
        "stream": _asinh(20.0 * stream) / 4.0,
        "stream_near": _asinh(2000.0 * stream) / 8.0,
        "turning_along": 0.5 * _asinh(dot(axes, turning)),
        "turning_across": 0.5 * _asinh(cross(axes, turning)),
        "turning_pressure": 0.5 * _asinh(dot(velocity, turning)),
    }


def _asinh(x: Tensor) -> Tensor:
    """Return ``torch.asinh``, which is five times as slow; no gradient where x is exactly zero."""
    size = x.abs()
    square = size * size
    return torch.log1p(size + square / (1.0 + (1.0 + square).sqrt())).copysign(x)


def _at_wall(
    layer: BoundaryLayer, reynolds: Tensor, face: Tensor, dtype: torch.dtype
) -> dict[str, Tensor]:
    """Return what the boundary layer is at the nearest face of each cell.

    Of ``log_layers``, the distance in thicknesses, it is what the thickness adds to
    ``log_distance``.
    """
    result = {
        "log_layers": -(layer.thickness.log10() + 2.5) / 2.0,
        "wall_friction": layer.friction * reynolds**0.2 / 0.08,
        "wall_pressure": torch.asinh(1.0 - layer.speed.square()),
        "wall_gradient": torch.asinh(200.0 * layer.gradient),
        "wall_run": layer.run,
        "side": torch.tanh(4.0 * layer.speed),
    }
    rows = torch.stack(list(result.values())).to(dtype).index_select(1, face)
    return dict(zip(result, rows, strict=True))


def apply(
    inputs: CaseInputs,
    decambering: Float[Tensor, ""],
    corrections: Float[Tensor, "cells 4"],
    reynolds: Float[Tensor, ""],
) -> tuple[Float[Tensor, "cells 2"], Float[Tensor, " cells"], Float[Tensor, " cells"]]:
    """Return velocity, pressure and eddy viscosity that corrections make of the prior."""
    along, across, pressure, nut = corrections.unbind(-1)
    turned = inputs.velocity + decambering * inputs.turning
    normal = torch.stack([-inputs.axes[:, 1], inputs.axes[:, 0]], -1)
    moved = turned + along[:, None] * inputs.axes + across[:, None] * normal
    return (
        inputs.profile[:, None] * moved,
        0.5 * (1.0 - dot(turned, turned)) + pressure * _pressure_scale(inputs.velocity),
        torch.expm1(nut.clamp_min(0.0)) / reynolds,
    )


def corrections(
    inputs: CaseInputs,
    decambering: Float[Tensor, ""],
    velocity: Float[Tensor, "cells 2"],
    pressure: Float[Tensor, " cells"],
    nut: Float[Tensor, " cells"],
    reynolds: Float[Tensor, ""],
) -> Float[Tensor, "cells 4"]:
    """Return the corrections that make fields of the prior: the inverse of ``apply``."""
    turned = inputs.velocity + decambering * inputs.turning
    missing = velocity / inputs.profile.clamp_min(_LEAST_PROFILE)[:, None] - turned
    rest = pressure - 0.5 * (1.0 - dot(turned, turned))
    return torch.stack(
        [
            dot(missing, inputs.axes),
            cross(inputs.axes, missing),
            rest / _pressure_scale(inputs.velocity),
            torch.log1p(nut * reynolds),
        ],
        -1,
    )


def apply_at_wall(
    prior: Float[Tensor, "*batch faces 4"],
    decambering: Float[Tensor, "*batch"],
    corrections: Float[Tensor, "*batch faces 2"],
) -> tuple[Float[Tensor, "*batch faces"], Float[Tensor, "*batch faces"]]:
    """Return pressure coefficient and friction at the wall, the latter signed along the faces.

    Args:
        prior: ``wall_speed, wall_turning, wall_cf, wall_scale``.
        decambering: Of each case.
        corrections: Of pressure and friction.
    """
    speed, turning, friction, scale = prior.unbind(-1)
    pressure, more = corrections.unbind(-1)
    turned = speed + decambering[..., None] * turning
    cp = 1.0 - turned.square() + pressure * wall_pressure_scale(speed)
    return cp, friction + more * scale


def joined_to_wall(
    inputs: CaseInputs,
    velocity: Float[Tensor, "cells 2"],
    pressure: Float[Tensor, " cells"],
    at_wall: Int[Tensor, " faces"],
    wall_pressure: Float[Tensor, " faces"],
    wall_velocity: Float[Tensor, "faces 2"],
) -> tuple[Float[Tensor, "cells 2"], Float[Tensor, " cells"]]:
    """Return fields whose first cells have the pressure and the slope that the wall has.

    What is missing there fades away with the distance from the wall, within two momentum
    thicknesses of the plate's boundary layer for the pressure and a tenth of one for the velocity.

    Args:
        inputs: Of the case.
        velocity: At the cells.
        pressure: At the cells.
        at_wall: The cell at each face.
        wall_pressure: Wanted there.
        wall_velocity: Wanted there.
    """
    layers = inputs.distance / inputs.thickness[inputs.face]
    missing = (wall_pressure - pressure[at_wall])[inputs.face]
    part = inputs.profile[at_wall, None]
    slower = ((wall_velocity - velocity[at_wall]) / part)[inputs.face]
    own = torch.ones_like(layers).index_fill(0, at_wall, 0.0)
    near, next_ = torch.exp(-0.5 * own * layers), torch.exp(-10.0 * own * layers)
    return (
        velocity + (inputs.profile * next_)[:, None] * slower,
        pressure + near * missing,
    )


def decambering(
    prior: Float[Tensor, "faces 4"], cp: Float[Tensor, " faces"], steps: int = 8
) -> Float[Tensor, ""]:
    """Return the change of incidence, in radians, whose potential flow fits a pressure best.

    Args:
        prior: As in ``apply_at_wall``.
        cp: Pressure coefficient at the faces.
        steps: Of Gauss and Newton.
    """
    speed, turning = prior[:, 0], prior[:, 1]
    scale = wall_pressure_scale(speed)
    result = torch.zeros_like(cp[0])
    for _ in range(steps):
        turned = speed + result * turning
        slope = -2.0 * turned * turning / scale
        result = (
            result + (slope * (cp - 1.0 + turned.square()) / scale).sum() / slope.square().sum()
        )
    return result


def wall_pressure_scale(speed: Tensor) -> Tensor:
    """Return what corrections of the pressure coefficient are multiplied by."""
    return 0.5 * (1.0 + speed.square())


def _pressure_scale(velocity: Tensor) -> Tensor:
    return 0.25 * (1.0 + dot(velocity, velocity))


def dot(a: Tensor, b: Tensor) -> Tensor:
    """Return a . b."""
    return a[..., 0] * b[..., 0] + a[..., 1] * b[..., 1]


def cross(a: Tensor, b: Tensor) -> Tensor:
    """Return the component of b across a, to its left."""
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
