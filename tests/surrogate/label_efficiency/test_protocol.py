from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor, nn
from torch_geometric.data import Data

from formwright.datasets.errors import ConfigError, CorpusError, ViewError
from formwright.surrogate.encoder import Embedding, Encoder
from formwright.surrogate.keeps import Keeps
from formwright.surrogate.label_efficiency.curves import (
    HAND,
    MEAN,
    RANDOM,
    SCRATCH,
    Evaluation,
    interval,
)
from formwright.surrogate.label_efficiency.protocol import (
    EvaluationConfig,
    Task,
    evaluate_pretraining,
)
from formwright.surrogate.label_efficiency.report import svg, write_report
from formwright.surrogate.objectives.vicreg import VICReg
from formwright.surrogate.pretraining.matching import ViewMatch
from formwright.surrogate.pretraining.pretrain import PretrainConfig
from formwright.surrogate.training.loop import TrainConfig


@dataclass(frozen=True)
class Points:
    """Twelve numbers a case, of which two carry the label and the others are noise."""

    x: Tensor

    def __len__(self) -> int:
        return len(self.x)

    def select(self, rows: Tensor) -> Points:
        return Points(self.x[rows])

    def batch(self, rows: Tensor) -> Data:
        x = self.x[rows]
        label = torch.sin(x[:, 0]) + 0.7 * x[:, 1]
        return Data(x=x, signal=label, num_nodes=len(x))


@dataclass(frozen=True)
class OtherNoise:
    """The same two numbers among other noise: what carries the label stays."""

    joint = False
    keeps = {"signal": Keeps.EXACT, "noise": Keeps.FORBIDDEN}

    def __call__(self, case: Data, generator: torch.Generator) -> Data:
        noise = torch.randn(len(case.x), 10, generator=generator)
        return Data(x=torch.cat([case.x[:, :2], noise], 1), num_nodes=len(case.x))


class Net(Encoder):
    width = 16

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(12, 48), nn.SiLU(), nn.Linear(48, 16))

    def forward(self, batch: Data) -> Embedding:
        return Embedding(self.layers(batch.x))


def points(count: int, seed: int) -> Points:
    return Points(torch.randn(count, 12, generator=torch.Generator().manual_seed(seed)))


def task(labels: tuple[str, ...] = ("signal",)) -> Task:
    loop = TrainConfig(steps=250, learning_rate=3e-3, warmup_steps=10, log_every_steps=50)
    recipe = PretrainConfig(
        labels=labels,
        pretext=ViewMatch(objective=VICReg(), projector=32),
        views=(OtherNoise(),),
        batch_cases=128,
        train=loop,
    )
    return Task(
        corpus="points",
        label="signal",
        unlabeled=points(1000, 0),
        parts={"train": points(400, 1), "validation": points(200, 2), "test": points(300, 3)},
        target=lambda batch: batch.signal,
        network=Net,
        vectors=lambda network, batch: network(batch).per_case,
        raw=lambda batch: batch.x,
        hand=lambda batch: batch.x[:, :2],
        recipes={"VICReg": recipe},
    )


CONFIG = EvaluationConfig(
    sizes=(20, 80),
    seeds=3,
    pretraining_seeds=1,
    learning_rates=(3e-3,),
    steps=(60,),
    batch_cases=20,
    threads=1,
)


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> tuple[Evaluation, str]:
    folder = tmp_path_factory.mktemp("evaluation")
    return evaluate_pretraining(task(), CONFIG, folder), str(folder)


def test_every_method_has_every_size_and_seed(found):
    evaluation, _ = found
    assert set(evaluation.errors) >= {MEAN, HAND, RANDOM, SCRATCH, "VICReg, fine-tuned"}
    for curve in evaluation.errors.values():
        assert set(curve) == {20, 80} and all(len(errors) == 3 for errors in curve.values())
    assert set(evaluation.chosen) == {SCRATCH, "VICReg, fine-tuned"}
    assert evaluation.cases == {"train": 400, "validation": 200, "test": 300, "unlabeled": 1000}


def test_the_mean_has_an_error_near_one_and_the_right_features_nearly_none(found):
    evaluation, _ = found
    assert all(0.8 < error < 1.5 for error in evaluation.errors[MEAN][80])
    assert max(evaluation.errors[HAND][80]) < 0.1


def test_one_is_the_error_of_the_mean_of_what_is_tested(tmp_path):
    """A test split of half the spread: its own variance is the scale, and no other."""
    given = task()
    small = points(300, 3).x.clone()
    small[:, :2] *= 0.5
    given = replace(given, recipes={}, parts={**given.parts, "test": Points(small)})
    config = replace(CONFIG, sizes=(400,), steps=(1,))
    errors = evaluate_pretraining(given, config, tmp_path).errors[MEAN][400]
    assert errors == pytest.approx([1.0] * 3, abs=0.02)


