"""Potential flow on several meshes of many sections: what pretraining on fields needs, no labels.

A case is a section at one incidence and Reynolds number; every case is there on equally many meshes
of equally many cells. A batch remembers where its cases come from (``source``, and the numbers
``section``, ``incidence`` and ``mesh`` of each), so that a view can ask for another mesh of them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from formwright.datasets.cases import Batch
from formwright.datasets.errors import CorpusError
from formwright.surrogate.checkpoints import load_tensors, save_tensors

KIND: Final = "panel-fields"


@dataclass(frozen=True, kw_only=True, slots=True)
class PanelFields:
    """Unlabeled fields.

    Attributes:
        features: In the order of ``inputs.FEATURES``.
        alpha_deg: Incidences of each section, degrees.
        reynolds: On the chord, one a section.
        vectors: CST vectors of the sections.
        grid: Columns, lines, columns of half a wake, of every mesh.
    """

    features: Float[Tensor, "sections incidences meshes cells features"]
    alpha_deg: Float[Tensor, "sections incidences"]
    reynolds: Float[Tensor, " sections"]
    vectors: Float[Tensor, "sections parameters"]
    grid: Int[Tensor, " 3"]

    def __post_init__(self) -> None:
        """Refuse fields that hold NaN."""
        if not torch.isfinite(self.features).all():
            bad = (~torch.isfinite(self.features)).flatten(1).any(1).nonzero()[:, 0].tolist()
            raise CorpusError(
                f"the fields of {len(bad)} of {len(self.features)} sections are not finite (the "
                f"first: {bad[:5]}): leave these out."
            )

    def __len__(self) -> int:
        """Return the number of cases: sections times incidences."""
        return self.alpha_deg.numel()

    def batch(self, rows: Int[Tensor, " cases"]) -> Batch:
        """Return some cases on their first mesh as one batch."""
        each = self.alpha_deg.shape[1]
        return self.cases(rows // each, rows % each, torch.zeros_like(rows))

    def cases(
        self,
        section: Int[Tensor, " cases"],
        incidence: Int[Tensor, " cases"],
        mesh: Int[Tensor, " cases"],
    ) -> Batch:
        """Return cases on chosen meshes: what ``fields.samples`` documents, without answers."""
        features = self.features[section, incidence, mesh]
        cases, cells = features.shape[:2]
        batch = Batch(
            features=features.flatten(0, 1),
            grid=self.grid.expand(cases, 3),
            alpha_deg=self.alpha_deg[section, incidence],
            reynolds=self.reynolds[section],
            section=section,
            incidence=incidence,
            mesh=mesh,
            source=self,
            batch=torch.arange(cases).repeat_interleave(cells),
            ptr=cells * torch.arange(cases + 1),
        )
        batch.num_nodes = cases * cells
        return batch

    def select(self, sections: Int[Tensor, " sections"]) -> PanelFields:
        """Return some of the sections."""
        parts = ("features", "alpha_deg", "reynolds", "vectors")
        return PanelFields(
            grid=self.grid, **{name: getattr(self, name)[sections] for name in parts}
        )

    def save(self, path: str | os.PathLike[str], header: Mapping[str, Any] | None = None) -> None:
        """Write one safetensors file, atomically, with a header of one's own."""
        tensors = {name: getattr(self, name) for name in self.__dataclass_fields__}
        save_tensors(path, tensors, {**(header or {}), "kind": KIND})


def load_panel_fields(path: str | os.PathLike[str]) -> PanelFields:
    """Read what ``PanelFields.save`` wrote.

    Raises:
        CheckpointError: The file is absent, damaged or of a newer format.
        CorpusError: It holds something else.
    """
    tensors, header = load_tensors(path)
    if header.get("kind") != KIND:
        raise CorpusError(
            f"{str(path)!r} holds {header.get('kind', 'weights')!r}, not fields of the panel "
            "method."
        )
    return PanelFields(**tensors)


def join(parts: Sequence[PanelFields]) -> PanelFields:
    """Return the sections of several sets on meshes of one size as one."""
    names = ("features", "alpha_deg", "reynolds", "vectors")
    return PanelFields(
        grid=parts[0].grid,
        **{name: torch.cat([getattr(part, name) for part in parts]) for name in names},
    )
