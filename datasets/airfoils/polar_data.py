"""Polars read from a corpus into arrays, grouped by section."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from formwright.datasets.airfoils import cst
from formwright.datasets.cases import CONDITIONS
from formwright.datasets.corpus import CASE_ID, open_corpus
from formwright.datasets.errors import CorpusError
from formwright.datasets.solvers.result import POLAR_FIELDS, POLAR_LABELS

if TYPE_CHECKING:
    import pyarrow as pa

LABELS: Final = tuple(label.name for label in POLAR_LABELS)
FIELDS: Final = tuple(field.name for field in POLAR_FIELDS)
_SECTION_COLUMNS: Final = (CASE_ID, "section", "split", "families", "parents", "noise", "cst")


@dataclass(frozen=True, kw_only=True, slots=True)
class Polars:
    """Sections and their operating points; the points of a section lie together.

    Attributes:
        case_ids: One a section.
        names: Of the sections.
        splits: ``"train"``, ``"validation"`` or ``"test"``, one a section.
        families: Of every parent, a tuple a section.
        cst: CST vectors, (S, 18): lower 8, upper 8, leading-edge weight, trailing-edge thickness.
        section: Row of ``cst`` that each operating point belongs to, (N,), ascending.
        conditions: ``alpha_deg``, ``reynolds``, ``ncrit``, ``mach``, each (N,).
        labels: ``POLAR_LABELS`` or those asked for, each (N,), NaN where not converged.
        converged: (N,).
        fields: ``POLAR_FIELDS`` where asked for, each (N, 32), NaN where absent.
    """

    case_ids: tuple[str, ...]
    names: tuple[str, ...]
    splits: tuple[str, ...]
    families: tuple[tuple[str, ...], ...]
    cst: Float[np.ndarray, "sections parameters"]
    section: Int[np.ndarray, " points"]
    conditions: Mapping[str, Float[np.ndarray, " points"]]
    labels: Mapping[str, Float[np.ndarray, " points"]]
    converged: Bool[np.ndarray, " points"]
    fields: Mapping[str, Float[np.ndarray, "points stations"]]

    def contours(self, points_per_side: int = 100) -> Float[Tensor, "sections points 2"]:
        """Return the contours, upper trailing edge first, float64, in chords."""
        return cst.coordinates(torch.from_numpy(self.cst), points_per_side)

    def where(self, keep: Bool[np.ndarray, " points"]) -> Polars:
        """Return the operating points where ``keep``, and the sections that still have one."""
        rows, section = np.unique(self.section[keep], return_inverse=True)
        return Polars(
            case_ids=tuple(self.case_ids[i] for i in rows),
            names=tuple(self.names[i] for i in rows),
            splits=tuple(self.splits[i] for i in rows),
            families=tuple(self.families[i] for i in rows),
            cst=self.cst[rows],
            section=section.reshape(-1),
            conditions={name: values[keep] for name, values in self.conditions.items()},
            labels={name: values[keep] for name, values in self.labels.items()},
            converged=self.converged[keep],
            fields={name: values[keep] for name, values in self.fields.items()},
        )


def read_polars(
    paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    split: str | None = None,
    labels: Sequence[str] = LABELS,
    fields: bool = False,
    converged_only: bool = True,
) -> Polars:
    """Read one corpus of polars, or several as one; a run may still be adding to them.

    Args:
        paths: Folder or folders of the corpora.
        split: Keep only this split.
        labels: Columns to read as labels; none for an unlabeled corpus.
        fields: Read the pressure as well.
        converged_only: Leave out the points (and then the sections) without convergence.

    Raises:
        CorpusError: No corpus, a newer one, a label that it does not have, or nothing left of it.

    Example:
        >>> import formwright
        >>> polars = formwright.read_polars("corpora/polars", split="test")
        >>> polars.cst.shape[1]
        18
        >>> bool(polars.converged.all())
        True
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    folders = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    wanted = [*_SECTION_COLUMNS, *(c.name for c in CONDITIONS), *labels, "converged"]
    wanted += FIELDS if fields else ()
    tables = [open_corpus(folder).read(wanted) for folder in folders]
    table = pa.concat_tables(tables, promote_options="default")
    if split is not None:
        table = table.filter(pc.equal(table["split"], split))  # pyright: ignore
    if converged_only:
        table = table.filter(table["converged"])
    if not table.num_rows:
        raise CorpusError(
            f"{', '.join(map(repr, map(str, folders)))} holds no point of split {split!r}"
            f"{' that converged' if converged_only else ''}."
        )
    return _grouped(table.combine_chunks(), labels, FIELDS if fields else ())


def _grouped(table: pa.Table, labels: Sequence[str], fields: Sequence[str]) -> Polars:
    """Return the arrays of a table."""
    ids = np.array(table[CASE_ID].to_pylist())
    case_ids, first, section = np.unique(ids, return_index=True, return_inverse=True)
    order = np.argsort(section, kind="stable")
    heads = table.select(list(_SECTION_COLUMNS)).take(first)

    def column(name: str) -> np.ndarray:
        return table[name].to_numpy()[order]

    return Polars(
        case_ids=tuple(case_ids.tolist()),
        names=tuple(heads["section"].to_pylist()),
        splits=tuple(heads["split"].to_pylist()),
        families=tuple(map(tuple, heads["families"].to_pylist())),
        cst=np.array(heads["cst"].to_pylist()),
        section=section[order],
        conditions={c.name: column(c.name) for c in CONDITIONS},
        labels={name: column(name).astype(np.float64) for name in labels},
        converged=column("converged").astype(bool),
        fields={name: _matrix(table[name])[order] for name in fields},
    )


def _matrix(column: pa.ChunkedArray) -> Float[np.ndarray, "points stations"]:
    """Return fixed-size lists as a matrix, NaN where null."""
    array = column.combine_chunks()
    width = array.type.list_size
    matrix = np.full((len(array), width), np.nan, dtype=np.float32)
    matrix[array.is_valid().to_numpy(zero_copy_only=False)] = (
        array.flatten().to_numpy(zero_copy_only=False).reshape(-1, width)
    )
    return matrix
