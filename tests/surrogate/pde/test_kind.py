from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from formwright.datasets.errors import ConfigError, CorpusError, UnknownNameError
from formwright.datasets.pde.corpus import RECIPES, generate_waves
from formwright.datasets.pde.runs import FieldRuns
from formwright.datasets.pde.well_runs import open_runs
from formwright.datasets.pde.well_write import write_well
from formwright.surrogate.evaluate import evaluate
from formwright.surrogate.fit import fit, pretrain
from formwright.surrogate.pde.kind import KIND
from formwright.surrogate.pde.task import parts_of
from formwright.surrogate.zoo import load

LOOP = {"steps": 400, "threads": 1, "learning_rate": 1e-3}


@pytest.fixture(scope="module")
def waves(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("waves")
    recipe = replace(RECIPES["burgers"], runs=160, frames=16, points=64, keep_every=2)
    list(generate_waves(recipe, folder))
    return folder


def test_a_constant_of_runs_is_pretrained_for_fitted_and_predicted(waves: Path, tmp_path: Path):
    few = {"batch_cases": 16, "train": {"steps": 3, "threads": 1}}
    pretrain("runs", waves, tmp_path / "pre", few, label="viscosity", progress=False)
    settings = {"label": "viscosity", "batch_cases": 32, "train": LOOP}
    pre = tmp_path / "pre"
    done = fit("runs", waves, tmp_path / "fit", settings, pretrained=pre, progress=False)
    assert done.surrogate.config.label == "viscosity" and done.surrogate.config.logarithm
    surrogate = load(tmp_path / "fit")
    test = KIND.read((waves,), KIND.training(None, {}).__class__(label="viscosity"), "test", None)
    truth = test.labels["viscosity"].double().numpy()
    table = surrogate.predict(test)
    assert (table["viscosity_lower"] < table["viscosity"]).all() and (table["viscosity"] > 0).all()
    scores = evaluate(surrogate, waves, label="viscosity")
    assert scores.error["viscosity"] < 0.5 * abs(truth - truth.mean()).mean()
    assert torch.isfinite(torch.tensor(table["support"])).all()


def test_a_label_is_needed_and_must_be_there(waves: Path, tmp_path: Path):
    with pytest.raises(ConfigError, match="needs --label"):
        fit("runs", waves, tmp_path)
    with pytest.raises(ConfigError, match="runs need --label"):
        pretrain("runs", waves, tmp_path)
    with pytest.raises(UnknownNameError, match="Did you mean 'viscosity'"):
        fit("runs", waves, tmp_path, {"label": "viscocity"})


@pytest.fixture(scope="module")
def some(waves: Path) -> FieldRuns:
    return open_runs([min(waves.glob("*.hdf5"))]).read()


def test_one_file_is_a_corpus_and_none_is_named(some: FieldRuns, tmp_path: Path):
    write_well(tmp_path / "one.hdf5", some, name="one")
    parts = parts_of(tmp_path / "one.hdf5", "viscosity")
    assert sum(map(len, parts.values())) == len(some)
    (tmp_path / "empty").mkdir()
    with pytest.raises(CorpusError, match="empty' holds no HDF5 files"):
        parts_of(tmp_path / "empty")
    with pytest.raises(CorpusError, match="nowhere' is not there"):
        parts_of(tmp_path / "nowhere")


def test_a_label_that_is_not_finite_is_named_before_training(some: FieldRuns, tmp_path: Path):
    values = some.labels["viscosity"].clone()
    values[3] = torch.nan
    labels = {**some.labels, "viscosity": values}
    write_well(tmp_path / "one.hdf5", replace(some, labels=labels), name="one")
    with pytest.raises(CorpusError, match="'viscosity' is not finite in some runs"):
        fit("runs", tmp_path, tmp_path / "out", {"label": "viscosity"})
    assert not (tmp_path / "out").exists()
