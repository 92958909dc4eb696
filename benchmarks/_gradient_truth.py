"""Central differences of OpenFOAM over eight modes of the shape: the truth of ``rans_gradient``.

The modes are orthonormal combinations of the 8 + 8 weights of a CST vector
(``datasets/airfoils/cst.py``), the leading-edge weight and the trailing edge kept as they are: the
first four cosines over the weights of a side, nose to tail (constant, half a wave, a wave, a wave
and a half), once with opposite signs on the two sides (``thickness 0`` to ``thickness 3``) and once
with the same sign (``camber 0`` to ``camber 3``). A step is counted in standard deviations of its
mode over the training sections of the database, and so is every gradient here: what a designer may
change much weighs much.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from _common import DATA, tell
from jaxtyping import Float
from torch import Tensor

from formwright.datasets import campaign
from formwright.datasets.airfoils import cst
from formwright.datasets.airfoils.blends import WEIGHTS, database_vector, pool
from formwright.datasets.airfoils.sections import database
from formwright.datasets.files import write_json
from formwright.datasets.rans.cases import POINTS_PER_SIDE, closed
from formwright.datasets.solvers.openfoam.solver import OpenFOAM

TABLE: Final = DATA / "rans-gradient.json"
WAVES: Final = 4
KINDS: Final = ("thickness", "camber")
MODES: Final = tuple(f"{kind} {k}" for kind in KINDS for k in range(WAVES))
STEP: Final = 0.25
OTHER_STEP: Final = 0.125
CHECKED: Final = ("naca0012", "thickness 0")
"""Base and mode that are solved at both steps."""
SOLVER: Final = OpenFOAM()
LABELS: Final = ("cl", "cd")


@dataclass(frozen=True, kw_only=True, slots=True)
class Base:
    """A section and a condition at which the gradient is asked for."""

    name: str
    alpha_deg: float
    reynolds: float

    @property
    def split(self) -> str:
        """The part of the database that the section belongs to."""
        return database().split(self.name)

    @property
    def vector(self) -> Float[np.ndarray, " parameters"]:
        """The section as the RANS corpus would have it."""
        return closed(database_vector(self.name))


BASES: Final = (
    Base(name="naca0012", alpha_deg=4.0, reynolds=3e6),
    Base(name="psu-90-125wl", alpha_deg=7.0, reynolds=6e6),
    Base(name="clarky", alpha_deg=1.0, reynolds=1.5e6),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """One flow: a base moved along a mode by ``step`` standard deviations."""

    base: str
    mode: str
    step: float

    @property
    def file(self) -> str:
        """The name of its file."""
        return f"{self.base}_{self.mode.replace(' ', '')}_{self.step:+g}.json"


def modes() -> Float[np.ndarray, "modes parameters"]:
    """Return the modes, orthonormal rows in the order of ``MODES``."""
    place = (np.arange(WEIGHTS) + 0.5) / WEIGHTS
    waves = np.cos(np.pi * np.arange(WAVES)[:, None] * place)
    waves /= np.linalg.norm(waves, axis=1, keepdims=True) * np.sqrt(2.0)
    both = np.block([[-waves, waves], [waves, waves]])
    return np.pad(both, ((0, 0), (0, 2)))


@cache
def spread() -> Float[np.ndarray, " modes"]:
    """Return the standard deviation of each mode over the training sections."""
    vectors = np.stack([database_vector(name) for name in pool("train")])
    return (vectors @ modes().T).std(0)


def runs() -> Iterator[Run]:
    """Return every run: base after base, the long waves first, the check of the step last."""
    for base in BASES:
        for k in range(WAVES):
            for kind in KINDS:
                for step in (STEP, -STEP):
                    yield Run(base=base.name, mode=f"{kind} {k}", step=step)
    for step in (OTHER_STEP, -OTHER_STEP):
        yield Run(base=CHECKED[0], mode=CHECKED[1], step=step)


def moved(run: Run) -> Float[Tensor, "points 2"]:
    """Return the contour of a run."""
    k = MODES.index(run.mode)
    vector = base_of(run).vector + run.step * spread()[k] * modes()[k]
    return cst.coordinates(torch.from_numpy(vector), POINTS_PER_SIDE)


def base_of(run: Run) -> Base:
    """Return the base of a run."""
    return next(base for base in BASES if base.name == run.base)


def solve(run: Run) -> dict[str, Any]:
    """Return the row of a run: its coefficients, or the reason why there are none."""
    base = base_of(run)
    flow = SOLVER.point(moved(run), base.alpha_deg, base.reynolds)
    if isinstance(flow, str):
        return {**asdict(run), "cl": None, "cd": None, "reason": flow}
    found = {label: flow.forces[label] for label in LABELS}
    cost = {"iterations": flow.iterations, "seconds": round(flow.seconds, 1)}
    return {**asdict(run), **found, "reason": "", **cost}


def keep(out: Path, run: Run, row: Mapping[str, Any]) -> None:
    """Store the row of a run."""
    write_json(out / run.file, row)
    tell(run.file, f"cl {row['cl']}, cd {row['cd']} {row['reason']}")


def lose(out: Path, run: Run, error: Exception) -> None:
    """Store the row of a run that raised."""
    reason = f"{type(error).__name__}: {error}"
    keep(out, run, {**asdict(run), "cl": None, "cd": None, "reason": reason})


def compute(out: Path, workers: int, time_limit_s: float | None = None) -> None:
    """Solve every run that ``out`` does not hold yet, then write the table of what is there.

    Args:
        out: Folder with a file a run.
        workers: Processes at a time.
        time_limit_s: Start no run after this many seconds; 0 only collects.

    Raises:
        MissingSolverError: OpenFOAM is not installed.
    """
    SOLVER.require()
    out.mkdir(parents=True, exist_ok=True)
    left = [run for run in runs() if not (out / run.file).exists()]
    campaign.run(
        left,
        solve,
        on_result=partial(keep, out),
        on_failure=partial(lose, out),
        workers=workers,
        time_limit_s=time_limit_s,
        total=len(left),
        progress=False,
    )
    write_table(out)


def write_table(out: Path) -> None:
    """Write the table of all runs that are there."""
    files = [out / run.file for run in runs()]
    rows = [json.loads(file.read_text(encoding="utf-8")) for file in files if file.exists()]
    bases = [
        {**asdict(base), "split": base.split, "vector": base.vector.tolist()} for base in BASES
    ]
    table = {
        "solver": asdict(SOLVER),
        "modes": list(MODES),
        "spread": spread().tolist(),
        "bases": bases,
        "rows": rows,
    }
    write_json(TABLE, table)


def read_table(path: Path = TABLE) -> dict[str, Any]:
    """Return the committed table."""
    return json.loads(path.read_text(encoding="utf-8"))


def differences(
    table: Mapping[str, Any], base: str, label: str, size: float = STEP
) -> Float[np.ndarray, " modes"]:
    """Return the central differences of a label at a base, a standard deviation of each mode.

    NaN where one of the two runs is missing or failed.
    """
    found = {(row["mode"], row["step"]): row[label] for row in table["rows"] if row["base"] == base}
    slopes = []
    for mode in table["modes"]:
        pair = [found.get((mode, step)) for step in (size, -size)]
        above, below = (np.nan if value is None else value for value in pair)
        slopes.append((above - below) / (2.0 * size))
    return np.array(slopes)
