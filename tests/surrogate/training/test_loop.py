from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
import types
from pathlib import Path

import pytest
import torch
from torch import nn

from formwright.datasets.errors import CheckpointError, ConfigError, TrainingError
from formwright.surrogate.checkpoints import load_tensors, save_tensors
from formwright.surrogate.objectives.loss import Loss
from formwright.surrogate.training.loop import CHECKPOINT, LOG, Precision, TrainConfig, train

SCRIPT = """
import sys, time
import torch
from torch import nn
from formwright.surrogate.objectives.loss import Loss
from formwright.surrogate.training.loop import TrainConfig, train

torch.manual_seed(0)
model = nn.Sequential(
    nn.Linear(4, 16), nn.BatchNorm1d(16), nn.GELU(), nn.Dropout(0.1), nn.Linear(16, 1)
)

def step_loss(model, step, generator):
    time.sleep(float(sys.argv[2]))
    x = torch.randn(32, 4, generator=generator)
    error = (model(x)[:, 0] - x.sin().sum(1)).square().mean()
    return Loss(error, {"mse": error})

config = TrainConfig(
    steps=120, warmup_steps=10, ema_decay=0.9, checkpoint_every_seconds=0.05, log_every_steps=1,
    threads=1,
)
train(model, step_loss, config, sys.argv[1], progress=False)
"""


def regression(model, step, generator):
    x = torch.randn(64, 3, generator=generator)
    error = (model(x)[:, 0] - x.sum(1)).square().mean()
    return Loss(error, {"mse": error})


def linear() -> nn.Module:
    torch.manual_seed(0)
    return nn.Linear(3, 1)


def config(**changes) -> TrainConfig:
    return TrainConfig(**{"steps": 200, "learning_rate": 0.05, "warmup_steps": 5} | changes)


def losses(folder: Path) -> list[tuple[int, float]]:
    lines = (folder / LOG).read_text().splitlines()
    return [(line["step"], line["loss"]) for line in map(json.loads, lines)]


def start(folder: Path, sleep: float) -> subprocess.Popen:
    command = [sys.executable, "-c", SCRIPT, str(folder), str(sleep)]
    return subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"})


def run_here(folder: Path, monkeypatch) -> None:
    monkeypatch.setattr(sys, "argv", ["script", str(folder), "0"])
    exec(compile(SCRIPT, "script", "exec"), {})


def test_a_killed_run_resumes_bit_for_bit(tmp_path, monkeypatch):
    run_here(tmp_path / "whole", monkeypatch)
    killed = start(tmp_path / "killed", 0.01)
    deadline = time.monotonic() + 60
    while not ((tmp_path / "killed" / CHECKPOINT).exists() and len_log(tmp_path / "killed") > 40):
        assert killed.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    done = len_log(tmp_path / "killed")
    assert 0 < done < 120
    run_here(tmp_path / "killed", monkeypatch)
    assert losses(tmp_path / "killed") == losses(tmp_path / "whole")
    whole = (tmp_path / "whole" / CHECKPOINT).read_bytes()
    assert (tmp_path / "killed" / CHECKPOINT).read_bytes() == whole


def len_log(folder: Path) -> int:
    path = folder / LOG
    return path.read_text().count("\n") if path.exists() else 0


def test_it_learns_and_reports():
    model = linear()
    result = train(model, regression, config(), progress=False)
    assert result.steps == 200 and result.resumed_from == 0
    assert result.history[-1]["loss"] < 1e-3 < result.history[0]["loss"]
    assert result.history[-1]["mse"] == result.history[-1]["loss"]
    assert result.history[-1]["learning_rate"] == pytest.approx(0.05 * 0.01, rel=0.02)
    assert torch.allclose(model.weight, torch.ones(1, 3), atol=1e-2)


def test_a_finished_run_is_not_done_again(tmp_path):
    train(linear(), regression, config(), tmp_path, progress=False)
    before = losses(tmp_path)
    model = linear()
    result = train(model, regression, config(), tmp_path, progress=False)
    assert result.resumed_from == result.steps == 200
    assert losses(tmp_path) == before
    assert torch.allclose(model.weight, torch.ones(1, 3), atol=1e-2)


def test_a_torn_last_line_of_the_log_is_dropped(tmp_path):
    train(linear(), regression, config(), tmp_path, progress=False)
    before = losses(tmp_path)
    with open(tmp_path / LOG, "a") as log:
        log.write('{"step": 220, "lo')
    train(linear(), regression, config(), tmp_path, progress=False)
    assert losses(tmp_path) == before


def test_other_settings_are_refused_by_name(tmp_path):
    train(linear(), regression, config(), tmp_path, progress=False)
    with pytest.raises(CheckpointError, match="learning_rate = 0.05 there, 0.01 asked"):
        train(linear(), regression, config(learning_rate=0.01), tmp_path, progress=False)
    with pytest.raises(CheckpointError, match="another architecture"):
        train(nn.Linear(3, 2), regression, config(), tmp_path, progress=False)
    train(linear(), regression, config(log_every_steps=7), tmp_path, progress=False)