@pytest.mark.parametrize("bad, why", [(float("nan"), "not finite in 1 of 200"), (None, "the same")])
def test_labels_that_cannot_be_scored_are_named_at_once(tmp_path, bad, why):
    def target(batch: Data) -> Tensor:
        if len(batch.signal) != 200:
            return batch.signal
        first = torch.arange(200) == 0
        return torch.where(first, bad, batch.signal) if bad else torch.ones(200)

    with pytest.raises(CorpusError, match=f"'signal' in the validation split of 'points' .*{why}"):
        evaluate_pretraining(replace(task(), target=target), CONFIG, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_view_that_keeps_the_label_pays(found):
    evaluation, _ = found
    ours = sum(evaluation.errors["VICReg, frozen + ridge"][20])
    assert ours < 0.8 * sum(evaluation.errors[RANDOM][20])
    assert ours < 0.9 * sum(evaluation.errors[SCRATCH][20])


def test_the_same_call_again_computes_nothing(found, monkeypatch):
    evaluation, folder = found
    monkeypatch.setattr("formwright.surrogate.label_efficiency.protocol.train", None)
    monkeypatch.setattr("formwright.surrogate.label_efficiency.protocol.pretrain_network", None)
    assert evaluate_pretraining(task(), CONFIG, folder).errors == evaluation.errors


def test_a_folder_of_other_data_or_another_budget_is_refused(found):
    evaluation, folder = found
    given = task()
    loop = replace(given.recipes["VICReg"], batch_cases=64)
    refusals = {
        "data.test = .* there": replace(given, parts={**given.parts, "test": points(300, 9)}),
        "data.unlabeled = .* there": replace(given, unlabeled=points(1000, 9)),
        "label = signal there, other asked": replace(given, label="other"),
        "recipes.VICReg.batch_cases = 128 there, 64": replace(given, recipes={"VICReg": loop}),
    }
    for why, other in refusals.items():
        with pytest.raises(ConfigError, match=why):
            evaluate_pretraining(other, CONFIG, folder)
    with pytest.raises(ConfigError, match=r"config.sizes = \[20, 80\] there, \[20\] asked"):
        evaluate_pretraining(given, replace(CONFIG, sizes=(20,)), folder)
    again = evaluate_pretraining(given, replace(CONFIG, threads=None), folder)
    assert again.errors == evaluation.errors


def test_test_labels_do_not_choose(found, tmp_path):
    evaluation, _ = found
    other = task()
    other = replace(other, parts={**other.parts, "test": points(300, 9)})
    again = evaluate_pretraining(replace(other, recipes={}), CONFIG, tmp_path)
    assert again.chosen[SCRATCH] == evaluation.chosen[SCRATCH]


def test_sizes_beyond_the_corpus_and_forbidden_views_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="size 500 exceeds the 400 labelled cases"):
        evaluate_pretraining(task(), replace(CONFIG, sizes=(500,)), tmp_path)
    with pytest.raises(ConfigError, match="at least 2 seeds"):
        EvaluationConfig(seeds=1)
    with pytest.raises(ViewError, match="OtherNoise is forbidden for 'noise'"):
        evaluate_pretraining(task(("noise",)), CONFIG, tmp_path / "b")


def evaluation(ours: list[float], scratch: list[float], hand: float = 1.0) -> Evaluation:
    errors = {SCRATCH: scratch, "X, fine-tuned": ours, HAND: [hand] * len(ours)}
    return Evaluation(
        corpus="c",
        label="y",
        sizes=(10,),
        errors={name: {10: tuple(values)} for name, values in errors.items()},
        chosen={},
        cases={"train": 1, "validation": 1, "test": 1, "unlabeled": 1},
        seconds=1.0,
    )


def test_no_interval_promises_less_than_no_error():
    wild = evaluation([0.01, 0.5, 0.02], [1.0, 1.0, 1.0])
    middle, low, high = wild.gain("X, fine-tuned", 10)
    assert low < middle < high < 1.0
    assert middle == pytest.approx(1.0 - 1e-4 ** (1 / 3))


def test_verdicts_follow_the_interval():
    pays = evaluation([0.5, 0.52, 0.48], [1.0, 1.0, 1.0])
    assert pays.verdicts()[0].startswith("10 labels: pretraining pays: X, fine-tuned, -50 % error")
    costs = evaluation([1.5, 1.52, 1.48], [1.0, 1.0, 1.0])
    assert "pretraining costs" in costs.verdicts()[0]
    noisy = evaluation([0.5, 1.5, 1.0], [1.0, 1.0, 1.0], hand=0.3)
    assert "undecided" in noisy.verdicts()[0] and "hand features" in noisy.verdicts()[0]


def test_a_verdict_over_an_untuned_network_says_so():
    pays = evaluation([0.5, 0.52, 0.48], [1.0, 1.0, 1.0])
    errors = {**pays.errors, MEAN: {10: (0.9, 0.9, 0.9)}}
    assert replace(pays, errors=errors).verdicts()[0].endswith("no better than the mean: tune it.")
    errors[MEAN] = {10: (1.1, 1.1, 1.1)}
    assert "tune it" not in replace(pays, errors=errors).verdicts()[0]


def test_interval_is_students():
    mean, low, high = interval([1.0, 2.0, 3.0])
    assert mean == 2.0 and high - mean == pytest.approx(4.302653 / 3**0.5) == mean - low


def test_report_holds_chart_and_numbers(found, tmp_path):
    evaluation, _ = found
    write_report(evaluation, tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    assert "Does pretraining pay for signal?" in text and "<svg" in text
    assert "20 labels:" in text and "VICReg, fine-tuned" in text
    assert not any(word in text for word in ('src="http', 'href="http', "<script", "@import"))
    assert svg(evaluation) == svg(evaluation)
