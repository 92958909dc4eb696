"""RANS cases read from a corpus into arrays."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from formwright.datasets.airfoils import cst
from formwright.datasets.cases import Case, sections_batch
from formwright.datasets.corpus import CASE_ID, open_corpus
from formwright.datasets.errors import CorpusError, StudyWarning
from formwright.datasets.families import hashed
from formwright.datasets.solvers.result import POLAR_FIELDS

FORCES: Final = ("cl", "cd", "cm")
_PRESSURE: Final = tuple(field.name for field in POLAR_FIELDS)
_HELD_OUT: Final = 0.1
_COLUMNS: Final = (
    *(CASE_ID, "section", "split", "families", "cst", "alpha_deg", "reynolds"),
    *("converged", "seconds", *FORCES, *_PRESSURE),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class RansData:
    """Converged cases.

    Attributes:
        case_ids: Of the corpus.
        sections: Names.
        splits: ``"train"``, ``"validation"`` or ``"test"``.
        families: Of the sections.
        cst: CST vectors, (N, 18).
        alpha_deg: Incidence, degrees.
        reynolds: On the chord.
        forces: ``cl``, ``cd``, ``cm``.
        cp: Pressure coefficient at ``solvers.result.stations()``, the upper side first.
        seconds: That the solver took.
    """

    case_ids: tuple[str, ...]
    sections: tuple[str, ...]
    splits: tuple[str, ...]
    families: tuple[str, ...]
    cst: Float[np.ndarray, "cases parameters"]
    alpha_deg: Float[np.ndarray, " cases"]
    reynolds: Float[np.ndarray, " cases"]
    forces: Float[np.ndarray, "cases 3"]
    cp: Float[np.ndarray, "cases 2 stations"]
    seconds: Float[np.ndarray, " cases"]

    def __len__(self) -> int:
        """Return the number of cases."""
        return len(self.case_ids)

    def take(self, rows: Int[np.ndarray, " rows"]) -> RansData:
        """Return some of the cases."""
        pick = rows.tolist()
        return RansData(
            case_ids=tuple(self.case_ids[i] for i in pick),
            sections=tuple(self.sections[i] for i in pick),
            splits=tuple(self.splits[i] for i in pick),
            families=tuple(self.families[i] for i in pick),
            cst=self.cst[rows],
            alpha_deg=self.alpha_deg[rows],
            reynolds=self.reynolds[rows],
            forces=self.forces[rows],
            cp=self.cp[rows],
            seconds=self.seconds[rows],
        )

    def where(self, keep: Bool[np.ndarray, " cases"]) -> RansData:
        """Return the cases where ``keep``."""
        return self.take(np.flatnonzero(keep))

    def of_split(self, split: str) -> RansData:
        """Return the cases of one split.

        Where the corpus holds no validation split (AirfRANS has none), sections of its training
        split are held out for it, by a hash of their names; asking for it warns.

        Raises:
            CorpusError: There is none.
        """
        splits = with_validation(self.splits, self.sections, tell=split == "validation")
        own = np.array(splits) == split
        chosen = self.where(own)
        if not len(chosen):
            raise CorpusError(
                f"none of {len(self)} converged RANS cases is of split {split!r}: extend the "
                "corpus (formwright corpus rans --flows)."
            )
        return chosen

    def contours(self, points_per_side: int = 100) -> Float[Tensor, "cases points 2"]:
        """Return the contours, upper trailing edge first, float64, in chords."""
        return cst.coordinates(torch.from_numpy(self.cst), points_per_side)

    def batch(self) -> Case:
        """Return the cases as sections with one operating point each."""
        conditions = {"alpha_deg": self.alpha_deg, "reynolds": self.reynolds}
        return sections_batch(
            self.contours(), {k: torch.from_numpy(v)[:, None] for k, v in conditions.items()}
        )


def with_validation(
    splits: Sequence[str], sections: Sequence[str], *, tell: bool = False
) -> tuple[str, ...]:
    """Return the splits of cases, some of those for training held out where none validates.

    Args:
        splits: Of the cases.
        sections: Of the cases; all cases of a section are held out, or none, by a hash of its name.
        tell: Whether to warn that some are.
    """
    train = sorted({name for name, s in zip(sections, splits, strict=True) if s == "train"})
    if "validation" in splits or len(train) < 2:
        return tuple(splits)
    held = set(sorted(train, key=hashed)[: math.ceil(_HELD_OUT * len(train))])
    pairs = list(zip(sections, splits, strict=True))
    found = tuple("validation" if s == "train" and n in held else s for n, s in pairs)
    if tell:
        warnings.warn(
            f"the corpus has no validation split: {found.count('validation')} of its cases for "
            f"training (all those of {len(held)} sections) are held out instead.",
            StudyWarning,
            stacklevel=3,
        )
    return found


def read_rans(path: str | os.PathLike[str]) -> RansData:
    """Read the converged cases of a corpus; a run may still be adding to it.

    Args:
        path: Folder that ``formwright corpus rans`` wrote.

    Raises:
        CorpusError: No corpus, a newer one, or none of its cases converged.

    Example:
        >>> import formwright
        >>> cases = formwright.read_rans("corpora/rans")
        >>> sorted(set(cases.splits))
        ['test', 'train', 'validation']
    """
    table = open_corpus(path).read(_COLUMNS)
    table = table.filter(table["converged"])
    if not table.num_rows:
        raise CorpusError(f"{str(path)!r} holds no RANS case that converged.")
    rows = {name: table[name].to_pylist() for name in _COLUMNS}
    return RansData(
        case_ids=tuple(rows[CASE_ID]),
        sections=tuple(rows["section"]),
        splits=tuple(rows["split"]),
        families=tuple(families[0] for families in rows["families"]),
        cst=np.array(rows["cst"]),
        alpha_deg=np.array(rows["alpha_deg"]),
        reynolds=np.array(rows["reynolds"]),
        forces=np.stack([np.array(rows[name]) for name in FORCES], 1),
        cp=np.stack([np.array(rows[name]) for name in _PRESSURE], 1),
        seconds=np.array(rows["seconds"]),
    )
