"""Two processes under torchrun compute what one computes."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from formwright.datasets.errors import ConfigError
from formwright.surrogate.checkpoints import load_tensors
from formwright.surrogate.training import distributed
from formwright.surrogate.training.distributed import BatchNorm

BENCHMARKS = Path(__file__).resolve().parents[3] / "benchmarks"
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
SCRIPT = """
import sys
from pathlib import Path
import torch
from torch import nn
from torch_geometric.data import Data
from formwright.surrogate.training import distributed
from formwright.surrogate.encoder import Embedding, Encoder
from formwright.surrogate.objectives.byol import BYOL
from formwright.surrogate.objectives.vicreg import VICReg
from formwright.surrogate.pretraining.matching import ViewMatch
from formwright.surrogate.pretraining.pretrain import PretrainConfig, pretrain_network
from formwright.surrogate.training.loop import TrainConfig

class Rows(Encoder):
    width = 6
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(5, 16), nn.SiLU(), nn.Linear(16, 6))
    def forward(self, batch):
        return Embedding(self.layers(batch.x))

class Table:
    x = torch.randn(64, 5, generator=torch.Generator().manual_seed(0))
    def __len__(self):
        return 64
    def batch(self, rows):
        return Data(x=self.x[rows])

class Shift:
    joint, keeps = False, {}
    sign = 1.0
    def __call__(self, case, generator):
        self.sign = -self.sign
        return Data(x=case.x + 0.1 * self.sign)

folder = Path(sys.argv[1])
for name, objective in (("vicreg", VICReg()), ("byol", BYOL())):
    torch.manual_seed(int(sys.argv[2]) if int(__import__("os").environ.get("RANK", 0)) else 7)
    network = Rows()
    def config():
        return PretrainConfig(
            labels=(), views=(Shift(),), batch_cases=16,
            pretext=ViewMatch(objective=objective, projector=8, predictor=8),
            train=TrainConfig(steps=6, warmup_steps=2, log_every_steps=1, threads=1),
        )
    pretrain_network(network, Table(), config(), folder / name, progress=False)
    resumed = pretrain_network(network, Table(), config(), folder / name, progress=False)
    assert resumed.resumed_from == 6
"""


def launch(folder: Path, *launcher: str) -> None:
    folder.mkdir()
    (folder / "script.py").write_text(SCRIPT)
    command = [sys.executable, *launcher, str(folder / "script.py"), str(folder), "99"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]


def test_losses_and_gradients_of_every_objective_are_equal(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    found = importlib.import_module("distributed_equality").differences(tmp_path)
    assert len(found) == 11
    for name, gaps in found.items():
        assert gaps["loss"] < 1e-12 and gaps["gradient"] < 1e-10, name


def test_a_pretraining_in_two_processes_is_that_in_one(tmp_path):
    launch(tmp_path / "one")
    launch(tmp_path / "two", *TORCHRUN)
    for name in ("vicreg", "byol"):
        weights, logs = [], []
        for folder in (tmp_path / "one" / name, tmp_path / "two" / name):
            tensors, header = load_tensors(folder / "checkpoint.safetensors")
            assert header["step"] == 6
            weights.append(tensors)
            lines = (folder / "log.jsonl").read_text().splitlines()
            logs.append([json.loads(line)["loss"] for line in lines])
        assert len(logs[1]) == 6, "one process writes the log"
        assert logs[0] == pytest.approx(logs[1], rel=1e-4)
        # a bias before batch normalisation has no gradient, and AdamW no reason to hold it still
        for key, value in weights[0].items():
            if key.startswith("model.") and value.dim() > 1:
                assert torch.allclose(value, weights[1][key], atol=1e-4), key


def test_alone_everything_is_the_identity():
    z = torch.randn(4, 3, requires_grad=True)
    assert distributed.world() == 1 and distributed.rank() == 0
    assert distributed.gather(z) is z and distributed.total(z) is z
    generator = torch.Generator()
    assert distributed.fork(generator) is generator is distributed.agree(generator)
    rows = torch.arange(5)
    assert torch.equal(distributed.share(rows), rows)


def test_batch_norm_is_that_of_torch_bit_for_bit():
    ours, theirs = BatchNorm(3), torch.nn.BatchNorm1d(3)
    z = torch.randn(8, 3)
    assert torch.equal(ours(z), theirs(z)) and torch.equal(ours.running_var, theirs.running_var)


def test_a_batch_that_cannot_be_shared_out_is_refused(monkeypatch):
    from formwright.surrogate.pretraining.pretrain import PretrainConfig, _check_batch

    monkeypatch.setattr(distributed, "world", lambda: 2)
    with pytest.raises(ConfigError, match=r"batch_cases = 9 is not a multiple of 2 \(2 processes"):
        _check_batch(PretrainConfig(labels=(), views=(), batch_cases=9), 100, 1)
