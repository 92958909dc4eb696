"""What pretexts build around an encoder: who is compared, what is hidden, what follows."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch_geometric.data import Data

from formwright.datasets.airfoils.cst import coordinates
from formwright.datasets.cases import sections_batch
from formwright.datasets.errors import ConfigError, ObjectiveError
from formwright.datasets.pde.runs import alike_runs
from formwright.surrogate.airfoils.hiding import Arcs
from formwright.surrogate.encoder import Embedding, Encoder, each_image
from formwright.surrogate.keeps import Keeps
from formwright.surrogate.objectives.byol import BYOL
from formwright.surrogate.objectives.compare import Variance, compare
from formwright.surrogate.objectives.jepa import JEPA
from formwright.surrogate.objectives.siamese import Siamese
from formwright.surrogate.objectives.simclr import SimCLR
from formwright.surrogate.objectives.vicreg import VICReg
from formwright.surrogate.pretraining.denoising import Denoising
from formwright.surrogate.pretraining.heads import Teacher
from formwright.surrogate.pretraining.hiding import Nodes, Patches
from formwright.surrogate.pretraining.matching import ViewMatch
from formwright.surrogate.pretraining.pretrain import PretrainConfig, pretrain_network
from formwright.surrogate.training.loop import TrainConfig


class Linear(Encoder):
    """A linear map of the attribute ``x``; with two images it also answers for -x."""

    def __init__(self, inputs: int, width: int, images: int = 1) -> None:
        super().__init__()
        self.width, self.images = width * images, images
        self.map = nn.Linear(inputs, width)

    def forward(self, batch) -> Embedding:
        signs = (1.0, -1.0)[: self.images]
        return Embedding(torch.cat([self.map(sign * batch.x) for sign in signs], -1))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_each_image_counts_as_a_case_of_its_own():
    encoder = Linear(3, 4, images=2)
    a, b = (Data(x=torch.randn(6, 3, generator=generator(i))) for i in range(2))
    model = ViewMatch(projector=0).build(encoder, None)
    own, other = (torch.cat([encoder.map(v.x), encoder.map(-v.x)]) for v in (a, b))
    assert torch.allclose(model(a, b, generator()).total, VICReg()(own, other).total)
    assert torch.equal(each_image(encoder(a).per_case, 2), own)
    assert each_image(own, 1) is own


def test_within_a_run_is_the_mean_over_runs_of_the_loss_within_each():
    za, zb = (torch.randn(12, 5, generator=generator(i)) for i in range(2))
    got = compare(SimCLR(), za, zb, generator(), copies=4)
    want = [SimCLR()(za[i : i + 4], zb[i : i + 4]).total for i in (0, 4, 8)]
    assert torch.allclose(got.total, torch.stack(want).mean())
    with pytest.raises(ObjectiveError, match="12 rows are not a multiple"):
        compare(SimCLR(), za, zb, generator(), copies=5)


class Runs:
    """A constant of the run, and a weaker state that changes in it."""

    def __init__(self) -> None:
        self.constant = 3.0 * torch.randn(64, 1, generator=generator(1))
        self.state = torch.randn(64, 20, generator=generator(2))

    def __len__(self) -> int:
        return 64

    def batch(self, rows: torch.Tensor) -> Data:
        return Data(constant=self.constant[rows], state=self.state[rows])


class Moment:
    joint, keeps = True, {"any": Keeps.EXACT}

    def __call__(self, case: Data, generator: torch.Generator) -> Data:
        when = torch.randint(20, (len(case.state), 1), generator=generator)
        return Data(x=torch.cat([case.constant, case.state.gather(1, when)], 1))


class Noise:
    joint, keeps = False, {"any": Keeps.EXACT}

    def __call__(self, case: Data, generator: torch.Generator) -> Data:
        return Data(x=case.x + 0.3 * torch.randn(case.x.shape, generator=generator))


@pytest.mark.parametrize("objective", [VICReg(), Siamese()], ids=lambda o: o.kind)
def test_variance_across_runs_learns_constants_and_within_a_run_the_state(objective):
    weights = {}
    for variance in Variance:
        torch.manual_seed(0)
        encoder = Linear(2, 1)
        config = PretrainConfig(
            labels=("any",),
            pretext=ViewMatch(objective=objective, projector=0, variance=variance, times=16),
            views=(Moment(), Noise()),
            batch_cases=64,
            train=TrainConfig(
                steps=150, learning_rate=0.05, log_every_steps=150, threads=1, weight_decay=0.0
            ),
        )
        pretrain_network(encoder, Runs(), config, progress=False)
        constant, state = encoder.map.weight[0].abs().tolist()
        weights[variance] = state / constant
    assert weights[Variance.WITHIN] > 3.0 > 1.0 > weights[Variance.ACROSS], weights


def test_the_predictor_of_jepa_is_told_the_lag():
    torch.manual_seed(0)
    model = ViewMatch(objective=JEPA(), projector=0, predictor=8).build(Linear(3, 4), None)
    x = torch.randn(16, 3)
    start = torch.arange(16.0)
    a, b = Data(x=x, start=start), Data(x=x, start=start + torch.arange(16.0) % 3)
    told = model._with_lag(model.embedding(a), a, b)[:, -1]
    lag = torch.arange(16.0) % 3
    assert torch.allclose(told, (lag - lag.mean()) / lag.std(correction=0), atol=1e-3)
    losses = [model(a, other, generator()).total.item() for other in (b, a)]
    assert losses[0] != losses[1]


def test_the_teacher_follows_with_a_decay_that_rises_to_one():
    online = nn.Linear(2, 2)
    teacher = Teacher([online], 0.9)
    before = teacher.networks[0].weight.clone()
    with torch.no_grad():
        online.weight += 1.0
    for done in (0.0, 0.5, 1.0):
        decay = 1.0 - 0.1 * 0.5 * (1.0 + math.cos(math.pi * done))
        before = decay * before + (1.0 - decay) * online.weight.detach()
        teacher.follow([online], done)
        assert torch.allclose(teacher.networks[0].weight, before, atol=1e-6)
    assert not any(p.requires_grad for p in teacher.parameters())


def test_byol_adds_both_directions():
    torch.manual_seed(0)
    model = ViewMatch(objective=BYOL(), projector=0, predictor=8).build(Linear(3, 4), None)
    a, b = (Data(x=torch.randn(6, 3, generator=generator(i))) for i in range(2))
    za, zb = (model.embedding(v) for v in (a, b))
    want = BYOL()(model.predict(za), zb).total + BYOL()(model.predict(zb), za).total
    assert torch.allclose(model(a, b, generator()).total, want)


def fields(*space: int) -> Data:
    values = torch.randn(3, 2, 1, *space, generator=generator())
    labels = {"viscosity": torch.ones(3)}
    spacing = (0.1,) * len(space)
    return alike_runs(
        values=values, spacing=spacing, interval=1.0, start=0.0, labels=labels, names=("u",)
    ).batch(torch.arange(3))


@pytest.mark.parametrize("space", [(16,), (8, 8)])
def test_patches_hide_whole_squares_and_leave_no_trace(space):
    batch = fields(*space)
    hidden = Patches(side=4, share=0.5).hide(batch, generator())
    where = hidden.where.reshape(3, *space)
    assert (where.flatten(1).sum(1) == where[0].numel() // 2).all()
    for axis in range(1, where.dim()):
        where = where.unflatten(axis, (-1, 4)).movedim(axis + 1, -1)
    whole = where.flatten(-len(space)).float().mean(-1)
    assert set(whole.unique().tolist()) <= {0.0, 1.0}
    other = fields(*space)
    other.field[hidden.where] += 100.0
    again = Patches(side=4, share=0.5).hide(other, generator())
    assert torch.equal(hidden.batch.field, again.batch.field)
    assert torch.equal(batch.field, fields(*space).field)


def test_arcs_ask_for_the_distance_from_a_straight_line():
    weights = torch.tensor([[-0.15] * 4 + [0.2] * 4 + [0.0, 0.002]], dtype=torch.float64)
    pos = coordinates(weights, 40)
    ones = torch.ones(1, 1, dtype=torch.float64)
    batch = sections_batch(pos, {"alpha_deg": ones, "reynolds": 1e6 * ones})
    hidden = Arcs().hide(batch, generator())
    assert hidden.where.any() and not hidden.where.all()
    assert torch.allclose(hidden.batch.pos + hidden.values, batch.pos)
    assert (hidden.values[~hidden.where] == 0).all()


def test_nodes_are_hidden_in_every_case():
    batch = Data(
        z=torch.tensor([1, 2, 3, 1, 2, 1, 1]),
        batch=torch.tensor([0, 0, 0, 0, 0, 1, 1]),
        ptr=torch.tensor([0, 5, 7]),
    )
    hidden = Nodes(attribute="z", share=0.4).hide(batch, generator())
    assert [int(hidden.where[:5].sum()), int(hidden.where[5:].sum())] == [2, 1]
    assert (hidden.batch.z[hidden.where] == 0).all()
    assert torch.equal(hidden.batch.z[~hidden.where], batch.z[~hidden.where])
    assert torch.equal(hidden.values, batch.z)


def test_noise_read_as_a_gradient_turns_with_the_structure():
    class Springs(Encoder):
        width = 1

        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(1))

        def forward(self, batch) -> Embedding:
            gap = batch.pos[:, None] - batch.pos
            energy = (gap.square().sum(-1) + 1.0).log().sum().reshape(1, 1)
            return Embedding(self.scale * energy)

    class One:
        def __len__(self) -> int:
            return 1

        def batch(self, rows) -> Data:
            return Data(pos=pos, batch=torch.zeros(4, dtype=torch.long), ptr=torch.tensor([0, 4]))

    pos = torch.randn(4, 3, generator=generator())
    torch.manual_seed(0)
    model = Denoising(gradient=True).build(Springs(), One())
    turn, _ = torch.linalg.qr(torch.randn(3, 3, generator=generator(1)))
    slopes = []
    for matrix in (torch.eye(3), turn):
        value = (pos @ matrix).requires_grad_()
        noisy = Data.from_dict({**One().batch(None).to_dict(), "pos": value})
        slopes.append(model._slope(noisy, noisy, value) @ matrix.T)
    assert torch.allclose(slopes[0], slopes[1], atol=1e-6) and slopes[0].abs().max() > 0


def test_noise_without_size_is_refused():
    with pytest.raises(ConfigError, match="sigma = 0.0 should be > 0"):
        Denoising(sigma=0.0)
