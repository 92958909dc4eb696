"""A structured C-mesh around any section: hexahedra, one cell thick, for two-dimensional flow.

Grid lines leave the wall along its normal and reach the far field as Bezier curves; cells grow
geometrically away from the wall. Behind the trailing edge a wake line carries on in the direction
of the section and then levels out; behind a blunt one a second block fills the gap.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from formwright.datasets.airfoils.contour import validate
from formwright.datasets.errors import SectionError

PATCHES: Final = ("airfoil", "farfield", "front", "back")
_BASE_CELL: Final = 0.002
_LEVELLING: Final = 0.3
_STEEPEST_WAKE: Final = 0.6
_WAKE_SPREAD: Final = 0.02
_EVEN_SPREAD: Final = 0.05
_WAKE_OPENING: Final = 10.0
_WAKE_GROWTH: Final = 0.5
_CURVE_POINTS: Final = 400
_NORMAL_REACH: Final = 0.5
_TURNS: Final = (2.0, 1.0, 0.5)


@dataclass(frozen=True, kw_only=True, slots=True)
class CMesh:
    """How fine the mesh is, and how far it reaches.

    Attributes:
        cells_side: Cells along each side of the section.
        cells_wake: Cells along the wake.
        cells_normal: Cells from the wall to the far field.
        first_cell: Height of the first cell at the wall, in chords.
        far_field: Distance to the far field, in chords.
        span: Thickness of the layer of cells, in chords.
        cells_base: Cells across the base of a blunt trailing edge; by its height where 0.
        closed_below: Trailing edges thinner than this are closed, the wedge taken off both sides.
        even_share: Share of even spacing along the section; the rest crowds at nose and tail.
        tail_angle: Where the crowding cosine begins at the tail, radians: 0 crowds there as at the
            nose, more leaves longer cells at the tail and shorter ones at the nose.

    Good values: a first cell of 1e-3 with wall functions at a Reynolds number of 1e6, and of 1e-5
    without (y+ of about 0.5); the aspect ratio of cells at the wall rises as it falls.
    """

    cells_side: int = 120
    cells_wake: int = 60
    cells_normal: int = 80
    first_cell: float = 2e-5
    far_field: float = 20.0
    span: float = 0.1
    cells_base: int = 0
    closed_below: float = 1e-4
    even_share: float = 0.2
    tail_angle: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Hexahedra:
    """A mesh in three dimensions.

    Attributes:
        points: (N, 3), in chords.
        cells: (C, 8), the face at z = 0 first, each face counterclockwise seen from z > 0.
        patches: Quadrilaterals of the boundary by name, (F, 4), their normals pointing outward.
    """

    points: Float[np.ndarray, "points 3"]
    cells: Int[np.ndarray, "cells 8"]
    patches: Mapping[str, Int[np.ndarray, "faces 4"]]


def c_mesh(pos: Float[Tensor, "points 2"], settings: CMesh | None = None) -> Hexahedra:
    """Return a C-mesh around a section.

    Args:
        pos: Contour, normalised, upper trailing edge first.
        settings: Its size.

    Raises:
        SectionError: The contour is no section, or grid lines cross in front of it.
    """
    settings = settings or CMesh()
    validate(pos)
    wall = wall_points(
        pos.detach().cpu().numpy(),
        settings.cells_side,
        even=settings.even_share,
        tail_angle=settings.tail_angle,
    )
    gap = float(np.hypot(*(wall[0] - wall[-1])))
    if gap < settings.closed_below:
        wall, gap = _closed(wall), 0.0
    ring = _inner_ring(wall, settings)
    smallest = 0.0
    for turn in _TURNS:
        grid = _grow(ring, _directions(ring, turn), settings)
        points, quads, edges = _plane_mesh(grid, settings, gap)
        smallest = float(smallest_corners(points, quads).min())
        if smallest > 0.0:
            return _extrude(points, quads, edges, settings.span)
    raise SectionError(
        f"no mesh: grid lines cross (a corner of a cell has the area {smallest:.2e} chord^2). Use "
        f"fewer cells along the sides (cells_side = {settings.cells_side}), or smooth the section."
    )


def wall_points(
    pos: Float[np.ndarray, "points 2"], cells: int, even: float = 0.2, tail_angle: float = 0.0
) -> Float[np.ndarray, "wall 2"]:
    """Return 2 * cells + 1 points of a contour, dense at the nose and the trailing edge.

    Args:
        pos: Contour, upper trailing edge first.
        cells: On each side.
        even: Share of even spacing; the rest crowds at both ends.
        tail_angle: See ``CMesh``.
    """
    from scipy.interpolate import PchipInterpolator

    pos = pos[np.concatenate([[True], np.hypot(*np.diff(pos, axis=0).T) > 1e-9])]
    arc = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(pos, axis=0).T))])
    nose = arc[int(pos[:, 0].argmin())]
    cosine = np.cos(np.linspace(tail_angle, np.pi, cells + 1))
    step = (cosine[0] - cosine) / (cosine[0] + 1.0)
    step = (1.0 - even) * step + even * np.arange(cells + 1) / cells
    at = np.concatenate([nose * step, arc[-1] - (arc[-1] - nose) * step[-2::-1]])
    return PchipInterpolator(arc, pos)(at)


def _closed(wall: Float[np.ndarray, "wall 2"]) -> Float[np.ndarray, "wall 2"]:
    """Return the wall without its wedge: both sides sheared, by x, until they meet."""
    nose = len(wall) // 2
    x = np.clip((wall[:, :1] - wall[nose, 0]) / (wall[0, 0] - wall[nose, 0]), 0.0, 1.0)
    upper = np.arange(len(wall))[:, None] < nose
    middle = 0.5 * (wall[0] + wall[-1])
    closed = wall + x * np.where(upper, middle - wall[0], middle - wall[-1])
    closed[-1] = closed[0]
    return closed


def _inner_ring(wall: np.ndarray, settings: CMesh) -> np.ndarray:
    """Return wake, wall, wake as one line from the upper outlet to the lower."""
    far = settings.far_field
    first = np.array([np.hypot(*(wall[1] - wall[0])) / far])
    along = far * _geometric(settings.cells_wake, first)[0, 1:]
    ahead = wall[0] - wall[1] + wall[-1] - wall[-2]
    slope = np.clip(ahead[1] / max(ahead[0], 1e-9), -_STEEPEST_WAKE, _STEEPEST_WAKE)
    drop = slope * _LEVELLING * (1.0 - np.exp(-along / _LEVELLING))
    spread = _spread(along, settings) * bool(np.any(wall[0] != wall[-1]))
    upper = wall[0] + np.stack([along, drop + spread], -1)
    lower = wall[-1] + np.stack([along, drop - spread], -1)
    return np.concatenate([upper[::-1], wall, lower])


def _grow(ring: np.ndarray, direction: np.ndarray, settings: CMesh) -> np.ndarray:
    """Return the grid (along, away, 2): Bezier curves from the ring to the far field."""
    n_wake, far = settings.cells_wake, settings.far_field
    behind = ring[:, 0] - ring[n_wake, 0]
    behind[n_wake : len(ring) - n_wake] = 0.0
    outer, leaving = _outer_ring(ring, settings)
    reach = np.minimum(_NORMAL_REACH + 0.3 * behind, far / 3.0)[:, None]
    corners = (ring, ring + reach * direction, outer - far / 3.0 * leaving, outer)
    t = np.linspace(0.0, 1.0, _CURVE_POINTS)[:, None] ** 2
    weights = ((1 - t) ** 3, 3 * (1 - t) ** 2 * t, 3 * (1 - t) * t**2, t**3)
    curve = np.sum([w * c[:, None] for w, c in zip(weights, corners, strict=True)], axis=0)
    step = np.hypot(*np.moveaxis(np.diff(curve, axis=1), -1, 0))
    length = np.concatenate([np.zeros((len(ring), 1)), np.cumsum(step, axis=1)], axis=1)
    first = settings.first_cell * _thicker(ring, settings, behind)
    at = length[:, -1:] * _geometric(settings.cells_normal, first / length[:, -1])
    lines = zip(at, length, curve, strict=True)
    xy = [[np.interp(s, arc, line[:, k]) for k in (0, 1)] for s, arc, line in lines]
    return np.moveaxis(np.array(xy), 1, -1)


def _thicker(ring: np.ndarray, settings: CMesh, behind: np.ndarray) -> np.ndarray:
    """Return how much thicker the first cell is than at the wall.

    Behind a base it grows as the gap does, so that cells on both sides of the line between them
    have the same shape: where they are a thousand times longer than thick, any difference tilts
    the line between their middles.
    """
    n_wake = settings.cells_wake
    gap = float(np.hypot(*(ring[n_wake] - ring[-n_wake - 1])))
    if not (gap and settings.cells_base):
        return (1.0 + behind / _WAKE_GROWTH) ** 2
    return 1.0 + 2.0 * _spread(behind, settings) / gap


def _spread(behind: np.ndarray, settings: CMesh) -> np.ndarray:
    """Return how much each of the two lines behind a base has moved away from the other."""
    if not settings.cells_base:
        return _EVEN_SPREAD * behind
    return _WAKE_SPREAD * behind * (1.0 + behind / _WAKE_OPENING)


def _outer_ring(ring: np.ndarray, settings: CMesh) -> tuple[np.ndarray, np.ndarray]:
    """Return the far-field points of every grid line, and the direction across the far field."""
    n_wake, n_side, far = settings.cells_wake, settings.cells_side, settings.far_field
    angle = 0.5 * np.pi * (1.0 + np.arange(2 * n_side + 1) / n_side)
    arc = np.stack([np.cos(angle), np.sin(angle)], -1)
    behind = ring[n_wake - 1 :: -1, 0] - ring[n_wake, 0]
    even = far * np.arange(1, n_wake + 1) / n_wake
    x = 0.5 * (behind + even)
    top = np.stack([x, np.full(n_wake, far)], -1)[::-1]
    bottom = np.stack([x, np.full(n_wake, -far)], -1)
    outer = np.concatenate([top, far * arc, bottom]) + [1.0, 0.0]
    up = np.tile([0.0, 1.0], (n_wake, 1))
    return outer, np.concatenate([up, arc, -up])


def _directions(ring: np.ndarray, turn: float) -> np.ndarray:
    """Return unit vectors that point away from the ring, mostly along its normal.

    Where normals converge (in front of a hollow, beside a trailing edge) the direction turns by no
    more than ``turn`` radians a chord: half of what is too much is spread ahead, half behind.
    """
    step = np.diff(ring, axis=0)
    length = np.hypot(*step.T)
    heading = np.unwrap(np.arctan2(-step[:, 0], step[:, 1]))
    angle = np.concatenate([heading[:1], 0.5 * (heading[:-1] + heading[1:]), heading[-1:]])
    ahead, behind = angle.copy(), angle.copy()
    for i in range(len(length)):
        ahead[i + 1] = max(angle[i + 1], ahead[i] - turn * length[i])
        behind[-i - 2] = min(angle[-i - 2], behind[-i - 1] + turn * length[-i - 1])
    spread = 0.5 * (ahead + behind)
    return np.stack([np.cos(spread), np.sin(spread)], -1)


def _geometric(cells: int, first: Float[np.ndarray, " lines"]) -> np.ndarray:
    """Return 0..1 in ``cells`` steps that grow by a constant ratio from ``first``, (lines, n)."""
    low, high = np.full(len(first), 1e-9), np.full(len(first), 3.0)
    for _ in range(80):
        middle = 0.5 * (low + high)
        short = first * np.expm1(cells * middle) / np.expm1(middle) < 1.0
        low, high = np.where(short, middle, low), np.where(short, high, middle)
    growth = 0.5 * (low + high)[:, None]
    return np.expm1(growth * np.arange(cells + 1)) / np.expm1(growth * cells)


def _plane_mesh(
    grid: np.ndarray, settings: CMesh, gap: float
) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Return points, quadrilaterals, and the boundary's edges with the mesh on their right."""
    n_along, n_away = grid.shape[:2]
    last, n_wake = n_along - 1, settings.cells_wake
    ids = np.arange(n_along * n_away).reshape(n_along, n_away)
    points = grid.reshape(-1, 2)
    wall = ids[n_wake : n_along - n_wake, 0].copy()
    blocks = []
    base = np.empty((0, 2), dtype=int)
    outlet = [ids[last, ::-1], ids[0]]
    if gap:
        share = _base_shares(settings, gap)[None, 1:-1, None]
        cells = share.shape[1] + 1
        upper, lower = grid[n_wake::-1, 0], grid[last - n_wake :, 0]
        inside = upper[:, None] * (1.0 - share) + lower[:, None] * share
        new = len(points) + np.arange(inside.shape[0] * (cells - 1)).reshape(-1, cells - 1)
        points = np.concatenate([points, inside.reshape(-1, 2)])
        block = np.concatenate([ids[n_wake::-1, :1], new, ids[last - n_wake :, :1]], axis=1)
        blocks.append(_quads(block)[:, ::-1])
        base = _pairs(block[0])
        outlet = [ids[last, ::-1], block[-1, ::-1], ids[0]]
    else:
        ids[last - n_wake :, 0] = ids[n_wake::-1, 0]
        wall[-1] = wall[0]
    blocks.append(_quads(ids)[:, ::-1])
    outer = np.concatenate([_pairs(line) for line in (*outlet, ids[:, -1])])
    edges = {"airfoil": np.concatenate([_pairs(wall[::-1]), base]), "farfield": outer}
    quads = np.concatenate(blocks)
    used, index = np.unique(quads, return_inverse=True)
    renumber = np.full(len(points), -1)
    renumber[used] = np.arange(len(used))
    return points[used], index.reshape(quads.shape), {k: renumber[v] for k, v in edges.items()}


