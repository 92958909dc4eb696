"""A section: its contour in normalised axes, where it came from, and how it lay in its file."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from formwright.datasets.airfoils.contour import (
    Placement,
    in_file_axes,
    normalise,
    order,
    points_backward,
    too_high,
    validate,
)
from formwright.datasets.airfoils.contour_checks import GOES_BACK_DEG, kinks
from formwright.datasets.airfoils.nose import with_nose
from formwright.datasets.errors import SectionError, SectionWarning
from formwright.datasets.families import family

_SLANT: Final = 0.005


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Section:
    """One airfoil section.

    Attributes:
        name: As its file or its designer calls it.
        pos: Contour, upper trailing edge -> nose -> lower trailing edge, in chords, normalised.
        family: What it is kin to; splits are made by it.
        source: Where it came from.
        description: The header of its file, if it had one.
        placement: How it lay in its file's axes; incidences given there need ``rotation_deg``.

    Example:
        >>> import formwright
        >>> section = formwright.load_section("e387")
        >>> section.family
        'eppler'
        >>> round(section.placement.rotation_deg, 1)
        0.0
    """

    name: str
    pos: Float[Tensor, "points 2"]
    family: str
    source: str
    description: str = ""
    placement: Placement = field(default_factory=Placement)


def section_from_points(
    points: Float[np.ndarray, "points 2"],
    name: str,
    *,
    source: str = "points",
    description: str = "",
) -> Section:
    """Put points in order, check them, add the nose where it is missing, and normalise them.

    Raises:
        SectionError: They describe no section.
    """
    ordered = order(points, name)
    if too_high(ordered):
        length, height = np.ptp(ordered, axis=0).tolist()
        raise SectionError(
            f"section {name!r} is higher than long: {length:g} along x, {height:g} along y. Give x "
            "and y in the same unit, the chord along x."
        )
    if points_backward(ordered):
        raise SectionError(
            f"section {name!r} has its nose at the larger x: rounded there, thin at the smaller x. "
            "The trailing edge belongs at the larger x; mirror it (x -> -x)."
        )
    validate(torch.from_numpy(ordered), name)
    pos, placement = normalise(torch.from_numpy(with_nose(ordered)))
    return Section(
        name=name,
        pos=pos,
        family=family(name),
        source=source,
        description=description,
        placement=placement,
    )


def tell_odd(section: Section, stacklevel: int) -> None:
    """Warn of kinks, of points out of order, and of a trailing edge that is cut off askew.

    Args:
        section: As read.
        stacklevel: Of the warning, as if it were given where this is called.
    """
    odd, turns = kinks(section.pos.numpy())
    told = []
    if len(odd):
        place = in_file_axes(section.pos[odd[:1]], section.placement)[0].tolist()
        what = "goes back" if turns[0] > GOES_BACK_DEG else f"has a kink of {turns[0]:.0f} degrees"
        more = f", and at {len(odd) - 1} more points" if len(odd) > 1 else ""
        told.append(f"its contour {what} at x = {place[0]:.6g}, y = {place[1]:.6g}{more}")
    slant = float((section.pos[0, 0] - section.pos[-1, 0]).abs())
    if slant > _SLANT:
        told.append(f"its ends are {slant:.3f} chord apart along the chord, so one may be lacking")
    if told:
        warnings.warn(
            f"section {section.name!r} is read as it stands, but {'; '.join(told)}.",
            SectionWarning,
            stacklevel=stacklevel + 1,
        )
