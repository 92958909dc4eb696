"""Contours of sections: put in order, checked, normalised; all in plain torch, float64.

A contour runs from the upper trailing edge over the nose to the lower trailing edge.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from formwright.datasets.airfoils.contour_checks import cross, first_crossing
from formwright.datasets.errors import SectionError

MIN_POINTS: Final = 9
MAX_TE_GAP: Final = 0.3
MAX_TE_SLANT: Final = 0.08
MIN_THICKNESS: Final = 0.005
_DUPLICATE: Final = 1e-7
_JUMP: Final = 0.5
_AT_END: Final = 0.001
_NEAR_END: Final = 0.02
_BLUNT: Final = 0.6
_HIGHEST: Final = 1.1


@dataclass(frozen=True, kw_only=True, slots=True)
class Placement:
    """How a section lay in the axes of its file.

    Attributes:
        chord: Distance from the nose to the trailing edge, in the file's units.
        rotation_deg: What has to be added to an incidence given in the file's axes to get the
            incidence in the normalised axes, degrees.
        nose: Where the nose was, in the file's units.
    """

    chord: float = 1.0
    rotation_deg: float = 0.0
    nose: tuple[float, float] = (0.0, 0.0)


def normalise(pos: Float[Tensor, "points 2"]) -> tuple[Float[Tensor, "points 2"], Placement]:
    """Move, turn and scale a contour: nose at (0, 0), middle of the trailing edge at (1, 0).

    The nose is the point furthest from the middle of the trailing edge, so that every x >= 0.
    Differentiable in ``pos``; which point is the nose is piecewise constant.

    Args:
        pos: Contour, upper trailing edge first, in any units.

    Returns:
        The contour in chords, and how it lay before.
    """
    local, chord = in_own_axes(pos)
    x, y = (0.5 * (pos[0] + pos[-1]) - chord).detach().tolist()
    placement = Placement(
        chord=float(chord.detach().norm()),
        rotation_deg=float(rotation_deg(chord.detach())),
        nose=(x, y),
    )
    return local, placement


def in_own_axes(
    pos: Float[Tensor, "*contours points 2"],
) -> tuple[Float[Tensor, "*contours points 2"], Float[Tensor, "*contours 2"]]:
    """Return contours in chords from the nose, and the vectors from the nose to the trailing edge.

    The part of ``normalise`` that is tensors alone, for any number of contours.
    """
    trailing_edge = 0.5 * (pos[..., 0, :] + pos[..., -1, :])
    farthest = (pos - trailing_edge[..., None, :]).square().sum(-1).argmax(-1)
    index = farthest[..., None, None].expand(*farthest.shape, 1, 2)
    nose = pos.gather(-2, index)
    chord = trailing_edge - nose[..., 0, :]
    along = (chord / chord.square().sum(-1, keepdim=True))[..., None, :]
    across = torch.stack([-along[..., 1], along[..., 0]], -1)
    local = pos - nose
    return torch.stack([(local * along).sum(-1), (local * across).sum(-1)], -1), chord


def in_file_axes(pos: Float[Tensor, "points 2"], placement: Placement) -> Float[Tensor, "points 2"]:
    """Return a contour as its file had it: the way back from ``normalise``.

    Args:
        pos: Contour in chords, normalised.
        placement: How it lay; its units are those of what is returned.
    """
    angle = math.radians(placement.rotation_deg)
    along = pos.new_tensor([math.cos(angle), -math.sin(angle)])
    across = pos.new_tensor([math.sin(angle), math.cos(angle)])
    turned = pos[..., :1] * along + pos[..., 1:] * across
    return placement.chord * turned + pos.new_tensor(placement.nose)


def rotation_deg(chord: Float[Tensor, "*contours 2"]) -> Float[Tensor, "*contours"]:
    """Return what to add to incidences given in the axes of ``chord``, degrees."""
    return -torch.rad2deg(torch.atan2(chord[..., 1], chord[..., 0]))


def order(points: Float[np.ndarray, "points 2"], name: str = "section") -> np.ndarray:
    """Return the points as one contour, whichever way a file has listed them.

    Two sides one after the other (Lednicer), a contour that starts at the nose or at the lower
    side, repeated points and points on the base of a blunt trailing edge are put right.

    Args:
        points: As listed, any units, the trailing edge at the larger x.
        name: Of the section, for errors.

    Raises:
        SectionError: Fewer than 9 different points, or a number that is not finite.
    """
    points = np.asarray(points, dtype=np.float64)
    _check_points(points, name)
    chord = float(np.ptp(points[:, 0])) or 1.0
    steps = np.hypot(*np.diff(points, axis=0).T)
    jumps = np.flatnonzero(steps > _JUMP * chord)
    if len(jumps) == 1 and 2 <= jumps[0] <= len(points) - 4:
        points = _join_sides(points[: jumps[0] + 1], points[jumps[0] + 1 :])
    elif _starts_at_nose(points):
        points = _roll_to_trailing_edge(points)
    points = _without_duplicates(points, chord)
    if _area(points) < 0:
        points = points[::-1]
    points = _without_base(points, chord)
    _check_points(points, name)
    return np.ascontiguousarray(points)


def points_backward(ring: Float[np.ndarray, "points 2"]) -> bool:
    """Return whether a contour has its rounded nose at the larger x.

    The end that is thicker at 2 % of the chord is the nose, unless it is cut off: a blunt base is
    as thick at .1 %.
    """
    x = ring[:, 0]
    places = x.min() + np.ptp(x) * np.array([_AT_END, _NEAR_END, 1.0 - _NEAR_END, 1.0 - _AT_END])
    left_end, left, right, right_end = (_thickness(ring, place) for place in places)
    if right_end > _BLUNT * right:
        return False
    return right > (1.0 if left_end > _BLUNT * left else 2.0) * left


def _thickness(ring: np.ndarray, place: float) -> float:
    """Return the height of a closed line at a place along x."""
    (x, y), (x_next, y_next) = ring.T, np.roll(ring, -1, axis=0).T
    cut = (x < place) != (x_next < place)
    share = (place - x[cut]) / (x_next[cut] - x[cut])
    return float(np.ptp(y[cut] + share * (y_next[cut] - y[cut]))) if cut.any() else 0.0


def needs_order(points: Float[np.ndarray, "contours points 2"]) -> Bool[np.ndarray, " contours"]:
    """Return which contours ``order`` might change: a quick look that errs on the safe side."""
    x = points[..., 0]
    chord = np.ptp(x, axis=1)
    steps = np.hypot(*np.moveaxis(np.diff(points, axis=1), -1, 0))
    uneven = (steps.max(1) > _JUMP * chord) | (steps.min(1) <= _DUPLICATE * chord)
    ends = np.minimum(x[:, 0], x[:, -1])
    upright = np.minimum(np.abs(x[:, 1] - x[:, 0]), np.abs(x[:, -1] - x[:, -2])) < 1e-6 * chord
    along = np.roll(points, -1, axis=1)
    return uneven | (ends < x.min(1) + 0.5 * chord) | upright | (cross(points, along).sum(1) <= 0)


def too_high(points: Float[np.ndarray, "*contours points 2"]) -> Bool[np.ndarray, "*contours"]:
    """Return which contours are higher than long in the axes that they are given in."""
    length, height = np.moveaxis(np.ptp(points, axis=-2), -1, 0)
    return np.asarray(height > _HIGHEST * length)


def validate(pos: Float[Tensor, "points 2"], name: str = "section") -> None:
    """Refuse a contour that is no section.

    Args:
        pos: Contour, upper trailing edge first, in any units.
        name: Of the section, for the message.

    Raises:
        SectionError: Not finite, too few points, open, self-crossing, or without thickness.
    """
    points = pos.detach().cpu().numpy().astype(np.float64)
    _check_points(points, name)
    points = normalise(torch.from_numpy(points))[0].numpy()
    slant, gap = np.abs(points[0] - points[-1])
    if gap > MAX_TE_GAP or slant > MAX_TE_SLANT:
        raise SectionError(
            f"section {name!r} is open: its ends are {slant:.3f} chord apart along the chord and "
            f"{gap:.3f} across it (at most {MAX_TE_SLANT} and {MAX_TE_GAP}). Give the whole "
            "contour: upper trailing edge, nose, lower trailing edge; of a symmetric section, too."
        )
    crossing = first_crossing(points)
    if crossing is not None:
        first, second, place = crossing
        raise SectionError(
            f"section {name!r} crosses itself near x = {place[0]:.4f}, y = {place[1]:.4f} chord "
            f"(segments {first} and {second} of {len(points) - 1}). Check the order of the points, "
            "and that the upper side lies above the lower one."
        )
    thickness = float(np.ptp(points[:, 1]))
    if _area(points) <= 0 or thickness < MIN_THICKNESS:
        raise SectionError(
            f"section {name!r} has no thickness: area {_area(points):.5f} chord^2, height "
            f"{thickness:.5f} chord (at least {MIN_THICKNESS}). Give a contour that encloses "
            "something, the upper side first."
        )


def _area(points: np.ndarray) -> float:
    """Return the signed area; positive if the upper side comes first."""
    return 0.5 * float(np.sum(cross(points, np.roll(points, -1, axis=0))))


def _check_points(points: np.ndarray, name: str) -> None:
    if not np.isfinite(points).all():
        bad = int(np.flatnonzero(~np.isfinite(points).all(1))[0])
        raise SectionError(
            f"section {name!r} is not finite: point {bad} of {len(points)} is "
            f"({points[bad, 0]}, {points[bad, 1]}). Remove or replace that point."
        )
    if len(points) < MIN_POINTS:
        raise SectionError(
            f"section {name!r} has {len(points)} different points; at least {MIN_POINTS} are "
            "needed to describe both sides. Give the whole contour."
        )


def _starts_at_nose(points: np.ndarray) -> bool:
    x = points[:, 0]
    return bool(min(x[0], x[-1]) < x.min() + 0.5 * np.ptp(x)) and bool(
        np.hypot(*(points[0] - points[-1])) < 0.25 * np.ptp(x)
    )


def _roll_to_trailing_edge(points: np.ndarray) -> np.ndarray:
    """Return a closed contour that started at the nose, now starting at the trailing edge."""
    if np.array_equal(points[0], points[-1]):
        points = points[:-1]
    x = points[:, 0]
    last = np.flatnonzero(x >= x.max() - 1e-6 * np.ptp(x))
    rolled = np.roll(points, -int(last[-1]), axis=0)
    return rolled if len(last) > 1 else np.concatenate([rolled, rolled[:1]])


def _join_sides(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return trailing edge -> nose of the first side, then nose -> trailing edge of the second."""
    if first[0, 0] < first[-1, 0]:
        first = first[::-1]
    if second[0, 0] > second[-1, 0]:
        second = second[::-1]
    return np.concatenate([first, second])


def _without_duplicates(points: np.ndarray, chord: float) -> np.ndarray:
    keep = np.hypot(*np.diff(points, axis=0).T) > _DUPLICATE * chord
    return points[np.concatenate([[True], keep])]


def _without_base(points: np.ndarray, chord: float) -> np.ndarray:
    """Drop end points that lie on the base of a blunt trailing edge, next to its corner."""
    while len(points) > 3 and _on_base(points[-1], points[-2], points[0], chord):
        points = points[:-1]
    while len(points) > 3 and _on_base(points[0], points[1], points[-1], chord):
        points = points[1:]
    return points


def _on_base(end: np.ndarray, corner: np.ndarray, other: np.ndarray, chord: float) -> bool:
    vertical = abs(end[0] - corner[0]) < 1e-6 * chord
    low, high = sorted((corner[1], other[1]))
    return bool(vertical and low <= end[1] <= high)
