"""The nearest point of a wall, from anywhere around it; differentiable in wall and points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

_CANDIDATES: Final = 4
_EVERY: Final = 5
_ROWS: Final = 4
_FAR: Final = 16
_LEAF: Final = 32
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


def nearest_wall(
    nodes: Float[Tensor, "nodes 2"], points: Float[Tensor, "points 2"], *, row: int = 1
) -> Nearest:
    """Return the nearest point of a wall for each point.

    Where a corner of the wall is nearest, the face counts that looks more toward the point.

    Args:
        nodes: Corners of the wall, one after the other, the fluid on the right of their order.
        points: Anywhere but on the wall.
        row: So many points after each other lie in a row, as the cells of a column of a grid do.
            The faces of few points of few rows are searched for, the others follow from them.
    """
    with torch.no_grad():
        faces = _Faces.between(nodes.detach())
        places = points.detach()
        face = faces.search(places) if row <= _EVERY else _followed(faces, places, row)
    ends = torch.cat([nodes[:-1], nodes[1:] - nodes[:-1]], -1).T
    sx, sy, dx, dy = (part.index_select(0, face) for part in ends)
    x, y = points[:, 0] - sx, points[:, 1] - sy
    share = ((x * dx + y * dy) / (dx * dx + dy * dy).clamp_min(_TINY)).clamp(0.0, 1.0)
    x, y = x - share * dx, y - share * dy
    distance = (x * x + y * y + _TINY).sqrt()
    direction = torch.stack([x / distance, y / distance], -1)
    return Nearest(face=face, share=share, distance=distance, direction=direction)


def _followed(faces: _Faces, points: Tensor, row: int) -> Int[Tensor, " points"]:
    """Return the nearest faces of points in rows."""
    rows = points.unflatten(0, (-1, row))
    across, along = _sparse(len(rows), _ROWS), _sparse(row, _EVERY)
    known = faces.search(rows[across.kept][:, along.kept].flatten(0, 1))
    known = known.unflatten(0, (len(across.kept), len(along.kept)))
    guess = (across.weights @ known.double() @ along.weights.T).round().long().flatten()
    patches = known.unfold(0, 2, 1).unfold(1, 2, 1)
    spread = patches.amax((2, 3)) - patches.amin((2, 3)) > _FAR
    unsure = spread[across.patch][:, along.patch].flatten().nonzero()[:, 0]
    guess[unsure] = faces.search(points[unsure])
    return faces.descend(points, guess)


class _Sparse(NamedTuple):
    """Some of n numbers, their weights at every number, and the gap that each number lies in."""

    kept: Int[np.ndarray, " kept"]
    weights: Float[Tensor, "n kept"]
    patch: Int[np.ndarray, " n"]


def _sparse(n: int, every: int) -> _Sparse:
    """Return about every so many-th of n numbers, first and last among them."""
    kept = np.linspace(0, n - 1, max(n // every, 1) + 1).round().astype(int)
    patch = np.searchsorted(kept, np.arange(n)).clip(1) - 1
    share = (np.arange(n) - kept[patch]) / (kept[patch + 1] - kept[patch]).clip(1)
    weights = np.zeros((n, len(kept)))
    weights[np.arange(n), patch], weights[np.arange(n), patch + 1] = 1.0 - share, share
    return _Sparse(kept, torch.from_numpy(weights), patch)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Faces:
    """Faces of a wall, whose last is followed by the first.

    Attributes:
        middle: Of the faces.
        table: Their first corners, the ways to their second ones, and their lengths.
        hollow: Whether a face makes a hollow corner with a neighbour.
    """

    middle: Float[Tensor, "faces 2"]
    table: Float[Tensor, "5 faces"]
    hollow: Bool[Tensor, " faces"]

    @classmethod
    def between(cls, nodes: Float[Tensor, "nodes 2"]) -> _Faces:
        """Return the faces between corners."""
        start, step = nodes[:-1], nodes[1:] - nodes[:-1]
        length = step.square().sum(-1).sqrt().clamp_min(_TINY)
        (dx, dy), (nx, ny) = step.T, step.roll(-1, 0).T
        hollow = dx * ny < dy * nx
        return cls(
            middle=start + 0.5 * step,
            table=torch.cat([start.T, step.T, length[None]]),
            hollow=hollow | hollow.roll(1),
        )

    def search(self, points: Float[Tensor, "points 2"]) -> Int[Tensor, " points"]:
        """Return the nearest of all faces."""
        from scipy.spatial import KDTree

        middle = self.middle.cpu().numpy()
        k = min(_CANDIDATES, len(middle))
        tree = KDTree(middle, leafsize=_LEAF)
        found = tree.query(points.cpu().numpy(), k=k)[1].reshape(-1, k)
        candidates = torch.from_numpy(found.T).to(points.device)
        best, reach = candidates[0], self.reach(points, candidates[0])
        for other in candidates[1:]:
            trial = self.reach(points, other)
            better = trial.beats(reach)
            best, reach = other.where(better, best), trial.where(better, reach)
        return best

    def descend(
        self, points: Float[Tensor, "points 2"], guess: Int[Tensor, " points"]
    ) -> Int[Tensor, " points"]:
        """Return the faces that are nearer than their neighbours, on the way from a guess."""
        best, reach = guess.clone(), self.reach(points, guess)
        beside = (reach.share < 0.0) | (reach.share > 1.0) | self.hollow[guess]
        moved = beside.nonzero()[:, 0]
        places, face, reach = points.index_select(0, moved), guess[moved], reach.take(moved)
        while len(moved):
            trial = (face + torch.where(reach.share < 0.5, -1, 1)) % len(self.middle)
            found = self.reach(places, trial)
            better = found.beats(reach).nonzero()[:, 0]
            moved, face = moved[better], trial[better]
            places = places.index_select(0, better)
            reach = found.take(better)
            best[moved] = face
        return best

    def reach(self, points: Float[Tensor, "points 2"], face: Int[Tensor, " points"]) -> _Reach:
        """Return how far faces are from points."""
        sx, sy, dx, dy, length = (part.index_select(0, face) for part in self.table)
        x, y = points[:, 0] - sx, points[:, 1] - sy
        share = (x * dx + y * dy) / (length * length)
        within = share.clamp(0.0, 1.0)
        x, y = x - within * dx, y - within * dy
        return _Reach(x * x + y * y, (x * dy - y * dx) / length, share)


class _Reach(NamedTuple):
    """Squared distances, how much faces look toward points, and which of their places do most."""

    square: Tensor
    facing: Tensor
    share: Tensor

    def beats(self, other: _Reach) -> Tensor:
        """Return where this is nearer, or as near and faces the point more."""
        level = self.square <= other.square * (1.0 + _TIE)
        nearer = self.square < other.square * (1.0 - _TIE)
        return nearer | (level & (self.facing > other.facing))

    def where(self, mask: Tensor, other: _Reach) -> _Reach:
        """Return this where the mask is set."""
        return _Reach(*(a.where(mask, b) for a, b in zip(self, other, strict=True)))

    def take(self, index: Tensor) -> _Reach:
        """Return some."""
        return _Reach(*(part.index_select(0, index) for part in self))
