"""Contours of a batch as one tensor, and smooth interpolation along them."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from formwright.datasets.cases import Batch, Case
from formwright.datasets.errors import ViewError


def contours(batch: Case) -> Float[Tensor, "cases points 2"]:
    """Return the contours of a batch whose sections have equally many points.

    Raises:
        ViewError: They have not.
    """
    pos = batch.pos
    assert pos is not None
    counts = batch.ptr.diff() if "ptr" in batch else torch.tensor([len(pos)])
    if (counts != counts[0]).any():
        raise ViewError(
            "views of contours need equally many points in every section of a batch; got "
            f"{int(counts.min())} to {int(counts.max())}. Resample them first, e.g. with "
            "datasets.cst.coordinates(datasets.cst.fit(pos))."
        )
    return pos.reshape(len(counts), -1, 2)


def with_contours(batch: Case, pos: Float[Tensor, "cases points 2"], **point: Tensor) -> Case:
    """Return ``batch`` with other contours; ``point`` holds attributes of shape (cases, points)."""
    cases, points = pos.shape[:2]
    case = torch.arange(cases, device=pos.device)
    changed = {
        "pos": pos.reshape(-1, 2),
        "batch": case.repeat_interleave(points),
        "ptr": torch.arange(cases + 1, device=pos.device) * points,
        **{name: value.reshape(-1) for name, value in point.items()},
    }
    kept = {name: value for name, value in batch.to_dict().items() if name != "rings"}
    return Batch.from_dict({**kept, **changed})


def arc_length(pos: Float[Tensor, "cases points 2"]) -> Float[Tensor, "cases points"]:
    """Return the length of the polygon from its first point, in chords."""
    steps = pos.diff(dim=1).norm(dim=-1)
    return torch.cat([torch.zeros_like(steps[:, :1]), steps.cumsum(1)], 1)


def tangents(
    pos: Float[Tensor, "cases points 2"], s: Float[Tensor, "cases points"]
) -> Float[Tensor, "cases points 2"]:
    """Return d pos / d s, second order on unequal steps and one-sided at the two ends."""
    h = s.diff(dim=1).clamp_min(1e-12)[..., None]
    slope = pos.diff(dim=1) / h
    left, right = h[:, :-1], h[:, 1:]
    inner = (slope[:, :-1] * right + slope[:, 1:] * left) / (left + right)
    first, last = 2.0 * slope[:, :1] - inner[:, :1], 2.0 * slope[:, -1:] - inner[:, -1:]
    return torch.cat([first, inner, last], 1)


def interpolate(
    pos: Float[Tensor, "cases points 2"],
    s: Float[Tensor, "cases points"],
    at: Float[Tensor, "cases targets"],
) -> Float[Tensor, "cases targets 2"]:
    """Return the contours at other arc lengths, by cubic Hermite interpolation.

    Args:
        pos: Contours, chords.
        s: Their arc length, increasing.
        at: Arc lengths wanted, within the range of ``s``.
    """
    right = torch.searchsorted(s.contiguous(), at.contiguous()).clamp(1, s.shape[1] - 1)
    s0, s1 = s.gather(1, right - 1), s.gather(1, right)
    h = (s1 - s0).clamp_min(1e-12)
    t = ((at - s0) / h)[..., None]
    slope = tangents(pos, s)
    p0, p1, m0, m1 = (_take(v, i) for v in (pos, slope) for i in (right - 1, right))
    value = (1 + 2 * t) * (1 - t) ** 2 * p0 + t**2 * (3 - 2 * t) * p1
    return value + h[..., None] * (t * (1 - t) ** 2 * m0 - t**2 * (1 - t) * m1)


def _take(values: Tensor, index: Tensor) -> Tensor:
    """Return the points of each contour at ``index``."""
    return values.gather(1, index[..., None].expand(-1, -1, 2))