def _base_shares(settings: CMesh, gap: float) -> np.ndarray:
    """Return 0..1 across the base: even, or growing from the first cell at both corners."""
    if not settings.cells_base:
        cells = int(np.clip(round(gap / _BASE_CELL), 2, 30))
        return np.arange(cells + 1) / cells
    first = np.array([2.0 * settings.first_cell / gap])
    half = 0.5 * _geometric(settings.cells_base // 2, first)[0]
    return np.concatenate([half, 1.0 - half[-2::-1]])


def _pairs(line: np.ndarray) -> np.ndarray:
    return np.stack([line[:-1], line[1:]], -1)


def _quads(ids: np.ndarray) -> np.ndarray:
    corners = (ids[:-1, :-1], ids[1:, :-1], ids[1:, 1:], ids[:-1, 1:])
    return np.stack([corner.ravel() for corner in corners], -1)


def smallest_corners(points: np.ndarray, quads: np.ndarray) -> np.ndarray:
    """Return the smallest of the four corner triangles of each quadrilateral, signed."""
    corner = points[quads]
    ahead = np.roll(corner, -1, axis=1) - corner
    back = np.roll(corner, 1, axis=1) - corner
    return (0.5 * (ahead[..., 0] * back[..., 1] - ahead[..., 1] * back[..., 0])).min(1)


def _extrude(
    points: np.ndarray, quads: np.ndarray, edges: Mapping[str, np.ndarray], span: float
) -> Hexahedra:
    """Return the plane mesh made one cell thick."""
    n = len(points)
    flat = np.concatenate([points, np.zeros((n, 1))], axis=1)
    patches = {
        name: np.stack([e[:, 0], e[:, 1], e[:, 1] + n, e[:, 0] + n], -1)
        for name, e in edges.items()
    }
    patches |= {"front": quads + n, "back": quads[:, ::-1]}
    return Hexahedra(
        points=np.concatenate([flat, flat + [0.0, 0.0, span]]),
        cells=np.concatenate([quads, quads + n], axis=1),
        patches={name: patches[name] for name in PATCHES},
    )
