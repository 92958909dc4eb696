"""NACA sections of four and five digits, from their equations, differentiable in their numbers.

Half the thickness, at x in chords, for the thickness ratio t::

    y_t(x) = 5 t (0.2969 sqrt(x) - 0.1260 x - 0.3516 x^2 + 0.2843 x^3 - c x^4)

with c = 0.1015 (the original, trailing edge 0.0025 x t/0.2 blunt) or 0.1036 (sharp). Points lie
perpendicular to the camber line.

Source: Jacobs, Ward, Pinkerton, NACA Report 460 (1933); Jacobs, Pinkerton, NACA Report 537 (1935);
Ladson, Brooks, Hill, Sproles, NASA TM-4741 (1996).
"""

from __future__ import annotations

import re
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from formwright.datasets.airfoils.cst import cosine_spacing
from formwright.datasets.errors import SectionError

_THICKNESS: Final = (0.2969, -0.1260, -0.3516, 0.2843)
_BLUNT: Final = -0.1015
_SHARP: Final = -0.1036
CAMBER_LINES: Final = {
    "10": (0.0580, 361.400, 0.0),
    "20": (0.1260, 51.640, 0.0),
    "30": (0.2025, 15.957, 0.0),
    "40": (0.2900, 6.643, 0.0),
    "50": (0.3910, 3.230, 0.0),
    "21": (0.1300, 51.990, 0.000764),
    "31": (0.2170, 15.793, 0.00677),
    "41": (0.3180, 6.520, 0.0303),
    "51": (0.4410, 3.191, 0.1355),
}
_DESIGN_LIFT: Final = 0.3


def digits(designation: str) -> str:
    """Return the four or five digits of a designation.

    Raises:
        SectionError: It has another form, no thickness, or a camber line that does not exist.
    """
    match = re.fullmatch(r"(?:naca)?[\s_-]*(\d{4}|\d{5})", designation.strip().lower())
    if match is None:
        raise SectionError(
            f"{designation!r} is no NACA section of four or five digits; write e.g. '2412', "
            "'NACA 23012' or 'naca0012'."
        )
    number = match.group(1)
    if int(number[-2:]) == 0:
        raise SectionError(f"NACA {number} has no thickness: its last two digits are 00.")
    if len(number) == 5 and (number[1:3] not in CAMBER_LINES or number[0] not in "12345"):
        raise SectionError(
            f"NACA {number} is none of the five-digit series: the first digit is 1 to 5, the next "
            f"two are one of {', '.join(sorted(CAMBER_LINES))}. (Six-series sections have no "
            "closed form; the database holds many, e.g. 'naca64210'.)"
        )
    if len(number) == 4 and (number[0] == "0") != (number[1] == "0"):
        raise SectionError(
            f"NACA {number} contradicts itself: camber {number[0]} % at {number[1]}0 % chord; both "
            "digits are zero or neither is."
        )
    return number


def coordinates(
    designation: str, *, points_per_side: int = 100, closed: bool = True
) -> Float[Tensor, "points 2"]:
    """Return the contour of a NACA section: upper trailing edge -> nose -> lower.

    Args:
        designation: Four or five digits, with or without ``NACA``.
        points_per_side: Points on each side, the nose counted in both.
        closed: Sharp trailing edge; else the original blunt one.

    Returns:
        (2 * points_per_side - 1, 2) in chords, float64; the camber line runs from (0, 0) to (1, 0).

    Raises:
        SectionError: The designation does not exist.
    """
    number = digits(designation)
    x = cosine_spacing(points_per_side)
    half = half_thickness(x, float(number[-2:]) / 100.0, closed=closed)
    if len(number) == 4:
        camber, slope = camber_4(x, int(number[0]) / 100.0, int(number[1]) / 10.0)
    else:
        camber, slope = camber_5(x, number)
    return _around(x, half, camber, slope)


def four_digit(
    camber: float, place: float, thickness: float, *, points_per_side: int = 100
) -> Float[Tensor, "points 2"]:
    """Return the contour of a section between those of the four-digit series, closed.

    Args:
        camber: In hundredths of the chord.
        place: Of the largest camber, in tenths.
        thickness: In hundredths.
        points_per_side: Points on each side, the nose counted in both.
    """
    x = cosine_spacing(points_per_side)
    line, slope = camber_4(x, camber / 100.0, place / 10.0)
    return _around(x, half_thickness(x, thickness / 100.0), line, slope)


def _around(x: Tensor, half: Tensor, camber: Tensor, slope: Tensor) -> Tensor:
    """Return the contour at half the thickness from the camber line, perpendicular to it."""
    normal = torch.stack([-slope, torch.ones_like(slope)], -1) / (1.0 + slope**2).sqrt()[:, None]
    line = torch.stack([x, camber], -1)
    upper, lower = line + half[:, None] * normal, line - half[:, None] * normal
    return torch.cat([upper.flip(0), lower[1:]])


def half_thickness(
    x: Float[Tensor, " points"], thickness: float, *, closed: bool = True
) -> Float[Tensor, " points"]:
    """Return half the thickness at ``x``, in chords, for a thickness ratio."""
    a0, a1, a2, a3 = _THICKNESS
    a4 = _SHARP if closed else _BLUNT
    return 5.0 * thickness * (a0 * x.sqrt() + x * (a1 + x * (a2 + x * (a3 + x * a4))))


def camber_4(x: Tensor, height: float, place: float) -> tuple[Tensor, Tensor]:
    """Return the camber line of the four-digit series and its slope.

    Args:
        x: In chords.
        height: Largest camber, in chords.
        place: Where it is, in chords.
    """
    if height == 0.0:
        return torch.zeros_like(x), torch.zeros_like(x)
    aft = (x >= place).to(x.dtype)
    scale = height / (place**2 + aft * ((1.0 - place) ** 2 - place**2))
    line = aft * (1.0 - 2.0 * place) + 2.0 * place * x - x**2
    return scale * line, 2.0 * scale * (place - x)


def camber_5(x: Tensor, number: str) -> tuple[Tensor, Tensor]:
    """Return the camber line of the five-digit series and its slope.

    Args:
        x: In chords.
        number: The five digits; the third is 1 where the line is reflexed.
    """
    m, k1, ratio = CAMBER_LINES[number[1:3]]
    scale = k1 / 6.0 * (0.15 * int(number[0]) / _DESIGN_LIFT)
    aft = 1.0 + (ratio - 1.0) * (x >= m).to(x.dtype)
    linear = -ratio * (1.0 - m) ** 3 - m**3
    height = scale * (aft * (x - m) ** 3 + linear * x + m**3)
    return height, scale * (3.0 * aft * (x - m) ** 2 + linear)
