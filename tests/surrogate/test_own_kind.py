from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from formwright.datasets.cases import Batch, Case
from formwright.datasets.errors import CheckpointError, ConfigError, CorpusError, UnknownNameError
from formwright.design.optimise.methods import SLSQP
from formwright.design.optimise.solve import optimise
from formwright.design.problem import Problem
from formwright.design.spaces.space import DesignSpace
from formwright.surrogate.evaluate import evaluate
from formwright.surrogate.fit import fit, pretrain
from formwright.surrogate.label_efficiency.protocol import EvaluationConfig, evaluate_pretraining
from formwright.surrogate.zoo import kind_named, load

SOURCE = Path(__file__).with_name("toy_kind.py")
spec = importlib.util.spec_from_file_location("toy_kind", SOURCE)
assert spec is not None and spec.loader is not None
toy = sys.modules.setdefault("toy_kind", importlib.util.module_from_spec(spec))
spec.loader.exec_module(toy)
KIND, Signals, signal = toy.KIND, toy.Signals, toy.signal
QUICK = {"train": {"steps": 300, "threads": 1, "learning_rate": 3e-3}}


def signals(cases: int = 400, seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    damping, frequency, phase = torch.rand(3, cases, generator=generator)
    damping = 0.1 + damping
    values = signal(damping, 3.0 + 2.0 * frequency, 6.0 * phase)
    return {"signal": values, "damping": damping, "group": torch.arange(cases) // 10}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("own") / "signals.npz"
    np.savez(path, **{name: value.numpy() for name, value in signals().items()})
    return path


@pytest.fixture(scope="module")
def home(corpus: Path) -> Path:
    settings = {"batch_cases": 64, "train": {"steps": 20, "threads": 1}}
    pretrain(KIND, corpus, corpus.parent / "pre", settings, progress=False)
    fitted = corpus.parent / "fitted"
    fit(KIND, corpus, fitted, QUICK, pretrained=corpus.parent / "pre", progress=False)
    return fitted


def test_the_kind_is_short():
    assert len(SOURCE.read_text(encoding="utf-8").splitlines()) <= 120


def test_it_is_fitted_calibrated_saved_and_loaded(home: Path, corpus: Path):
    surrogate = load(home, kind=KIND)
    assert surrogate.name == str(home) and surrogate.version and surrogate.card is None
    assert surrogate.provenance["from"] == str(corpus.parent / "pre")
    scores = evaluate(surrogate, corpus)
    assert scores.error["damping"] < 0.1 < float(signals()["damping"].std())
    assert 0.75 <= scores.coverage["damping"] <= 1.0
    assert scores.counts == {"cases": 80}
    again = fit(KIND, corpus, home, QUICK, pretrained=corpus.parent / "pre", progress=False)
    for name, value in again.surrogate.state_dict().items():
        assert torch.equal(value, surrogate.state_dict()[name]), name


def test_predictions_have_intervals_that_grow_outside(home: Path):
    surrogate, known = load(home, kind=KIND), signals(20, seed=3)
    table = surrogate.predict(Signals(known["signal"], known["damping"], tuple(range(20))))
    assert table["damping"].shape == (20,) and (table["support"] < 2.0).all()
    width = table["damping_upper"] - table["damping_lower"]
    noise = 5.0 * torch.randn(20, 32, generator=torch.Generator().manual_seed(0))
    odd = surrogate.predict(Signals(noise, known["damping"], tuple(range(20))))
    assert (odd["support"] > 1.0).all() and all(flag for flag in odd.flags)
    assert "damping" in repr(table) and len(repr(table)) < 1000
    assert (odd["damping_upper"] - odd["damping_lower"] > 1.05 * width.max()).all()


class Damped(DesignSpace):
    """A space of one parameter: how fast a signal of one frequency decays."""

    names = ("decay, 1/s",)
    bounds = torch.tensor([[0.15], [1.0]]).double()

    def decode(self, x: Tensor) -> Batch:
        damping = x[:, 0]
        ones = torch.ones_like(damping)
        return Batch(signal=signal(damping, 4.0 * ones, ones).float())

    def encode(self, case: Case) -> Tensor:
        raise NotImplementedError

    def project(self, x: Tensor) -> Tensor:
        return x.clamp(*self.bounds)


def test_a_design_is_found_by_gradient(home: Path):
    problem = Problem(
        space=Damped(),
        surrogate=load(home, kind=KIND),
        objective=lambda prediction, case: (prediction["damping"] - 0.6).square(),
    )
    x = torch.tensor([[0.3]], dtype=torch.float64, requires_grad=True)
    assert problem.evaluate(x).objective.item() > 0.01
    found = optimise(problem, method=SLSQP(max_iterations=30), x0=x.detach()[0])
    assert found.success and 0.15 < found.x.item() < 1.0
    assert found.prediction["damping"].item() == pytest.approx(0.6, abs=1e-3)


def test_it_asks_whether_pretraining_pays(corpus: Path, tmp_path: Path):
    assert KIND.task is not None
    config = EvaluationConfig(
        sizes=(16,), seeds=2, pretraining_seeds=1, learning_rates=(1e-2,), steps=(20,),
        pretraining_steps=5, threads=1,
    )  # fmt: skip
    found = evaluate_pretraining(KIND.task((corpus,), "damping", None, None, ()), config, tmp_path)
    assert set(found.sizes) == {16} and any("vicreg" in method for method in found.errors)


def test_what_is_not_its_own_is_refused(home: Path, corpus: Path, tmp_path: Path):
    with pytest.raises(CheckpointError, match="holds 'oscillator', not one of polar, rans"):
        load(home)
    with pytest.raises(CheckpointError, match="holds 'polar', not a model of kind 'oscillator'"):
        fit(KIND, corpus, tmp_path, QUICK, pretrained="airfoil-polar")
    with pytest.raises(ConfigError, match="has no key 'step'.*Did you mean 'steps'"):
        fit(KIND, corpus, tmp_path, {"train": {"step": 3}})
    with pytest.raises(UnknownNameError, match="no kind of surrogate 'polr'. Did you mean 'polar'"):
        kind_named("polr")


@pytest.mark.parametrize("number", [0, 30])
def test_labels_that_are_not_finite_are_named_before_training(tmp_path: Path, number: int):
    made = signals()
    made["damping"][number] = torch.nan
    path = tmp_path / "signals.npz"
    np.savez(path, **{name: value.numpy() for name, value in made.items()})
    with pytest.raises(CorpusError, match="'damping' is no finite number in 1 of"):
        fit(KIND, path, tmp_path / "out", QUICK, progress=False)


def test_a_split_without_cases_is_named(tmp_path: Path):
    made = {name: value[:10] for name, value in signals().items()}
    path = tmp_path / "signals.npz"
    np.savez(path, **{name: value.numpy() for name, value in made.items()})
    with pytest.raises(CorpusError, match="no case of the split 'validation'"):
        fit(KIND, path, tmp_path / "out", QUICK, progress=False)
    with pytest.raises(CorpusError, match="no case to compare with"):
        KIND.score(KIND.build(KIND.config(), {}), Signals(*3 * (torch.zeros(0, 32),)))
