"""A mesh that follows its wall: displacements of the wall carried to every point, differentiable.

A point moves by the mean of the wall's displacements, weighted by powers of the inverse distance,
and less and less away from the wall until the far field stays::

    d(x) = f(|x - wall|) sum_k w_k d_k / sum_k w_k      w_k = s_k (r_k^-3 + a^2 r_k^-5)

with s_k the arc that belongs to a point of the wall. The map is linear, any mesh will do, and cells
in the boundary layer ride on the wall point below them.

Source: E. Luke, E. Collins, E. Blades, Journal of Computational Physics 231 (2012) 586-601.
"""

from __future__ import annotations

from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from formwright.datasets.errors import SectionError
from formwright.datasets.rans.mesh.wall_distance import nearest_wall

REACH: Final = 5.0
STIFF: Final = 0.1
CHUNK: Final = 2048
_TOUCHING: Final = 1e-12


def moved_points(
    points: Float[Tensor, "points 2"],
    wall: Float[Tensor, "nodes 2"],
    displacement: Float[Tensor, "nodes 2"],
    *,
    reach: float = REACH,
) -> Float[Tensor, "points 2"]:
    """Return the points of a mesh after its wall has moved.

    Args:
        points: Of the mesh as it was.
        wall: Points of the wall as it was, one after the other.
        displacement: Of each of them; linear in it, and differentiable.
        reach: Distance from the wall beyond which nothing moves, chords.
    """
    step = (wall[1:] - wall[:-1]).square().sum(-1).sqrt()
    share = torch.nn.functional.pad(step, (1, 0)) + torch.nn.functional.pad(step, (0, 1))
    parts = [_carried(part, wall, share, displacement, reach) for part in points.split(CHUNK)]
    return points + torch.cat(parts)


def _carried(
    points: Tensor, wall: Tensor, share: Tensor, displacement: Tensor, reach: float
) -> Float[Tensor, "points 2"]:
    """Return the displacement of some points."""
    with torch.no_grad():
        square = (points[:, None] - wall).square().sum(-1) + _TOUCHING**2
        near = square.min(1).values
        scaled = near[:, None] / square
        weight = share * scaled.pow(1.5) * (near[:, None] + STIFF**2 * scaled)
        weight = weight / weight.sum(1, keepdim=True)
        far = (near.sqrt() / reach).clamp(max=1.0)
        weight = weight * ((1.0 - far).square() * (1.0 + 2.0 * far))[:, None]
    return weight @ displacement


def wall_displacement(
    nodes: Float[Tensor, "nodes 2"],
    base: Float[Tensor, "base_points 2"],
    pos: Float[Tensor, "points 2"],
) -> Float[Tensor, "nodes 2"]:
    """Return how the wall of a mesh moves when the contour that it was made of does.

    Args:
        nodes: Of the wall, upper trailing edge -> nose -> lower trailing edge.
        base: The contour that the mesh was made of, in the same order.
        pos: The contour now, point by point.

    Raises:
        SectionError: The contours have different numbers of points.
    """
    if base.shape != pos.shape:
        raise SectionError(
            f"a mesh follows a contour point by point; it was made of {len(base)} points, and "
            f"{len(pos)} are given. Sample both alike."
        )
    turn = int(base[:, 0].argmin())
    split = int(nodes[:, 0].argmin()) + 1
    change = pos - base
    upper = _along(nodes[:split], base[: turn + 1], change[: turn + 1])
    return torch.cat([upper, _along(nodes[split:], base[turn:], change[turn:])])


def _along(nodes: Tensor, base: Tensor, change: Tensor) -> Tensor:
    """Return the change of one side of a contour at the nodes on it."""
    near = nearest_wall(base.detach(), nodes.detach())
    return torch.lerp(change[near.face], change[near.face + 1], near.share[:, None])
