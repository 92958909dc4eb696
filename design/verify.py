"""The solver's verdict on a design, operating point by operating point.

A single cold point of a viscous-inviscid solver can lie, so none is asked. Each operating point is
swept in quarter degrees from low incidence; points whose drag jumps off the running median are left
out; what is left is interpolated at the lift target, or at the incidence of the design.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch_geometric.data import Data

from formwright.datasets.cases import section_case
from formwright.datasets.solvers.result import POLAR_LABELS, Result
from formwright.design.spaces.points import OperatingPoint, OperatingPoints

Values = Float[np.ndarray, " points"]

WINDOW: Final = 7
DRAG_JUMP: Final = 0.2
WIDEST_GAP_DEG: Final = 1.0


class Solver(Protocol):
    """Anything that solves cases, as those of ``datasets.solvers`` do."""

    def solve(self, cases: Iterable[Data]) -> Iterator[Result]:
        """Return one result a case."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepRange:
    """Which incidences are asked around the one that is claimed.

    Attributes:
        step_deg: Step of the sweep.
        below_deg: How far below the claimed incidence it starts (at zero if that is lower).
        above_deg: How far above it goes.
        limits_deg: Never outside these.
    """

    step_deg: float = 0.25
    below_deg: float = 6.0
    above_deg: float = 3.0
    limits_deg: tuple[float, float] = (-8.0, 20.0)

    def around(self, claimed: Sequence[float], exact: Sequence[float] = ()) -> Values:
        """Return multiples of the step that surround all claimed incidences, and the exact ones."""
        low = max(min(*claimed, self.below_deg) - self.below_deg, self.limits_deg[0])
        high = min(max(claimed) + self.above_deg, self.limits_deg[1])
        first, last = np.floor(low / self.step_deg + 1e-9), np.ceil(high / self.step_deg - 1e-9)
        grid = self.step_deg * np.arange(first, max(last, first) + 1)
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What a sweep says of one operating point.

    Attributes:
        converged: Whether the sweep covers the point.
        reason: Why not, or empty.
        alpha_deg: Incidence at which the point is met; NaN if it is not.
        labels: By label; NaN if not converged.
        dropped: Points of the sweep left out as false.
        fields: By field, (stations,); empty where the solver gives none.
    """

    converged: bool
    reason: str
    alpha_deg: float
    labels: Mapping[str, float]
    dropped: int
    fields: Mapping[str, Float[np.ndarray, " stations"]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Verification:
    """The verdicts on one section, one an operating point, and the sweeps behind them."""

    solver: str
    settings: Mapping[str, Any]
    verdicts: tuple[Verdict, ...]
    sweeps: tuple[Sweep, ...]
    seconds: float


def verify(
    pos: Float[Tensor, "points 2"],
    points: OperatingPoints,
    solver: Solver,
    alpha_deg: Sequence[float],
    *,
    sweep: SweepRange | None = None,
    workers: int = 2,
) -> Verification:
    """Ask a solver about a section at its operating points.

    Args:
        pos: Contour in chords.
        points: Operating points.
        solver: E.g. ``XFoil()`` or ``Panel()``.
        alpha_deg: Incidence claimed at each point; the sweep is laid around it.
        sweep: Which incidences to ask.
        workers: Operating points solved at once, in threads.

    Raises:
        MissingSolverError: The solver cannot run here.
    """
    began = time.perf_counter()
    cases, member = sweep_cases(pos, points, alpha_deg, sweep or SweepRange())
    with ThreadPoolExecutor(max_workers=max(workers, 1)) as pool:
        results = list(pool.map(lambda case: next(iter(solver.solve([case]))), cases))
    polars = [make_sweep(c.alpha_deg.numpy(), r) for c, r in zip(cases, results, strict=True)]
    sweeps = tuple(polars[i] for i in member)
    verdicts = tuple(
        judge(s, p, a) for s, p, a in zip(sweeps, points.points, alpha_deg, strict=True)
    )
    return Verification(
        solver=results[0].solver,
        settings=results[0].settings,
        verdicts=verdicts,
        sweeps=sweeps,
        seconds=time.perf_counter() - began,
    )


def sweep_cases(
    pos: Float[Tensor, "points 2"],
    points: OperatingPoints,
    alpha_deg: Sequence[float],
    asked: SweepRange,
) -> tuple[list[Data], list[int]]:
    """Return one case for each set of conditions, and which of them each operating point is on."""
    groups: dict[tuple[float, ...], list[int]] = {}
    for i, point in enumerate(points.points):
        groups.setdefault((point.reynolds, point.ncrit, point.mach), []).append(i)
    cases, member = [], [0] * len(points)
    for (reynolds, ncrit, mach), indices in groups.items():
        exact = [alpha_deg[i] for i in indices if points.points[i].cl is None]
        alpha = torch.from_numpy(asked.around([alpha_deg[i] for i in indices], exact))
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


def judge(sweep: Sweep, point: OperatingPoint, claimed_alpha_deg: float) -> Verdict:
    """Interpolate a sweep at the point's lift target, or at the incidence claimed."""
    dropped = int((sweep.converged & ~sweep.used).sum())
    alpha = sweep.alpha_deg[sweep.used]
    key = alpha if point.cl is None else sweep.labels["cl"][sweep.used]
    target = claimed_alpha_deg if point.cl is None else point.cl
    what = "incidence" if point.cl is None else "lift"
    place, reason = bracket(alpha, key, target, what)
    if place is None:
        if not sweep.used.any() and sweep.reasons:
            reason = f"{reason}; the solver says: {_most_common(sweep.reasons)}"
        nothing = {label.name: float("nan") for label in POLAR_LABELS}
        return Verdict(
            converged=False,
            reason=reason,
            alpha_deg=float("nan"),
            labels=nothing,
            dropped=dropped,
            fields={},
        )
    i, share = place
    fields = {name: _between(value[sweep.used], i, share) for name, value in sweep.fields.items()}
    return Verdict(
        converged=True,
        reason="",
        alpha_deg=float(_between(alpha, i, share)),
        labels={k: _label_between(k, v[sweep.used], i, share) for k, v in sweep.labels.items()},
        dropped=dropped,
        fields={name: value for name, value in fields.items() if np.isfinite(value).all()},
    )


