"""The walls of many RANS cases in one small file: where, pressure and friction, face by face."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from _common import DATA

from formwright.datasets.files import replacing
from formwright.datasets.rans.flow_field import FlowField, Wall
from formwright.datasets.rans.rows import LABELS

WALLS: Final = DATA / "rans-2d" / "walls.npz"
"""Of test cases of ``rans-2d``."""
ARRAYS: Final = ("centres", "normals", "lengths", "cp", "cf", "y_plus")
FORCES: Final = tuple(label.name for label in LABELS)
_CASES, _FACES, _ALPHA, _FORCES = "cases", "faces", "alpha_deg", "forces"


@dataclass(frozen=True, kw_only=True, slots=True)
class WallCase:
    """A wall, and what OpenFOAM says of the forces on it.

    Attributes:
        name: Of the case.
        wall: Its pressure and friction.
        alpha_deg: Incidence, degrees.
        forces: By OpenFOAM, in the names of the corpus's rows.
    """

    name: str
    wall: Wall
    alpha_deg: float
    forces: Mapping[str, float]


def wall_case(name: str, flow: FlowField) -> WallCase:
    """Return the wall of a record."""
    return WallCase(name=name, wall=flow.wall, alpha_deg=flow.alpha_deg, forces=flow.forces)


def save_walls(path: Path, cases: list[WallCase]) -> None:
    """Write walls, in single precision; which cells lie at them is left out."""
    arrays: dict[str, Any] = {
        name: np.concatenate([getattr(case.wall, name) for case in cases]).astype(np.float32)
        for name in ARRAYS
    }
    arrays[_CASES] = np.array([case.name for case in cases])
    arrays[_FACES] = np.array([len(case.wall.lengths) for case in cases])
    arrays[_ALPHA] = np.array([case.alpha_deg for case in cases])
    arrays[_FORCES] = np.array([[case.forces[name] for name in FORCES] for case in cases])
    with replacing(path) as temporary, open(temporary, "wb") as handle:
        np.savez_compressed(handle, **arrays)


def load_walls(path: Path = WALLS) -> Iterator[WallCase]:
    """Yield what ``save_walls`` wrote, in double precision; every cell is -1."""
    with np.load(path, allow_pickle=False) as file:
        faces, forces, alpha = file[_FACES], file[_FORCES], file[_ALPHA]
        ends = faces.cumsum()[:-1]
        parts = {name: np.split(file[name].astype(np.float64), ends) for name in ARRAYS}
        for i, name in enumerate(file[_CASES]):
            arrays = {array: parts[array][i] for array in ARRAYS}
            yield WallCase(
                name=str(name),
                wall=Wall(**arrays, cells=np.full(faces[i], -1)),
                alpha_deg=float(alpha[i]),
                forces=dict(zip(FORCES, forces[i].tolist(), strict=True)),
            )
