from __future__ import annotations

import dataclasses
import json

import pytest
import torch
from torch import nn

from formwright.datasets.airfoils.cst import coordinates
from formwright.datasets.errors import CheckpointError, ConfigError, CorpusError, ViewError
from formwright.surrogate.airfoils.conditioned import Conditioned
from formwright.surrogate.airfoils.flow_encoder import AnswerStandard
from formwright.surrogate.airfoils.flow_pretexts import FlowMatch, FlowPredict
from formwright.surrogate.airfoils.flows import Flows, join, load_flows
from formwright.surrogate.airfoils.views import (
    Incidence,
    ManufacturingNoise,
    Mirror,
    PartialContour,
    Repanel,
)
from formwright.surrogate.checkpoints import load_weights, save_weights
from formwright.surrogate.encoder import Embedding, Encoder
from formwright.surrogate.objectives.barlow import BarlowTwins
from formwright.surrogate.objectives.sigreg import LeJEPA
from formwright.surrogate.objectives.simclr import SimCLR
from formwright.surrogate.objectives.vicreg import VICReg
from formwright.surrogate.pretraining.collapse import inspect
from formwright.surrogate.pretraining.matching import ViewMatch
from formwright.surrogate.pretraining.pretrain import (
    ENCODER,
    NETWORK,
    PretrainConfig,
    pretrain_network,
)
from formwright.surrogate.training.loop import TrainConfig

PRETEXTS = [
    FlowMatch(objective=VICReg(), projector=32),
    FlowMatch(objective=BarlowTwins(), projector=32),
    FlowMatch(objective=SimCLR(), projector=32),
    FlowMatch(objective=LeJEPA(slices=16), projector=16),
    ViewMatch(objective=VICReg(), projector=32),
    FlowPredict(),
]


class Moments(Encoder):
    """A tiny encoder: an MLP on Fourier moments of the contour, whatever its panelling."""

    images = 2

    def __init__(self, half: int = 8) -> None:
        super().__init__()
        self.width = 2 * half
        self.layers = nn.Sequential(nn.Linear(8, 32), nn.SiLU(), nn.Linear(32, half))

    def forward(self, batch) -> Embedding:
        pos = batch.pos.reshape(len(batch.ptr) - 1, -1, 2)
        x, y = pos[..., :1], pos[..., 1:]
        order = torch.arange(1, 5, dtype=pos.dtype)
        step = x.diff(dim=1).abs()
        terms = [(f(3 * order * x) * y)[:, 1:] * step for f in (torch.sin, torch.cos)]
        moments = 30 * torch.cat(terms, -1).sum(1).float()
        return Embedding(torch.cat([self.layers(moments), self.layers(-moments)], -1))


def flows(sections: int = 96, conditions: int = 6) -> Flows:
    """Sections whose "flow" is a smooth function of camber, thickness and incidence."""
    generator = torch.Generator().manual_seed(0)
    base = torch.tensor([-0.15] * 4 + [0.2] * 4 + [0.0, 0.002], dtype=torch.float64)
    noise = torch.randn(sections, 10, generator=generator, dtype=torch.float64) * 0.05
    noise[:, 8:] = 0.0
    pos = coordinates(base + noise, 30)
    shape = (sections, conditions)
    alpha = 10 * torch.rand(shape, generator=generator, dtype=torch.float64) - 4
    camber, thickness = noise[:, :8].mean(1), (noise[:, 4:8] - noise[:, :4]).mean(1)
    lift = torch.sin(2.0 * (0.1 * alpha + 8 * camber[:, None]))
    x = torch.linspace(0.05, 0.95, 32, dtype=torch.float64)
    load = lift[..., None] * (1 - x) / x.sqrt()
    bulge = thickness[:, None, None] * (1 - x)
    return Flows(
        pos=pos,
        conditions={
            "alpha_deg": alpha,
            "reynolds": torch.full(shape, 1e6, dtype=torch.float64),
            "ncrit": torch.full(shape, 9.0, dtype=torch.float64),
        },
        fields={"cp_top": -load - bulge, "cp_bottom": load - bulge},
        answers={"cl": lift, "cd": 0.01 * (1 + lift**2), "cm": -camber[:, None].expand(shape)},
    )


