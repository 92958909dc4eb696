"""A study made ready: its space, start and problem, and what the surrogate claims of a section."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from formwright.datasets.airfoils.sections import Section, load_section, naca
from formwright.datasets.cases import Case, section_case
from formwright.datasets.errors import OutOfRangeWarning
from formwright.datasets.solvers.result import Result
from formwright.design.airfoils.beforehand import outside, turned, unlike
from formwright.design.airfoils.constraints import lift_targets
from formwright.design.airfoils.correction import Corrected, shifted
from formwright.design.airfoils.guards import guards
from formwright.design.airfoils.spaces.bspline import BSpline
from formwright.design.airfoils.spaces.cst import CST
from formwright.design.airfoils.specs import StudySpec
from formwright.design.airfoils.sweeps import Sweep, SweepRange, make_sweep, sweep_cases
from formwright.design.airfoils.verifiers import Chosen
from formwright.design.airfoils.verify import judge
from formwright.design.constraint import Constraint
from formwright.design.objectives import OBJECTIVES
from formwright.design.optimise.solve import Solution
from formwright.design.problem import Problem, evaluate, limits, names
from formwright.design.spaces.points import OperatingPoints
from formwright.surrogate.model import Prediction, Surrogate, need_labels

_NEEDED: Final = (
    'a study of an airfoil needs: set surrogate = "airfoil-polar", "rans-2d", "panel" or a '
    "folder that fit polar or fit rans wrote"
)
Ends = Mapping[str, tuple[np.ndarray, np.ndarray]]
Offsets = Mapping[str, tuple[float, ...]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Claims:
    """What the surrogate says of one section at the operating points.

    Attributes:
        case: The section at the operating points, with ``weights`` for the constraints.
        prediction: One row an operating point; with fields where the surrogate has them.
        sweeps: Polars, one an operating point.
        bounds: By label, lower and upper end of the intervals along each polar.
        solution: The search that found it; None of the start.
    """

    case: Case
    prediction: Prediction
    sweeps: tuple[Sweep, ...]
    bounds: tuple[Ends, ...]
    solution: Solution | None = None

    @property
    def alpha_deg(self) -> list[float]:
        """Incidence at each operating point."""
        return self.case.alpha_deg.tolist()

    @property
    def pos(self) -> Float[Tensor, "points 2"]:
        """The contour."""
        pos = self.case.pos
        assert pos is not None
        return pos


@dataclass(frozen=True, kw_only=True, slots=True)
class Setup:
    """A study made ready to run.

    Attributes:
        study: The study.
        surrogate: Name of the surrogate.
        points: Its operating points.
        space: Its design space.
        problem: What is solved in the first round, but for the caution.
        reference: The start as the space decodes it.
        own: The problem's constraints without the guards.
        plain: Weights of NACA 0012 in the space, which smoothness is measured by, too.
        section: The start.
        start: What the surrogate says of the start.
        x0: The start in the space.
        chosen: The solver that verifies.
        notes: What a reader must know before trusting the study.
    """

    study: StudySpec
    surrogate: str
    points: OperatingPoints
    space: CST | BSpline
    problem: Problem
    reference: Case
    own: tuple[Constraint, ...]
    plain: Float[Tensor, "sides weights"]
    section: Section
    start: Claims
    x0: Float[Tensor, " parameters"]
    chosen: Chosen
    notes: tuple[str, ...] = ()


def prepare(
    study: StudySpec, surrogate: Surrogate, chosen: Chosen, name: str | None = None
) -> Setup:
    """Build space, start and problem of a study.

    Args:
        study: The study.
        surrogate: What searches.
        chosen: What verifies.
        name: Of the surrogate; the study's if None.

    Raises:
        ConfigError: Bounds or constraints that cannot be, a surrogate that is not of sections, or
            a Mach number beyond what it was trained for.
        UnknownNameError: The start, or a label, is not known.
    """
    called = name or study.surrogate
    need_labels(surrogate, ("cl", "cd"), called, _NEEDED)
    points = OperatingPoints(study.points, study.alpha_bounds_deg)
    section = load_section(study.start)
    space = study.space.build(points, section.pos)
    notes = (*outside(surrogate, points), *unlike(space, section), *turned(section))
    start = claim_start(surrogate, space, section)
    thin = start.case.clone()
    thin.alpha_deg = torch.tensor([p.start_alpha_deg for p in points.points], dtype=torch.float64)
    x0 = space.project(space.encode(thin))[0]
    reference = space.decode(x0[None])
    targets = (lift_targets(points),) if points.free else ()
    own = (*targets, *(spec.build(reference) for spec in study.constraints))
    smooth = plain(space)
    constraints = (*own, *guards(reference, start.prediction, smooth, study.guards_off, own))
    names(constraints)
    problem = Problem(
        space=space,
        surrogate=surrogate,
        objective=OBJECTIVES[study.objective](points.weights, 0.0),
        constraints=constraints,
    )
    limits(problem, evaluate(problem, x0[None]))
    return Setup(
        study=study,
        surrogate=called,
        points=points,
        space=space,
        problem=problem,
        reference=reference,
        own=own,
        plain=smooth,
        section=section,
        start=start,
        x0=x0,
        chosen=chosen,
        notes=notes,
    )


def claim_start(surrogate: Surrogate, space: CST | BSpline, section: Section) -> Claims:
    """Return the claims on a section at the incidences where its claimed polars meet the points."""
    points = space.points
    guess = [point.start_alpha_deg for point in points.points]
    low, high = points.alpha_bounds_deg
    requested = SweepRange(below_deg=high - low, above_deg=high - low, limits_deg=(low, high))
    sweeps, _ = claim_sweeps(surrogate, points, section.pos, guess, requested=requested)
    alpha = [_met(sweep, i, points, guess[i]) for i, sweep in enumerate(sweeps)]
    conditions = points.conditions(points.start[None])
    conditions["alpha_deg"] = torch.tensor([alpha], dtype=torch.float64)
    case = section_case(section.pos, {name: value[0] for name, value in conditions.items()})
    case.weights = space.sides.weights(space.encode(case))
    return claim(surrogate, points, case)


def claim(
    surrogate: Surrogate,
    points: OperatingPoints,
    case: Case,
    offsets: Offsets | None = None,
    solution: Solution | None = None,
) -> Claims:
    """Return the claims on one case and on the polars around it.

    Args:
        surrogate: Not yet corrected.
        points: Operating points.
        case: The section at them.
        offsets: The surrogate's correction at each operating point; its polar takes it whole.
        solution: The search that found it.
    """
    corrected = Corrected(surrogate, offsets) if offsets else surrogate
    prediction = quietly(corrected, case, fields=True)
    pos = case.pos
    assert pos is not None
    sweeps, bounds = claim_sweeps(surrogate, points, pos, case.alpha_deg.tolist(), offsets=offsets)
    return Claims(case=case, prediction=prediction, sweeps=sweeps, bounds=bounds, solution=solution)


def claim_sweeps(
    surrogate: Surrogate,
    points: OperatingPoints,
    pos: Float[Tensor, "points 2"],
    alpha_deg: Sequence[float],
    *,
    requested: SweepRange | None = None,
    offsets: Offsets | None = None,
) -> tuple[tuple[Sweep, ...], tuple[Ends, ...]]:
    """Return the surrogate's polars around the given incidences, one an operating point."""
    cases, member = sweep_cases(pos, points, alpha_deg, requested or SweepRange())
    predicted = [quietly(surrogate, case) for case in cases]
    polars = []
    for point, index in enumerate(member):
        offset = {name: values[point] for name, values in (offsets or {}).items()}
        polars.append(_polar(cases[index], predicted[index], offset))
    sweeps, bounds = zip(*polars, strict=True)
    return sweeps, bounds