def bracket(
    alpha_deg: Values, key: Values, target: float, what: str
) -> tuple[tuple[int, float] | None, str]:
    """Return the first step on which ``key`` rises through ``target``, or the reason for none.

    Returns:
        ``(index, share)``: the target lies ``share`` of the way from point ``index`` to the next.
    """
    if len(key) == 0:
        return None, "no point of the sweep converged"
    exact = np.flatnonzero(np.abs(key - target) <= 1e-9)
    if len(exact):
        last = int(exact[0]) == len(key) - 1 and len(key) > 1
        return (int(exact[0]) - last, float(last)), ""
    rising = np.flatnonzero((key[:-1] < target) & (key[1:] >= target))
    if len(rising) == 0:
        reached = f"{key.min():.3f} to {key.max():.3f}"
        return None, f"the sweep reaches a {what} of {reached}, not {target:.3f}"
    i = int(rising[0])
    gap = alpha_deg[i + 1] - alpha_deg[i]
    if gap > WIDEST_GAP_DEG:
        where = f"{alpha_deg[i]:.2f} and {alpha_deg[i + 1]:.2f} deg"
        return None, f"no converged point between {where}, where the {what} is met"
    return (i, float((target - key[i]) / (key[i + 1] - key[i]))), ""


def _between(values: np.ndarray, i: int, share: float) -> Any:
    """Return the linear interpolation between row i and the next."""
    return values[i] if share == 0.0 else (1.0 - share) * values[i] + share * values[i + 1]


def _label_between(name: str, values: Values, i: int, share: float) -> float:
    """Interpolate a label: the drag in its logarithm, all others as they are."""
    if name == "cd":
        return float(np.exp(_between(np.log(values), i, share)))
    return float(_between(values, i, share))


def _most_common(reasons: Sequence[str]) -> str:
    """Return the reason given most often."""
    given = [reason for reason in reasons if reason]
    return max(set(given), key=given.count) if given else "converged"
