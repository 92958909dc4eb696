"""How far an optimisation has come, between two starts or two steps: it goes on from there."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

Vector = tuple[float, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Iterate:
    """One line of the history.

    Attributes:
        start: Which start; -1 where a batched method reports the best of all.
        iteration: From 0, within the start.
        objective: Its value; None where it is not finite.
        violation: Largest scaled violation of a constraint; None where it is not finite.
    """

    start: int
    iteration: int
    objective: float | None
    violation: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """A start that has ended: where, how well, and what the method said."""

    x: Vector
    objective: float | None
    violation: float | None
    success: bool
    message: str
    iterations: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """The state of an optimisation.

    Attributes:
        starts: Where each start begins.
        attempts: The starts that have ended.
        history: All iterations so far.
        evaluations: Forward passes so far.
        seconds: Time spent so far.
        state: What else a method has to remember (Adam's moments and multipliers).
    """

    starts: tuple[Vector, ...]
    attempts: tuple[Attempt, ...] = ()
    history: tuple[Iterate, ...] = ()
    evaluations: int = 0
    seconds: float = 0.0
    state: Mapping[str, Any] = field(default_factory=dict)

    def end(
        self, attempt: Attempt, history: Sequence[Iterate], evaluations: int, seconds: float
    ) -> Progress:
        """Return the state after one more start has ended, with its iterations."""
        return replace(
            self,
            attempts=(*self.attempts, attempt),
            history=(*self.history, *history),
            evaluations=evaluations,
            seconds=seconds,
        )


def finite(value: float) -> float | None:
    """Return the number, or None where it is none."""
    return value if math.isfinite(value) else None


Callback = Callable[[Progress], None]
