from __future__ import annotations

import numpy as np
import pytest
import torch

from formwright.datasets.blends import Drawn
from formwright.datasets.errors import CorpusError
from formwright.surrogate import flow_corpus
from formwright.surrogate.flow_corpus import FlowCorpus, generate_flows, read_flows

RECIPE = FlowCorpus(sections=5, conditions=3, panels=40, stations=24, steps=3, points_per_side=60)


@pytest.fixture(autouse=True)
def simple_sections(monkeypatch):
    """Sections without the database, whose CST fits take time, in parts of two."""

    def draw(recipe, split, index, rng):
        vector = np.array([-0.15] * 8 + [0.2] * 8 + [0.0, 0.002]) + 0.01 * rng.standard_normal(18)
        vector[17] = 0.002
        return Drawn(name=str(index), vector=vector, parents=("a",), blend=(1.0,), noise=True)

    monkeypatch.setattr(flow_corpus, "draw_section", draw)
    monkeypatch.setattr(flow_corpus, "PART", 2)


def test_flows_are_finite_and_complete(tmp_path):
    assert list(generate_flows(RECIPE, tmp_path)) == [2, 4, 5]
    flows = read_flows(tmp_path)
    assert len(flows) == 5 and len(read_flows(tmp_path, 3)) == 3
    assert set(flows.fields) == {
        f"{name}_{side}" for name in ("cp", "ln_theta", "shape") for side in ("top", "bottom")
    }
    assert flows.fields["cp_top"].shape == (5, 3, 32)
    alpha = flows.conditions["alpha_deg"]
    assert (alpha.diff(dim=1) > 0).all() and alpha.min() >= -9 and alpha.max() <= 15
    lift = (flows.fields["cp_bottom"] - flows.fields["cp_top"]).mean(-1)
    assert (lift[:, -1] > lift[:, 0]).all()


def test_a_stopped_run_goes_on_to_the_same_flows(tmp_path):
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    list(generate_flows(RECIPE, whole))
    next(iter(generate_flows(RECIPE, stopped)))
    assert len(list(stopped.iterdir())) == 1
    before = (stopped / "flows-000000.safetensors").stat().st_mtime_ns
    list(generate_flows(RECIPE, stopped))
    assert (stopped / "flows-000000.safetensors").stat().st_mtime_ns == before
    a, b = read_flows(whole), read_flows(stopped)
    assert torch.equal(a.pos, b.pos) and torch.equal(a.fields["shape_top"], b.fields["shape_top"])


def test_another_recipe_is_refused(tmp_path):
    list(generate_flows(RECIPE, tmp_path))
    other = FlowCorpus(sections=5, conditions=4, panels=40, stations=24, steps=3)
    with pytest.raises(CorpusError, match="conditions, points_per_side differ"):
        next(generate_flows(other, tmp_path))


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(CorpusError, match="holds no flows"):
        read_flows(tmp_path)
