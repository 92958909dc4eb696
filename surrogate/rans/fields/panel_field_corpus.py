"""A light, unlabeled corpus of flow fields: potential flow of the panel method on coarse C-meshes.

Sections are those of ``blends``, of the families of one split. What a network of RANS fields is
told of a case (``inputs``) is computed on meshes of one size whose cells lie elsewhere: other
spacings along the section, other first cells, other far fields. The first mesh has the spacing of
the RANS corpus, and about as many cells as its networks see once cells are joined. Parts of some
sections each are written one by one; a run that was killed goes on with the parts that are missing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from formwright.datasets.airfoils import cst
from formwright.datasets.airfoils.blends import SPLITS, Blending, draw_section
from formwright.datasets.config import to_mapping
from formwright.datasets.errors import ConfigError, CorpusError, SectionError
from formwright.datasets.rans.cases import POINTS_PER_SIDE, closed
from formwright.datasets.rans.mesh.c_grid import CLOSED_BELOW, CGrid, section_grid
from formwright.datasets.rans.mesh.cmesh import CMesh
from formwright.datasets.solvers.openfoam.solver import MESH
from formwright.surrogate.pretraining.corpus_parts import generate_parts, part_files
from formwright.surrogate.rans.fields.inputs import case_inputs
from formwright.surrogate.rans.fields.panel_fields import PanelFields, join, load_panel_fields

PART: Final = 32
COARSE: Final = replace(MESH, cells_side=36, cells_wake=12, cells_normal=24)
_TRIES: Final = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class PanelFieldCorpus:
    """The recipe; section i is a function of seed, split and i alone.

    Attributes:
        sections: How many.
        seed: Of everything random.
        split: Whose families the sections come from.
        incidences: Of each section, one in each of as many equal parts of ``alpha_deg``.
        meshes: Of each case.
        alpha_deg: Lowest and highest incidence, degrees.
        reynolds: Lowest and highest Reynolds number, log-uniform, one a section.
        mesh: The first mesh; the others have as many cells.
        y_plus: Of the first cells of the first mesh, which stand for the joined cells of a finer.
        even_share: Lowest and highest share of even spacing of the other meshes.
        tail_angle: Lowest and highest beginning of the crowding at the tail, radians.
        stretched: Largest factor on the first cells and the far field of the other meshes, or one
            over it, log-uniform.
    """

    sections: int = 256
    seed: int = 21
    split: str = "train"
    incidences: int = 2
    meshes: int = 2
    alpha_deg: tuple[float, float] = (-5.0, 15.0)
    reynolds: tuple[float, float] = (1e6, 9e6)
    mesh: CMesh = field(default_factory=lambda: COARSE)
    y_plus: float = 2.0
    even_share: tuple[float, float] = (0.03, 0.3)
    tail_angle: tuple[float, float] = (0.0, 0.8)
    stretched: float = 1.5

    def __post_init__(self) -> None:
        """Refuse values without meaning."""
        for name in ("sections", "incidences", "meshes"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} = {getattr(self, name)} should be at least 1.")
        if self.split not in SPLITS:
            raise ConfigError(f"split = {self.split!r} is none of {', '.join(SPLITS)}.")


def generate_panel_fields(
    recipe: PanelFieldCorpus, folder: str | os.PathLike[str]
) -> Iterator[int]:
    """Compute what ``folder`` does not hold yet; yield the number of sections after each part.

    Raises:
        CorpusError: The folder holds fields of another recipe.
        StorageError: The disk is full; run it again when it is not.
    """

    def part(sections: range) -> PanelFields:
        return join([draw_fields(recipe, index) for index in sections])

    return generate_parts(to_mapping(recipe), folder, "fields", PART, part)


def read_panel_fields(folder: str | os.PathLike[str], sections: int | None = None) -> PanelFields:
    """Read the fields of a folder, all or the first ``sections``.

    Raises:
        CorpusError: There are none.
    """
    paths = part_files(folder, "fields", "formwright corpus panel-fields")
    fields = join([load_panel_fields(path) for path in paths])
    count = len(fields.reynolds) if sections is None else min(sections, len(fields.reynolds))
    return fields.select(torch.arange(count))


def draw_fields(recipe: PanelFieldCorpus, index: int) -> PanelFields:
    """Return section ``index``; what cannot be meshed is drawn again.

    Raises:
        CorpusError: Nothing that was drawn can be meshed.
    """
    rng = np.random.default_rng([recipe.seed, SPLITS.index(recipe.split), index])
    why = None
    for _ in range(_TRIES):
        vector = draw_section(Blending(), recipe.split, index, rng).vector
        vector = closed(vector) if vector[-1] < CLOSED_BELOW else vector
        try:
            return _fields(recipe, vector, rng)
        except SectionError as error:
            why = error
    raise CorpusError(f"none of {_TRIES} sections can be meshed with {recipe.mesh}: {why}")


def _fields(
    recipe: PanelFieldCorpus, vector: Float[np.ndarray, " parameters"], rng: np.random.Generator
) -> PanelFields:
    """Return one section at all its incidences on all its meshes."""
    pos = cst.coordinates(torch.from_numpy(vector), POINTS_PER_SIDE)
    low, high = recipe.alpha_deg
    n = recipe.incidences
    alpha = low + (high - low) * (np.arange(n) + rng.random(n)) / n
    reynolds = float(np.exp(rng.uniform(*np.log(recipe.reynolds))))
    grids = [_mesh(recipe, pos, reynolds, number, rng) for number in range(recipe.meshes)]
    features = [[_features(grid, float(a), reynolds) for grid in grids] for a in alpha]
    first = grids[0]
    return PanelFields(
        features=torch.stack([torch.stack(row) for row in features])[None],
        alpha_deg=torch.from_numpy(alpha).float()[None],
        reynolds=torch.tensor([reynolds]),
        vectors=torch.from_numpy(vector)[None],
        grid=torch.tensor([first.columns, first.lines, first.wake]),
    )


def _mesh(
    recipe: PanelFieldCorpus, pos: Tensor, reynolds: float, number: int, rng: np.random.Generator
) -> CGrid:
    """Return a mesh of a section: the recipe's own first, then others."""
    if number == 0:
        return section_grid(pos, reynolds, recipe.mesh, recipe.y_plus)
    first, far = recipe.stretched ** rng.uniform(-1.0, 1.0, 2)
    settings = replace(
        recipe.mesh,
        even_share=rng.uniform(*recipe.even_share),
        tail_angle=rng.uniform(*recipe.tail_angle),
        far_field=far * recipe.mesh.far_field,
    )
    return section_grid(pos, reynolds, settings, first * recipe.y_plus)


@torch.no_grad()
def _features(grid: CGrid, alpha_deg: float, reynolds: float) -> Float[Tensor, "cells features"]:
    """Return what a network is told of a case at the cells of a mesh."""
    nodes = torch.from_numpy(grid.points[grid.wall_corners])
    numbers = (torch.tensor(value, dtype=torch.float64) for value in (alpha_deg, reynolds))
    return case_inputs(nodes, torch.from_numpy(grid.centres), *numbers).features.float()
