"""A kind of one's own, whole: cases of a damped oscillator, from signals to its damping."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from formwright.datasets.cases import Batch, Quantity
from formwright.surrogate.encoder import Embedding, Encoder
from formwright.surrogate.keeps import Keeps
from formwright.surrogate.regression import RegressionTraining, regression

TIMES = torch.linspace(0.0, 4.0, 32)
DAMPING = Quantity("damping", "1/s", "decay of the amplitude")


def signal(damping: Tensor, frequency: Tensor, phase: Tensor) -> Tensor:
    """Return (cases, times)."""
    waves = torch.cos(frequency[:, None] * TIMES + phase[:, None])
    return torch.exp(-damping[:, None] * TIMES) * waves


@dataclass(frozen=True)
class Signals:
    """Cases in memory; ``groups`` says which are kin."""

    values: Tensor
    damping: Tensor
    groups: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.values)

    def batch(self, rows: Tensor) -> Batch:
        return Batch(signal=self.values[rows], damping=self.damping[rows])

    def select(self, rows: Tensor) -> Signals:
        chosen = tuple(self.groups[i] for i in rows.tolist())
        return Signals(self.values[rows], self.damping[rows], chosen)


def read(paths, settings: RegressionTraining, split: str, folder: Path | None) -> Signals:
    """Read one .npz; groups of cases are dealt out to the splits."""
    with np.load(paths[0]) as file:
        values, damping, group = (torch.from_numpy(file[n]) for n in ("signal", "damping", "group"))
    part = {"train": [0, 1, 2], "validation": [3], "test": [4]}[split]
    everything = Signals(values, damping, tuple(group.tolist()))
    return everything.select(torch.isin(group % 5, torch.tensor(part)).nonzero()[:, 0])


@dataclass(frozen=True)
class Shape:
    """Architecture."""

    width: int = 32


class SignalEncoder(Encoder):
    """Two layers."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.width = shape.width
        self.layers = nn.Sequential(
            nn.Linear(len(TIMES), 64), nn.SiLU(), nn.Linear(64, shape.width), nn.BatchNorm1d(32)
        )

    def forward(self, batch) -> Embedding:
        return Embedding(self.layers(batch.signal))


@dataclass(frozen=True)
class Flip:
    """The signal with the other sign: the damping is the same."""

    joint: ClassVar[bool] = False

    @property
    def keeps(self) -> Mapping[str, Keeps]:
        return {"damping": Keeps.EXACT}

    def __call__(self, case, generator: torch.Generator):
        sign = torch.randint(2, (len(case.signal), 1), generator=generator) * 2.0 - 1.0
        return Batch(**{**case.to_dict(), "signal": sign * case.signal})


def hand(batch) -> Tensor:
    """Return logarithms of the energy early and late."""
    early, late = batch.signal.square().chunk(2, 1)
    return torch.stack([early.mean(1), late.mean(1)], 1).add(1e-6).log()


KIND = regression(
    name="oscillator",
    cases="signals of damped oscillators",
    config=Shape(),
    encoder=SignalEncoder,
    labels=(DAMPING,),
    read=read,
    hand=hand,
    hand_features=2,
    views={"flip": Flip()},
)
