"""A corpus of runs of an unsteady equation: drawn parameters and initial states, solved in parts.

Parts are HDF5 files in The Well's layout, written one by one; a run that was killed goes on with
those that are missing. A run that blew up, or that the grid does not resolve, is not in the fields;
its parameters and the reason are in the header of its part.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from formwright.datasets.airfoils.blends import SPLITS
from formwright.datasets.begun import check_recipe
from formwright.datasets.config import to_mapping
from formwright.datasets.errors import ConfigError, CorpusError
from formwright.datasets.locks import writing
from formwright.datasets.pde.equations import (
    Burgers,
    Equation,
    Flow2D,
    KdV,
    KuramotoSivashinsky,
    simulate,
)
from formwright.datasets.pde.equations import equation as named
from formwright.datasets.pde.runs import FieldRuns, alike_runs
from formwright.datasets.pde.spectral import Grid
from formwright.datasets.pde.well_runs import WellRuns, open_runs
from formwright.datasets.pde.well_write import read_header, write_well

PART: Final = 1024
STIRRERS: Final = 12
FORMAT_VERSION: Final = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class WaveCorpus:
    """The recipe; run i is a function of seed, split and i alone.

    The initial state is a sum of waves with normal coefficients, every wavenumber up to ``waves``
    of equal expected energy, scaled to a root mean square drawn log-uniformly from ``amplitude``.
    Burgers may be stirred (see there) by waves of normal amplitudes, numbers from 1 to ``waves``,
    frequencies uniform within ``pace`` and phases uniform.

    Attributes:
        equation: What is solved.
        parameters: By name, lowest and highest value, log-uniform; equal ends fix it.
        amplitude: Lowest and highest root mean square of the initial state.
        waves: Highest wavenumber of the initial state, in periods of the box.
        stir: Root mean square of the stirring of Burgers; 0 for none.
        pace: Highest frequency of the stirring, radians per unit of time.
        points: Along every axis.
        keep_every: Points kept along every axis: one of so many.
        length: Of the box along every axis.
        frames: Times kept of a run.
        interval: Time between them.
        substeps: Steps of the solver between them.
        spin_up: Frames computed before the first that is kept.
        runs: How many.
        seed: Of everything random.
        split: Runs of different splits are drawn apart.
        tail: Share of the energy in the highest tenth of the modes kept by dealiasing, above which
            a run counts as not resolved.
    """

    equation: Equation = field(default_factory=Burgers)
    parameters: Mapping[str, tuple[float, float]] = field(
        default_factory=lambda: {"viscosity": (0.03, 1.0)}
    )
    amplitude: tuple[float, float] = (1.0, 1.0)
    waves: int = 4
    stir: float = 0.0
    pace: float = 1.0
    points: int = 128
    keep_every: int = 2
    length: float = 2.0 * np.pi
    frames: int = 32
    interval: float = 0.1
    substeps: int = 5
    spin_up: int = 0
    runs: int = 4096
    seed: int = 5
    split: str = "train"
    tail: float = 1e-3

    def __post_init__(self) -> None:
        """Refuse recipes that cannot be computed."""
        missing = set(self.equation.PARAMETERS) ^ set(self.parameters)
        if missing:
            raise ConfigError(
                f"WaveCorpus.parameters names {', '.join(self.parameters)}; "
                f"{type(self.equation).__name__} has {', '.join(self.equation.PARAMETERS)}."
            )
        for name, (low, high) in self.parameters.items():
            if not 0 <= low <= high or (low == 0 < high):
                raise ConfigError(
                    f"WaveCorpus.parameters.{name} = {(low, high)} should be two positive numbers, "
                    "the lower first (or twice 0)."
                )
        if self.split not in SPLITS:
            raise ConfigError(f"WaveCorpus.split = {self.split!r} is none of {', '.join(SPLITS)}.")
        if min(self.frames, self.substeps, self.runs, self.waves) < 1 or self.spin_up < 0:
            raise ConfigError("WaveCorpus needs frames, substeps, runs and waves of 1 or more.")

    @property
    def grid(self) -> Grid:
        """Return the grid of the runs."""
        axes = self.equation.DIMENSIONS
        return Grid(points=(self.points,) * axes, lengths=(self.length,) * axes)


RECIPES: Final[Mapping[str, WaveCorpus]] = {
    "burgers": WaveCorpus(),
    "kuramoto-sivashinsky": WaveCorpus(
        equation=KuramotoSivashinsky(),
        parameters={"viscosity": (0.5, 2.0)},
        amplitude=(0.5, 0.5),
        length=64.0,
        frames=64,
        interval=0.5,
        spin_up=120,
        keep_every=1,
    ),
    "kdv": WaveCorpus(
        equation=KdV(),
        parameters={"dispersion": (0.5, 2.0)},
        amplitude=(0.3, 1.0),
        length=32.0,
        frames=64,
        substeps=10,
        keep_every=1,
    ),
    "flow2d": WaveCorpus(
        equation=Flow2D(),
        parameters={"viscosity": (0.01, 0.1), "drag": (0.1, 0.1), "forcing": (1.0, 1.0)},
        amplitude=(3.0, 3.0),
        points=64,
        runs=1024,
    ),
}


def recipe_of(equation: str) -> WaveCorpus:
    """Return the shipped recipe of an equation.

    Raises:
        UnknownNameError: There is none of that name.
    """
    return RECIPES[named(equation).kind]


@dataclass(frozen=True, kw_only=True, slots=True)
class DrawnRun:
    """What a run starts from.

    Attributes:
        initial: State.
        parameters: By name.
        stir: Amplitudes, numbers, frequencies and phases of the stirring.
    """

    initial: Float[Tensor, " *space"]
    parameters: Mapping[str, float]
    stir: Float[Tensor, "4 waves"]


def draw(recipe: WaveCorpus, index: int) -> DrawnRun:
    """Return the start of run ``index``."""
    rng = np.random.default_rng([recipe.seed, SPLITS.index(recipe.split), index])
    parameters = {
        name: low if low == high else float(np.exp(rng.uniform(np.log(low), np.log(high))))
        for name, (low, high) in recipe.parameters.items()
    }
    state = _random_waves(recipe.grid, recipe.waves, rng)
    size = float(np.exp(rng.uniform(*np.log(recipe.amplitude))))
    stir = [
        recipe.stir * np.sqrt(2.0 / STIRRERS) * rng.normal(size=STIRRERS),
        rng.integers(1, recipe.waves + 1, STIRRERS),
        rng.uniform(-recipe.pace, recipe.pace, STIRRERS),
        rng.uniform(0.0, 2.0 * np.pi, STIRRERS),
    ]
    return DrawnRun(
        initial=state * size / state.square().mean().sqrt(),
        parameters=parameters,
        stir=torch.from_numpy(np.stack(stir)),
    )


def _random_waves(grid: Grid, most: int, rng: np.random.Generator) -> Tensor:
    """Return a real field of waves up to ``most``, with mean zero."""
    numbers = np.meshgrid(*[np.arange(-most, most + 1)] * len(grid.points), indexing="ij")
    radius = np.sqrt(np.sum([n.astype(float) ** 2 for n in numbers], axis=0))
    inside = (radius > 0) & (radius <= most)
    size = np.maximum(radius, 1.0) ** (-0.5 * (len(grid.points) - 1))
    real, imaginary = rng.normal(size=(2, *radius.shape)) * size
    modes = torch.zeros(grid.points, dtype=torch.complex128)
    places = tuple(
        torch.from_numpy(n[inside] % count) for n, count in zip(numbers, grid.points, strict=True)
    )
    modes[places] = torch.from_numpy((real + 1j * imaginary)[inside])
    return torch.fft.ifftn(modes).real


def solve_part(recipe: WaveCorpus, indices: range) -> FieldRuns:
    """Draw and solve some runs, in single precision; failed ones are left out with a reason.

    Raises:
        CorpusError: All of them failed.
    """
    drawn = [draw(recipe, index) for index in indices]
    rows = [run.parameters for run in drawn]
    labels = {
        k: torch.tensor([row[k] for row in rows], dtype=torch.float64) for k in recipe.parameters
    }
    stir = {"stir": torch.stack([run.stir for run in drawn])} if recipe.stir else {}
    with torch.no_grad():
        frames = simulate(
            recipe.equation,
            recipe.grid,
            torch.stack([run.initial for run in drawn]).float(),
            {**labels, **stir},
            frames=recipe.spin_up + recipe.frames,
            interval=recipe.interval,
            substeps=recipe.substeps,
        )
    reasons = verdicts(recipe.grid, frames, recipe.tail)
    kept = torch.tensor([reason is None for reason in reasons])
    failures = [
        f"run {index}: {reason} ({', '.join(f'{k} = {v:.4g}' for k, v in row.items())})"
        for index, reason, row in zip(indices, reasons, rows, strict=True)
        if reason is not None
    ]
    if not kept.any():
        raise CorpusError(
            f"all {len(kept)} runs of a part failed; the first: {failures[0]}. Take more substeps "
            "or points, or other parameters."
        )
    thin = (slice(None, None, recipe.keep_every),) * recipe.equation.DIMENSIONS
    return alike_runs(
        values=frames[kept, recipe.spin_up :, None][..., *thin].contiguous(),
        spacing=tuple(h * recipe.keep_every for h in recipe.grid.spacing),
        interval=recipe.interval,
        start=recipe.spin_up * recipe.interval,
        labels={k: v[kept] for k, v in labels.items()},
        names=("vorticity",) if recipe.equation.DIMENSIONS == 2 else ("u",),
        failures=tuple(failures),
    )


def verdicts(
    grid: Grid, frames: Float[Tensor, "runs frames *space"], tail: float
) -> list[str | None]:
    """Return for each run None, or why it is not to be used.

    Args:
        grid: Of the frames.
        frames: All states of the runs.
        tail: See ``WaveCorpus``.
    """
    finite = torch.isfinite(frames).flatten(2).all(2)
    modes = grid.to_modes(torch.nan_to_num(frames, 0.0, 0.0, 0.0))
    energy = modes.abs().square()
    kept = grid.dealiased(modes)
    highest = [k.abs() / k.abs().max() for k in grid.wavenumbers(modes)]
    end = torch.stack(torch.broadcast_tensors(*highest)).amax(0) > 0.6
    axes = tuple(range(2, modes.dim()))
    total = (energy * kept).sum(axes).clamp_min(1e-30)
    share = ((energy * kept * end).sum(axes) / total).amax(1)
    result: list[str | None] = []
    for run in range(len(frames)):
        if not finite[run].all():
            result.append(f"blew up in frame {int((~finite[run]).nonzero()[0, 0])}")
        elif share[run] > tail:
            result.append(f"not resolved: {float(share[run]):.2g} of the energy in the last modes")
        else:
            result.append(None)
    return result


def generate_waves(recipe: WaveCorpus, folder: str | os.PathLike[str]) -> Iterator[int]:
    """Compute what ``folder`` does not hold yet; yield the number of runs after each part.

    Raises:
        CorpusError: The folder holds runs of another recipe, or all runs of a part failed.
        FolderInUseError: Another process computes them.
        StorageError: The disk is full; run it again when it is not.
    """
    for start in range(0, recipe.runs, PART):
        path = Path(folder) / f"waves-{recipe.split}-{start:06d}.hdf5"
        stop = min(start + PART, recipe.runs)
        requested = to_mapping(recipe) | {"runs": stop - start}
        with writing(folder):
            if path.exists():
                check_recipe(path, read_header(path).get("recipe", {}), requested)
            else:
                header = {"kind": "waves", "format_version": FORMAT_VERSION, "recipe": requested}
                part = solve_part(recipe, range(start, stop))
                write_well(path, part, name=recipe.equation.kind, header=header)
        yield stop


def open_waves(folder: str | os.PathLike[str], split: str = "train") -> WellRuns:
    """Open the runs of a split; ``read()`` takes them into memory.

    Raises:
        CorpusError: There are none.
    """
    paths = sorted(Path(folder).glob(f"waves-{split}-*.hdf5"))
    if not paths:
        raise CorpusError(
            f"{str(folder)!r} holds no runs of the split {split!r}; make them with `formwright "
            f"corpus waves --out {folder} --split {split}`."
        )
    return open_runs(paths)
