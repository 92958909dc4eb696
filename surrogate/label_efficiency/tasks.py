"""From a folder to the question asked of it: what kind of corpus is it?"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from formwright.datasets.corpus import MANIFEST
from formwright.datasets.errors import CorpusError, UnknownNameError, did_you_mean
from formwright.surrogate.label_efficiency.protocol import Task
from formwright.surrogate.objectives.objective import OBJECTIVES, Objective

DEFAULT: Final = ("vicreg",)


def task_of(
    corpora: Sequence[str | os.PathLike[str]],
    label: str,
    unlabeled: str | os.PathLike[str] | None = None,
    objectives: Sequence[str] = (),
    views: Sequence[Sequence[str]] = (),
) -> Task:
    """Return the task for a corpus of polars, of unsteady runs, or for a file of structures.

    Args:
        corpora: Folders, or one file.
        label: What is to be predicted.
        unlabeled: More cases without labels.
        objectives: Names; none takes VICReg.
        views: Sets of names of views, each tried with each objective; none takes the usual ones.

    Raises:
        CorpusError: A folder holds neither.
        UnknownNameError: An objective, a view or a label that is not there.
        ViewError: A view that is forbidden for the label.
    """
    chosen = {name: objective(name) for name in objectives or DEFAULT}
    folders = [Path(folder) for folder in corpora]
    if all((folder / MANIFEST).exists() for folder in folders):
        from formwright.surrogate.airfoils.task import polar_task

        return polar_task(folders, label, unlabeled, chosen, views)
    if len(folders) == 1 and list(folders[0].glob("*.h*5")):
        from formwright.surrogate.pde.task import field_task

        return field_task(folders[0], label, chosen, views)
    if len(folders) == 1 and folders[0].is_file():
        from formwright.surrogate.atoms.task import atom_task

        return atom_task(folders[0], label, unlabeled, chosen, views)
    raise CorpusError(
        f"{', '.join(map(repr, map(str, folders)))}: neither a corpus of polars (with a "
        f"{MANIFEST}), nor one folder of unsteady runs (HDF5 files), nor one file of structures. "
        "Make a corpus with `formwright corpus polars` or `formwright corpus waves`."
    )


def objective(name: str) -> Objective:
    """Return an objective with its default weights.

    Raises:
        UnknownNameError: There is none of that name.
    """
    if name not in OBJECTIVES:
        raise UnknownNameError(
            f"no objective is called {name!r}.{did_you_mean(name, OBJECTIVES)} Known: "
            f"{', '.join(OBJECTIVES)}."
        )
    return OBJECTIVES[name]()
