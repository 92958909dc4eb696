"""Samples of a corpus of RANS cases, made once and kept; what fields cannot be learned from."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from formwright.datasets.airfoils.blends import SPLITS
from formwright.datasets.begun import file_digest
from formwright.datasets.cases import Batch, Case
from formwright.datasets.corpus import CASE_ID, open_corpus
from formwright.datasets.errors import CheckpointError, FlowFileError
from formwright.datasets.names import file_of
from formwright.datasets.rans.corpus import flow_file
from formwright.datasets.rans.data import with_validation
from formwright.datasets.rans.flow_field import FlowField, load_flow
from formwright.datasets.rans.mesh.c_grid import grid_of
from formwright.surrogate.checkpoints import load_tensors, save_tensors
from formwright.surrogate.rans.fields.samples import FACTOR, coarser, sample

ABSENT: Final = "no record in flows/"
DAMAGED: Final = "a damaged record"
BLUNT: Final = "a mesh that is not of one block, as around a blunt trailing edge"
UNEVEN: Final = "a mesh whose cells cannot be joined by {0} x {0}"
OTHER_SIZE: Final = "a mesh of another size than most"
_COLUMNS: Final = (CASE_ID, "split", "section", "converged")


@dataclass(frozen=True, kw_only=True, slots=True)
class FieldCases:
    """Samples of a split.

    Attributes:
        names: Of the cases.
        samples: In the same order, all of one size.
        folder: Of the corpus.
        factor: Cells joined in both directions.
        left_out: Why, by the name of a converged case that has no sample.
    """

    names: tuple[str, ...]
    samples: tuple[Case, ...]
    folder: Path
    factor: int = FACTOR
    left_out: Mapping[str, str] = field(default_factory=dict)

    def coarser(self, factor: int) -> FieldCases:
        """Return the samples on cells joined by ``factor`` in both directions."""
        samples = tuple(coarser(case, factor // self.factor) for case in self.samples)
        return replace(self, samples=samples, factor=factor)

    def flow(self, i: int) -> FlowField:
        """Return the record of a case."""
        return load_flow(flow_file(self.folder, self.names[i]))


def field_cases(
    folder: str | os.PathLike[str],
    store: str | os.PathLike[str],
    splits: Sequence[str] = SPLITS,
    factor: int = FACTOR,
    watch: Callable[[int, int], None] | None = None,
) -> dict[str, FieldCases]:
    """Return the samples of a corpus by split; those made once are kept in ``store``.

    Args:
        folder: Of the corpus, with whole records in ``flows/``.
        store: Where samples are kept; of a record with other content one is made anew.
        splits: Which; where none validates, sections for training are held out (``data``).
        factor: Cells joined in both directions.
        watch: Called with the samples done and all of them.

    Raises:
        CorpusError: There is no corpus.
        StorageError: A sample cannot be written.
    """
    table = open_corpus(folder).read(_COLUMNS)
    rows = table.filter(table["converged"]).to_pydict()
    own = with_validation(rows["split"], rows["section"], tell="validation" in splits)
    pairs = zip(rows[CASE_ID], own, strict=True)
    requested = sorted((name, split) for name, split in pairs if split in splits)
    found: dict[str, Case | str] = {}
    for done, (name, _) in enumerate(requested):
        if watch is not None:
            watch(done, len(requested))
        found[name] = _stored(Path(folder), Path(store), name, factor)
    _keep_one_size(found)
    return {
        split: _of_split(
            [name for name, other in requested if other == split], found, folder, factor
        )
        for split in splits
    }


def _of_split(
    names: Sequence[str],
    found: Mapping[str, Case | str],
    folder: str | os.PathLike[str],
    factor: int,
) -> FieldCases:
    """Return the cases of a split, those without a sample apart."""
    samples = {name: case for name in names if not isinstance(case := found[name], str)}
    return FieldCases(
        names=tuple(samples),
        samples=tuple(samples.values()),
        folder=Path(folder),
        factor=factor,
        left_out={name: why for name in names if isinstance(why := found[name], str)},
    )


def _keep_one_size(found: dict[str, Case | str]) -> None:
    """Put a reason in place of the samples of rarer sizes."""
    sizes = {n: tuple(c.grid[0].tolist()) for n, c in found.items() if not isinstance(c, str)}
    if sizes:
        (most, _), *_ = Counter(sizes.values()).most_common(1)
        found |= {name: OTHER_SIZE for name, size in sizes.items() if size != most}


def _stored(folder: Path, store: Path, name: str, factor: int) -> Case | str:
    """Return the sample of a case, or why there is none."""
    record, path = flow_file(folder, name), file_of(store, name, ".safetensors")
    if not record.is_file():
        return ABSENT
    header = {"record": file_digest(record), "factor": factor}
    case = _kept(path, header)
    if case is not None:
        return case
    case = _sampled(record, factor)
    if not isinstance(case, str):
        store.mkdir(parents=True, exist_ok=True)
        tensors = {k: v for k, v in case.to_dict().items() if isinstance(v, torch.Tensor)}
        save_tensors(path, tensors, header)
    return case


def _kept(path: Path, header: Mapping[str, Any]) -> Case | None:
    """Return a sample from the store; None where there is none of this record."""
    if not path.exists():
        return None
    try:
        tensors, found = load_tensors(path)
    except CheckpointError:
        return None
    if any(found.get(key) != value for key, value in header.items()):
        return None
    case = Batch.from_dict(tensors)
    case.num_nodes = len(case["features"])
    return case


def _sampled(record: Path, factor: int) -> Case | str:
    """Return the sample of a record, or why it has none."""
    try:
        flow = load_flow(record)
    except FlowFileError:
        return DAMAGED
    arrays = (flow.points, flow.velocity, flow.pressure, flow.nut, flow.wall.cp, flow.wall.cf)
    if not all(np.isfinite(array).all() for array in arrays):
        return DAMAGED
    try:
        grid = grid_of(flow)
    except FlowFileError:
        return BLUNT
    if any(number % factor for number in (grid.columns, grid.lines, grid.wake)):
        return UNEVEN.format(factor)
    return sample(flow, factor)
