"""Views by name, as the command line and configuration files choose them.

Every view there is for a kind of data can be named, true or not: what one does to the label that is
asked for is its own promise, and pretraining refuses what is forbidden.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from formwright.datasets.errors import ConfigError, UnknownNameError, did_you_mean
from formwright.surrogate.airfoils.views import (
    Incidence,
    ManufacturingNoise,
    Mirror,
    PartialContour,
    Repanel,
)
from formwright.surrogate.atoms.views import HideElements, Jiggle, OtherElement, Strain
from formwright.surrogate.keeps import check_keeps
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
from formwright.surrogate.rans.fields.views import HideCells, JoinCells, OtherIncidence, OtherMesh
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


def section_views(incidences: int = 4) -> dict[str, View]:
    """Return the views of sections; ``incidences`` operating points of each are kept."""
    views = (Repanel(), PartialContour(), Incidence(count=incidences), ManufacturingNoise())
    return {view.kind: view for view in (*views, Mirror())}


def run_views(solved: Solved) -> dict[str, View]:
    """Return the views of runs of an equation."""
    kind, frames = solved.equation, solved.frames
    found: dict[str, View] = {
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
        found |= {"quarter-turn": QuarterTurn(forced=forced), "reflect": Reflect(forced=forced)}
        found |= {"shift-reflect": ShiftReflect(waves=solved.waves)} if forced else {}
    return found


def structure_views() -> dict[str, View]:
    """Return the views of atoms."""
    return {
        "jiggle": Jiggle(),
        "strain": Strain(),
        "hide-elements": HideElements(),
        "other-element": OtherElement(),
    }


def field_views(factors: tuple[int, ...] = (1, 2, 4)) -> dict[str, View]:
    """Return the views of flow fields, of whose cells ``factors`` in both directions are joined."""
    return {
        "other-mesh": OtherMesh(),
        "other-incidence": OtherIncidence(),
        "join-cells": JoinCells(factors=factors),
        "hide-cells": HideCells(),
    }


def views_named(
    names: Sequence[str], known: Mapping[str, View], labels: Iterable[str]
) -> tuple[View, ...]:
    """Return the named views, in the order given.

    Args:
        names: What was asked for.
        known: What there is for the kind of data.
        labels: What will be predicted from the representation.

    Raises:
        ConfigError: No name at all.
        UnknownNameError: There is no such view for this kind of data.
        ViewError: A view is forbidden for one of the labels.
    """
    if not names:
        raise ConfigError(f"no view is named. Known: {', '.join(known)}.")
    for name in names:
        if name not in known:
            raise UnknownNameError(
                f"no view of these data is called {name!r}.{did_you_mean(name, known)} Known: "
                f"{', '.join(known)}."
            )
    views = tuple(known[name] for name in names)
    check_keeps(views, labels)
    return views
