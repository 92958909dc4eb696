"""Polars: which incidences are asked, and which points of the answer are believed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from formwright.datasets.cases import Case, section_case
from formwright.datasets.solvers.result import Result
from formwright.design.spaces.points import OperatingPoints

Values = Float[np.ndarray, " points"]

WINDOW: Final = 7
DRAG_JUMP: Final = 0.2


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepRange:
    """Which incidences are asked around the one that is claimed.

    Attributes:
        step_deg: Step of the sweep near the claimed incidences, where the verdicts are read; twice
            that elsewhere, which is for the polar.
        near_deg: How far from a claimed incidence is near.
        below_deg: How far below the claimed incidence it starts (at zero if that is lower).
        above_deg: How far above it goes.
        limits_deg: Never outside these.
        from_zero: Begin no higher than at zero, where every section is attached.
    """

    step_deg: float = 0.25
    near_deg: float = 1.0
    below_deg: float = 6.0
    above_deg: float = 3.0
    limits_deg: tuple[float, float] = (-8.0, 20.0)
    from_zero: bool = True

    def around(self, claimed: Sequence[float], exact: Sequence[float] = ()) -> Values:
        """Return multiples of the step that surround all claimed incidences, and the exact ones.

        All of them near a claim, every other elsewhere.
        """
        least = min(*claimed, self.below_deg) if self.from_zero else min(claimed)
        low = max(least - self.below_deg, self.limits_deg[0])
        high = min(max(claimed) + self.above_deg, self.limits_deg[1])
        first, last = np.floor(low / self.step_deg + 1e-9), np.ceil(high / self.step_deg - 1e-9)
        index = np.arange(first, max(last, first) + 1)
        grid = self.step_deg * index
        near = np.abs(grid[:, None] - np.asarray(claimed)).min(axis=1) <= self.near_deg + 1e-9
        grid = grid[near | (index % 2 == 0) | (index == index[-1])]
        return np.unique(np.round(np.concatenate([grid, np.asarray(exact)]), 9))


@dataclass(frozen=True, kw_only=True, slots=True)
class Sweep:
    """A polar at the conditions of one operating point.

    Attributes:
        alpha_deg: Incidences, ascending, (points,).
        labels: By label, (points,); NaN where not converged.
        reasons: Empty where converged, else why not.
        used: Converged and not left out as false.
        fields: By field, (points, stations).
    """

    alpha_deg: Values
    labels: Mapping[str, Values]
    reasons: tuple[str, ...]
    used: Bool[np.ndarray, " points"]
    fields: Mapping[str, Float[np.ndarray, "points stations"]]

    @property
    def converged(self) -> Bool[np.ndarray, " points"]:
        """Where the solver says it converged."""
        return np.array([not reason for reason in self.reasons], dtype=bool)


def sweep_cases(
    pos: Float[Tensor, "points 2"],
    points: OperatingPoints,
    alpha_deg: Sequence[float],
    requested: SweepRange,
) -> tuple[list[Case], list[int]]:
    """Return one case for each set of conditions, and which of them each operating point is on."""
    groups: dict[tuple[float, ...], list[int]] = {}
    for i, point in enumerate(points.points):
        groups.setdefault((point.reynolds, point.ncrit, point.mach), []).append(i)
    cases, member = [], [0] * len(points)
    for (reynolds, ncrit, mach), indices in groups.items():
        exact = [alpha_deg[i] for i in indices if points.points[i].cl is None]
        alpha = torch.tensor(requested.around([alpha_deg[i] for i in indices], exact))
        same = {"reynolds": reynolds, "ncrit": ncrit, "mach": mach}
        conditions = {name: torch.full_like(alpha, value) for name, value in same.items()}
        for i in indices:
            member[i] = len(cases)
        cases.append(
            section_case(pos.detach().to(torch.float64), {"alpha_deg": alpha, **conditions})
        )
    return cases, member


def make_sweep(alpha_deg: Values, result: Result) -> Sweep:
    """Return a result in ascending incidence, false points marked."""
    order = np.argsort(alpha_deg)
    labels = {name: np.asarray(value)[order] for name, value in result.labels.items()}
    reasons = tuple(result.reasons[i] for i in order)
    converged = np.array([not reason for reason in reasons], dtype=bool)
    used = converged & np.isfinite(labels["cl"]) & (np.nan_to_num(labels["cd"]) > 0.0)
    used[used] = ~jumps(labels["cd"][used])
    return Sweep(
        alpha_deg=np.asarray(alpha_deg, dtype=np.float64)[order],
        labels=labels,
        reasons=reasons,
        used=used,
        fields={name: np.asarray(value)[order] for name, value in result.fields.items()},
    )


def jumps(
    cd: Values, window: int = WINDOW, limit: float = DRAG_JUMP
) -> Bool[np.ndarray, " points"]:
    """Return where ln CD is further than ``limit`` from the running median.

    A steady rise passes, however steep: there the middle of a window is its median.

    Args:
        cd: Drag along the sweep.
        window: Points of the running median.
        limit: Largest distance in ln CD.
    """
    if len(cd) < 3:
        return np.zeros(len(cd), dtype=bool)
    log = np.log(cd)
    half = min(window // 2, (len(cd) - 1) // 2)
    padded = np.concatenate(
        [2 * log[0] - log[half:0:-1], log, 2 * log[-1] - log[-2 : -half - 2 : -1]]
    )
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1)
    return np.abs(log - np.median(windows, axis=1)) > limit
