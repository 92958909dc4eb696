"""Views of flow fields around sections: another mesh, fewer cells, another incidence, gaps.

A batch has ``features`` (``inputs.FEATURES``) at the cells of C-meshes of one size, ``grid``,
and the conditions of each case. The views that ask for the same section elsewhere need batches of
``PanelFields``, and come before those that change what they find there:

==================  ======================  ======================  =================
view                lift, drag, the wall    shape of the section    applied
==================  ======================  ======================  =================
``OtherMesh``       exact                   exact                   first
``OtherIncidence``  forbidden               exact                   first
``JoinCells``       exact                   exact                   then
``HideCells``       exact                   exact                   then
``Graphs``          exact                   exact                   last, mesh networks only
==================  ======================  ======================  =================

Exact are the labels of the case, of which the mesh is no part: another mesh shows the same flow at
other places, and each of them with an error of its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import ClassVar, Final

import torch
from jaxtyping import Int
from torch import Tensor

from formwright.datasets.cases import Batch, Case
from formwright.datasets.errors import ViewError
from formwright.datasets.rans.mesh.c_grid import coarse_edges
from formwright.datasets.rans.mesh.graph import GraphLevel, hierarchy
from formwright.surrogate.keeps import Keeps
from formwright.surrogate.rans.fields.inputs import FEATURES
from formwright.surrogate.rans.fields.panel_fields import PanelFields
from formwright.surrogate.rans.fields.samples import batched, prepared

FLOW_LABELS: Final = ("cl", "cd", "cm", "cp", "cf")
SECTION_LABELS: Final = ("thickness", "camber", "area")
SEEN_FEATURES: Final = tuple(
    FEATURES.index(name)
    for name in (
        "x", "y", "log_distance", "log_y_plus", "toward_x", "toward_y", "incidence", "reynolds",
    )
)  # fmt: skip
"""Of a hidden cell: where it is, and the conditions."""
FLOW_FEATURES: Final = tuple(i for i in range(len(FEATURES)) if i not in SEEN_FEATURES)
"""What a hidden cell does not tell: potential flow, and the plate's boundary layer under it."""

_OF_GRAPHS: Final = ("edges_", "offsets_", "size_", "parent_")


def _promise(flow: Keeps) -> Mapping[str, Keeps]:
    """Return one promise for all labels of the flow; those of the section stay."""
    return {**dict.fromkeys(FLOW_LABELS, flow), **dict.fromkeys(SECTION_LABELS, Keeps.EXACT)}


@dataclass(frozen=True, kw_only=True, slots=True)
class OtherMesh:
    """The same case on another mesh, drawn anew for each case and branch."""

    joint: ClassVar[bool] = False

    @property
    def keeps(self) -> Mapping[str, Keeps]:
        """Return the promise."""
        return _promise(Keeps.EXACT)

    def __call__(self, case: Case, generator: torch.Generator) -> Case:
        """Return the batch on other meshes.

        Raises:
            ViewError: There are none, or another view has changed the cells before.
        """
        source = _source(case, "OtherMesh")
        meshes = source.features.shape[2]
        if meshes < 2:
            raise ViewError(
                "OtherMesh needs two meshes of each case or more, and the fields have one: make "
                "them with PanelFieldCorpus(meshes=2)."
            )
        mesh = torch.randint(0, meshes, (len(case.grid),), generator=generator)
        return _taken(case, source, case.incidence, mesh)


@dataclass(frozen=True, kw_only=True, slots=True)
class OtherIncidence:
    """The same section at another of its incidences, drawn anew for each case and branch.

    Forbidden for all that the flow does. The incidence is left as ``start``, so that the predictor
    of a ``JEPA`` is told how far the second view is turned from the first.
    """

    joint: ClassVar[bool] = False

    @property
    def keeps(self) -> Mapping[str, Keeps]:
        """Return the promise."""
        return _promise(Keeps.FORBIDDEN)

    def __call__(self, case: Case, generator: torch.Generator) -> Case:
        """Return the batch at other incidences.

        Raises:
            ViewError: There are none, or another view has changed the cells before.
        """
        source = _source(case, "OtherIncidence")
        incidences = source.alpha_deg.shape[1]
        if incidences < 2:
            raise ViewError(
                "OtherIncidence needs two incidences of each section or more, and the fields have "
                "one: make them with PanelFieldCorpus(incidences=2)."
            )
        incidence = torch.randint(0, incidences, (len(case.grid),), generator=generator)
        changed = _taken(case, source, incidence, case.mesh)
        changed.start = changed.alpha_deg
        return changed


