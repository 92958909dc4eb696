"""How a problem is solved: each method is a value, handed to ``optimise``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True, slots=True)
class SQP:
    """Sequential quadratic programming in a trust region (``design.optimise.sqp``): the default.

    Good values: as they are; ``starts = 4`` where the surrogate is rough.

    Attributes:
        max_iterations: Iterations of each start.
        tolerance: Expected gain of the merit function, relative to the objective at the start, to
            stop at.
        radius: First half-width of the box around the iterate, in ranges of the bounds.
        starts: How many starts; the first is the given one, the others are perturbed.
        spread: Standard deviation of the perturbation, in ranges of the bounds.

    Example:
        >>> import formwright
        >>> formwright.SQP(starts=4).kind
        'sqp'
    """

    kind: Literal["sqp"] = "sqp"
    max_iterations: int = 200
    tolerance: float = 1e-6
    radius: float = 0.05
    starts: int = 1
    spread: float = 0.05


@dataclass(frozen=True, kw_only=True, slots=True)
class SLSQP:
    """Sequential quadratic programming (Kraft 1988; scipy's), with exact derivatives.

    Good values: as they are; ``starts = 4`` where the surrogate is rough.

    Attributes:
        max_iterations: Iterations of each start.
        tolerance: Change of the objective, relative to its value at the start, to stop at.
        starts: How many starts; the first is the given one, the others are perturbed.
        spread: Standard deviation of the perturbation, in ranges of the bounds.

    Example:
        >>> import formwright
        >>> formwright.SLSQP(max_iterations=60).kind
        'slsqp'
    """

    kind: Literal["slsqp"] = "slsqp"
    max_iterations: int = 200
    tolerance: float = 1e-6
    starts: int = 1
    spread: float = 0.05


@dataclass(frozen=True, kw_only=True, slots=True)
class TrustConstr:
    """Interior-point trust region (Byrd, Hribar, Nocedal 1999; scipy's), with exact derivatives.

    Slower than SLSQP, steadier where constraints bend strongly.

    Attributes:
        max_iterations: Iterations of each start.
        tolerance: Norm of the Lagrangian's gradient, and trust radius, to stop at.
        starts: How many starts; the first is the given one, the others are perturbed.
        spread: Standard deviation of the perturbation, in ranges of the bounds.

    Example:
        >>> import formwright
        >>> formwright.TrustConstr().max_iterations
        500
    """

    kind: Literal["trust-constr"] = "trust-constr"
    max_iterations: int = 500
    tolerance: float = 1e-6
    starts: int = 1
    spread: float = 0.05


@dataclass(frozen=True, kw_only=True, slots=True)
class Adam:
    """Adam on an augmented Lagrangian, all starts as one batch; the best is polished.

    Every ``inner`` steps the multipliers take the penalty's gradient and the penalty grows.

    Good values: 16-64 starts; a learning rate of 0.01 ranges.

    Attributes:
        starts: Designs in the batch; the first is the given one, the others are perturbed.
        spread: Standard deviation of the perturbation, in ranges of the bounds.
        steps: Steps in all.
        inner: Steps between two updates of the multipliers.
        learning_rate: Step length at the start, in ranges of the bounds; it falls by a cosine.
        penalty: First penalty on squared scaled violations.
        growth: Factor of the penalty at each update.
        polish: A method to finish the best design with, or None.

    Example:
        >>> import formwright
        >>> formwright.Adam(starts=32, polish=formwright.SLSQP()).polish.kind
        'slsqp'
    """

    kind: Literal["adam"] = "adam"
    starts: int = 16
    spread: float = 0.1
    steps: int = 300
    inner: int = 30
    learning_rate: float = 0.01
    penalty: float = 1.0
    growth: float = 1.5
    polish: SQP | SLSQP | None = SQP()


Method = SQP | SLSQP | TrustConstr | Adam
