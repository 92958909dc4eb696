"""A section: its contour in normalised axes, where it came from, and how it lay in its file."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from formwright.datasets.airfoils.contour import (
    Placement,
    normalise,
    order,
    points_backward,
    validate,
)
from formwright.datasets.airfoils.nose import with_nose
from formwright.datasets.errors import SectionError
from formwright.datasets.families import family


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