def config(pretext=PRETEXTS[0], steps: int = 30, **changes) -> PretrainConfig:
    settings = TrainConfig(steps=steps, warmup_steps=5, log_every_steps=10, threads=1)
    views = (Incidence(count=2), Repanel(fewest=20, most=30), PartialContour())
    given = {
        "labels": ("cl", "cd", "cm", "xtr_top", "xtr_bottom"),
        "pretext": pretext,
        "views": views,
        "batch_cases": 24,
        "train": settings,
    }
    return PretrainConfig(**{**given, **changes})


def network(half: int = 8) -> Conditioned:
    torch.manual_seed(1)
    return Conditioned(Moments(half), hidden=24, layers=1)


@pytest.mark.parametrize("pretext", PRETEXTS, ids=repr)
def test_every_pretext_goes_down_and_leaves_a_living_embedding(pretext, tmp_path):
    trained, data = network(), flows()
    result = pretrain_network(trained, data, config(pretext, steps=40), tmp_path, progress=False)
    assert result.history[-1]["loss"] < result.history[0]["loss"]
    with torch.no_grad():
        report = inspect(trained.encoder(data.batch(torch.arange(96))).per_case)
    assert report.rank > 2.0
    encoder = Moments()
    load_weights(encoder, tmp_path / ENCODER)
    assert torch.equal(encoder.layers[0].weight, trained.encoder.layers[0].weight)
    load_weights(network(), tmp_path / NETWORK)
    saved = json.loads((tmp_path / "pretrain.json").read_text())
    assert saved["config"]["batch_cases"] == 24 and "embedding_rank" in saved["last"]


def test_a_pretrained_embedding_predicts_better_than_a_random_one():
    data = flows(400)
    lift = data.fields["cp_bottom"][..., 5].double().reshape(-1, 1)
    errors = []
    for steps in (1, 120):
        trained = network()
        settings = TrainConfig(steps=steps, learning_rate=5e-3, warmup_steps=5, threads=1)
        settings = config(train=settings, views=(Incidence(count=3),))
        pretrain_network(trained, data.select(torch.arange(300)), settings, progress=False)
        with torch.no_grad():
            z = trained(data.batch(torch.arange(400))).double()
        z = torch.cat([z - z[:1800].mean(0), torch.ones(len(z), 1)], 1)
        few = slice(0, 240)
        ridge = 1e-3 * torch.eye(z.shape[1], dtype=torch.float64)
        solution = torch.linalg.solve(z[few].T @ z[few] + ridge, z[few].T @ lift[few])
        errors.append((z[1800:] @ solution - lift[1800:]).square().mean().item())
    assert errors[1] < 0.7 * errors[0]


