"""The walls of many RANS cases in one small file: where, pressure and friction, face by face."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from _common import ROOT

from formwright.datasets.files import replacing
from formwright.datasets.flow_field import Wall

ARRAYS: Final = ("centres", "normals", "lengths", "cp", "cf", "y_plus")
WALLS: Final = ROOT / "benchmarks" / "data" / "rans-2d" / "walls.npz"
"""Of test cases of ``rans-2d``."""
_CASES, _FACES = "cases", "faces"


def save_walls(path: Path, walls: Mapping[str, Wall]) -> None:
    """Write walls by case, in single precision; which cells lie at them is left out."""
    arrays: dict[str, Any] = {
        name: np.concatenate([getattr(wall, name) for wall in walls.values()]).astype(np.float32)
        for name in ARRAYS
    }
    arrays[_CASES] = np.array(list(walls))
    arrays[_FACES] = np.array([len(wall.lengths) for wall in walls.values()])
    with replacing(path) as temporary, open(temporary, "wb") as handle:
        np.savez_compressed(handle, **arrays)


def load_walls(path: Path) -> dict[str, Wall]:
    """Return what ``save_walls`` wrote, in double precision and without cells."""
    with np.load(path, allow_pickle=False) as file:
        ends = file[_FACES].cumsum()[:-1]
        parts = {n: np.split(file[n].astype(np.float64), ends) for n in ARRAYS}
        return {
            str(case): Wall(
                **{name: parts[name][i] for name in ARRAYS}, cells=np.zeros(0, dtype=np.int64)
            )
            for i, case in enumerate(file[_CASES])
        }
