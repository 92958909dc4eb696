from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from formwright.cli import main
from formwright.datasets.errors import ConfigError, CorpusError
from formwright.datasets.pde import corpus as wave_corpus
from formwright.datasets.pde.corpus import (
    RECIPES,
    WaveCorpus,
    draw,
    generate_waves,
    open_waves,
    solve_part,
    verdicts,
)
from formwright.datasets.pde.spectral import Grid
from formwright.datasets.pde.well import open_well
from formwright.datasets.pde.well_write import read_header

SMALL = WaveCorpus(runs=5, points=32, frames=4, parameters={"viscosity": (0.1, 1.0)})


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(wave_corpus, "PART", 2)


@pytest.mark.parametrize("name", RECIPES)
def test_the_shipped_recipes_resolve_nearly_all_of_their_runs(name: str):
    recipe = replace(RECIPES[name], frames=min(RECIPES[name].frames, 12))
    runs = solve_part(recipe, range(16))
    assert len(runs) >= 14 and len(runs) + len(runs.failures) == 16
    shape = (recipe.points // recipe.keep_every,) * recipe.equation.DIMENSIONS
    assert runs.values.shape[1:] == (recipe.frames, 1, *shape)
    assert set(runs.labels) == set(recipe.equation.PARAMETERS)


def test_parts_are_files_of_the_well_with_recipe_and_labels(tmp_path):
    assert list(generate_waves(SMALL, tmp_path)) == [2, 4, 5]
    paths = sorted(tmp_path.iterdir())
    assert [p.name for p in paths] == [f"waves-train-{i:06d}.hdf5" for i in (0, 2, 4)]
    file = open_well(paths[0])
    assert file.name == "burgers" and file.periodic and file.runs == 2
    assert read_header(paths[0])["recipe"]["seed"] == SMALL.seed
    runs = open_waves(tmp_path).read()
    assert len(runs) == 5 and runs.values.shape == (5, 4, 1, 16)
    assert ((runs.labels["viscosity"] >= 0.1) & (runs.labels["viscosity"] <= 1.0)).all()


def test_a_stopped_run_goes_on_to_the_same_corpus(tmp_path):
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    list(generate_waves(SMALL, whole))
    next(iter(generate_waves(SMALL, stopped)))
    assert len(list(stopped.iterdir())) == 1
    before = (stopped / "waves-train-000000.hdf5").stat().st_mtime_ns
    list(generate_waves(SMALL, stopped))
    assert (stopped / "waves-train-000000.hdf5").stat().st_mtime_ns == before
    assert torch.equal(open_waves(whole).read().values, open_waves(stopped).read().values)


def test_runs_depend_on_seed_split_and_index_alone():
    one = draw(SMALL, 3)
    assert torch.equal(one.initial, draw(replace(SMALL, runs=99), 3).initial)
    for other in (replace(SMALL, split="test"), replace(SMALL, seed=6)):
        assert not torch.equal(one.initial, draw(other, 3).initial)
    assert one.parameters != draw(SMALL, 4).parameters
    assert float(one.initial.square().mean().sqrt()) == pytest.approx(1.0)
    assert abs(float(one.initial.mean())) < 1e-12


def test_stirred_runs_go_on_for_ever():
    still = replace(SMALL, frames=60, runs=2)
    stirred = replace(still, stir=1.0, pace=2.0)
    late = [float(solve_part(r, range(2)).values[:, -10:].std()) for r in (still, stirred)]
    assert late[1] > 3 * late[0]


def test_failed_runs_are_rows_with_a_reason(tmp_path, monkeypatch):
    monkeypatch.setattr(wave_corpus, "PART", 12)
    wild = replace(SMALL, amplitude=(0.5, 60.0), substeps=1, runs=12)
    list(generate_waves(wild, tmp_path))
    paths = sorted(tmp_path.iterdir())
    failures = [f for path in paths for f in read_header(path)["failures"]]
    assert len(failures) + len(open_waves(tmp_path)) == 12
    assert any("blew up in frame" in f or "not resolved" in f for f in failures)
    assert all("viscosity = " in f for f in failures)


def test_a_part_without_any_good_run_is_an_error(tmp_path):
    hopeless = replace(SMALL, amplitude=(1e4, 1e4), substeps=1)
    with pytest.raises(CorpusError, match="all 2 runs of a part failed; the first: run 0: blew up"):
        list(generate_waves(hopeless, tmp_path))
    assert not list(tmp_path.iterdir())


def test_verdicts_tell_blown_up_from_badly_resolved():
    grid = Grid(points=(32,), lengths=(2.0 * math.pi,))
    (x,) = grid.coordinates()
    good, rough = torch.sin(x), torch.sin(x) + 0.5 * torch.sin(10.0 * x)
    bad = torch.full_like(good, math.nan)
    frames = torch.stack([good, rough, bad])[:, None].repeat(1, 2, 1)
    frames[2, 0] = good
    found = verdicts(grid, frames, 1e-3)
    assert found[0] is None
    assert found[1] and found[1].startswith("not resolved")
    assert found[2] == "blew up in frame 1"


def test_another_recipe_an_empty_folder_and_bad_recipes_are_refused(tmp_path):
    list(generate_waves(SMALL, tmp_path))
    with pytest.raises(
        CorpusError, match="made from something else: interval = 0.1 there, 0.2 asked"
    ):
        list(generate_waves(replace(SMALL, interval=0.2), tmp_path))
    with pytest.raises(CorpusError, match="no runs of the split 'test'"):
        open_waves(tmp_path, "test")
    for wrong, message in (
        ({"parameters": {}}, "has viscosity"),
        ({"parameters": {"viscosity": (1.0, 0.1)}}, "the lower first"),
        ({"split": "holdout"}, "none of train"),
        ({"frames": 0}, "1 or more"),
    ):
        with pytest.raises(ConfigError, match=message):
            replace(SMALL, **wrong)


def test_the_kept_frames_solve_the_equation(tendency):
    recipe = replace(SMALL, points=64, keep_every=1, interval=0.002, substeps=1, frames=3)
    drawn = draw(recipe, 0)
    runs = solve_part(recipe, range(1))
    u = runs.values[:, :, 0].double()
    rate = (u[:, 2] - u[:, 0]) / 0.004
    nu = {"viscosity": torch.tensor([drawn.parameters["viscosity"]], dtype=torch.float64)}
    wanted = tendency(recipe.equation, recipe.grid, u[:, 1], nu)
    assert float((rate - wanted).norm() / wanted.norm()) < 2e-3


def test_the_command_line_makes_a_corpus_and_says_what_failed(tmp_path, capsys):
    config = tmp_path / "recipe.toml"
    config.write_text("points = 32\nframes = 3\nparameters = { viscosity = [0.2, 1.0] }\n")
    out = tmp_path / "corpus"
    arguments = ["corpus", "waves", "--equation", "burgers", "--runs", "3", "--out", str(out)]
    assert main([*arguments, "--config", str(config)]) == 0
    assert "3 runs" in capsys.readouterr().out
    assert len(open_waves(out)) == 3
    assert main(["corpus", "waves", "--equation", "burger", "--out", str(out)]) == 2
    assert "Did you mean 'burgers'" in " ".join(capsys.readouterr().err.split())
