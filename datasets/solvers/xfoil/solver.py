"""XFoil (Drela 1989) as a solver: swept from the attached side, every point with its convergence.

One process a sweep of incidence, that is a section at one (Reynolds, e^N, Mach). It starts next to
zero lift, where the boundary layer is attached, goes up, starts again and goes down, in steps no
larger than ``max_step_deg``, so that each point starts from its neighbour's boundary layer. After
``patience`` points in a row without convergence the rest of that side is left. Points of a sweep
that cannot be right (``polar_checks``) are taken back; ``retries`` more sweeps with another panel
count and half the step try what is missing. A hung process is killed, and its points are kept.

Source: M. Drela, "XFOIL: An Analysis and Design System for Low Reynolds Number Airfoils" (1989).
"""

from __future__ import annotations

import dataclasses
import shutil
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float

from formwright.datasets.cases import Case
from formwright.datasets.errors import ConditionError, ConfigError, MissingSolverError
from formwright.datasets.solvers.result import Result, unanswered
from formwright.datasets.solvers.xfoil.dump import Point
from formwright.datasets.solvers.xfoil.polar_checks import false_convergence
from formwright.datasets.solvers.xfoil.process import Process, Settings, Stuck
from formwright.datasets.solvers.xfoil.shim import shim

NAME: Final = "xfoil 6.99"
NOT_CONVERGED: Final = "not converged"
NOT_REACHED: Final = "not converged: left after {} points in a row"
Values = Float[np.ndarray, " incidences"]


@dataclass(frozen=True, kw_only=True, slots=True)
class XFoil:
    """XFoil 6.99 by its command line.

    Attributes:
        panels: Panels around the section (``PPAR N``).
        iterations: Newton steps a point at most (``ITER``).
        max_step_deg: Largest step of incidence; larger gaps get points that are not reported.
        patience: Points in a row without convergence after which a side of the sweep ends.
        retries: More sweeps over what is missing, each with other panels and half the step.
        timeout_s: Processor time a point may take before its process is killed.
        fields_every: Report the pressure at every k-th point of a sweep; 0 for none.
        trip: Where transition is forced on both sides unless it comes before, x/c (``XTR``).
        binary: Name or path of the program.

    Example:
        >>> import formwright
        >>> solver = formwright.XFoil(panels=200)
        >>> solver.available()  # doctest: +SKIP
        True
    """

    panels: int = 160
    iterations: int = 40
    max_step_deg: float = 1.5
    patience: int = 4
    retries: int = 0
    timeout_s: float = 3.0
    fields_every: int = 1
    trip: float = 1.0
    binary: str = "xfoil"

    def __post_init__(self) -> None:
        """Refuse a trip that is not on the section."""
        if not 0.0 < self.trip <= 1.0:
            raise ConfigError(f"trip = {self.trip!r} must lie above 0 and up to 1 (no trip), x/c.")

    def available(self) -> bool:
        """Return whether the program is there."""
        return shutil.which(self.binary) is not None

    def require(self) -> None:
        """Raise MissingSolverError, which says what to install, where the program cannot run."""
        if not self.available():
            raise MissingSolverError(
                f"the program {self.binary!r} is not on the PATH. Install it "
                "(Debian and Ubuntu: apt-get install xfoil), or use the panel solver."
            )
        shim()

    def solve(self, cases: Iterable[Case]) -> Iterator[Result]:
        """Solve each section at its operating points, which may come in any order.

        Raises:
            MissingSolverError: The program is not installed.
            ConditionError: A Reynolds number is not positive, or a Mach number not below 1.
        """
        self.require()
        for case in cases:
            yield self._solve_case(case)

    def _solve_case(self, case: Case) -> Result:
        """Solve one section: sweep by sweep, then put the points back in their order."""
        started = time.perf_counter()
        pos = case.pos.detach().cpu().double().numpy()  # pyright: ignore
        names = ("reynolds", "ncrit", "mach", "alpha_deg")
        rows = np.stack([case[name].detach().cpu().double().numpy() for name in names], 1)
        _check_conditions(rows)
        labels, fields = unanswered(len(rows))
        if not self.fields_every:
            fields = {}
        reasons = [""] * len(rows)
        sweeps, member = np.unique(rows[:, :3], axis=0, return_inverse=True)
        for k, (reynolds, ncrit, mach) in enumerate(sweeps):
            settings = Settings(
                binary=self.binary,
                panels=self.panels,
                iterations=self.iterations,
                timeout_s=self.timeout_s,
                trip=self.trip,
                reynolds=float(reynolds),
                ncrit=float(ncrit),
                mach=float(mach),
            )
            index = np.flatnonzero(member.reshape(-1) == k)
            found, why = self._sweep(pos, rows[index, 3], settings)
            self._scatter(index, rows[index, 3], found, labels, fields)
            for i in index:
                reasons[i] = why.get(rows[i, 3], "")
        return Result(
            labels=labels,
            fields=fields,
            reasons=tuple(reasons),
            solver=NAME,
            settings=dataclasses.asdict(self),
            seconds=time.perf_counter() - started,
        )

    def _scatter(
        self,
        index: np.ndarray,
        alphas: Values,
        found: dict[float, Point],
        labels: dict[str, np.ndarray],
        fields: dict[str, np.ndarray],
    ) -> None:
        """Write the points of one sweep to their rows."""
        rank = np.argsort(np.argsort(alphas, kind="stable"), kind="stable")
        for i, alpha, order in zip(index, alphas, rank, strict=True):
            if alpha not in found:
                continue
            for name, value in found[alpha].labels.items():
                labels[name][i] = value
            if self.fields_every and order % self.fields_every == 0:
                for name, value in found[alpha].pressure().items():
                    fields[name][i] = value

    def _sweep(
        self, pos: Float[np.ndarray, "points 2"], alphas: Values, settings: Settings
    ) -> tuple[dict[float, Point], dict[float, str]]:
        """Return the points found by incidence, and the reason for each that is missing."""
        wanted = np.unique(alphas)
        result, why = _run(pos, wanted, settings, self.max_step_deg, self.patience)
        _take_back(result, why, settings.reynolds)
        for attempt in range(1, self.retries + 1):
            if not why:
                break
            other = dataclasses.replace(settings, panels=settings.panels + 20 * attempt)
            more, _ = _run(pos, wanted, other, self.max_step_deg / 2**attempt, 2 * self.patience)
            for alpha in list(why):
                if alpha in more:
                    result[alpha] = more[alpha]
                    del why[alpha]
            _take_back(result, why, settings.reynolds)
        return result, why