def test_a_forbidden_view_is_refused_before_anything_is_done(tmp_path):
    views = (Mirror(), Incidence(count=2), ManufacturingNoise())
    with pytest.raises(ViewError, match="ManufacturingNoise is forbidden for 'xtr_top'"):
        pretrain_network(network(), flows(), config(views=views), tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()
    fine = config(views=views, labels=("cl", "cd", "cm"), steps=2)
    pretrain_network(network(), flows(), fine, progress=False)


def test_a_batch_larger_than_the_corpus_is_refused():
    with pytest.raises(ConfigError, match="24 different cases and there are 20"):
        pretrain_network(network(), flows(20), config(), progress=False)


def test_a_collapse_is_an_alarm_in_the_log():
    pretext = ViewMatch(objective=VICReg(variance=0.0, covariance=0.0), projector=8)
    views = (Repanel(), ManufacturingNoise(waviness=0.05))
    settings = config(pretext, steps=100, views=views, labels=("cl",))
    result = pretrain_network(network(2), flows(), settings, progress=False)
    assert "raise the variance weight" in result.history[-1]["alarm"]


def test_it_resumes_to_the_same_weights(tmp_path):
    whole, stopped = network(), network()
    pretrain_network(whole, flows(), config(), tmp_path / "whole", progress=False)

    class Stop(Exception):
        pass

    def killed(*arguments):
        raise Stop

    from formwright.surrogate.pretraining import pretrain as module

    original, calls = module._Step.__call__, []

    def until(self, model, step, generator):
        calls.append(step)
        return killed() if step == 17 else original(self, model, step, generator)

    settings = TrainConfig(
        steps=30, warmup_steps=5, log_every_steps=10, threads=1, checkpoint_every_seconds=0.0
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module._Step, "__call__", until)
        with pytest.raises(Stop):
            pretrain_network(
                stopped, flows(), config(train=settings), tmp_path / "cut", progress=False
            )
    again = network()
    result = pretrain_network(
        again, flows(), config(train=settings), tmp_path / "cut", progress=False
    )
    assert result.resumed_from == 17
    for name, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


def test_a_folder_of_other_data_or_another_question_is_refused(tmp_path):
    asked, weights = config(steps=3), tmp_path / ENCODER
    pretrain_network(network(), flows(), asked, tmp_path, progress=False)
    before = weights.read_bytes()
    again = pretrain_network(network(), flows(), asked, tmp_path, progress=False)
    assert again.resumed_from == 3 and weights.read_bytes() == before
    nudged = flows()
    nudged.fields["cp_top"][95, 5, 31] += 1e-6
    other = dataclasses.replace(asked, views=(Incidence(count=2), Mirror(), PartialContour()))
    refusals = {
        "data = 96 cases, content .* there, 96 cases, content": (nudged, asked),
        "config.views.1 = Repanel there, Mirror asked": (flows(), other),
        "config.train.seed = 0 there, 1 asked": (
            flows(), config(train=dataclasses.replace(asked.train, seed=1))),
        "config.pretext = FlowMatch there, ViewMatch asked": (
            flows(), config(PRETEXTS[4], steps=3)),
    }  # fmt: skip
    for why, (data, settings) in refusals.items():
        with pytest.raises(CheckpointError, match=why):
            pretrain_network(network(), data, settings, tmp_path, progress=False)
        assert weights.read_bytes() == before
    (tmp_path / "begun.json").unlink()
    with pytest.raises(CheckpointError, match="an earlier version wrote it"):
        pretrain_network(network(), flows(), asked, tmp_path, progress=False)


def test_flows_come_back_from_a_file(tmp_path):
    flows().save(tmp_path / "f")
    back = load_flows(tmp_path / "f")
    assert torch.equal(back.pos, flows().pos)
    assert back.conditions.keys() == {"alpha_deg", "reynolds", "ncrit"}
    assert torch.equal(back.fields["cp_top"], flows().fields["cp_top"])
    save_weights(nn.Linear(2, 2), tmp_path / "w")
    with pytest.raises(CorpusError, match="holds 'weights'"):
        load_flows(tmp_path / "w")
    with pytest.raises(CheckpointError, match="absent"):
        load_flows(tmp_path / "nothing")


def test_flows_with_nan_are_refused():
    data = flows()
    data.fields["cp_top"][7, 2, 3] = torch.nan
    with pytest.raises(CorpusError, match=r"'cp_top' is not finite in 1 of 96 .*\[7\]"):
        Flows(pos=data.pos, conditions=data.conditions, fields=data.fields)


def test_answers_of_the_mirror_image_are_the_mirrored_answers():
    data = flows(20, 3)
    shift = {"xtr_top": data.answers["cd"] * 30, "xtr_bottom": data.answers["cd"] * 20}
    data = dataclasses.replace(data, answers={**data.answers, **shift})
    standard = AnswerStandard(data)
    batch = data.batch(torch.arange(20))
    own, twin = standard(batch).chunk(2)
    mirrored = standard(Mirror(probability=1.0)(batch, torch.Generator().manual_seed(0)))
    assert torch.allclose(mirrored.chunk(2)[0], twin) and torch.allclose(mirrored.chunk(2)[1], own)
    assert float(standard(batch).mean().abs()) < 1e-5


def test_answers_are_learned_with_the_flow_or_left_alone():
    data = flows(96)
    losses = {}
    for weight in (0.0, 1.0):
        result = pretrain_network(
            network(), data, config(FlowPredict(answers=weight), steps=40), progress=False
        )
        losses[weight] = [line.get("answers") for line in result.history]
    assert losses[0.0] == [None] * len(losses[0.0])
    assert losses[1.0][-1] < 0.85 * losses[1.0][0]


def test_flows_keep_their_answers_on_disk(tmp_path):
    data = flows(7)
    data.save(tmp_path / "f.safetensors")
    again = load_flows(tmp_path / "f.safetensors")
    both = join([again.select(torch.tensor([3])), again.select(torch.tensor([1, 2]))])
    assert torch.equal(both.answers["cl"], data.answers["cl"][[3, 1, 2]])
