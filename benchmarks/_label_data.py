"""Labelled polars for experiments on few labels, split by family, and their scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from formwright.datasets.airfoils.polar_data import Polars, read_polars
from formwright.surrogate.airfoils.finetune import LabelledPoints, labelled
from formwright.surrogate.airfoils.polar import LABELS, PolarSurrogate

JUDGED: Final = ("cl", "cd", "cm")
POINTS_A_SECTION: Final = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One split: the points as training wants them, and as hand-made features want them.

    Attributes:
        points: For the networks.
        cst: CST vector of every point's section, (points, 18).
        conditions: alpha_deg, ln Re, ncrit of every point, (points, 3).
    """

    points: LabelledPoints
    cst: Float[Tensor, "points parameters"]
    conditions: Float[Tensor, "points 3"]

    def __len__(self) -> int:
        """Return the number of sections."""
        return len(self.points)

    def select(self, sections: Tensor) -> Part:
        """Return some of the sections."""
        counts = self.points.first.diff()[sections]
        _, rows = self.points.batch(sections)
        first = torch.cat([torch.zeros(1, dtype=torch.long), counts.cumsum(0)])
        return Part(
            points=LabelledPoints(
                rings=self.points.rings[sections],
                first=first,
                conditions=self.points.conditions[rows],
                targets=self.points.targets[rows],
                cp=None,
            ),
            cst=self.cst[rows],
            conditions=self.conditions[rows],
        )


def load_parts(paths: Sequence[Path], surrogate: PolarSurrogate) -> dict[str, Part]:
    """Read corpora and sort their sections by split; blends across splits are left out."""
    kept = [read_polars([path]) for path in paths]
    return {
        split: _part([_of_split(polars, split) for polars in kept], surrogate)
        for split in ("train", "validation", "test")
    }


def score(error: Float[Tensor, "points labels"]) -> dict[str, float]:
    """Return the mean absolute error of each judged label (ln cd for cd), physical scale."""
    scale = PolarSurrogate().scale
    mean = (error.abs() * scale).nanmean(0)
    return {name: float(mean[LABELS.index(name)]) for name in JUDGED}


def relative(errors: dict[str, float], floor: dict[str, float]) -> float:
    """Return the errors over those of the mean predictor, averaged over the judged labels."""
    return float(np.mean([errors[name] / floor[name] for name in JUDGED]))


def _of_split(polars: Polars, split: str) -> Polars:
    """Return the sections of a split, each thinned to some converged points."""
    inside = np.array([s == split for s in polars.splits])[polars.section]
    order = np.random.default_rng(0).permutation(len(inside))
    rank = np.zeros(len(inside), dtype=int)
    kept = order[(inside & polars.converged)[order]]
    for rows in _by_section(polars.section, kept):
        rank[rows] = np.arange(1, len(rows) + 1)
    return polars.where((rank > 0) & (rank <= POINTS_A_SECTION))


def _by_section(section: np.ndarray, rows: np.ndarray) -> list[np.ndarray]:
    """Return the rows of each section, in the order given."""
    sort = rows[np.argsort(section[rows], kind="stable")]
    cuts = np.flatnonzero(np.diff(section[sort])) + 1
    return [group for group in np.split(sort, cuts) if len(group)]


def _part(polars: Sequence[Polars], surrogate: PolarSurrogate) -> Part:
    """Join the sections of several sources."""
    pieces = [labelled(surrogate, one) for one in polars if len(one.cst)]
    offsets = np.cumsum([0] + [len(p.targets) for p in pieces])
    firsts = [p.first[:-1] + int(o) for p, o in zip(pieces, offsets, strict=False)]
    cst = [torch.from_numpy(one.cst[one.section]).float() for one in polars if len(one.cst)]
    conditions = torch.cat([p.conditions for p in pieces])
    given = conditions.clone()
    given[:, 1] = given[:, 1].log()
    return Part(
        points=LabelledPoints(
            rings=torch.cat([p.rings for p in pieces]),
            first=torch.cat([*firsts, torch.tensor([int(offsets[-1])])]),
            conditions=conditions,
            targets=torch.cat([p.targets for p in pieces]),
            cp=None,
        ),
        cst=torch.cat(cst),
        conditions=given,
    )
