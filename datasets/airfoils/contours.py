"""Many contours at once: those that need nothing put right are read as one array."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from formwright.datasets.airfoils.contour import (
    MAX_TE_GAP,
    MAX_TE_SLANT,
    MIN_POINTS,
    MIN_THICKNESS,
    in_own_axes,
    needs_order,
    points_backward,
    rotation_deg,
    too_high,
)
from formwright.datasets.airfoils.contour_checks import sides_apart
from formwright.datasets.airfoils.nose import missing_noses
from formwright.datasets.airfoils.section import section_from_points


@dataclass(frozen=True, kw_only=True, slots=True)
class ContourGroup:
    """Normalised contours of equally many points.

    Attributes:
        rows: Their places in what was asked for.
        pos: The contours in chords; a repeated last point fills up shorter ones.
        rotation_deg: What incidences given in the axes of each need added, degrees.
    """

    rows: Int[np.ndarray, " contours"]
    pos: Float[Tensor, "contours points 2"]
    rotation_deg: Float[np.ndarray, " contours"]


def read_contours(points: Sequence[Float[np.ndarray, "_ 2"]]) -> Iterator[ContourGroup]:
    """Yield what ``section_from_points`` would make of each contour, group by group.

    Raises:
        SectionError: One that is no section.
    """
    lengths = np.array([len(one) for one in points], dtype=int)
    for length in np.unique(lengths).tolist():
        rows = np.flatnonzero(lengths == length)
        stack = np.stack([np.asarray(points[row], dtype=np.float64) for row in rows.tolist()])
        plain = _plain(stack)
        if plain.any():
            yield _group(rows[plain], stack[plain])
        for row, one in zip(rows[~plain], stack[~plain], strict=True):
            section = section_from_points(one, "points")
            rotation = np.array([section.placement.rotation_deg])
            yield ContourGroup(rows=np.array([row]), pos=section.pos[None], rotation_deg=rotation)


def _plain(stack: Float[np.ndarray, "contours points 2"]) -> Bool[np.ndarray, " contours"]:
    """Return which contours are in order and sound at first sight; the others may be, too."""
    if stack.shape[1] < MIN_POINTS:
        return np.zeros(len(stack), dtype=bool)
    rows = np.flatnonzero(np.isfinite(stack).all((1, 2)))
    rows = rows[~too_high(stack[rows])]
    rows = rows[~needs_order(stack[rows])]
    local = in_own_axes(torch.from_numpy(stack[rows]))[0].numpy()
    slant, gap = np.abs(local[:, 0] - local[:, -1]).T
    sound = (slant <= MAX_TE_SLANT) & (gap <= MAX_TE_GAP)
    sound &= np.ptp(local[..., 1], axis=1) >= MIN_THICKNESS
    sound &= np.array([sides_apart(one) and not points_backward(one) for one in local], dtype=bool)
    plain = np.zeros(len(stack), dtype=bool)
    plain[rows[sound]] = True
    return plain


def _group(rows: np.ndarray, stack: np.ndarray) -> ContourGroup:
    """Return contours in order with their noses, normalised."""
    where, noses = missing_noses(stack)
    whole = np.concatenate([stack, stack[:, -1:]], 1)
    missing = where[:, None] > 0
    column = np.arange(whole.shape[1])
    source = np.where(missing & (column > where[:, None]), column - 1, column)
    whole = np.take_along_axis(whole, source[..., None], 1)
    at_nose = missing & (column == where[:, None])
    whole = np.where(at_nose[..., None], noses[:, None], whole)
    pos, chord = in_own_axes(torch.from_numpy(whole))
    return ContourGroup(rows=rows, pos=pos, rotation_deg=rotation_deg(chord).numpy())