@dataclass(frozen=True, kw_only=True, slots=True)
class JoinCells:
    """The case on fewer cells: blocks of them joined, the factor drawn for the batch.

    Features are means over the cells joined, as those of the samples of RANS cases are.

    Attributes:
        factors: Cells joined along the section and away from it, one of these; 1 changes nothing.
    """

    factors: tuple[int, ...] = (1, 2)
    joint: ClassVar[bool] = False

    @property
    def keeps(self) -> Mapping[str, Keeps]:
        """Return the promise."""
        return _promise(Keeps.EXACT)

    def __call__(self, case: Case, generator: torch.Generator) -> Case:
        """Return the batch on fewer cells, or as it is.

        Raises:
            ViewError: A factor does not divide the grid, or cells are hidden already.
        """
        columns, lines, wake = _grid(case)
        if any(columns % by or lines % by or wake % by for by in self.factors):
            raise ViewError(
                f"JoinCells(factors={self.factors}) does not divide a grid of {columns} x {lines} "
                f"cells with {wake} columns of wake: choose factors that divide all three."
            )
        if "visible" in case or "edges_0" in case:
            raise ViewError("JoinCells comes before the views that hide cells or add graphs.")
        by = self.factors[int(torch.randint(0, len(self.factors), (1,), generator=generator))]
        if by == 1:
            return case
        blocks = case.features.unflatten(0, (-1, columns // by, by, lines // by, by))
        cases, cells = len(case.grid), columns * lines // by**2
        changed = _without_source(case, features=blocks.mean((2, 4)).flatten(0, 2))
        changed.grid = case.grid // by
        changed.batch = torch.arange(cases, device=blocks.device).repeat_interleave(cells)
        changed.ptr = cells * torch.arange(cases + 1, device=blocks.device)
        changed.num_nodes = cases * cells
        return changed


@dataclass(frozen=True, kw_only=True, slots=True)
class HideCells:
    """The case with gaps: in some blocks of cells the flow is set to zero, and ``visible`` False.

    Place and conditions of hidden cells stay.

    Attributes:
        side: Cells of a block along both edges; the last of a grid may be smaller.
        share: Of the blocks that is hidden in each case.
    """

    side: int = 4
    share: float = 0.5
    joint: ClassVar[bool] = False

    @property
    def keeps(self) -> Mapping[str, Keeps]:
        """Return the promise."""
        return _promise(Keeps.EXACT)

    def __call__(self, case: Case, generator: torch.Generator) -> Case:
        """Return the batch with gaps."""
        columns, lines, _ = _grid(case)
        across = math.ceil(lines / self.side)
        blocks = math.ceil(columns / self.side) * across
        hidden = min(blocks - 1, max(1, round(self.share * blocks)))
        draw = torch.rand((len(case.grid), blocks), generator=generator)
        chosen = draw.argsort(1).argsort(1) < hidden
        column, line = torch.arange(columns) // self.side, torch.arange(lines) // self.side
        block = (column[:, None] * across + line).flatten()
        where = chosen[:, block].flatten().to(case.features.device)
        features = case.features.clone()
        features[where[:, None] & _is_flow(features)] = 0.0
        return _without_source(case, features=features, visible=~where)


@dataclass(frozen=True, kw_only=True, slots=True)
class Graphs:
    """The same case with the graphs of its cells, which a ``MeshGNN`` reads.

    Attributes:
        levels: Graphs, from the cells to the coarsest; as many as the network has stages.
    """

    levels: int = 4
    joint: ClassVar[bool] = False

    @property
    def keeps(self) -> Mapping[str, Keeps]:
        """Return the promise."""
        return _promise(Keeps.EXACT)

    def __call__(self, case: Case, generator: torch.Generator) -> Case:
        """Return the batch with graphs."""
        columns, lines, wake = _grid(case)
        graphs = _graphs(columns, lines, wake, self.levels)
        parts = case.features.split(columns * lines)
        whole = batched(prepared([Batch(features=part) for part in parts], graphs))
        added = {k: v for k, v in whole.to_dict().items() if k.startswith(_OF_GRAPHS)}
        return _without_source(case, **added)


@cache
def _graphs(columns: int, lines: int, wake: int, levels: int) -> list[GraphLevel]:
    return hierarchy(coarse_edges(columns, lines, wake), columns * lines, levels)


def _grid(case: Case) -> tuple[int, int, int]:
    """Return columns, lines and columns of half a wake of the cases.

    Raises:
        ViewError: The cases have no such grid.
    """
    if "features" not in case or "grid" not in case or case.grid.shape[1] != 3:
        raise ViewError(
            "views of flow fields need cases with 'features' on C-meshes of one size ('grid': "
            f"columns, lines, wake); these have {', '.join(case.keys())}."
        )
    columns, lines, wake = case.grid[0].tolist()
    return columns, lines, wake


def _source(case: Case, name: str) -> PanelFields:
    """Return the fields that a batch comes from.

    Raises:
        ViewError: It comes from elsewhere, or was changed since.
    """
    if "source" not in case or not isinstance(case.source, PanelFields):
        raise ViewError(
            f"{name} needs cases of PanelFields as they are, which know their other meshes and "
            "incidences. Put it before the views that join or hide cells."
        )
    return case.source


def _taken(
    case: Case, source: PanelFields, incidence: Int[Tensor, " cases"], mesh: Int[Tensor, " cases"]
) -> Case:
    """Return the same sections at other incidences or on other meshes."""
    taken = source.cases(case.section.cpu(), incidence.cpu(), mesh.cpu())
    return Batch.from_dict({**case.to_dict(), **taken.to(str(case.features.device)).to_dict()})


def _without_source(case: Case, **changed: Tensor) -> Case:
    """Return the batch with other cells, which no other mesh stands for any more."""
    kept = {name: value for name, value in case.to_dict().items() if name != "source"}
    return Batch.from_dict({**kept, **changed})


def _is_flow(features: Tensor) -> Tensor:
    """Return which features tell of the flow, (F,)."""
    result = torch.zeros(features.shape[1], dtype=torch.bool, device=features.device)
    result[list(FLOW_FEATURES)] = True
    return result
