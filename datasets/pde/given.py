"""Runs of one's own: from NumPy and HDF5 files, The Well's layout or plain, to a corpus."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from formwright.datasets.cases import Quantity
from formwright.datasets.config import to_mapping
from formwright.datasets.corpus import Corpus, open_corpus
from formwright.datasets.errors import CorpusError, UnknownNameError, did_you_mean
from formwright.datasets.locks import writing
from formwright.datasets.own.corpus import start_own
from formwright.datasets.own.groups import SPLITS, split_by_group
from formwright.datasets.own.notes import Notes
from formwright.datasets.pde.given_files import STRIDE, Read, files_of, promises_of, read_file
from formwright.datasets.pde.runs import FieldRuns, check_alike, join_runs
from formwright.datasets.pde.well_runs import open_runs
from formwright.datasets.pde.well_write import write_well


def import_runs(
    source: Any,
    out: str | os.PathLike[str],
    *,
    group: str | None = None,
    labels: Sequence[str] | None = None,
    promises: Mapping[str, Sequence[str]] | None = None,
    periodic: bool = False,
    units: Mapping[str, str] | None = None,
    licence: str = "not stated",
) -> tuple[Corpus, Notes]:
    """Write runs as a corpus; see ``datasets.own.importing.import_corpus``.

    Raises:
        CorpusError: A file cannot be read, or its arrays are no runs.
        UnknownNameError: There is no such label or promise.
    """
    notes = Notes()
    parts = [read_file(file, group, periodic, notes) for file in files_of(source)]
    told = {name: words for part in parts for name, words in part.promises.items()}
    told |= promises_of(promises or {}, "--promise")
    runs, groups = _whole(parts, notes)
    known = list(runs.labels) if labels is None else list(labels)
    for name in (*known, *told):
        if name not in runs.labels:
            raise UnknownNameError(
                f"the runs have no constant {name!r}.{did_you_mean(name, runs.labels)} They have "
                f"{', '.join(runs.labels) or 'none'}."
            )
    runs = _sound(runs, known, notes)
    _check_grid(runs)
    for name in known:
        if name not in told:
            notes.guessed.append(
                f"nothing is promised of {name!r}: it can be fitted, but no view keeps it; "
                f"--promise {name}=constant says that it is one of the run"
            )
    kept, names = runs, groups
    split = split_by_group(names)
    grid = " x ".join(map(str, kept.values.shape[3:]))
    notes.read.append(
        f"{len(kept)} runs of {kept.values.shape[1]} frames of {', '.join(kept.names)} on a grid "
        f"of {grid}, {len(set(names))} groups; "
        + ", ".join(f"{split.count(s)} {s}" for s in SPLITS)
    )
    quantities = [Quantity(n, (units or {}).get(n, ""), "constant of the run") for n in known]
    more = {"promises": {n: list(words) for n, words in told.items()}, "fields": list(kept.names)}
    corpus = start_own(out, "runs", source, quantities, notes, licence=licence, more=more)
    with writing(corpus.path):
        for part in SPLITS:
            rows = torch.tensor([i for i, one in enumerate(split) if one == part])
            path = corpus.path / f"own-{part}-000000.hdf5"
            if not path.exists():
                header = {"kind": "own", "promises": to_mapping(more)["promises"]}
                write_well(path, kept.select(rows), name=corpus.path.name, header=header)
    return corpus, notes


def runs_of(source: str | os.PathLike[str]) -> tuple[FieldRuns, list[str]]:
    """Return runs to predict, and the split of each; labels need not be there.

    Args:
        source: A folder that ``import_runs`` wrote, or what it reads.

    Raises:
        CorpusError: It cannot be read.
    """
    folder, names = Path(source), []
    parts = []
    if promises_in(folder) is not None:
        for split in SPLITS:
            result = open_runs([folder / f"own-{split}-000000.hdf5"]).read()
            parts.append(result)
            names += [split] * len(result)
        return join_runs(parts), names
    read = [read_file(file, None, True, Notes()) for file in files_of(source)]
    runs = check_alike(join_runs([one.runs for one in read]))
    bad = [i for i, fine in enumerate(np.concatenate([one.good for one in read])) if not fine]
    if bad:
        raise CorpusError(f"run {bad[0]} of {str(source)!r} holds numbers that are not finite.")
    return runs, [""] * len(runs)


def promises_in(folder: Path) -> dict[str, tuple[str, ...]] | None:
    """Return what an imported corpus of runs promises of its labels; None where it is none."""
    if not (folder / "manifest.json").is_file():
        return None
    settings = open_corpus(folder).manifest.get("settings", {})
    if settings.get("import") != "runs":
        return None
    return {name: tuple(words) for name, words in settings["promises"].items()}


def _whole(parts: Sequence[Read], notes: Notes) -> tuple[FieldRuns, list[str]]:
    """Return the runs of all files with their groups."""
    runs = check_alike(join_runs([part.runs for part in parts]))
    if all(part.groups is None for part in parts):
        notes.guessed.append("every run is a group of its own")
        groups = [f"run-{i}" for i in range(len(runs))]
    else:
        groups = [name for part in parts for name in part.groups or ()]
    rows = torch.from_numpy(np.concatenate([part.good for part in parts]))
    for value in runs.labels.values():
        rows &= value.isfinite()
    for i in (~rows).nonzero()[:, 0].tolist():
        notes.refused.append(f"run {i}: a field or a constant of it is not finite")
    kept = rows.nonzero()[:, 0]
    return runs.select(kept), [groups[i] for i in kept.tolist()]


def _sound(runs: FieldRuns, labels: Iterable[str], notes: Notes) -> FieldRuns:
    """Return runs with the labels that differ between them; name the others."""
    kept = {}
    for name in labels:
        values = runs.labels[name]
        if float(values.std()) <= 1e-9 * float(values.abs().max()):
            notes.refused.append(f"constant {name!r} is {float(values[0]):.4g} in every run")
        else:
            kept[name] = values
    return replace(runs, labels=kept)


def _check_grid(runs: FieldRuns) -> None:
    """Refuse grids that the encoder cannot halve three times."""
    space = list(runs.values.shape[3:])
    if any(n % STRIDE for n in space):
        raise CorpusError(
            f"the grid has {' x '.join(map(str, space))} points, and the encoder of runs halves "
            f"it three times: bring each axis to a multiple of {STRIDE}, e.g. with "
            "scipy.signal.resample."
        )
