"""Unlabeled fields on the command line: the corpus, and pretraining on it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from formwright.cli import main
from formwright.datasets.blends import Drawn
from formwright.surrogate import panel_field_corpus
from formwright.surrogate.panel_field_corpus import read_panel_fields

RECIPE = """
[mesh]
cells_side = 16
cells_wake = 4
cells_normal = 12
far_field = 20.0
even_share = 0.05
tail_angle = 0.4
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
