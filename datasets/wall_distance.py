"""The nearest point of a wall, from anywhere around it; differentiable in wall and points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Float, Int
from torch import Tensor

_CANDIDATES: Final = 4
_TINY: Final = 1e-30
_TIE: Final = 1e-9


@dataclass(frozen=True, kw_only=True, slots=True)
class Nearest:
    """The nearest point of the wall.

    Attributes:
        face: That it lies on.
        share: From the first corner of the face (0) to the second (1).
        distance: Chords.
        direction: Unit vector from it to the point.
    """

    face: Int[Tensor, " points"]
    share: Float[Tensor, " points"]
    distance: Float[Tensor, " points"]
    direction: Float[Tensor, "points 2"]


def nearest_wall(nodes: Float[Tensor, "nodes 2"], points: Float[Tensor, "points 2"]) -> Nearest:
    """Return the nearest point of a wall for each point.

    Where a corner of the wall is nearest, the face counts that looks more toward the point.

    Args:
        nodes: Corners of the wall, one after the other, the fluid on the right of their order.
        points: Anywhere but on the wall.
    """
    from scipy.spatial import KDTree

    start, step = nodes[:-1], nodes[1:] - nodes[:-1]
    with torch.no_grad():
        middle = (start + 0.5 * step).cpu().numpy()
        k = min(_CANDIDATES, len(middle))
        found = KDTree(middle).query(points.cpu().numpy(), k=k)[1].reshape(-1, k)
        faces = torch.from_numpy(found).to(points.device)
        away, _ = _offset(start[faces], step[faces], points[:, None])
        square = away.square().sum(-1)
        normal = torch.stack([step[:, 1], -step[:, 0]], -1)[faces]
        normal = normal / normal.square().sum(-1, keepdim=True).sqrt().clamp_min(_TINY)
        least = square.min(1, keepdim=True).values
        facing = (away * normal).sum(-1).where(square <= least * (1.0 + _TIE), -torch.inf)
        face = faces.gather(1, facing.argmax(1, keepdim=True))[:, 0]
    offset, share = _offset(start[face], step[face], points)
    distance = (offset.square().sum(-1) + _TINY).sqrt()
    return Nearest(face=face, share=share, distance=distance, direction=offset / distance[:, None])


def _offset(start: Tensor, step: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
    """Return the vector from the nearest point of a face, and where on the face that is."""
    share = ((points - start) * step).sum(-1) / step.square().sum(-1).clamp_min(_TINY)
    share = share.clamp(0.0, 1.0)
    return points - start - share[..., None] * step, share
