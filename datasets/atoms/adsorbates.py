"""Adsorbates as they stand on a surface: atoms relative to the one that binds, z away from it.

Bond lengths and angles are those of the free species (CRC Handbook), rounded to .01 angstrom.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import cos, radians, sin
from typing import Final

import numpy as np
from jaxtyping import Float, Int

from formwright.datasets.atoms.elements import numbers
from formwright.datasets.errors import UnknownNameError, did_you_mean


@dataclass(frozen=True, slots=True)
class Adsorbate:
    """A species that binds through its first atom.

    Attributes:
        name: As it is written: ``OH`` binds through O.
        elements: Symbols of its atoms.
        pos: Positions relative to the first atom, angstrom, (N, 3); z points away from the surface.
    """

    name: str
    elements: tuple[str, ...]
    pos: tuple[tuple[float, float, float], ...]

    @property
    def z(self) -> Int[np.ndarray, " atoms"]:
        """Atomic numbers."""
        return np.array(numbers(self.elements))

    @property
    def offsets(self) -> Float[np.ndarray, "atoms 3"]:
        """Positions relative to the first atom, angstrom."""
        return np.array(self.pos)


def _tilted(length: float, angle_deg: float, turn_deg: float = 0.0) -> tuple[float, float, float]:
    """Return a bond of a length, at an angle from the normal, turned about it."""
    angle, turn = radians(angle_deg), radians(turn_deg)
    across = length * sin(angle)
    return across * cos(turn), across * sin(turn), length * cos(angle)


_HERE: Final = (0.0, 0.0, 0.0)
_TABLE: Final = (
    *(Adsorbate(name, (name,), (_HERE,)) for name in ("H", "C", "N", "O", "S", "F", "Cl", "Br")),
    Adsorbate("CH", ("C", "H"), (_HERE, (0.0, 0.0, 1.10))),
    Adsorbate("CH2", ("C", "H", "H"), (_HERE, _tilted(1.10, 54.0), _tilted(1.10, 54.0, 180.0))),
    Adsorbate(
        "CH3",
        ("C", "H", "H", "H"),
        (_HERE, *(_tilted(1.10, 70.5, turn) for turn in (0.0, 120.0, 240.0))),
    ),
    Adsorbate("NH", ("N", "H"), (_HERE, (0.0, 0.0, 1.02))),
    Adsorbate("NH2", ("N", "H", "H"), (_HERE, _tilted(1.02, 52.0), _tilted(1.02, 52.0, 180.0))),
    Adsorbate("OH", ("O", "H"), (_HERE, _tilted(0.98, 60.0))),
    Adsorbate("SH", ("S", "H"), (_HERE, _tilted(1.35, 80.0))),
    Adsorbate("OOH", ("O", "O", "H"), (_HERE, _tilted(1.45, 50.0), (1.11, 0.95, 1.10))),
    Adsorbate("CO", ("C", "O"), (_HERE, (0.0, 0.0, 1.15))),
    Adsorbate("CHO", ("C", "O", "H"), (_HERE, _tilted(1.20, 55.0), _tilted(1.11, 60.0, 180.0))),
    Adsorbate("COH", ("C", "O", "H"), (_HERE, (0.0, 0.0, 1.33), (0.92, 0.0, 1.67))),
    Adsorbate(
        "COOH",
        ("C", "O", "O", "H"),
        (_HERE, _tilted(1.21, 58.0), _tilted(1.35, 60.0, 180.0), (-1.12, 0.0, 1.65)),
    ),
)
ADSORBATES: Final[Mapping[str, Adsorbate]] = {one.name: one for one in _TABLE}


def adsorbate(name: str) -> Adsorbate:
    """Return a known adsorbate.

    Raises:
        UnknownNameError: There is none of that name.
    """
    if name not in ADSORBATES:
        raise UnknownNameError(
            f"no adsorbate is called {name!r}.{did_you_mean(name, ADSORBATES)} Known: "
            f"{', '.join(ADSORBATES)}."
        )
    return ADSORBATES[name]
