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
from typing import Any, Final, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float
from torch import Tensor

from formwright.datasets.airfoils.contour import validate
from formwright.datasets.cases import Case
from formwright.datasets.errors import SectionError
from formwright.datasets.solvers.result import POLAR_LABELS, Result, unanswered
from formwright.design.airfoils.sweeps import Sweep, SweepRange, Values, make_sweep, sweep_cases
from formwright.design.spaces.points import OperatingPoint, OperatingPoints

WIDEST_GAP_DEG: Final = 1.0
NO_SECTION: Final = "no solver was asked"


@runtime_checkable
class Solver(Protocol):
    """Anything that solves cases, as those of ``datasets.solvers`` do."""

    def solve(self, cases: Iterable[Case]) -> Iterator[Result]:
        """Return one result a case."""
        ...


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

    @property
    def valid(self) -> bool:
        """Whether the contour is a section at all."""
        return self.solver != NO_SECTION

    @property
    def missed(self) -> int:
        """How many operating points were not verified."""
        return sum(not verdict.converged for verdict in self.verdicts)


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
        results = list(pool.map(lambda case: solved(solver, case), cases))
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


def solved(solver: Solver, case: Case) -> Result:
    """Return what a solver says of a case; a contour that is no section is not asked about."""
    pos = case.pos
    assert pos is not None
    try:
        validate(pos, "the design")
    except SectionError as error:
        labels, _ = unanswered(len(case.alpha_deg))
        reasons = (f"{NO_SECTION}: {error}",) * len(case.alpha_deg)
        return Result(labels=labels, reasons=reasons, solver=NO_SECTION)
    return next(iter(solver.solve([case])))


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


def from_json(values: Mapping[str, Any]) -> Verification:
    """Return a verification from JSON, its numbers what they were; null becomes NaN."""
    sweeps = (
        Sweep(
            alpha_deg=_array(one["alpha_deg"]),
            labels=_arrays(one["labels"]),
            reasons=tuple(one["reasons"]),
            used=np.array(one["used"], dtype=bool),
            fields=_arrays(one["fields"]),
        )
        for one in values["sweeps"]
    )
    verdicts = (
        Verdict(
            converged=one["converged"],
            reason=one["reason"],
            alpha_deg=float(_array(one["alpha_deg"])),
            labels={name: float(_array(value)) for name, value in one["labels"].items()},
            dropped=one["dropped"],
            fields=_arrays(one["fields"]),
        )
        for one in values["verdicts"]
    )
    return Verification(
        solver=values["solver"],
        settings=values["settings"],
        seconds=values["seconds"],
        verdicts=tuple(verdicts),
        sweeps=tuple(sweeps),
    )


def _array(values: Any) -> np.ndarray:
    """Return numbers as float64, None as NaN."""
    return np.array(values, dtype=np.float64)


def _arrays(values: Mapping[str, Any]) -> dict[str, np.ndarray]:
    return {name: _array(value) for name, value in values.items()}
