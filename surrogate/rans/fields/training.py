"""Training and errors of surrogates of RANS fields.

The loss puts the wall first: pressure and friction at its faces, and the lift and drag that they
integrate to; then the corrections at the cells, each over its deviation.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import smooth_l1_loss

from formwright.datasets.cases import Case
from formwright.datasets.rans.forces import Forces, integrate
from formwright.surrogate.checkpoints import load_state
from formwright.surrogate.encoder import Encoder
from formwright.surrogate.objectives.loss import Loss
from formwright.surrogate.rans.fields.inputs import plate_friction, wall_pressure_scale
from formwright.surrogate.rans.fields.network import (
    Corrections,
    FieldConfig,
    FieldNet,
    Network,
    Scales,
    graphs_for,
    wall_answer,
)
from formwright.surrogate.rans.fields.samples import batched, prepared
from formwright.surrogate.rans.fields.surrogate import FieldSurrogate
from formwright.surrogate.training.loop import TrainConfig, origin, train_for_use

CELL_WEIGHTS: Final = (1.0, 0.5, 1.0, 0.5)
_LEAST: Final = 1e-3
_PASS: Final = 1_000_003


@dataclass(frozen=True, kw_only=True, slots=True)
class FieldTraining:
    """How a surrogate of fields is trained.

    Attributes:
        batch: Cases a step.
        wall: Weight of pressure and friction at the wall.
        forces: Weight of lift and drag.
        network: On a body-fitted grid or on any mesh, where the network is not given.
        train: The loop; its seed is that of weights and order, too.

    Good values: 4 cases a step and a rate of 2e-3, for 30 to 60 passes.
    """

    batch: int = 4
    wall: float = 4.0
    forces: float = 0.5
    network: Network = Network.GRID
    train: TrainConfig = field(
        default_factory=lambda: TrainConfig(
            steps=3000,
            learning_rate=2e-3,
            floor=1e-3,
            ema_decay=0.995,
            ema_rises=True,
            log_every_steps=100,
        )
    )


def begin(
    samples: Sequence[Case],
    config: FieldConfig | None = None,
    *,
    seed: int = 0,
    encoder: Encoder | None = None,
) -> FieldSurrogate:
    """Return an untrained surrogate for samples of one size.

    Args:
        samples: From ``fields.samples.sample``, to learn the scales from.
        config: Architecture.
        seed: Of the weights.
        encoder: A pretrained one of that architecture (``fields.pretraining``), whose weights
            the training begins with; it stays as it is. From random weights where None.

    Raises:
        CheckpointError: ``encoder`` is of another architecture.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        surrogate = FieldSurrogate(config or FieldConfig(), scales(samples))
    if encoder is not None:
        load_state(surrogate.encoder, encoder.state_dict(), "the pretrained encoder")
    return surrogate


def train_fields(
    surrogate: FieldSurrogate,
    samples: Sequence[Case],
    training: FieldTraining | None = None,
    folder: str | os.PathLike[str] | None = None,
    *,
    progress: bool = True,
) -> FieldSurrogate:
    """Train a surrogate in place on samples of one size.

    Args:
        surrogate: What ``begin`` made, or one that is trained already.
        samples: From ``fields.samples.sample``.
        training: How.
        folder: Where log and checkpoint go; a checkpoint found there is gone on from.
        progress: Show a bar where standard error is a terminal.

    Returns:
        The surrogate whose weights are the running mean, in evaluation mode; the steps done are
        noted in its provenance.

    Raises:
        CheckpointError: The folder holds a training on other samples, with another configuration
            or from other weights.
        TrainingError: The loss is not finite.
    """
    training, made_from = training or FieldTraining(), None
    if folder is not None:
        made_from = origin(surrogate, samples, training) | {"network": surrogate.config}
    step = _Step(prepared(samples, graphs_for(surrogate, samples[0])), training)
    result = train_for_use(surrogate, step, training.train, folder, progress, made_from)
    surrogate.provenance = {"steps": result.steps}
    return surrogate.requires_grad_(False)


