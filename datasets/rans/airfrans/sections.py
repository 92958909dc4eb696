"""The sections of AirfRANS: NACA digits that are real numbers, closed at the trailing edge.

Source: Bonnet, Mazari, Cinnella, Gallinari, "AirfRANS", NeurIPS 2022 Datasets and Benchmarks,
arXiv 2212.07564. Camber lines of five digits: Ladson et al., NASA TM-4741 (1996).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from formwright.datasets.airfoils.cst import cosine_spacing
from formwright.datasets.airfoils.naca import camber_4, half_thickness
from formwright.datasets.airfoils.section import Section, section_from_points
from formwright.datasets.errors import SectionError
from formwright.datasets.rans.airfrans.cases import parse_name


def section_of(name: str, *, points_per_side: int = 200) -> Section:
    """Return the section that the digits of a name mean.

    Args:
        name: Of a case.
        points_per_side: Points on each side, the nose counted in both.

    Raises:
        CorpusError: The name is none.
        SectionError: It has no digits, or they mean no section.
    """
    case = parse_name(name)
    if not case.digits:
        raise SectionError(
            f"the name {name!r} spells its section {case.label!r}, which is no NACA digits; read "
            "its contour with formwright.datasets.airfoils.files.surfaces.read_section."
        )
    x = cosine_spacing(points_per_side)
    camber, slope = camber_line(case.digits[:-1], x)
    half = half_thickness(x, case.digits[-1] / 100.0)
    normal = torch.stack([-slope, torch.ones_like(slope)], -1) / (1.0 + slope**2).sqrt()[:, None]
    line = torch.stack([x, camber], -1)
    upper, lower = line + half[:, None] * normal, line - half[:, None] * normal
    pos = torch.cat([upper.flip(0), lower[1:]])
    label = "naca " + " ".join(f"{digit:g}" for digit in case.digits)
    return section_from_points(pos.numpy(), label, source="AirfRANS")


def camber_line(digits: Sequence[float], x: Tensor) -> tuple[Tensor, Tensor]:
    """Return the dataset's camber line and its slope at ``x``, in chords.

    Two of its ways are kept: with P = 0 (four digits) the line is flat while the thickness leans by
    a slope of -2 M x; and a reflexed line has the same m as the plain one.

    Args:
        digits: ``(M, P)`` or ``(L, P, Q)``.
        x: In chords.
    """
    if len(digits) == 2:
        height, place = digits[0] / 100.0, digits[1] / 10.0
        if place == 0.0:
            return torch.zeros_like(x), -2.0 * height * x
        return camber_4(x, height, place)
    lift, place = 0.15 * digits[0], digits[1] / 20.0
    if place == 0.0 and digits[0] == 0.0:
        return torch.zeros_like(x), torch.zeros_like(x)
    m = _knee(place)
    k1 = lift / _load(m)
    reflex = (3.0 * (m - place) ** 2 - m**3) / (1.0 - m) ** 3 if digits[2] == 1.0 else 0.0
    aft = torch.where(x <= m, 1.0, reflex).to(x)
    linear = -reflex * (1.0 - m) ** 3 - m**3
    height = k1 * (aft * (x - m) ** 3 + linear * x + m**3)
    return height, k1 * (3.0 * aft * (x - m) ** 2 + linear)


def _knee(place: float) -> float:
    """Return m, where the camber line of five digits straightens: m (1 - sqrt(m / 3)) = place."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        short = middle * (1.0 - math.sqrt(middle / 3.0)) < place
        low, high = (middle, high) if short else (low, middle)
    if not 0.0 < high < 1.0 - 1e-9:
        raise SectionError(
            f"the largest camber of a five-digit section lies at 0 to .42 chord; {place:g} was "
            "asked for."
        )
    return high


def _load(m: float) -> float:
    """Return the factor between ``k1`` and the design lift of a five-digit section."""
    bend = (3.0 * m - 7.0 * m**2 + 8.0 * m**3 - 4.0 * m**4) / math.sqrt(m * (1.0 - m))
    return bend - 1.5 * (1.0 - 2.0 * m) * (0.5 * math.pi - math.asin(1.0 - 2.0 * m))
