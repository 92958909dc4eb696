"""How far an optimisation has come: enough to go on after it was interrupted."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
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
    """The state of an optimisation between two iterations.

    Attributes:
        starts: Where each start begins.
        attempts: The starts that have ended.
        x: Where the running start is; None between starts.
        history: All iterations so far.
        evaluations: Forward passes so far.
        seconds: Time spent so far.
        state: What else a method has to remember (Adam's moments and multipliers).
    """

    starts: tuple[Vector, ...]
    attempts: tuple[Attempt, ...] = ()
    x: Vector | None = None
    history: tuple[Iterate, ...] = ()
    evaluations: int = 0
    seconds: float = 0.0
    state: Mapping[str, Any] = field(default_factory=dict)

    def step(self, x: Vector, iterate: Iterate, evaluations: int, seconds: float) -> Progress:
        """Return the state after one more iteration."""
        return replace(
            self,
            x=x,
            history=(*self.history, iterate),
            evaluations=evaluations,
            seconds=seconds,
        )

    def end(self, attempt: Attempt, evaluations: int, seconds: float) -> Progress:
        """Return the state after the running start has ended."""
        return replace(
            self,
            attempts=(*self.attempts, attempt),
            x=None,
            evaluations=evaluations,
            seconds=seconds,
            state={},
        )


def finite(value: float) -> float | None:
    """Return the number, or None where it is none."""
    return value if math.isfinite(value) else None


Callback = Callable[[Progress], None]
