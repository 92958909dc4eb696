"""The nearest point of a wall, from anywhere around it; differentiable in wall and points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

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
        tree, threads = KDTree(middle), torch.get_num_threads()
        found = tree.query(points.cpu().numpy(), k=k, workers=threads)[1].reshape(-1, k)
        face = _nearest(start, step, points, torch.from_numpy(found.T).to(points.device))
    px, py = points.unbind(-1)
    away = _offset(start[face], step[face], px, py)
    distance = (away.x.square() + away.y.square() + _TINY).sqrt()
    direction = torch.stack([away.x, away.y], -1) / distance[:, None]
    return Nearest(face=face, share=away.share, distance=distance, direction=direction)


def _nearest(start: Tensor, step: Tensor, points: Tensor, faces: Tensor) -> Tensor:
    """Return the nearest of some faces of each point, ``faces`` (candidates, points)."""
    px, py = points.unbind(-1)
    best, least, facing = faces[0], torch.full_like(px, torch.inf), torch.full_like(px, -torch.inf)
    length = step.square().sum(-1).sqrt().clamp_min(_TINY)
    for face in faces:
        here = step[face]
        away = _offset(start[face], here, px, py)
        square = away.x.square() + away.y.square()
        towards = (away.x * here[:, 1] - away.y * here[:, 0]) / length[face]
        level = square <= least * (1.0 + _TIE)
        better = (square < least * (1.0 - _TIE)) | (level & (towards > facing))
        best, facing = face.where(better, best), towards.where(better, facing)
        least = torch.minimum(least, square)
    return best


class _Away(NamedTuple):
    """Vectors from the nearest points of faces, and where on the faces these are."""

    x: Tensor
    y: Tensor
    share: Tensor


def _offset(start: Tensor, step: Tensor, px: Tensor, py: Tensor) -> _Away:
    """Return the way from the nearest point of a face to each point."""
    (sx, sy), (dx, dy) = start.unbind(-1), step.unbind(-1)
    x, y = px - sx, py - sy
    square = (dx.square() + dy.square()).clamp_min(_TINY)
    share = ((x * dx + y * dy) / square).clamp(0.0, 1.0)
    return _Away(x - share * dx, y - share * dy, share)
