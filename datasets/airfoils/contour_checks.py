"""What is wrong, or odd, along a contour: sides that cross, kinks, points out of order."""

from __future__ import annotations

from typing import Final

import numpy as np
from jaxtyping import Float, Int

_TOUCHING: Final = 1e-6
_PAIRS: Final = 65_536
_STRIDE: Final = 0.004
_KINK_DEG: Final = 10.0
_SHARPER: Final = 4.0
GOES_BACK_DEG: Final = 120.0
_NOSE: Final = 0.03
_TAIL: Final = 0.005


def first_crossing(
    points: Float[np.ndarray, "points 2"],
) -> tuple[int, int, Float[np.ndarray, " 2"]] | None:
    """Return two segments of a contour that cross, and where; None if none do.

    Boxes around runs of segments are halved as long as they overlap, so that n segments take
    little more than n steps, and no more memory.
    """
    if sides_apart(points):
        return None
    levels = _boxes(points)
    stack = [(len(levels) - 1, np.zeros((1, 2), dtype=np.int64))]
    while stack:
        level, pairs = stack.pop()
        if level == 0:
            result = _crossing(points, pairs)
            if result is not None:
                return result
            continue
        closer = _overlapping(levels[level - 1], pairs, 2 if level == 1 else 0)
        starts = range(0, len(closer), _PAIRS)
        stack += [(level - 1, closer[start : start + _PAIRS]) for start in reversed(starts)]
    return None


def _boxes(
    points: Float[np.ndarray, "points 2"],
) -> list[tuple[Float[np.ndarray, "boxes 2"], Float[np.ndarray, "boxes 2"]]]:
    """Return the corners of boxes around each segment, each two, each four... and all of them."""
    low, high = np.minimum(points[:-1], points[1:]), np.maximum(points[:-1], points[1:])
    levels = [(low, high)]
    while len(low) > 1:
        at = np.arange(0, len(low), 2)
        low, high = np.minimum.reduceat(low, at), np.maximum.reduceat(high, at)
        levels.append((low, high))
    return levels


def _overlapping(
    boxes: tuple[np.ndarray, np.ndarray], parents: Int[np.ndarray, "parents 2"], apart: int
) -> Int[np.ndarray, "pairs 2"]:
    """Return the pairs of halves of paired boxes that overlap, the first before the second."""
    low, high = boxes
    halves = [2 * parents + [i, j] for i in (0, 1) for j in (0, 1)]
    pairs = np.stack(halves, 1).reshape(-1, 2)
    first, second = pairs.T
    pairs = pairs[(second < len(low)) & (second >= first + apart)]
    first, second = pairs.T
    near = (low[first] <= high[second]).all(1) & (low[second] <= high[first]).all(1)
    return pairs[near]


def _crossing(
    points: Float[np.ndarray, "points 2"], pairs: Int[np.ndarray, "pairs 2"]
) -> tuple[int, int, Float[np.ndarray, " 2"]] | None:
    """Return the first of some pairs of segments that cross, and where."""
    first, second = pairs.T
    step = np.diff(points, axis=0)
    offset = points[second] - points[first]
    with np.errstate(divide="ignore", invalid="ignore"):
        denominator = cross(step[first], step[second])
        along_first = cross(offset, step[second]) / denominator
        along_second = cross(offset, step[first]) / denominator
    share = np.stack([along_first, along_second])
    hits = np.flatnonzero(((share > _TOUCHING) & (share < 1.0 - _TOUCHING)).all(0))
    if not len(hits):
        return None
    hit = hits[np.lexsort((second[hits], first[hits]))[0]]
    one, other = int(first[hit]), int(second[hit])
    return one, other, points[one] + along_first[hit] * step[one]


def sides_apart(points: Float[np.ndarray, "points 2"]) -> bool:
    """Return whether both sides are functions of x and the upper one lies above everywhere.

    That settles nearly every contour at once; the others are searched segment by segment.
    """
    nose = int(points[:, 0].argmin())
    (x_up, y_up), (x_low, y_low) = points[nose::-1].T, points[nose:].T
    if len(x_up) < 2 or len(x_low) < 2 or (np.diff(x_up) <= 0).any() or (np.diff(x_low) <= 0).any():
        return False
    above = y_up - np.interp(x_up, x_low, y_low)
    below = np.interp(x_low, x_up, y_up) - y_low
    return bool((above[1:-1] > 0).all() and (below[1:-1] > 0).all() and above[-1] >= 0)


def cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the third component of the cross product of vectors in the plane."""
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


def kinks(
    pos: Float[np.ndarray, "points 2"],
) -> tuple[Int[np.ndarray, " kinks"], Float[np.ndarray, " kinks"]]:
    """Return the points behind the nose where a contour turns far more than around, and by what.

    Points nearer to the one before than .004 chord are passed over: their direction is that of
    rounding.

    Args:
        pos: Contour in chords, normalised, upper trailing edge first.

    Returns:
        Which points, and by how many degrees the contour turns there: beyond 120 it goes back.
    """
    kept = _strided(pos)
    way = np.diff(pos[kept], axis=0)
    turn = np.rad2deg(np.diff(np.arctan2(way[:, 1], way[:, 0])))
    turn = np.abs((turn + 180.0) % 360.0 - 180.0)
    wide = np.pad(turn, 2, mode="edge") if len(turn) else turn
    around = np.maximum(wide[:-4], wide[4:])
    sharp = (turn > _KINK_DEG) & (turn > _SHARPER * around) | (turn > GOES_BACK_DEG)
    x = pos[kept[1:-1], 0]
    odd = np.flatnonzero(sharp & (x > _NOSE) & (x < 1.0 - _TAIL))
    return kept[1:-1][odd], turn[odd]


def _strided(pos: Float[np.ndarray, "points 2"]) -> Int[np.ndarray, " kept"]:
    """Return the points that are no nearer than a stride to the one kept before."""
    kept = [0]
    x_kept, y_kept = pos[0].tolist()
    for i, (x, y) in enumerate(pos.tolist()):
        if (x - x_kept) ** 2 + (y - y_kept) ** 2 >= _STRIDE**2:
            kept.append(i)
            x_kept, y_kept = x, y
    return np.array(kept)
