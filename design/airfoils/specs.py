"""What a study's file may say, and what is built from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from jaxtyping import Float
from torch import Tensor

from formwright.datasets.airfoils import geometry
from formwright.datasets.cases import Case
from formwright.datasets.errors import ConfigError
from formwright.design.airfoils import constraints
from formwright.design.airfoils.guards import Guard
from formwright.design.airfoils.spaces.bspline import BSpline
from formwright.design.airfoils.spaces.cst import CST
from formwright.design.airfoils.sweeps import SweepRange
from formwright.design.airfoils.verifiers import SolverName
from formwright.design.constraint import Bound, Constraint
from formwright.design.objectives import ObjectiveKind
from formwright.design.optimise.methods import SLSQP, SQP, Adam, TrustConstr
from formwright.design.spaces.points import OperatingPoint, OperatingPoints

Range = tuple[float, float]

SHARP: Final = 1e-4
"""A trailing edge thinner than this, in chords, is taken for a sharp one."""
ROOM: Final = 0.1
"""Weights beside a start that the default bounds do not hold."""


class SpaceKind(StrEnum):
    """Design spaces that a study may name."""

    CST = "cst"
    BSPLINE = "bspline"


SPACES: Final[Mapping[SpaceKind, type[CST] | type[BSpline]]] = {
    SpaceKind.CST: CST,
    SpaceKind.BSPLINE: BSpline,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class SpaceSpec:
    """A design space; what is not given is as ``CST`` or ``BSpline`` has it.

    Attributes:
        kind: Which one.
        n: Weights or control points a side.
        lower: Bounds of the lower side.
        upper: Bounds of the upper side.
        nose: Bounds of the nose parameter.
        first_weight: Least size of the first weights (CST only).
        trailing_edge: Thickness in chords, the start's where not given; two numbers make it a
            parameter.
    """

    kind: SpaceKind = SpaceKind.CST
    n: int | None = None
    lower: Range | None = None
    upper: Range | None = None
    nose: Range | None = None
    first_weight: float | None = None
    trailing_edge: float | Range | None = None

    def build(self, points: OperatingPoints, start: Float[Tensor, "points 2"]) -> CST | BSpline:
        """Return the space.

        Args:
            points: Operating points of every design.
            start: Contour of the start: its trailing edge is kept, and bounds are widened to hold
                it, where nothing is given of them.

        Raises:
            ConfigError: Bounds that hold nothing, or a key that the space does not have.
        """
        names = ("n", "lower", "upper", "nose", "first_weight", "trailing_edge")
        given: dict[str, Any] = {name: getattr(self, name) for name in names}
        given = {name: value for name, value in given.items() if value is not None}
        if self.kind is SpaceKind.BSPLINE and "first_weight" in given:
            raise ConfigError(
                "space.first_weight belongs to the CST; a B-spline's nose is bounded by space.nose."
            )
        edge = float(geometry.trailing_edge_thickness(start))
        given.setdefault("trailing_edge", edge if edge > SHARP else 0.0)
        space = SPACES[self.kind](points=points, **given)
        weights = space.sides.weights(space.sides.fit(start)[None])[0]
        for name, side in zip(("lower", "upper"), weights, strict=True):
            low, high = getattr(space, name)
            room = (min(low, float(side.min()) - ROOM), max(high, float(side.max()) + ROOM))
            given.setdefault(name, room)
        return SPACES[self.kind](points=points, **given)


class ConstraintKind(StrEnum):
    """Constraints that a study may name."""

    LABEL = "label"
    CONFIDENCE = "confidence"
    THICKNESS = "thickness"
    MAX_THICKNESS = "max-thickness"
    POSITIVE_THICKNESS = "positive-thickness"
    AREA = "area"
    LEADING_EDGE_RADIUS = "leading-edge-radius"
    TRAILING_EDGE_ANGLE = "trailing-edge-angle"
    SMOOTHNESS = "smoothness"
    ALPHA_INCREASING = "alpha-increasing"


@dataclass(frozen=True, kw_only=True, slots=True)
class ConstraintSpec:
    """A constraint; which keys it takes depends on its kind.

    Attributes:
        kind: Which one. ``label`` (label, lower, upper), ``confidence`` (label, upper: relative
            standard deviation), ``thickness`` (at, lower, upper), ``smoothness`` (factor),
            ``positive-thickness`` and ``alpha-increasing`` (lower, 0 where not given), all others
            (lower, upper).
        lower: Lower bound: one number, or one an operating point.
        upper: Upper bound.
        at: x in chords.
        label: Name of a label, e.g. ``"cm"``.
        factor: How many times the wiggliness of the start.
    """

    kind: ConstraintKind
    lower: float | tuple[float, ...] | None = None
    upper: float | tuple[float, ...] | None = None
    at: float | None = None
    label: str | None = None
    factor: float | None = None

    def build(self, start: Case) -> Constraint:
        """Return the constraint.

        Args:
            start: The start as the space decodes it.

        Raises:
            ConfigError: A key is missing, or belongs to another kind.
        """
        takes, builder = BUILDERS[self.kind]
        for name in ("lower", "upper", "at", "label", "factor"):
            if getattr(self, name) is not None and name not in takes:
                raise ConfigError(
                    f"a constraint of kind {self.kind.value!r} takes {', '.join(takes)}, not "
                    f"{name!r} (= {getattr(self, name)!r})."
                )
        return builder(self, start)

    def need(self, name: str) -> Any:
        """Return a key that the kind cannot do without.

        Raises:
            ConfigError: It is missing.
        """
        value = getattr(self, name)
        if value is None:
            raise ConfigError(f"a constraint of kind {self.kind.value!r} needs {name!r}.")
        return value


LABEL_SCALES: Final = {"cl": 0.1, "cd": 0.001, "cm": 0.01, "xtr_top": 0.1, "xtr_bottom": 0.1}


def _label(spec: ConstraintSpec, start: Case) -> Constraint:
    name = spec.need("label")
    scale = LABEL_SCALES.get(name, 0.01)
    return constraints.label_between(name, lower=spec.lower, upper=spec.upper, scale=scale)


def _confidence(spec: ConstraintSpec, start: Case) -> Constraint:
    upper = spec.need("upper")
    if not isinstance(upper, float):
        raise ConfigError(f"a constraint of kind 'confidence' takes one upper bound; got {upper}.")
    name = spec.label or "cd"
    return constraints.confidence(name, upper=upper, relative=name == "cd")


def _thickness(spec: ConstraintSpec, start: Case) -> Constraint:
    at = float(spec.need("at"))
    if not 0.0 < at < 1.0:
        raise ConfigError(f"a constraint of kind 'thickness' has 0 < at < 1; got at = {at:g}.")
    return constraints.thickness(at, lower=spec.lower, upper=spec.upper)


def _positive(spec: ConstraintSpec, start: Case) -> Constraint:
    return constraints.positive_thickness(_one(spec))


def _smoothness(spec: ConstraintSpec, start: Case) -> Constraint:
    return constraints.smoothness(start, 2.0 if spec.factor is None else spec.factor)


def _increasing(spec: ConstraintSpec, start: Case) -> Constraint:
    return constraints.alpha_increasing(_one(spec))


def _one(spec: ConstraintSpec) -> float:
    """Return the lower bound, a single number, 0 where not given."""
    if isinstance(spec.lower, tuple):
        raise ConfigError(f"a constraint of kind {spec.kind.value!r} takes one lower bound.")
    return spec.lower or 0.0


def _shape(name: str, scale: float) -> Callable[[ConstraintSpec, Case], Constraint]:
    """Return the builder of a geometric constraint."""

    def build(spec: ConstraintSpec, start: Case) -> Constraint:
        bounds: dict[str, Bound] = {"lower": spec.lower, "upper": spec.upper}
        return constraints.geometric(name, getattr(geometry, name), scale=scale, **bounds)

    return build


BOTH: Final = ("lower", "upper")
Builder = Callable[[ConstraintSpec, Case], Constraint]
BUILDERS: Final[Mapping[ConstraintKind, tuple[tuple[str, ...], Builder]]] = {
    ConstraintKind.LABEL: (("label", *BOTH), _label),
    ConstraintKind.CONFIDENCE: (("label", "upper"), _confidence),
    ConstraintKind.THICKNESS: (("at", *BOTH), _thickness),
    ConstraintKind.MAX_THICKNESS: (BOTH, _shape("max_thickness", 0.01)),
    ConstraintKind.POSITIVE_THICKNESS: (("lower",), _positive),
    ConstraintKind.AREA: (BOTH, _shape("area", 0.01)),
    ConstraintKind.LEADING_EDGE_RADIUS: (BOTH, _shape("leading_edge_radius", 0.001)),
    ConstraintKind.TRAILING_EDGE_ANGLE: (BOTH, _shape("trailing_edge_angle_deg", 1.0)),
    ConstraintKind.SMOOTHNESS: (("factor",), _smoothness),
    ConstraintKind.ALPHA_INCREASING: (("lower",), _increasing),
}


BESIDE: Final = {"airfoil-polar": ("airfoil-polar+airfoil-polar-large",)}
"""Which surrogates search beside one unless a study says so."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StudySpec:
    """What a study of an airfoil is asked: from a start section to a verified design.

    Attributes:
        points: Operating points.
        name: What the report is called.
        start: Section to start from, as ``datasets.airfoils.sections.load_section`` takes it.
        surrogate: A shipped surrogate, ``"panel"``, or a folder that ``fit`` wrote.
        beside: Surrogates that search beside it; after the first round the one goes on whose design
            the solver finds best (and one with a better objective that breaks a constraint). Unless
            given: beside ``airfoil-polar`` the mean of it and ``airfoil-polar-large``, else none.
        solver: Who verifies.
        objective: What is made small.
        caution: Standard deviations of the surrogate that the objective takes to the bad side
            while it is searched, more where a verdict was further off, none where 0; claims and
            verdicts are told without.
        guards_off: Guards (``design.airfoils.guards``) that shall not hold.
        space: Which shapes.
        constraints: What a design must meet, besides its lift targets.
        method: How it is searched.
        rounds: How often to optimise and verify at most; from the second on the surrogate is
            corrected by the verdicts on its last design, and trusted further, or less. A study ends
            before where a claim was kept and nothing was gained.
        alpha_bounds_deg: Lowest and highest free incidence.
        sweep: Which incidences the solver is asked.
        workers: Operating points verified at once.
        seed: Seed of the perturbed starts.

    Example:
        >>> import formwright
        >>> point = formwright.OperatingPoint(cl=0.6, reynolds=3e5)
        >>> formwright.Study(points=(point,), start="e387").surrogate
        'airfoil-polar'
    """

    points: tuple[OperatingPoint, ...]
    name: str = "study"
    start: str = "naca0012"
    surrogate: str = "airfoil-polar"
    beside: tuple[str, ...] | None = None
    solver: SolverName = SolverName.AUTO
    objective: ObjectiveKind = ObjectiveKind.DRAG
    caution: float = 1.0
    guards_off: tuple[Guard, ...] = ()
    space: SpaceSpec = SpaceSpec()
    constraints: tuple[ConstraintSpec, ...] = ()
    method: SQP | SLSQP | TrustConstr | Adam = SQP()
    rounds: int = 4
    alpha_bounds_deg: tuple[float, float] = (-6.0, 18.0)
    sweep: SweepRange = SweepRange()
    workers: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse a study without a point or a round."""
        if not self.points:
            raise ConfigError("a study needs at least one [[points]] table; got none.")
        if self.rounds < 1:
            raise ConfigError(f"rounds = {self.rounds} should be 1 or more.")

    @property
    def searching_beside(self) -> tuple[str, ...]:
        """Names of the surrogates that search beside ``surrogate``."""
        return BESIDE.get(self.surrogate, ()) if self.beside is None else self.beside
