from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from formwright.datasets.errors import ConfigError, UnknownNameError
from formwright.datasets.pde.corpus import RECIPES, generate_waves
from formwright.surrogate.evaluate import evaluate
from formwright.surrogate.fit import fit, pretrain
from formwright.surrogate.pde.kind import KIND
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