def zero_lift_deg(pos: Float[np.ndarray, "points 2"]) -> float:
    """Return the incidence of zero lift by thin-section theory, degrees.

    Args:
        pos: Contour, upper trailing edge first, chords.
    """
    nose = int(pos[:, 0].argmin())
    theta = (np.arange(60) + 0.5) * np.pi / 60
    x = 0.5 * (1.0 - np.cos(theta))
    upper = np.interp(x, pos[nose::-1, 0], pos[nose::-1, 1])
    lower = np.interp(x, pos[nose:, 0], pos[nose:, 1])
    slope = np.gradient(0.5 * (upper + lower), x)
    return float(np.rad2deg(-np.mean(slope * (np.cos(theta) - 1.0))))


def path(wanted: Values, start: float, max_step_deg: float) -> tuple[list[float], list[float]]:
    """Return the incidences upward from the one next to ``start``, and downward from there.

    Gaps above ``max_step_deg`` are filled with equal steps.
    """
    first = int(np.abs(wanted - start).argmin())
    up = _filled(wanted[first:], max_step_deg)
    return up, _filled(wanted[first::-1], max_step_deg)[1:]


def _filled(values: Values, max_step_deg: float) -> list[float]:
    """Return the values with steps between them where they are too far apart."""
    filled = [float(values[0])]
    for last, value in zip(values[:-1], values[1:], strict=True):
        n = max(int(np.ceil(abs(value - last) / max_step_deg - 1e-9)), 1)
        filled += [float(last + (value - last) * k / n) for k in range(1, n)] + [float(value)]
    return filled


def _run(
    pos: Float[np.ndarray, "points 2"],
    wanted: Values,
    settings: Settings,
    max_step_deg: float,
    patience: int,
) -> tuple[dict[float, Point], dict[float, str]]:
    """Sweep both sides once; the second gets a fresh process if the first one hung."""
    result: dict[float, Point] = {}
    why: dict[float, str] = {}
    pending = list(path(wanted, 0.5 * zero_lift_deg(pos), max_step_deg))
    while pending:
        with Process(pos=pos, settings=settings) as process:
            try:
                while pending:
                    _side(process, pending.pop(0), patience, why)
            except Stuck:
                pass
            result |= process.points()
    alphas = [float(alpha) for alpha in wanted]
    missing = {a: why.get(a, NOT_CONVERGED) for a in alphas if a not in result}
    return {a: result[a] for a in alphas if a in result}, missing


def _side(process: Process, alphas: list[float], patience: int, why: dict[float, str]) -> None:
    """Walk one side; the boundary layer is dropped after each failure."""
    failures, rest = 0, list(alphas)
    try:
        process.forget()
        while rest and failures < patience:
            if process.solve(rest[0]):
                failures = 0
            else:
                why[rest[0]] = NOT_CONVERGED
                failures += 1
                process.forget()
            del rest[0]
    except Stuck as stuck:
        why.update(dict.fromkeys(rest, str(stuck)))
        raise
    why.update(dict.fromkeys(rest, NOT_REACHED.format(patience)))


def _take_back(found: dict[float, Point], why: dict[float, str], reynolds: float) -> None:
    """Move the points that cannot be right from ``found`` to ``why``."""
    alphas = sorted(found)
    columns = {
        name: np.array([found[a].labels[name] for a in alphas])
        for name in ("cl", "cd", "xtr_top", "xtr_bottom")
    }
    reasons = false_convergence(alpha_deg=np.array(alphas), reynolds=reynolds, **columns)
    for alpha, reason in zip(alphas, reasons, strict=True):
        if reason:
            why[alpha] = reason
            del found[alpha]


def _check_conditions(rows: Float[np.ndarray, "points 4"]) -> None:
    """Refuse conditions that XFoil would not."""
    for reynolds, ncrit, mach, alpha in rows:
        if not (np.isfinite([reynolds, ncrit, mach, alpha]).all() and reynolds > 0):
            raise ConditionError(
                f"XFoil needs finite conditions and a positive Reynolds number; got alpha_deg = "
                f"{alpha:g}, reynolds = {reynolds:g}, ncrit = {ncrit:g}, mach = {mach:g}."
            )
        if not 0 <= mach < 1:
            raise ConditionError(f"XFoil is for subsonic flow, 0 <= mach < 1; got {mach:g}.")