def test_a_nan_loss_stops_and_keeps_the_last_good_checkpoint(tmp_path):
    def poisoned(model, step, generator):
        loss = regression(model, step, generator)
        return Loss(loss.total * (math.nan if step == 50 else 1.0), loss.terms)

    with pytest.raises(TrainingError, match=r"loss is nan at step 50 .*last good checkpoint"):
        train(linear(), poisoned, config(checkpoint_every_seconds=0.0), tmp_path, progress=False)
    result = train(
        linear(), regression, config(checkpoint_every_seconds=0.0), tmp_path, progress=False
    )
    assert result.resumed_from == 50
    clean = train(linear(), regression, config(), progress=False)
    assert result.history[-1]["loss"] == clean.history[-1]["loss"]


def test_a_nan_gradient_stops_before_it_reaches_the_weights():
    def poisoned(model, step, generator):
        error = (model.weight - model.weight.detach()).square().sum().sqrt()
        return Loss(error, {})

    model = linear()
    before = model.weight.clone()
    with pytest.raises(TrainingError, match="norm of the gradient is nan at step 0"):
        train(model, poisoned, config(), progress=False)
    assert torch.equal(model.weight, before)


def test_the_average_follows_the_parameters():
    result = train(linear(), regression, config(ema_decay=0.9), progress=False)
    assert result.averaged is not None
    weights = []

    def recorded(model, step, generator):
        weights.append(model.weight.detach().clone())
        return regression(model, step, generator)

    model = linear()
    train(model, recorded, config(), progress=False)
    average = weights[0]
    for weight in [*weights[1:], model.weight.detach()]:
        average = 0.9 * average + 0.1 * weight
    assert torch.allclose(result.averaged.weight, average, atol=1e-6)


def test_a_rising_average_forgets_where_a_short_run_began():
    result = train(
        linear(), regression, config(steps=1, ema_decay=0.99, ema_rises=True), progress=False
    )
    model = linear()
    began = model.weight.detach().clone()
    train(model, regression, config(steps=1), progress=False)
    assert result.averaged is not None
    assert torch.allclose(result.averaged.weight, 0.1 * began + 0.9 * model.weight, atol=1e-6)
    many = config(steps=40, ema_decay=0.5, ema_rises=True)
    steady = config(steps=40, ema_decay=0.5)
    late = [train(linear(), regression, c, progress=False).averaged for c in (many, steady)]
    assert torch.allclose(late[0].weight, late[1].weight, atol=1e-3)  # pyright: ignore


def test_a_budget_in_processor_time_ends_the_run_at_the_floor(tmp_path, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("formwright.surrogate.training.run.time.process_time", lambda: clock[0])

    def ticking(model, step, generator):
        clock[0] += 0.5
        return regression(model, step, generator)

    heard = []
    budget = config(steps=10**6, seconds=10.0, warmup_steps=1, floor=0.1, log_every_steps=1)
    result = train(linear(), ticking, budget, tmp_path, progress=False, after_update=heard.append)
    assert result.steps == 20 and heard[9] == 0.5 and heard[-1] == 1.0
    rates = [line["learning_rate"] for line in result.history]
    assert rates[0] == pytest.approx(0.05) and rates == sorted(rates, reverse=True)
    assert rates[10] == pytest.approx(0.05 * 0.55, rel=0.01) and rates[-1] < 0.055 * 0.11
    again = train(linear(), ticking, budget, tmp_path, progress=False)
    assert again.resumed_from == again.steps == 20


def test_seconds_spent_before_a_kill_count(tmp_path, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("formwright.surrogate.training.run.time.process_time", lambda: clock[0])
    budget = config(steps=10**6, seconds=10.0, checkpoint_every_seconds=0.0)

    def killed_at_seven(model, step, generator):
        clock[0] += 1.0
        if step == 7 and not done:
            raise KeyboardInterrupt
        return regression(model, step, generator)

    done: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        train(linear(), killed_at_seven, budget, tmp_path, progress=False)
    done.append(1)
    clock[0] = 100.0
    result = train(linear(), killed_at_seven, budget, tmp_path, progress=False)
    assert (result.resumed_from, result.steps) == (7, 10)


def test_matrices_decay_and_biases_and_gains_do_not():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.Conv1d(1, 2, 3))
    before = {name: value.detach().clone() for name, value in model.named_parameters()}

    def flat(model, step, generator):
        return Loss(sum(0.0 * value.sum() for value in model.parameters()), {})

    steady = {"steps": 1, "learning_rate": 0.1, "warmup_steps": 0, "weight_decay": 0.5}
    train(model, flat, config(**steady), progress=False)
    for name, value in model.named_parameters():
        share = 0.95 if name in ("0.weight", "2.weight") else 1.0
        torch.testing.assert_close(value.detach(), share * before[name], msg=name)


def test_a_rate_factor_of_zero_freezes():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 1))
    before = model[0].weight.clone()
    train(model, regression, config(rate_factors={"0.": 0.0}, steps=20), progress=False)
    assert torch.equal(model[0].weight, before)