class _Step:
    """The loss of one step: ``(surrogate, step, generator) -> Loss``."""

    def __init__(self, samples: Sequence[Case], training: FieldTraining) -> None:
        self.samples, self.training = samples, training

    def __call__(self, surrogate: FieldNet, step: int, generator: torch.Generator) -> Loss:
        """Compare one image of some cases; a pass takes every case once, in an order of its own."""
        batch = batched([self.samples[i] for i in self._rows(step)])
        mirror = bool(torch.rand((), generator=generator) < 0.5)
        batch = batch.to(str(surrogate.mean.device))
        return loss(surrogate.image(batch, mirror=mirror), batch, surrogate, self.training)

    def _rows(self, step: int) -> list[int]:
        """Return the cases of a step, a function of seed and step alone."""
        size = min(self.training.batch, len(self.samples))
        passed, place = divmod(step, len(self.samples) // size)
        seed = self.training.train.seed + _PASS * passed
        order = torch.randperm(len(self.samples), generator=torch.Generator().manual_seed(seed))
        return order[size * place :][:size].tolist()


def scales(samples: Sequence[Case]) -> Scales:
    """Return mean and deviation of the targets."""
    targets = torch.cat([s.target for s in samples])
    wall = torch.stack([_wall_residual(s).square().mean(0) for s in samples]).mean(0).sqrt()
    mean = targets.mean(0)
    mean[:3] = 0.0
    turns = torch.cat([s.decambering for s in samples])
    return Scales(
        mean=mean,
        std=(targets - mean).square().mean(0).sqrt().clamp_min(_LEAST),
        wall=wall.clamp_min(_LEAST),
        decambering=float(turns.square().mean().sqrt().clamp_min(_LEAST)),
    )


def loss(answer: Corrections, batch: Case, surrogate: FieldNet, training: FieldTraining) -> Loss:
    """Return the loss of corrections against the samples of a batch."""
    weights = surrogate.std.new_tensor(CELL_WEIGHTS)
    off = (answer.cells - batch.target) / surrogate.std
    cells = (smooth_l1_loss(off, torch.zeros_like(off), reduction="none").mean(0) * weights).sum()
    turn = (answer.decambering - batch.decambering) / surrogate.turn_std
    turned = smooth_l1_loss(turn, torch.zeros_like(turn))
    cp, cf = wall_answer(batch, answer)
    cases = len(batch.grid)
    truth = batch.wall_truth.unflatten(0, (cases, -1))
    prior = batch.wall_prior.unflatten(0, (cases, -1))
    cp_off = (cp - truth[..., 0]) / wall_pressure_scale(prior[..., 0]) / surrogate.wall_std[0]
    plate = plate_friction(batch.reynolds)[:, None]
    cf_off = (cf - truth[..., 1]) / plate / 0.3
    wall = smooth_l1_loss(cp_off, torch.zeros_like(cp_off))
    wall = wall + smooth_l1_loss(cf_off, torch.zeros_like(cf_off))
    have, want = forces(batch, cp, cf), forces(batch, truth[..., 0], truth[..., 1])
    lift, drag = (have.cl - want.cl) / 0.03, (have.cd - want.cd) / (0.05 * want.cd + 5e-4)
    load = smooth_l1_loss(lift, torch.zeros_like(lift))
    load = load + smooth_l1_loss(drag, torch.zeros_like(drag))
    terms = {"cells": cells, "decambering": turned, "wall": wall, "forces": load}
    return Loss(cells + turned + training.wall * wall + training.forces * load, terms)


def forces(
    batch: Case, cp: Float[Tensor, "cases faces"], cf: Float[Tensor, "cases faces"]
) -> Forces:
    """Return lift, drag and moment of cases of one size.

    Args:
        batch: Samples.
        cp: Pressure coefficient at the faces.
        cf: Friction along the faces, signed in their order.
    """
    shape = batch.wall_geometry.unflatten(0, (len(batch.grid), -1)).to(cp)
    normals = shape[..., 2:4]
    tangents = torch.stack([-normals[..., 1], normals[..., 0]], -1)
    return integrate(
        shape[..., :2], normals, shape[..., 4], cp, cf[..., None] * tangents, batch.alpha_deg.to(cp)
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class WallErrors:
    """One number a case.

    Attributes:
        cp: Root mean square error of the pressure coefficient over the faces.
        cf: The same of the friction, over the mean size of the true one.
        cl: Lift found.
        cd: Drag found.
        cl_true: Lift of the record.
        cd_true: Drag of the record.
    """

    cp: Float[Tensor, " cases"]
    cf: Float[Tensor, " cases"]
    cl: Float[Tensor, " cases"]
    cd: Float[Tensor, " cases"]
    cl_true: Float[Tensor, " cases"]
    cd_true: Float[Tensor, " cases"]


@torch.no_grad()
def wall_errors(surrogate: FieldNet, samples: Sequence[Case], chunk: int = 8) -> WallErrors:
    """Return errors at the wall, case by case."""
    graphs = graphs_for(surrogate, samples[0])
    parts = []
    for start in range(0, len(samples), chunk):
        batch = batched(prepared(samples[start : start + chunk], graphs))
        cp, cf = wall_answer(batch, surrogate(batch))
        parts.append(errors_of(batch, cp, cf))
    names = WallErrors.__dataclass_fields__
    return WallErrors(**{n: torch.cat([getattr(p, n) for p in parts]) for n in names})


def errors_of(
    batch: Case, cp: Float[Tensor, "cases faces"], cf: Float[Tensor, "cases faces"]
) -> WallErrors:
    """Return the errors of pressure and friction given at the faces of the samples of a batch."""
    truth = batch.wall_truth.unflatten(0, (len(batch.grid), -1))
    have, want = forces(batch, cp, cf), forces(batch, truth[..., 0], truth[..., 1])
    return WallErrors(
        cp=(cp - truth[..., 0]).square().mean(1).sqrt(),
        cf=(cf - truth[..., 1]).square().mean(1).sqrt() / truth[..., 1].abs().mean(1),
        cl=have.cl,
        cd=have.cd,
        cl_true=want.cl,
        cd_true=want.cd,
    )


def _wall_residual(case: Case) -> Float[Tensor, "faces 2"]:
    """Return the corrections at the wall that a sample asks for, those of friction bounded."""
    speed, turning, friction, scale = case.wall_prior.unbind(-1)
    turned = speed + case.decambering * turning
    pressure = (case.wall_truth[:, 0] - 1.0 + turned.square()) / wall_pressure_scale(speed)
    more = (case.wall_truth[:, 1] - friction) / (scale.abs() + 1e-9)
    return torch.stack([pressure, more.clamp(-2.0, 2.0)], -1)