def _polar(case: Case, prediction: Prediction, offset: Mapping[str, float]) -> tuple[Sweep, Ends]:
    """Return a claimed polar and the ends of its intervals."""

    def numbers(part: Mapping[str, Tensor], name: str) -> np.ndarray:
        value = part[name].detach().double()
        return shifted(value, offset.get(name, 0.0), name).numpy()

    labels = {name: numbers(prediction.mean, name) for name in prediction.mean}
    ends = {
        name: (numbers(prediction.lower, name), numbers(prediction.upper, name))
        for name in prediction.mean
    }
    alpha = case.alpha_deg.numpy()
    result = Result(labels=labels, reasons=("",) * len(alpha), solver="surrogate")
    return make_sweep(alpha, result), ends


def quietly(surrogate: Surrogate, case: Case, *, fields: bool = False) -> Prediction:
    """Predict without gradients; a polar may leave the training range without a warning."""
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore", OutOfRangeWarning)
        return surrogate(case, fields=fields)


def plain(space: CST | BSpline) -> Float[Tensor, "sides weights"]:
    """Return the weights of NACA 0012, opened to the trailing edge of a space, in that space."""
    pos = naca("0012").pos.clone()
    side = torch.where(torch.arange(len(pos)) <= int(pos[:, 0].argmin()), 0.5, -0.5)
    pos[:, 1] += side * (space.sides.trailing_edge or 0.0) * pos[:, 0]
    return space.sides.weights(space.sides.fit(pos)[None])[0]


def tightened(setup: Setup, slack: float) -> tuple[Constraint, ...]:
    """Return the constraints of a study, its guards with part of their slack."""
    predicted, off = setup.start.prediction, setup.study.guards_off
    held = guards(setup.reference, predicted, setup.plain, off, setup.own, slack=slack)
    return (*setup.own, *held)


def _met(sweep: Sweep, index: int, points: OperatingPoints, guess: float) -> float:
    """Return the incidence at which a claimed polar meets a point, or that of its highest lift."""
    point = points.points[index]
    if point.cl is None:
        return guess
    verdict = judge(sweep, point, guess)
    if verdict.converged:
        return verdict.alpha_deg
    return float(sweep.alpha_deg[np.argmin(np.abs(sweep.labels["cl"] - point.cl))])
