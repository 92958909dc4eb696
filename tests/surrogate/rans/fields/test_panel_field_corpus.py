from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from formwright.datasets.airfoils import cst
from formwright.datasets.airfoils.blends import Drawn
from formwright.datasets.errors import CorpusError
from formwright.datasets.rans.cases import POINTS_PER_SIDE
from formwright.datasets.rans.mesh.c_grid import section_grid
from formwright.surrogate.checkpoints import save_tensors
from formwright.surrogate.rans.fields import panel_field_corpus
from formwright.surrogate.rans.fields.inputs import FEATURES, case_inputs
from formwright.surrogate.rans.fields.panel_field_corpus import (
    PanelFieldCorpus,
    draw_fields,
    generate_panel_fields,
    read_panel_fields,
)
from formwright.surrogate.rans.fields.panel_fields import PanelFields, load_panel_fields
from formwright.surrogate.rans.fields.samples import batched, question


def same(a: PanelFields, b: PanelFields) -> bool:
    names = a.__dataclass_fields__
    return all(torch.equal(getattr(a, name), getattr(b, name)) for name in names)


def test_a_stopped_corpus_goes_on_to_what_it_would_have_been(
    panel_recipe, panel_fields, simple_sections, monkeypatch, tmp_path
):
    monkeypatch.setattr(panel_field_corpus, "PART", 2)
    runs = generate_panel_fields(panel_recipe, tmp_path)
    assert next(runs) == 2
    first = (tmp_path / "fields-000000.safetensors").stat().st_mtime_ns
    assert list(generate_panel_fields(panel_recipe, tmp_path)) == [2, 4, 6]
    assert (tmp_path / "fields-000000.safetensors").stat().st_mtime_ns == first
    assert same(read_panel_fields(tmp_path), panel_fields)
    assert same(read_panel_fields(tmp_path, 3), panel_fields.select(torch.arange(3)))
    with pytest.raises(CorpusError, match="y_plus = 2.0 there, 1.0 asked"):
        list(generate_panel_fields(dataclasses.replace(panel_recipe, y_plus=1.0), tmp_path))


def test_a_case_is_what_a_network_is_told_of_it(panel_recipe, panel_fields):
    vector, alpha, reynolds = (
        panel_fields.vectors[1],
        panel_fields.alpha_deg[1, 1].double(),
        panel_fields.reynolds[1].double(),
    )
    pos = cst.coordinates(vector, POINTS_PER_SIDE)
    grid = section_grid(pos, float(reynolds), panel_recipe.mesh, panel_recipe.y_plus)
    nodes = torch.from_numpy(grid.points[grid.wall_corners])
    inputs = case_inputs(nodes, torch.from_numpy(grid.centres), alpha, reynolds)
    asked = batched([question(grid, inputs, alpha, reynolds, nodes, factor=1)])
    case = panel_fields.batch(torch.tensor([3]))
    assert torch.equal(case.grid, asked.grid) and torch.equal(case.ptr, asked.ptr)
    assert torch.allclose(case.features, asked.features, atol=1e-3)
    assert torch.equal(case.alpha_deg, asked.alpha_deg)


def test_incidences_fill_their_range_and_meshes_differ(panel_recipe, panel_fields):
    alpha, features = panel_fields.alpha_deg, panel_fields.features
    assert len(panel_fields) == 12 and features.shape == (6, 2, 2, 480, len(FEATURES))
    assert (alpha[:, 0] < 5.0).all() and (alpha[:, 1] > 5.0).all()
    assert ((panel_fields.reynolds >= 1e6) & (panel_fields.reynolds <= 9e6)).all()
    x = features[..., FEATURES.index("x")]
    assert torch.equal(x[:, 0], x[:, 1]) and not torch.isclose(x[:, :, 0], x[:, :, 1]).all()
    near = features[:, 0, :, ::12, FEATURES.index("log_distance")].mean(-1)
    assert (near[:, 0] - near[:, 1]).abs().max() > 0.01


def test_a_section_that_has_no_mesh_is_drawn_again(panel_recipe, monkeypatch):
    drawn = []

    def draw(recipe, split, index, rng):
        vector = np.array([-0.15] * 8 + [0.2] * 8 + [0.0, 0.03 if len(drawn) < 2 else 0.0])
        drawn.append(index)
        return Drawn(name="a", vector=vector, parents=("a",), blend=(1.0,), noise=False)

    monkeypatch.setattr(panel_field_corpus, "draw_section", draw)
    assert draw_fields(panel_recipe, 4).vectors[0, -1] == 0.0 and drawn == [4, 4, 4]
    drawn.clear()
    monkeypatch.setattr(panel_field_corpus, "_TRIES", 2)
    with pytest.raises(CorpusError, match="none of 2 sections"):
        draw_fields(panel_recipe, 4)


def test_other_files_and_broken_fields_are_refused(panel_fields, tmp_path):
    with pytest.raises(CorpusError, match="holds no fields"):
        read_panel_fields(tmp_path)
    save_tensors(tmp_path / "w", {"x": torch.zeros(1)}, {"kind": "flows"})
    with pytest.raises(CorpusError, match="holds 'flows'"):
        load_panel_fields(tmp_path / "w")
    broken = panel_fields.features.clone()
    broken[2, 0, 1, 7] = float("nan")
    with pytest.raises(CorpusError, match=r"1 of 6 sections .*first: \[2\]"):
        dataclasses.replace(panel_fields, features=broken)


def test_the_default_corpus_divides_into_coarser_cells():
    mesh = PanelFieldCorpus().mesh
    for number in (2 * (mesh.cells_side + mesh.cells_wake), mesh.cells_normal, mesh.cells_wake):
        assert number % 4 == 0
