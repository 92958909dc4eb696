"""Many files of The Well's layout as one set of runs, read batch by batch."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from jaxtyping import Int
from torch import Tensor

from formwright.datasets.cases import Case
from formwright.datasets.errors import CorpusError
from formwright.datasets.pde.runs import FieldRuns, join_runs
from formwright.datasets.pde.well import WellFile, open_well

SAMPLED: Final = 32
"""Runs that are read to tell a set from another."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WellRuns:
    """Runs of several files; ``batch`` reads the runs that it is asked for, and nothing else.

    Attributes:
        files: In the order in which their runs are counted.
        fields: Which; all where None.
        frames: First and last + 1 of the times of every run; None is the end.
    """

    files: tuple[WellFile, ...]
    fields: tuple[str, ...] | None = None
    frames: tuple[int, int | None] = (0, None)

    def __len__(self) -> int:
        """Return the number of runs."""
        return sum(file.runs for file in self.files)

    def fingerprint(self) -> tuple[Any, ...]:
        """Return some runs, evenly chosen, and of all what is known without reading them."""
        rows = torch.linspace(0, len(self) - 1, min(len(self), SAMPLED)).long()
        known = [(file.runs, file.times, file.constants) for file in self.files]
        return self.read(rows), self.fields, self.frames, known

    def batch(self, rows: Int[Tensor, " cases"]) -> Case:
        """Return some runs as one batch of cases, in the order of ``rows``."""
        return self.read(rows).batch(torch.arange(len(rows)))

    def read(self, rows: Int[Tensor, " cases"] | None = None) -> FieldRuns:
        """Read some runs, or all of them, into memory."""
        wanted = range(len(self)) if rows is None else rows.tolist()
        parts, start = [], 0
        place: dict[int, int] = {}
        for file in self.files:
            inside = sorted({row - start for row in wanted if start <= row < start + file.runs})
            for first, last in _stretches(inside):
                runs = slice(first, last)
                parts.append(file.read(self.fields, runs=runs, frames=slice(*self.frames)))
                place |= {start + run: len(place) + run - first for run in range(first, last)}
            start += file.runs
        if missing := [row for row in wanted if row not in place]:
            raise CorpusError(f"there are {len(self)} runs, none numbered {missing[0]}.")
        return join_runs(parts).select(torch.tensor([place[row] for row in wanted]))


def open_runs(
    paths: Sequence[str | os.PathLike[str]],
    fields: Sequence[str] | None = None,
    frames: tuple[int, int | None] = (0, None),
) -> WellRuns:
    """Open files as one set of runs.

    Raises:
        CorpusError: There are none, or one of them cannot be read.

    Example:
        >>> import formwright
        >>> runs = formwright.open_runs(["corpora/burgers/waves-train-000000.hdf5"])
        >>> len(runs)
        2
    """
    if not paths:
        raise CorpusError("no file to open: give the paths of HDF5 files in The Well's layout.")
    names = None if fields is None else tuple(fields)
    return WellRuns(files=tuple(map(open_well, paths)), fields=names, frames=frames)


def run_files(path: str | os.PathLike[str]) -> list[Path]:
    """Return the HDF5 files that a path stands for: itself, or those of a folder by name.

    Raises:
        CorpusError: There are none.
    """
    place = Path(path)
    found = [place] if place.is_file() else sorted(_in_folder(place))
    if not found:
        raise CorpusError(
            f"{str(path)!r} {'holds no HDF5 files' if place.is_dir() else 'is not there'}: give a "
            "file in The Well's layout (.hdf5, .h5), a folder of them, or one that formwright "
            "corpus waves made."
        )
    return found


def _in_folder(folder: Path) -> list[Path]:
    return [*folder.glob("*.hdf5"), *folder.glob("*.h5")]


def _stretches(rows: Sequence[int]) -> list[tuple[int, int]]:
    """Return runs of consecutive numbers as (first, last + 1)."""
    found: list[tuple[int, int]] = []
    for row in rows:
        if found and found[-1][1] == row:
            found[-1] = (found[-1][0], row + 1)
        else:
            found.append((row, row + 1))
    return found
