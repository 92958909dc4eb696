"""Unlabeled fields on the command line: the corpus, and pretraining on it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from formwright.cli import main
from formwright.datasets.airfoils.blends import Drawn
from formwright.datasets.config import read_toml
from formwright.surrogate.fit import pretraining_settings
from formwright.surrogate.pretraining.masking import MaskedPrediction
from formwright.surrogate.rans.fields import panel_field_corpus
from formwright.surrogate.rans.fields.kind import KIND
from formwright.surrogate.rans.fields.network import Network
from formwright.surrogate.rans.fields.panel_field_corpus import read_panel_fields
from formwright.surrogate.training.run import Run
from formwright.surrogate.zoo import load

RECIPE = """
[mesh]
cells_side = 16
cells_wake = 4
cells_normal = 12
far_field = 20.0
even_share = 0.05
tail_angle = 0.4
"""
TRAINING = """
batch_cases = 4
[train]
warmup_steps = 1
log_every_steps = 1
checkpoint_every_seconds = 0.0
threads = 1
"""


def simple_section(recipe, split, index, rng: np.random.Generator) -> Drawn:
    """A section without the database, whose CST fits take time."""
    vector = np.array([-0.15] * 8 + [0.2] * 8 + [0.0, 0.002]) + 0.01 * rng.standard_normal(18)
    vector[17] = 0.002
    return Drawn(name=str(index), vector=vector, parents=("a",), blend=(1.0,), noise=True)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fields")
    (folder / "recipe.toml").write_text(RECIPE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(panel_field_corpus, "draw_section", simple_section)
        assert main(["corpus", "panel-fields", *corpus_flags(folder)]) == 0
    return folder


def corpus_flags(home: Path) -> list[str]:
    paths = ["--out", str(home / "fields"), "--config", str(home / "recipe.toml")]
    return [*paths, "--sections", "4", "--seed", "2"]


def refused(arguments: list[str], why: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert why in " ".join(capsys.readouterr().err.split())


def test_a_corpus_is_made_once_by_one_recipe(home, capsys):
    (path,) = (home / "fields").glob("*.safetensors")
    made = path.stat().st_mtime_ns
    assert main(["corpus", "panel-fields", *corpus_flags(home)]) == 0
    assert "4 sections, 8 cases on 2 meshes each" in capsys.readouterr().out
    assert path.stat().st_mtime_ns == made
    assert read_panel_fields(home / "fields").grid.tolist() == [40, 12, 4]
    refused(["corpus", "panel-fields", *corpus_flags(home), "--seed", "3"], "seed", capsys)


def test_recipes_without_meaning_are_refused(home, tmp_path, capsys):
    refusals = {
        "sections = 0": "sections = 0 should be at least 1",
        "meshs = 2": "Did you mean 'meshes'",
        'split = "tset"': "split = 'tset' is none of train, validation, test",
    }
    for text, why in refusals.items():
        (tmp_path / "bad.toml").write_text(text)
        flags = ["--out", str(tmp_path / "none"), "--config", str(tmp_path / "bad.toml")]
        refused(["corpus", "panel-fields", *flags], why, capsys)
    assert not (tmp_path / "none").exists()


def pretrain_flags(home: Path, out: Path, *more: str) -> list[str]:
    (home / "train.toml").write_text(TRAINING)
    paths = [str(home / "fields"), "--out", str(out), "--config"]
    return [
        "pretrain",
        "rans-fields",
        *paths,
        str(home / "train.toml"),
        "--steps",
        "3",
        "--quiet",
        *more,
    ]


def settings(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "pretrain.json").read_text())["config"]


@pytest.mark.parametrize("network", list(Network))
def test_a_stopped_pretraining_goes_on_to_what_it_would_have_been(
    network, home, tmp_path, monkeypatch, capsys
):
    flags = ("--network", network.value)
    assert main(pretrain_flags(home, tmp_path / "whole", *flags)) == 0
    original, saves = Run.save, []

    def stop(run: Run) -> None:
        original(run)
        saves.append(run.step)
        if run.step == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Run, "save", stop)
        assert main(pretrain_flags(home, tmp_path / "stopped", *flags)) == 130
    assert saves == [1, 2] and not (tmp_path / "stopped" / "encoder.safetensors").exists()
    assert main(pretrain_flags(home, tmp_path / "stopped", *flags)) == 0
    pair = [load(tmp_path / name) for name in ("whole", "stopped")]
    assert all(one.config.network is network for one in pair)
    states = [one.state_dict() for one in pair]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_the_objective_decides_on_views_and_batches(home, tmp_path):
    (tmp_path / "match.toml").write_text('[pretext]\nkind = "view-match"\n')
    fields = read_panel_fields(home / "fields")
    assert KIND.unlabeled is not None
    start, loop = KIND.unlabeled(home / "fields", None, "mesh"), {"train": {"steps": 3, "seed": 1}}
    asked = {"masked": None, "matched": "visreg"}
    found = {k: pretraining_settings(start, loop, name) for k, name in asked.items()}
    found["file"] = pretraining_settings(start, read_toml(tmp_path / "match.toml"))
    views = {name: [type(view).__name__ for view in s.views] for name, s in found.items()}
    both = ["OtherMesh", "JoinCells", "Graphs"]
    assert views == {"masked": ["OtherMesh", "Graphs"], "matched": both, "file": both}
    assert [found[name].batch_cases for name in found] == [8, 64, 64] and len(fields) == 8
    assert isinstance(found["masked"].pretext, MaskedPrediction)
    assert found["matched"].train == replace(found["masked"].train, steps=3, seed=1)
    named = pretraining_settings(start, {"views": ["hide-cells"]})
    assert [type(view).__name__ for view in named.views] == ["HideCells", "Graphs"]


def test_views_of_fields_go_by_name(home, tmp_path, capsys):
    flags = ("--objective", "vicreg", "--views")
    assert main(pretrain_flags(home, tmp_path / "a", *flags, "other-mesh,join-cells")) == 0
    shown = settings(tmp_path / "a")
    assert [view["view"] for view in shown["views"]] == ["OtherMesh", "JoinCells"]
    assert shown["pretext"]["kind"] == "view-match" and shown["batch_cases"] == 4
    refusals = {
        "other-incidence": "OtherIncidence is forbidden for 'cl'",
        "join-cell": "Did you mean 'join-cells'",
        "join-cells,other-mesh": "Put it before the views that join",
        "graphs": "no view of these data is called 'graphs'",
    }
    for names, why in refusals.items():
        refused(pretrain_flags(home, tmp_path / "b", *flags, names), why, capsys)


def test_data_that_are_none_and_double_questions_are_refused(home, tmp_path, capsys):
    out = ("--out", str(tmp_path / "x"))
    wrong = ["pretrain", "polar", str(home), "--network", "mesh", *out]
    refused(wrong, "network 'mesh' is no choice of 'polar'", capsys)
    nothing = ["pretrain", "rans-fields", str(tmp_path), *out]
    refused(nothing, "formwright corpus panel-fields", capsys)
    flags = pretrain_flags(home, tmp_path / "x", "--objective", "flow-predict")
    refused(flags, "no objective is called 'flow-predict' for these cases", capsys)
    too_few = ["pretrain", "rans-fields", str(home / "fields"), *out, "--objective", "vicreg"]
    refused(too_few, "lower batch_cases", capsys)
