"""The nose of a contour: the point furthest from the middle of the trailing edge.

Coarse files miss it, and a neighbour in its place would turn the section by up to half a degree.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from jaxtyping import Float, Int

_TOLERANCE: Final = 0.05
_REACH: Final = 8
_ROUNDS: Final = 4
_CANDIDATES: Final = 33
_SAME: Final = 1e-8


def with_nose(points: Float[np.ndarray, "points 2"]) -> np.ndarray:
    """Return the contour with its nose among the points: see ``missing_noses``."""
    missing = missing_nose(points)
    return points if missing is None else np.insert(points, missing[0], missing[1], axis=0)


def without_nose(points: Float[np.ndarray, "points 2"]) -> np.ndarray:
    """Return the contour without the nose if ``with_nose`` would put it back: the way back."""
    trailing_edge = 0.5 * (points[0] + points[-1])
    away = np.hypot(*(points - trailing_edge).T)
    row = int(away.argmax())
    rest = np.delete(points, row, axis=0)
    missing = missing_nose(rest) if len(rest) > 2 * _REACH else None
    if missing is None or missing[0] != row:
        return points
    return rest if np.hypot(*(missing[1] - points[row])) < _SAME * away[row] else points


def missing_nose(
    points: Float[np.ndarray, "points 2"],
) -> tuple[int, Float[np.ndarray, " 2"]] | None:
    """Return where to insert the nose, and its place; None if it is among the points."""
    row, place = missing_noses(points[None])
    return (int(row[0]), place[0]) if row[0] else None


def missing_noses(
    points: Float[np.ndarray, "contours points 2"],
) -> tuple[Int[np.ndarray, " contours"], Float[np.ndarray, "contours 2"]]:
    """Return of each contour the row to insert its nose at (0: it has it), and its place.

    Sought on the natural cubic spline through the eight points on either side of the one that is
    furthest from the middle of the trailing edge. A point there, to 5 % of the spacing, is the
    nose.

    Args:
        points: Contours, upper trailing edge first, any units.
    """
    trailing_edge = 0.5 * (points[:, 0] + points[:, -1])
    count = points.shape[1]
    nearest = np.square(points - trailing_edge[:, None]).sum(-1).argmax(1)
    width = min(count, 2 * _REACH + 1)
    first = np.clip(nearest - _REACH, 0, count - width)
    window = np.take_along_axis(points, (first[:, None] + np.arange(width))[..., None], 1)
    arc, bend = _spline(window)
    middle = np.clip(nearest - first, 1, width - 2)[:, None]
    low, high = (np.take_along_axis(arc, middle + side, 1)[:, 0] for side in (-1, 1))
    nose = _furthest(arc, window, bend, (low, high), trailing_edge)
    after = (arc < nose[:, None]).sum(1)[:, None].clip(1, width - 1)
    before = nose - np.take_along_axis(arc, after - 1, 1)[:, 0]
    behind = np.take_along_axis(arc, after, 1)[:, 0] - nose
    missing = np.minimum(before, behind) >= _TOLERANCE * (before + behind)
    missing &= (nearest > 0) & (nearest < count - 1)
    place = _at(arc, window, bend, nose[:, None])[:, 0]
    return np.where(missing, first + after[:, 0], 0), place


def _spline(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return chord lengths from the first point, and second derivatives of the natural spline."""
    step = np.diff(points, axis=1)
    h = np.hypot(step[..., 0], step[..., 1])
    arc = np.concatenate([np.zeros((len(h), 1)), np.cumsum(h, 1)], 1)
    slope = step / h[..., None]
    inner = np.arange(h.shape[1] - 1)
    matrix = np.zeros((len(h), len(inner), len(inner)))
    matrix[:, inner, inner] = 2.0 * (h[:, :-1] + h[:, 1:])
    matrix[:, inner[1:], inner[:-1]] = matrix[:, inner[:-1], inner[1:]] = h[:, 1:-1]
    bend = np.zeros_like(points)
    bend[:, 1:-1] = np.linalg.solve(matrix, 6.0 * (slope[:, 1:] - slope[:, :-1]))
    return arc, bend


def _at(arc: np.ndarray, points: np.ndarray, bend: np.ndarray, s: np.ndarray) -> np.ndarray:
    """Return the points of the splines at chord lengths ``s``, (contours, places, 2)."""
    left = ((arc[:, None] <= s[..., None]).sum(-1) - 1).clip(0, arc.shape[1] - 2)

    def of(values: np.ndarray, step: int) -> np.ndarray:
        index = left + step
        return np.take_along_axis(values, index[..., None] if values.ndim == 3 else index, 1)

    h = of(arc, 1) - of(arc, 0)
    b = (s - of(arc, 0)) / h
    a = 1.0 - b
    wave = ((a**3 - a)[..., None] * of(bend, 0) + (b**3 - b)[..., None] * of(bend, 1)) / 6.0
    line = a[..., None] * of(points, 0) + b[..., None] * of(points, 1)
    return line + wave * np.square(h)[..., None]


def _furthest(
    arc: np.ndarray,
    points: np.ndarray,
    bend: np.ndarray,
    ends: tuple[np.ndarray, np.ndarray],
    origin: np.ndarray,
) -> np.ndarray:
    """Return the chord length between ``ends`` that is furthest from ``origin``."""
    low, high = ends
    share = np.linspace(0.0, 1.0, _CANDIDATES)
    for _ in range(_ROUNDS):
        s = low[:, None] + (high - low)[:, None] * share
        distance = np.square(_at(arc, points, bend, s) - origin[:, None]).sum(-1)
        best = distance.argmax(1)[:, None]
        low = np.take_along_axis(s, (best - 1).clip(0), 1)[:, 0]
        high = np.take_along_axis(s, (best + 1).clip(None, _CANDIDATES - 1), 1)[:, 0]
    return 0.5 * (low + high)
