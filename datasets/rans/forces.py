"""Lift, drag and moment from pressure and friction on the wall: one integrator for all.

The force on the section, over the dynamic pressure and the chord, is the sum over the faces of::

    dF = (-cp n + cf) l        n: unit normal out of the section, l: length of the face

drag along the free stream, lift across it, the moment about the quarter chord with the nose up
positive. Solver and surrogate, truth and prediction go through the same lines; differentiable in
everything. On a corpus it agrees with OpenFOAM's ``forceCoeffs`` to rounding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from formwright.datasets.rans.flow_field import FlowField, Wall

REFERENCE: Final = (0.25, 0.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Forces:
    """Coefficients, and the parts of pressure and friction; each of the batch's shape."""

    cl: Float[Tensor, "*batch"]
    cd: Float[Tensor, "*batch"]
    cm: Float[Tensor, "*batch"]
    cl_pressure: Float[Tensor, "*batch"]
    cl_friction: Float[Tensor, "*batch"]
    cd_pressure: Float[Tensor, "*batch"]
    cd_friction: Float[Tensor, "*batch"]


def integrate(
    centres: Float[Tensor, "*batch faces 2"],
    normals: Float[Tensor, "*batch faces 2"],
    lengths: Float[Tensor, "*batch faces"],
    cp: Float[Tensor, "*batch faces"],
    cf: Float[Tensor, "*batch faces 2"],
    alpha_deg: Float[Tensor, "*batch"],
    *,
    mask: Bool[Tensor, "*batch faces"] | None = None,
) -> Forces:
    """Integrate pressure and friction over the wall.

    Args:
        centres: Middles of the faces, chords.
        normals: Unit normals out of the section.
        lengths: Of the faces, chords.
        cp: Pressure coefficient.
        cf: Friction that the fluid exerts on the wall, over the dynamic pressure.
        alpha_deg: Incidence, degrees.
        mask: Which faces count, where walls of different lengths share a batch; all where None.
    """
    weight = lengths if mask is None else torch.where(mask, lengths, torch.zeros_like(lengths))
    pressure = -cp[..., None] * normals * weight[..., None]
    friction = cf * weight[..., None]
    arm = centres - torch.tensor(REFERENCE, dtype=centres.dtype, device=centres.device)
    moment = _cross(pressure + friction, arm).sum(-1)
    parts = {}
    for name, force in (("pressure", pressure.sum(-2)), ("friction", friction.sum(-2))):
        parts[f"cl_{name}"], parts[f"cd_{name}"] = lift_and_drag(force, alpha_deg)
    return Forces(
        cl=parts["cl_pressure"] + parts["cl_friction"],
        cd=parts["cd_pressure"] + parts["cd_friction"],
        cm=moment,
        **parts,
    )


def integrate_flow(flow: FlowField) -> Forces:
    """Return the forces of a record, as tensors without dimensions.

    Example:
        >>> import formwright
        >>> flow = formwright.predict_in_file(formwright.load("rans-fields"), "e387", 4.0, 3e6)
        >>> forces = formwright.integrate_flow(flow)
        >>> abs(float(forces.cl) - flow.forces["cl"]) < 1e-4
        True
    """
    return integrate_wall(flow.wall, flow.alpha_deg)


def integrate_wall(wall: Wall, alpha_deg: float) -> Forces:
    """Return the forces on the wall of a record, as tensors without dimensions.

    Args:
        wall: Its pressure and friction.
        alpha_deg: Incidence, degrees.
    """
    return integrate(
        *map(_tensor, (wall.centres, wall.normals, wall.lengths, wall.cp, wall.cf)),
        alpha_deg=_tensor(np.array(alpha_deg)),
    )


def lift_and_drag(
    force: Float[Tensor, "*batch 2"], alpha_deg: Float[Tensor, "*batch"]
) -> tuple[Float[Tensor, "*batch"], Float[Tensor, "*batch"]]:
    """Return the parts of a force across and along the free stream."""
    alpha = torch.deg2rad(alpha_deg)
    cos, sin = alpha.cos(), alpha.sin()
    return force[..., 1] * cos - force[..., 0] * sin, force[..., 0] * cos + force[..., 1] * sin


def wall_geometry(
    ends: Float[Tensor, "*batch corners 2"],
) -> tuple[
    Float[Tensor, "*batch faces 2"], Float[Tensor, "*batch faces 2"], Float[Tensor, "*batch faces"]
]:
    """Return middles, outward normals and lengths of the faces between the corners of a wall.

    Args:
        ends: Corners, upper trailing edge -> nose -> lower trailing edge.
    """
    step = ends[..., 1:, :] - ends[..., :-1, :]
    lengths = step.square().sum(-1).sqrt()
    normals = torch.stack([step[..., 1], -step[..., 0]], -1) / lengths[..., None]
    return 0.5 * (ends[..., 1:, :] + ends[..., :-1, :]), normals, lengths


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(array).double()


def _cross(a: Tensor, b: Tensor) -> Tensor:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
