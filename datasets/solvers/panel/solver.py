"""The embedded solver: linear-vorticity panels coupled to an integral boundary layer, in torch.

Lift, drag and moment, transition, pressure and boundary layer of many sections at many operating
points at once; differentiable from the contour, the incidence, the Reynolds number and Ncrit; no
binary. Outer flow and boundary layer are solved together (``coupling``); gradients are those of the
solution (implicit function theorem) and cost about one more step.

Lift and moment integrate the pressure over the contour; drag is Squire's and Young's from the end
of the wake, one chord downstream. Compressibility is the correction of Karman and Tsien.

Sources: M. Drela, XFOIL (1989); H. B. Squire and A. D. Young, ARC R&M 1838 (1937).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from formwright.datasets.cases import Case
from formwright.datasets.errors import ConditionError, SectionError
from formwright.datasets.solvers.panel import coupling, interaction, vortex_panels
from formwright.datasets.solvers.panel.interaction import Conditions
from formwright.datasets.solvers.panel.readout import Readout, read_out
from formwright.datasets.solvers.panel.vortex_panels import Flow
from formwright.datasets.solvers.result import Result
from formwright.datasets.solvers.result import stations as result_stations

VERSION: Final = "panel 1"
LABELS: Final = ("cl", "cd", "cm", "xtr_top", "xtr_bottom")
LAYOUTS: Final = ((1.0, 0.05), (0.86, 0.05), (1.0, 0.08), (0.86, 0.035))
"""Share of ``stations``, and how they crowd at the stagnation point, in the order tried."""
MAX_ALPHA_DEG: Final = 45.0
MAX_MACH: Final = 0.6
SEPARATION_LIMIT: Final = 0.75


@dataclass(frozen=True, kw_only=True, slots=True)
class PanelSolution(Readout):
    """What ``analyse`` returns; (sections, points) unless it says otherwise.

    Attributes:
        change: What the last Newton step asked for, over the largest change that one step may make.
        converged: Where ``change`` fell below the tolerance.
    """

    change: Float[Tensor, "*points"]
    converged: Bool[Tensor, "*points"]


def analyse(
    pos: Float[Tensor, "sections points 2"],
    alpha_deg: Float[Tensor, "sections conditions"],
    reynolds: Float[Tensor, "sections conditions"],
    ncrit: Float[Tensor, "sections conditions"] | None = None,
    mach: Float[Tensor, "sections conditions"] | None = None,
    *,
    places: Float[Tensor, " places"] | None = None,
    panels: int = 140,
    stations: int = 56,
    steps: int = 24,
    tolerance: float = 1e-5,
    chunk: int = 128,
) -> PanelSolution:
    """Analyse sections at operating points; differentiable in every argument.

    Args:
        pos: Contours, upper trailing edge -> nose -> lower trailing edge, chords.
        alpha_deg: Incidence, degrees.
        reynolds: On the chord.
        ncrit: Critical amplification; 9 by default.
        mach: Free-stream Mach number; 0 by default.
        places: x/c, from 0 to 1, at which the fields are read; ``result.stations()`` by default.
        panels: Even number of panels on the contour. Good values: 100-200.
        stations: Of the boundary layer on each side. Good values: 48-64.
        steps: At most so many Newton steps.
        tolerance: On the last step, over the largest step allowed.
        chunk: Points solved at once.

    Returns:
        Finite labels for every point, attached or not; ``converged`` says which to trust.
    """
    pos = pos.to(torch.float64)
    alpha, reynolds = alpha_deg.to(torch.float64), reynolds.to(torch.float64)
    ncrit = torch.full_like(alpha, 9.0) if ncrit is None else ncrit.to(torch.float64)
    mach = torch.zeros_like(alpha) if mach is None else mach.to(torch.float64)
    flow = vortex_panels.flow(vortex_panels.repanel(pos, panels))
    section = torch.arange(len(pos), device=pos.device).repeat_interleave(alpha.shape[1])
    conditions = Conditions(torch.deg2rad(alpha).flatten(), reynolds.flatten(), ncrit.flatten())
    layouts = [interaction.shares(round(s * stations), crowding, pos) for s, crowding in LAYOUTS]
    places = torch.from_numpy(result_stations()) if places is None else places
    limits = {"steps": steps, "tolerance": tolerance, "places": places}
    parts = []
    for index in torch.arange(alpha.numel(), device=pos.device).split(chunk):
        here, there = flow.take(section[index]), conditions.take(index)
        parts.append(_attempts(here, there, mach.flatten()[index], layouts, limits))
    return PanelSolution(
        **{n: torch.cat([p[n] for p in parts]).unflatten(0, alpha.shape) for n in parts[0]}
    )


def _attempts(
    flow: Flow, conditions: Conditions, mach: Tensor, layouts: list[Tensor], limits: dict[str, Any]
) -> dict[str, Tensor]:
    """Return what ``PanelSolution`` holds; points that fail are tried with the next layout."""
    best = _attempt(flow, conditions, mach, layouts[0], limits)
    for share in layouts[1:]:
        index = (~best["converged"]).nonzero()[:, 0]
        if not len(index):
            break
        again = _attempt(flow.take(index), conditions.take(index), mach[index], share, limits)
        better = (again["change"] < best["change"][index]).nonzero()[:, 0]
        index = index[better]
        best = {n: t.index_copy(0, index, again[n][better]) for n, t in best.items()}
    return best


def _attempt(
    flow: Flow, conditions: Conditions, mach: Tensor, share: Tensor, limits: dict[str, Any]
) -> dict[str, Tensor]:
    steps, tolerance = limits["steps"], limits["tolerance"]
    state, change = coupling.solve(flow, conditions, share, steps=steps, tolerance=tolerance)
    labels = read_out(flow, conditions, mach, state, share, limits["places"])
    values = {f.name: getattr(labels, f.name) for f in fields(labels)}
    return {**values, "change": change, "converged": change < tolerance}


@dataclass(frozen=True, kw_only=True, slots=True)
class Panel:
    """The embedded solver as a solver of cases.

    Attributes:
        panels: Even number of panels on the contour. Good values: 100-200.
        stations: Of the boundary layer on each side. Good values: 48-64.
        steps: At most so many Newton steps.
        tolerance: On the last step, over the largest step allowed.
        separation_limit: Turbulent separation upstream of this x/c is refused.
        batch: Cases with equally many points and conditions solved together.

    Example:
        >>> import formwright, torch
        >>> conditions = {"alpha_deg": torch.tensor([2.0]), "reynolds": torch.tensor([1e6])}
        >>> case = formwright.section_case(formwright.load_section("e387").pos, conditions)
        >>> (result,) = formwright.Panel().solve([case])
        >>> result.converged.tolist()
        [True]
    """

    panels: int = 140
    stations: int = 56
    steps: int = 24
    tolerance: float = 1e-5
    separation_limit: float = SEPARATION_LIMIT
    batch: int = 32

    def solve(self, cases: Iterable[Case]) -> Iterator[Result]:
        """Solve cases in order; those of equal size together.

        Raises:
            SectionError: A contour is not finite or too short.
            ConditionError: A condition without meaning for this solver.
        """
        group: list[Case] = []
        for case in cases:
            _check(case)
            if group and (len(group) == self.batch or _size(case) != _size(group[0])):
                yield from self._solve(group)
                group = []
            group.append(case)
        if group:
            yield from self._solve(group)

    def _solve(self, cases: list[Case]) -> Iterator[Result]:
        begin = time.perf_counter()
        names = ("pos", "alpha_deg", "reynolds", "ncrit", "mach")
        with torch.no_grad():
            solution = analyse(
                *(torch.stack([case[name].double() for case in cases]) for name in names),
                panels=self.panels,
                stations=self.stations,
                steps=self.steps,
                tolerance=self.tolerance,
            )
        seconds = (time.perf_counter() - begin) / len(cases)
        for k in range(len(cases)):
            yield self._result(solution, k, seconds)

    def _result(self, solution: PanelSolution, k: int, seconds: float) -> Result:
        reasons = self._reasons(solution, k)
        bad = np.array([bool(reason) for reason in reasons])
        labels = {name: getattr(solution, name)[k].numpy().copy() for name in LABELS}
        cp = {name: getattr(solution, name)[k].numpy().copy() for name in ("cp_top", "cp_bottom")}
        for values in (*labels.values(), *cp.values()):
            values[bad] = np.nan
        settings = {
            "panels": self.panels,
            "stations": self.stations,
            "steps": self.steps,
            "tolerance": self.tolerance,
            "separation_limit": self.separation_limit,
        }
        return Result(
            labels=labels,
            fields=cp,
            reasons=reasons,
            solver=VERSION,
            settings=settings,
            seconds=seconds,
        )

    def _reasons(self, solution: PanelSolution, k: int) -> tuple[str, ...]:
        separation = torch.minimum(solution.separation_top[k], solution.separation_bottom[k])
        reasons = []
        for where, change, converged in zip(
            separation.tolist(),
            solution.change[k].tolist(),
            solution.converged[k].tolist(),
            strict=True,
        ):
            if where < self.separation_limit:
                reasons.append(f"separated at x/c = {where:.2f}")
            elif not converged:
                reasons.append(
                    f"not converged: step {self.steps} still asked for {change:.1e} of the "
                    "largest change allowed"
                )
            else:
                reasons.append("")
        return tuple(reasons)


def _size(case: Case) -> tuple[int, int]:
    return len(case.pos), len(case.alpha_deg)  # pyright: ignore


def _check(case: Case) -> None:
    """Refuse what has no meaning here, quoting it."""
    if len(case.pos) < 10 or not torch.isfinite(case.pos).all():  # pyright: ignore
        raise SectionError(
            f"a section for the panel solver needs at least 10 finite points; got "
            f"{len(case.pos)} points, {int((~torch.isfinite(case.pos)).sum())} values not finite."  # pyright: ignore
        )
    limits = {
        "alpha_deg": (-MAX_ALPHA_DEG, MAX_ALPHA_DEG),
        "reynolds": (1e3, 1e9),
        "ncrit": (0.1, 30.0),
        "mach": (0.0, MAX_MACH),
    }
    for name, (low, high) in limits.items():
        values = case[name]
        wrong = ~((values >= low) & (values <= high))
        if wrong.any():
            raise ConditionError(
                f"{name} = {float(values[wrong][0]):g} is outside what the panel solver can treat, "
                f"{low:g} to {high:g}."
            )