def test_the_run_leaves_no_trace_on_global_state():
    torch.manual_seed(7)
    expected = torch.randn(3)
    threads = torch.get_num_threads()
    torch.manual_seed(7)
    model = nn.Linear(3, 1)
    torch.manual_seed(7)
    train(model, regression, config(steps=3, threads=1), progress=False)
    assert torch.equal(torch.randn(3), expected)
    assert torch.get_num_threads() == threads
    assert torch.tensor(1e-310, dtype=torch.float64) * 1.0 > 0


def test_the_watch_is_logged(tmp_path):
    def watch(step):
        return {"rank": 1.0 * step, "alarm": "low"}

    train(linear(), regression, config(), tmp_path, progress=False, watch=watch)
    last = json.loads((tmp_path / LOG).read_text().splitlines()[-1])
    assert last["rank"] == 200.0 and last["alarm"] == "low"


def test_the_schedule_warms_up_and_ends_at_the_floor():
    schedule = TrainConfig(steps=100, learning_rate=1.0, warmup_steps=10, floor=0.1)
    rates = [schedule.rate(step) for step in range(101)]
    assert rates[0] == pytest.approx(0.1) and rates[10] == pytest.approx(1.0)
    assert rates[100] == pytest.approx(0.1)
    assert all(a >= b for a, b in zip(rates[10:], rates[11:], strict=False))


@pytest.mark.parametrize(
    "bad", [{"steps": 0}, {"learning_rate": -1.0}, {"ema_decay": 1.0}, {"seconds": 0.0}]
)
def test_meaningless_settings_are_refused(bad):
    with pytest.raises(ConfigError, match=next(iter(bad))):
        TrainConfig(**bad)


def test_accumulated_gradients_are_those_of_one_larger_batch():
    x = torch.randn(64, 3, generator=torch.Generator().manual_seed(0))
    weights = []
    for parts in (1, 4):
        drawn = iter([])

        def step_loss(model, step, generator, parts=parts):
            nonlocal drawn
            chunk = next(drawn, None)
            if chunk is None:
                drawn = iter(x.chunk(parts))
                chunk = next(drawn)
            error = (model(chunk)[:, 0] - chunk.sum(1)).square().mean()
            return Loss(error, {"mse": error})

        model = linear()
        result = train(model, step_loss, config(steps=20, accumulate=parts), progress=False)
        weights.append((model.weight.detach(), result.history[-1]["mse"]))
    assert torch.allclose(weights[0][0], weights[1][0], atol=1e-5)
    assert weights[0][1] == pytest.approx(weights[1][1], rel=1e-3)


def test_products_are_in_bfloat16_where_asked_and_weights_in_float32():
    seen = []

    def step_loss(model, step, generator):
        x = torch.randn(8, 3, generator=generator)
        y = model(x)
        seen.append(y.dtype)
        return Loss(y.float().square().mean(), {})

    model = linear()
    train(model, step_loss, config(steps=2, precision=Precision.BFLOAT16), progress=False)
    train(model, step_loss, config(steps=2), progress=False)
    assert seen == [torch.bfloat16] * 2 + [torch.float32] * 2
    assert model.weight.dtype is torch.float32


def test_what_follows_an_update_hears_how_far_the_run_is():
    heard = []
    train(linear(), regression, config(steps=4), progress=False, after_update=heard.append)
    assert heard == [0.25, 0.5, 0.75, 1.0]


def test_settings_that_older_checkpoints_lack_count_as_defaults(tmp_path):
    train(linear(), regression, config(steps=2), tmp_path, progress=False)
    tensors, header = load_tensors(tmp_path / CHECKPOINT)
    for name in ("accumulate", "precision", "device", "tensorboard"):
        del header["config"][name]
    save_tensors(tmp_path / CHECKPOINT, tensors, header)
    assert train(linear(), regression, config(steps=2), tmp_path, progress=False).resumed_from == 2
    with pytest.raises(CheckpointError, match="accumulate = 1 there, 2 asked"):
        train(linear(), regression, config(steps=2, accumulate=2), tmp_path, progress=False)


def test_tensorboard_is_asked_for_by_name_where_it_is_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ConfigError, match=r"pip install 'formwright\[tensorboard\]'"):
        train(linear(), regression, config(steps=2, tensorboard=True), tmp_path, progress=False)


def test_tensorboard_gets_every_figure(tmp_path, monkeypatch):
    written = []

    class SummaryWriter:
        def __init__(self, folder, purge_step):
            written.append(("open", Path(folder).name, purge_step))

        def add_scalar(self, name, value, step):
            written.append((name, step))

        def add_text(self, name, text, step):
            written.append((name, text))

        def close(self):
            written.append("closed")

    fake = types.SimpleNamespace(SummaryWriter=SummaryWriter)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", fake)
    asked = config(steps=20, tensorboard=True)
    train(
        linear(), regression, asked, tmp_path, progress=False, watch=lambda step: {"alarm": "low"}
    )
    assert written[0] == ("open", "tensorboard", 1) and written[-1] == "closed"
    assert ("loss", 20) in written and ("alarm", "low") in written
