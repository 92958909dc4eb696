"""Views of runs by name, and what they have to be told of the equation."""

from __future__ import annotations

from dataclasses import dataclass

from formwright.surrogate.pde.symmetries import (
    Galilean,
    Parity,
    QuarterTurn,
    Reflect,
    Rescale,
    Shift,
    ShiftReflect,
)
from formwright.surrogate.pde.views import Amplitude, Coarsen, Mask, Noise, TimeLag, Window
from formwright.surrogate.view import View


@dataclass(frozen=True, kw_only=True, slots=True)
class Solved:
    """What views of runs have to be told of the equation behind them.

    Attributes:
        equation: Its kind.
        frames: Of a window.
        dimensions: Axes of space.
        waves: Periods of the force in the box; 0 where nothing is forced.
    """

    equation: str
    frames: int
    dimensions: int = 1
    waves: int = 0


def run_views(solved: Solved) -> dict[str, View]:
    """Return the views of runs of an equation."""
    kind, frames = solved.equation, solved.frames
    result: dict[str, View] = {
        "time-lag": TimeLag(equation=kind, frames=frames),
        "window": Window(equation=kind, frames=frames),
        "shift": Shift(equation=kind, waves=solved.waves),
        "parity": Parity(equation=kind),
        "galilean": Galilean(equation=kind),
        "rescale": Rescale(equation=kind),
        "coarsen": Coarsen(equation=kind),
        "mask": Mask(equation=kind),
        "noise": Noise(equation=kind),
        "amplitude": Amplitude(equation=kind),
    }
    if solved.dimensions == 2:
        forced = solved.waves > 0
        result |= {"quarter-turn": QuarterTurn(forced=forced), "reflect": Reflect(forced=forced)}
        result |= {"shift-reflect": ShiftReflect(waves=solved.waves)} if forced else {}
    return result
