"""The best slabs of a screening as structures, each adsorbate on its most stable site."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from formwright.datasets.atoms.files.structures import write_structures
from formwright.datasets.atoms.structures import Structure
from formwright.datasets.errors import FormwrightError
from formwright.design.screening.config import ScreenConfig
from formwright.design.screening.entries import Entry, entries
from formwright.design.screening.rows import surrogate_of
from formwright.design.screening.sites import alloy_structure, trials


def write_best(
    path: Path,
    candidates: str,
    config: ScreenConfig,
    best: Sequence[Mapping[str, Any]],
    names: Sequence[str],
) -> None:
    """Write the structures of the best rows with their energies, best first.

    The candidates are read once more; a best row's structures are built again, not relaxed.

    Raises:
        StorageError: The file cannot be written.
    """
    wanted = {row["index"]: row for row in best}
    made: dict[int, list[tuple[Structure, str]]] = {}
    left = set(wanted)
    for entry in entries(candidates, config.prototypes) if left else ():
        if entry.index in left:
            made[entry.index] = list(_structures(entry, wanted[entry.index], config, names))
            left.remove(entry.index)
        if not left:
            break
    found = [(row, one, name) for row in best for one, name in made.get(row["index"], [])]
    if found:
        write_structures(
            path,
            [one for _, one, _ in found],
            candidate=[row["candidate"] for row, _, _ in found],
            rank=[row["rank"] for row, _, _ in found],
            adsorbate=[name for _, _, name in found],
            e_ads_ev=[row[f"e_{name}_ev"] for row, _, name in found],
        )
    else:
        path.unlink(missing_ok=True)


def _structures(
    entry: Entry, row: Mapping[str, Any], config: ScreenConfig, names: Sequence[str]
) -> Iterator[tuple[Structure, str]]:
    """Yield the structures of a row, by adsorbate."""
    if entry.alloy is not None:
        for name in names:
            yield alloy_structure(entry.alloy, name, row[f"site_{name}"]), name
        return
    left = {(name, row[f"site_{name}"]) for name in names}
    try:
        for trial in trials(entry.frames, names, config, surrogate_of(config.surrogate)):
            if (trial.adsorbate, trial.site) in left:
                left.remove((trial.adsorbate, trial.site))
                yield trial.structure, trial.adsorbate
    except FormwrightError:
        return
