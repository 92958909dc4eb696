"""Probes of frozen features, and networks trained from labels: what the curves are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from formwright.datasets.cases import Case
from formwright.surrogate.label_efficiency import curves as label_curves
from formwright.surrogate.objectives.loss import Loss
from formwright.surrogate.pde.encoder import FieldCNN
from formwright.surrogate.training.loop import TrainConfig, train
from formwright.surrogate.view import View, apply

POWERS: Final = (0.0, 1.0, 2.0, 3.0)
NOISES: Final = tuple(10.0**e for e in np.arange(-6.0, 1.1, 0.5))
CHUNK: Final = 512


@dataclass(frozen=True, slots=True)
class Split:
    """Cases with one standardised label each.

    Attributes:
        data: Anything with ``batch(rows)``; one window a case.
        y: The label, (cases,).
    """

    data: Any
    y: Tensor

    def whole(self) -> Case:
        """Return all cases as one batch."""
        return self.data.batch(torch.arange(len(self.y)))


def draw(count: int, size: int, seed: int) -> Tensor:
    """Return the labelled cases of a seed."""
    return torch.from_numpy(np.random.default_rng(seed).permutation(count)[:size])


def features(encoder: FieldCNN, split: Split, layer: str = "moments") -> Tensor:
    """Return frozen features of a split, (cases, width), in double precision.

    Args:
        encoder: What is probed.
        split: The cases.
        layer: ``moments``, what the last linear layer reads, or ``embedding``, what it says: it was
            trained as the first layer of the projector, and less is left behind it.
    """
    encoder.eval()
    seen: list[Tensor] = []
    hook = encoder.norm.register_forward_hook(lambda module, inputs, output: seen.append(output))
    with torch.no_grad():
        said = [
            encoder(split.data.batch(rows)).per_case
            for rows in torch.arange(len(split.y)).split(CHUNK)
        ]
    hook.remove()
    return torch.cat(seen if layer == "moments" else said).double()


@dataclass(frozen=True, slots=True)
class Basis:
    """Principal axes of unlabeled features.

    Attributes:
        mean: Of the features.
        axes: Columns, each divided by the deviation along it.
        variance: Along each axis, the largest 1.
    """

    mean: Tensor
    axes: Tensor
    variance: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        """Return coordinates of mean 0 and variance 1."""
        return (x - self.mean) @ self.axes


def basis(pool: Tensor) -> Basis:
    """Return the principal axes of features (cases, width)."""
    variance, axes = torch.linalg.eigh(torch.cov(pool.T))
    variance = variance.clamp_min(1e-8 * variance.max())
    return Basis(pool.mean(0), axes / variance.sqrt(), variance / variance.max())


def ridge(known: Tensor, y: Tensor, asked: Tensor, variance: Tensor) -> Tensor:
    """Predict by Bayesian linear regression on whitened features.

    The prior variance of an axis is its own variance to a power; that power (0 to 3) and the noise
    maximise the evidence of the labels, so no validation set is needed.

    Args:
        known: Whitened features of the labelled cases.
        y: Their labels.
        asked: Whitened features of the cases to predict.
        variance: Of the axes before whitening.
    """
    n, best = len(y), (-np.inf, y.new_zeros(len(asked)))
    for power in POWERS:
        weight = variance**power
        kernel = (known * weight) @ known.T
        scale = kernel.diagonal().mean()
        values, vectors = torch.linalg.eigh(kernel / scale + 1.0)
        inside = vectors.T @ y
        for noise in NOISES:
            spread = values.clamp_min(0.0) + noise
            evidence = -0.5 * n * (inside**2 / spread).mean().log() - 0.5 * spread.log().sum()
            if float(evidence) > best[0]:
                a = vectors @ (inside / spread)
                best = (float(evidence), (asked * weight) @ (known.T @ a) / scale + a.sum())
    return best[1]


def probe(
    train_x: Tensor, train_y: Tensor, x: Tensor, y: Tensor, sizes: Sequence[int], seeds: range
) -> dict[str, list[float]]:
    """Return the squared errors of ridge probes, one a label seed, by number of labels."""
    axes = basis(train_x)
    known, asked = axes(train_x), axes(x)
    found = {}
    for size in sizes:
        found[str(size)] = []
        for seed in seeds:
            rows = draw(len(train_y), size, seed)
            guess = ridge(known[rows], train_y[rows].double(), asked, axes.variance)
            found[str(size)].append(float((guess - y).square().mean()))
    return found


class Regressor(nn.Module):
    """An encoder and a linear read-out of one label."""

    def __init__(self, encoder: FieldCNN) -> None:
        """Put the read-out on top."""
        super().__init__()
        self.encoder, self.head = encoder, nn.Linear(encoder.width, 1)

    def forward(self, batch: Case) -> Tensor:
        """Return the label of each case."""
        return self.head(self.encoder(batch).per_case)[:, 0]


def train_regressor(
    encoder: FieldCNN,
    split: Split,
    rows: Tensor,
    loop: TrainConfig,
    views: tuple[View, ...],
    batch: int = 64,
) -> Regressor:
    """Train encoder and read-out on some labelled cases, seen through views."""
    torch.manual_seed(loop.seed)
    model = Regressor(encoder)

    def step_loss(model: nn.Module, step: int, generator: torch.Generator) -> Loss:
        chosen = rows[torch.randperm(len(rows), generator=generator)[:batch]]
        case = apply(views, split.data.batch(chosen), generator)
        error = (model(case) - split.y[chosen]).square().mean()
        return Loss(error, {"error": error})

    train(model, step_loss, loop, progress=False)
    return model.eval()


def error(model: nn.Module, split: Split) -> float:
    """Return the mean squared error on a split."""
    with torch.no_grad():
        parts = [model(split.data.batch(rows)) for rows in torch.arange(len(split.y)).split(CHUNK)]
    return float((torch.cat(parts) - split.y).square().mean())


def interval(values: Sequence[float]) -> list[float]:
    """Return the ends of the 95 % interval of the mean."""
    return list(label_curves.interval(list(values))[1:])
