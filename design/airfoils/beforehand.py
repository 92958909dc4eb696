"""What a study says before it runs: conditions not seen in training, a start it cannot keep."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch

from formwright.datasets.airfoils.cst import cosine_spacing
from formwright.datasets.airfoils.geometry import surface_y
from formwright.datasets.airfoils.section import Section
from formwright.datasets.errors import ConfigError
from formwright.design.airfoils.spaces.bspline import BSpline
from formwright.design.airfoils.spaces.cst import CST
from formwright.design.spaces.points import OperatingPoints
from formwright.surrogate.model import Surrogate

NEAR: Final = 0.003
"""A space that comes as near to the start, in chords, keeps it."""
TURNED_DEG: Final = 0.25
"""A start that is turned by more in its file is worth a note."""
SLOW: Final = (0.0, 0.3)
"""Mach numbers of flow that a surrogate without a range of them may be asked about."""
_POINTS: Final = 100


def outside(surrogate: Surrogate, points: OperatingPoints) -> tuple[str, ...]:
    """Return a note for each condition that lies outside what the surrogate was trained on.

    Raises:
        ConfigError: A Mach number does: no surrogate of incompressible flow extrapolates to it.
    """
    notes = []
    ranges = {"mach": SLOW, **surrogate.training_range}
    for name, (low, high) in ranges.items():
        given = [p for p in points.points if name != "alpha_deg" or p.cl is None]
        requested = np.array([getattr(point, name) for point in given])
        bad = requested[(requested < low) | (requested > high)]
        if not len(bad):
            continue
        values = ", ".join(f"{value:g}" for value in bad)
        if name == "mach":
            raise ConfigError(
                f"mach = {values}, and the surrogate was trained for Mach numbers of {low:g} to "
                f"{high:g}; its claims would be those of slow flow. Set mach = {high:g} or less, "
                "or train a surrogate on such flows."
            )
        notes.append(
            f"{name} = {values} lies outside of what the surrogate was trained on, {low:g} to "
            f"{high:g}: its claims there are guesses, and only the verdict counts."
        )
    return tuple(notes)


def turned(section: Section) -> tuple[str, ...]:
    """Return a note where the axes of the start's file are not those of the study."""
    angle = section.placement.rotation_deg
    if abs(angle) <= TURNED_DEG:
        return ()
    return (
        f"the start {section.name!r} is turned in its file: the study's incidences are those of "
        "the section's own axes (nose at (0, 0), trailing edge at (1, 0)), in which start.dat and "
        f"best.dat stand, too; one of the file plus {angle:.2f} degrees is one of the study.",
    )


def unlike(space: CST | BSpline, section: Section) -> tuple[str, ...]:
    """Return a note where the space comes no nearer to the start than ``NEAR``."""
    x = cosine_spacing(_POINTS)[1:-1]
    low, high = space.bounds[:, : space.sides.matrix.shape[1]]
    nearest = space.sides.contour(space.sides.fit(section.pos)[None].clamp(low, high))[0]
    both = (torch.stack(surface_y(pos, x)) for pos in (section.pos.double(), nearest))
    apart = (next(both) - next(both)).abs()
    far = float(apart.max())
    if far <= NEAR:
        return ()
    place = float(x[int(apart.amax(0).argmax())])
    return (
        f"the nearest shape of the space is {far:.4f} chord from the start {section.name!r} at "
        f"x = {place:.2f}: the search begins from another section. More weights (space.n), wider "
        "bounds (space.lower, .upper, .nose) or its trailing edge's thickness bring it nearer.",
    )
