"""What each objective does to a toy with its guard against collapse, and without it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import nn
from torch_geometric.data import Data

from formwright.datasets.pde.runs import FieldRuns, alike_runs
from formwright.surrogate.encoder import Embedding, Encoder
from formwright.surrogate.objectives.barlow import BarlowTwins
from formwright.surrogate.objectives.byol import BYOL
from formwright.surrogate.objectives.jepa import JEPA
from formwright.surrogate.objectives.loss import Loss, Target
from formwright.surrogate.objectives.siamese import Siamese
from formwright.surrogate.objectives.sigreg import LeJEPA
from formwright.surrogate.objectives.simclr import SimCLR
from formwright.surrogate.objectives.simsiam import SimSiam
from formwright.surrogate.objectives.vicreg import VICReg
from formwright.surrogate.objectives.visreg import VISReg
from formwright.surrogate.pde.encoder import FieldCNN
from formwright.surrogate.pretraining.collapse import CollapseReport, inspect
from formwright.surrogate.pretraining.denoising import Denoising
from formwright.surrogate.pretraining.hiding import Hidden, Patches
from formwright.surrogate.pretraining.masking import MaskedPrediction
from formwright.surrogate.pretraining.matching import ViewMatch
from formwright.surrogate.training.loop import TrainConfig, train

FACTORS = 6


class Rows(Encoder):
    """A small network on the attribute ``x`` of a batch."""

    width = FACTORS

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(FACTORS, 32), nn.GELU(), nn.Linear(32, FACTORS))

    def forward(self, batch) -> Embedding:
        return Embedding(self.layers(batch.x))


class OnlyPull(SimCLR):
    """SimCLR without its negatives."""

    def __call__(self, za, zb, generator=None) -> Loss:
        cosine = nn.functional.cosine_similarity(za, zb).mean()
        return Loss(-cosine, {"cosine": cosine})


def trained(objective, steps: int = 200) -> tuple[torch.Tensor, CollapseReport]:
    """Train on two noisy views of independent factors; return embeddings of fresh ones, and watch.

    What is watched are the same fresh factors before and after.
    """
    torch.manual_seed(0)
    encoder = Rows()
    model = ViewMatch(objective=objective, projector=0, predictor=32).build(encoder, None)

    fresh = Data(x=torch.randn(512, FACTORS, generator=torch.Generator().manual_seed(1)))
    with torch.no_grad():
        before = inspect(encoder(fresh).per_case)

    def step_loss(model, step, generator) -> Loss:
        x = torch.randn(128, FACTORS, generator=generator)
        noise = 0.5 * torch.randn(2, 128, FACTORS, generator=generator)
        a, b = (Data(x=x + n) for n in noise)
        return model(a, b, generator)

    config = TrainConfig(steps=steps, learning_rate=1e-2, threads=1)
    train(model, step_loss, config, progress=False, after_update=model.after_update)
    encoder.eval()
    with torch.no_grad():
        z = encoder(fresh).per_case
    return z, inspect(z, before.spread)


def living(z: torch.Tensor) -> float:
    """Return how many dimensions carry the variance of directions; 0 if all cases are alike."""
    if z.std(0).max() < 0.05 * z.mean(0).norm().clamp_min(1.0):
        return 0.0
    return inspect(z).participation


@pytest.mark.parametrize(
    ("whole", "without_guard", "least", "most"),
    [
        (VICReg(), VICReg(variance=0.0), 4.5, 3.0),
        (LeJEPA(slices=16), LeJEPA(weight=0.0, slices=16), 4.5, 3.0),
        (VISReg(slices=16), VISReg(weight=0.0, slices=16), 4.5, 3.0),
        (BarlowTwins(redundancy=0.1), BarlowTwins(redundancy=0.0), 4.5, 3.0),
        (SimCLR(temperature=0.2), OnlyPull(), 4.5, 3.0),
        (Siamese(), Siamese(negatives=0.0), 4.5, 3.0),
        (BYOL(), BYOL(target=Target.SHARED), 2.0, 1.5),
        (SimSiam(), SimSiam(target=Target.SHARED), 2.5, 1.5),
        (SimSiam(), SimSiam(predictor=False), 2.5, 1.5),
        (JEPA(), JEPA(target=Target.SHARED), 1.7, 1.0),
        (
            JEPA(target=Target.SHARED, prediction=25.0, variance=25.0, covariance=1.0),
            JEPA(target=Target.SHARED, prediction=25.0),
            3.0,
            1.0,
        ),
    ],
    ids=lambda o: type(o).__name__ if not isinstance(o, float) else "",
)
def test_the_embedding_collapses_without_its_guard(whole, without_guard, least, most):
    (good, healthy), (bad, alarmed) = trained(whole), trained(without_guard)
    alive, collapsed = living(good), living(bad)
    assert alive > least and collapsed < most, (alive, collapsed)
    assert healthy.alarm == "", healthy
    if not isinstance(without_guard, BarlowTwins):
        assert "collapsed" in alarmed.alarm, alarmed


def smooth_fields(cases: int = 256, points: int = 32) -> FieldRuns:
    """Sums of two waves of unit variance on a ring."""
    generator = torch.Generator().manual_seed(0)
    x = 2 * torch.pi * torch.arange(points) / points
    k = torch.tensor([1.0, 2.0])[:, None]
    phase = 2 * torch.pi * torch.rand(cases, 2, 1, generator=generator)
    values = torch.sin(k * x + phase).sum(1)
    return alike_runs(
        values=values[:, None, None],
        spacing=(0.1,),
        interval=1.0,
        start=0.0,
        labels={},
        names=("u",),
    )


def fit(pretext, steps: int = 100):
    """Train a pretext on the fields; return its networks and the last loss."""
    torch.manual_seed(0)
    data = smooth_fields()
    encoder = FieldCNN(frames=1, stages=(16, 16), embedding=8, point_channels=8)
    model = pretext.build(encoder, data)

    def step_loss(model, step, generator) -> Loss:
        batch = data.batch(torch.randperm(len(data), generator=generator)[:32])
        return model(batch, batch, generator)

    config = TrainConfig(steps=steps, learning_rate=5e-3, threads=1)
    result = train(model, step_loss, config, progress=False, after_update=model.after_update)
    return model.eval(), result.history[-1]["loss"]


@dataclass(frozen=True, kw_only=True, slots=True)
class NothingHidden(Patches):
    """Asks for points that the encoder sees."""

    def hide(self, batch, generator) -> Hidden:
        shown = torch.ones(len(batch.field), dtype=torch.bool)
        return Hidden(batch, shown, batch.field.flatten(1))


def test_a_network_that_is_asked_for_what_it_sees_cannot_fill_gaps():
    batch = smooth_fields(64).batch(torch.arange(64))
    errors = []
    for hiding in (Patches(share=0.5), NothingHidden()):
        model, _ = fit(MaskedPrediction(hiding=hiding))
        hidden = Patches(share=0.5).hide(batch, torch.Generator().manual_seed(1))
        with torch.no_grad():
            said = model.decode(model._features(hidden))
        truth = (hidden.values[hidden.where] - model.mean) / model.std
        errors.append((said - truth).square().mean().item())
    assert errors[0] < 0.5 < 0.8 < errors[1], errors


def test_without_noise_there_is_nothing_to_predict():
    losses = [fit(Denoising(attribute="field", sigma=sigma))[1] for sigma in (0.5, 1e-4)]
    assert losses[0] < 0.8 and losses[1] > 0.95, losses
