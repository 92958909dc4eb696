from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from formwright.datasets.airfoils.blends import Drawn
from formwright.datasets.errors import CorpusError
from formwright.surrogate.airfoils import flow_corpus
from formwright.surrogate.airfoils.flow_corpus import FlowCorpus, generate_flows, read_flows

RECIPE = FlowCorpus(
    sections=5,
    conditions=3,
    alpha_deg=(-2.0, 6.0),
    reynolds=(1e6, 5e6),
    panels=40,
    stations=24,
    steps=20,
    points_per_side=60,
)


@pytest.fixture(scope="module", autouse=True)
def simple_sections():
    """Sections without the database, whose CST fits take time, in parts of two."""

    def draw(recipe, split, index, rng):
        vector = np.array([-0.15] * 8 + [0.2] * 8 + [0.0, 0.002]) + 0.01 * rng.standard_normal(18)
        vector[17] = 0.002
        return Drawn(name=str(index), vector=vector, parents=("a",), blend=(1.0,), noise=True)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flow_corpus, "draw_section", draw)
        patch.setattr(flow_corpus, "PART", 2)
        yield


@pytest.fixture(scope="module")
def whole(simple_sections, tmp_path_factory):
    """Return a finished corpus."""
    folder = tmp_path_factory.mktemp("flows")
    assert list(generate_flows(RECIPE, folder)) == [2, 4, 5]
    return folder


def test_flows_are_finite_and_complete(whole):
    flows = read_flows(whole)
    assert 2 <= len(flows) <= 5 and len(read_flows(whole, 2)) == 2
    assert set(flows.fields) == {
        f"{name}_{side}" for name in ("cp", "ln_theta", "shape") for side in ("top", "bottom")
    }
    assert flows.fields["cp_top"].shape == (len(flows), 3, 32)
    alpha = flows.conditions["alpha_deg"]
    assert alpha.min() >= -2 and alpha.max() <= 6
    lift = (flows.fields["cp_bottom"] - flows.fields["cp_top"]).mean(-1)
    low, high = alpha.argmin(1, keepdim=True), alpha.argmax(1, keepdim=True)
    assert (lift.gather(1, high) > lift.gather(1, low)).all()


def test_points_without_convergence_are_stood_in_for():
    good = torch.tensor([[1, 1, 1], [0, 1, 1], [0, 1, 0], [1, 0, 1]]).bool()
    rows, points = flow_corpus._stand_ins(good)
    assert rows.tolist() == [0, 1, 3]
    assert points.tolist() == [[0, 1, 2], [1, 1, 2], [0, 0, 2]]


def test_answers_belong_to_the_conditions_and_fields_beside_them(whole):
    flows = read_flows(whole)
    lift = (flows.fields["cp_bottom"] - flows.fields["cp_top"]).mean(-1).flatten()
    cl, alpha = flows.answers["cl"].flatten(), flows.conditions["alpha_deg"].flatten()
    assert torch.corrcoef(torch.stack([lift, cl]))[0, 1] > 0.95
    assert torch.corrcoef(torch.stack([alpha.float(), cl]))[0, 1] > 0.8
    assert (flows.answers["cd"] > 1e-3).all()


def test_a_stopped_run_goes_on_to_the_same_flows(whole, tmp_path):
    stopped = tmp_path / "stopped"
    next(iter(generate_flows(RECIPE, stopped)))
    assert len(list(stopped.iterdir())) == 1
    before = (stopped / "flows-000000.safetensors").stat().st_mtime_ns
    list(generate_flows(RECIPE, stopped))
    assert (stopped / "flows-000000.safetensors").stat().st_mtime_ns == before
    a, b = read_flows(whole), read_flows(stopped)
    assert torch.equal(a.pos, b.pos) and torch.equal(a.fields["shape_top"], b.fields["shape_top"])


def test_another_recipe_is_refused(whole):
    other = dataclasses.replace(RECIPE, conditions=4, points_per_side=80)
    with pytest.raises(
        CorpusError, match="conditions = 3 there, 4 asked; points_per_side = 60 there"
    ):
        next(generate_flows(other, whole))


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(CorpusError, match="holds no flows"):
        read_flows(tmp_path)
