"""An unlabeled corpus: drawn sections and what the embedded solver finds around them.

Points that the solver does not converge on are replaced by others of the same section that it
does. Parts of some sections each are written one by one; a run that was killed goes on with the
parts that are missing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from formwright.datasets.airfoils import cst
from formwright.datasets.airfoils.blends import SPLITS, Blending, draw_section
from formwright.datasets.config import to_mapping
from formwright.datasets.solvers.panel.solver import PanelSolution, analyse
from formwright.surrogate.airfoils.flows import Flows, join, load_flows
from formwright.surrogate.pretraining.corpus_parts import generate_parts, part_files

PART: Final = 64
SMALLEST_THETA: Final = 1e-7
LEAST_POINTS: Final = 2
ANSWERS: Final = ("cl", "cd", "cm", "xtr_top", "xtr_bottom")


@dataclass(frozen=True, kw_only=True, slots=True)
class FlowCorpus:
    """The recipe; section i is a function of seed, split and i alone.

    Attributes:
        sections: How many.
        seed: Of everything random.
        split: Whose families the sections come from.
        conditions: Operating points a section, one in each of as many equal parts of ``alpha_deg``.
        alpha_deg: Lowest and highest incidence, degrees.
        reynolds: Lowest and highest Reynolds number, log-uniform.
        ncrit: Lowest and highest e^N exponent, uniform.
        panels: Panels on the contour.
        stations: Of the boundary layer on each side.
        steps: Newton steps at most.
        points_per_side: Of the contours that are kept.
    """

    sections: int = 2048
    seed: int = 11
    split: str = "train"
    conditions: int = 6
    alpha_deg: tuple[float, float] = (-9.0, 15.0)
    reynolds: tuple[float, float] = (5e4, 1e7)
    ncrit: tuple[float, float] = (3.0, 13.0)
    panels: int = 80
    stations: int = 40
    steps: int = 20
    points_per_side: int = 100


def generate_flows(recipe: FlowCorpus, folder: str | os.PathLike[str]) -> Iterator[int]:
    """Compute what ``folder`` does not hold yet; yield the number of sections after each part.

    Raises:
        CorpusError: The folder holds flows of another recipe.
        StorageError: The disk is full; run it again when it is not.
    """

    def part(sections: range) -> Flows:
        return _part(recipe, sections)

    return generate_parts(to_mapping(recipe), folder, "flows", PART, part)


def read_flows(folder: str | os.PathLike[str], sections: int | None = None) -> Flows:
    """Read the flows of a folder, all or the first ``sections``.

    Raises:
        CorpusError: There are none.
    """
    paths = part_files(folder, "flows", "formwright corpus flows")
    flows = join([load_flows(path) for path in paths])
    return flows if sections is None else flows.select(torch.arange(min(sections, len(flows))))


def _part(recipe: FlowCorpus, indices: range) -> Flows:
    """Draw and solve some sections."""
    vectors, columns = [], []
    for index in indices:
        rng = np.random.default_rng([recipe.seed, SPLITS.index(recipe.split), index])
        vectors.append(draw_section(Blending(), recipe.split, index, rng).vector)
        columns.append(_conditions(recipe, rng))
    pos = cst.coordinates(torch.from_numpy(np.stack(vectors)), recipe.points_per_side)
    values = torch.from_numpy(np.stack(columns, 1))
    conditions = dict(zip(("alpha_deg", "reynolds", "ncrit"), values, strict=True))
    with torch.no_grad():
        solution = analyse(
            pos,
            **conditions,
            panels=recipe.panels,
            stations=recipe.stations,
            steps=recipe.steps,
        )
    tensors = {**_fields(solution), **_answers(solution)}
    finite = [
        torch.isfinite(value).reshape(*value.shape[:2], -1).all(-1) for value in tensors.values()
    ]
    good = solution.converged & torch.stack(finite).all(0)
    rows, points = _stand_ins(good)
    return Flows(
        pos=pos[rows],
        conditions={k: v[rows[:, None], points] for k, v in conditions.items()},
        fields={k: tensors[k][rows[:, None], points] for k in tensors if k not in ANSWERS},
        answers={k: tensors[k][rows[:, None], points] for k in ANSWERS},
    )


def _stand_ins(
    good: Bool[Tensor, "sections conditions"],
) -> tuple[Int[Tensor, " kept"], Int[Tensor, "kept conditions"]]:
    """Return the sections with two good points or more, and good points of theirs.

    Good points stand for themselves; a bad one is replaced by one of the good ones in turn.
    """
    rows = (good.sum(1) >= LEAST_POINTS).nonzero()[:, 0]
    points = torch.arange(good.shape[1]).expand(len(rows), -1).clone()
    for place, row in enumerate(good[rows]):
        bad, fine = (~row).nonzero()[:, 0], row.nonzero()[:, 0]
        points[place, bad] = fine[torch.arange(len(bad)) % len(fine)]
    return rows, points


def _conditions(recipe: FlowCorpus, rng: np.random.Generator) -> Float[np.ndarray, "3 conditions"]:
    """Draw incidence, Reynolds number and Ncrit."""
    low, high = recipe.alpha_deg
    n = recipe.conditions
    alpha = low + (high - low) * (np.arange(n) + rng.random(n)) / n
    slowest, fastest = np.log(recipe.reynolds)
    reynolds = np.exp(rng.uniform(slowest, fastest, n))
    return np.stack([alpha, reynolds, rng.uniform(*recipe.ncrit, n)])


def _fields(solution: PanelSolution) -> dict[str, Float[Tensor, "sections conditions 32"]]:
    """Return pressure, logarithm of the momentum thickness and shape factor on both sides."""
    layers = {"ln_theta": solution.theta.clamp_min(SMALLEST_THETA).log(), "shape": solution.shape}
    fields = {"cp_top": solution.cp_top, "cp_bottom": solution.cp_bottom}
    for name, value in layers.items():
        fields |= {f"{name}_top": value[:, :, 0], f"{name}_bottom": value[:, :, 1]}
    return {name: value.float() for name, value in fields.items()}


def _answers(solution: PanelSolution) -> dict[str, Float[Tensor, "sections conditions"]]:
    """Return what the solver makes of the flow as a whole."""
    return {name: getattr(solution, name).float() for name in ANSWERS}
