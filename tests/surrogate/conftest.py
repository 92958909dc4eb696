from __future__ import annotations

import numpy as np
import pytest

from formwright.datasets.airfoils.blends import Drawn
from formwright.datasets.rans.mesh.cmesh import CMesh
from formwright.surrogate.rans.fields import panel_field_corpus
from formwright.surrogate.rans.fields.panel_field_corpus import PanelFieldCorpus, draw_fields
from formwright.surrogate.rans.fields.panel_fields import PanelFields, join


def simple_section(recipe, split, index, rng: np.random.Generator) -> Drawn:
    """A section without the database, whose CST fits take time."""
    vector = np.array([-0.15] * 8 + [0.2] * 8 + [0.0, 0.002]) + 0.01 * rng.standard_normal(18)
    vector[17] = 0.002
    return Drawn(name=str(index), vector=vector, parents=("a",), blend=(1.0,), noise=True)


@pytest.fixture(scope="session")
def panel_recipe() -> PanelFieldCorpus:
    mesh = CMesh(
        cells_side=16, cells_wake=4, cells_normal=12, far_field=20.0, even_share=0.05,
        tail_angle=0.4,
    )  # fmt: skip
    return PanelFieldCorpus(sections=6, mesh=mesh)


@pytest.fixture
def simple_sections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(panel_field_corpus, "draw_section", simple_section)


@pytest.fixture(scope="session")
def panel_fields(panel_recipe: PanelFieldCorpus) -> PanelFields:
    """Six sections, two incidences, two meshes of 40 x 12 cells."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(panel_field_corpus, "draw_section", simple_section)
        return join([draw_fields(panel_recipe, i) for i in range(panel_recipe.sections)])
