"""Training of the network along the wall: first on cheap turbulent flow, then on RANS.

The cheap flow is XFoil's with transition forced near the nose, and RANS on a coarse mesh. All kinds
of cases hold pressure and forces, so all are learned with the same loss.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from formwright.surrogate.objectives.loss import Loss
from formwright.surrogate.rans.wall.cases import WallCases
from formwright.surrogate.rans.wall.flow import FORCE_SCALE, pressure_scale
from formwright.surrogate.rans.wall.network import WallNet, WallView
from formwright.surrogate.rans.wall.surrogate import RansSurrogate, seen_of
from formwright.surrogate.training.loop import TrainConfig, TrainResult, origin, train_for_use
from formwright.surrogate.uncertainty.conformal import LEVEL, conformal_factor


@dataclass(frozen=True, kw_only=True, slots=True)
class WallTraining:
    """How to train the network along the wall.

    Attributes:
        batch_points: Operating points a step.
        huber: Where the loss turns from square to straight, in units of the network.
        pressure: Weight of the pressure.
        coarse: Corpus of the same on a coarse mesh, to be learned from first by ``fit``.
        train: The loop.
    """

    batch_points: int = 96
    huber: float = 0.2
    pressure: float = 1.0
    coarse: Path | None = None
    train: TrainConfig = field(
        default_factory=lambda: TrainConfig(
            steps=6000, learning_rate=3e-3, weight_decay=1e-2, warmup_steps=200, ema_decay=0.995
        )
    )


FINE_TUNING: Final = WallTraining(
    batch_points=32,
    train=TrainConfig(
        steps=300, learning_rate=1e-3, weight_decay=1e-2, warmup_steps=10, ema_decay=0.97
    ),
)
"""For tens to hundreds of RANS cases, from a pretrained network."""
FROM_SCRATCH: Final = replace(
    FINE_TUNING, train=replace(FINE_TUNING.train, steps=600, learning_rate=3e-3)
)
"""For as many, from random weights."""
COARSE_RANS: Final = replace(
    FINE_TUNING, train=replace(FINE_TUNING.train, steps=2000, learning_rate=4e-3)
)
"""For hundreds of cases on coarse meshes, before those on the mesh that counts."""
_ROUNDING: Final = 1e-6
_POINTS_AT_ONCE: Final = 1024


def train_wall(
    network: WallNet,
    cases: WallCases,
    config: WallTraining,
    folder: str | os.PathLike[str] | None = None,
    *,
    progress: bool = True,
) -> TrainResult:
    """Train a network in place.

    Args:
        network: Untrained or pretrained.
        cases: The training split.
        config: How.
        folder: Where log and checkpoint go; a checkpoint found there is gone on from.
        progress: Show a bar where standard error is a terminal.

    Raises:
        CheckpointError: The folder holds a training on other data, with another configuration or
            from other weights.
        TrainingError: The loss is not finite.
    """
    made_from = None if folder is None else origin(network, cases, config)
    step = _Step(cases, config)
    return train_for_use(network, step, config.train, folder, progress, made_from)


class _Step:
    """The loss of one step: ``(network, step, generator) -> Loss``."""

    def __init__(self, cases: WallCases, config: WallTraining) -> None:
        self.cases, self.config = cases, config

    def __call__(self, network: WallNet, step: int, generator: torch.Generator) -> Loss:
        """Draw points, and compare pressure and forces."""
        size = min(self.config.batch_points, len(self.cases))
        rows = torch.randperm(len(self.cases), generator=generator)[:size]
        cases = self.cases.take(rows)
        cp, forces = cases.flow.corrected(network(cases.flow.view()))
        off = {
            "pressure": (cp - cases.cp) / pressure_scale(cases.flow.cp),
            "forces": (forces - cases.forces) / forces.new_tensor(FORCE_SCALE),
        }
        terms = {name: self._size(value) for name, value in off.items()}
        return Loss(self.config.pressure * terms["pressure"] + terms["forces"], terms)

    def _size(self, off: Tensor) -> Tensor:
        """Return the mean smooth L1 of errors."""
        return functional.smooth_l1_loss(off, torch.zeros_like(off), beta=self.config.huber)


def finetune_rans(
    surrogate: RansSurrogate,
    start: WallNet,
    cases: WallCases,
    config: WallTraining = FINE_TUNING,
    folder: str | os.PathLike[str] | None = None,
    *,
    seed: int = 0,
    progress: bool = False,
) -> None:
    """Fine-tune every member of ``surrogate`` from one pretrained network, each from its own seed.

    Args:
        surrogate: Its members are overwritten.
        start: Pretrained on cheap flow; it stays as it is.
        cases: RANS cases of the training split.
        config: How; its seed is not looked at.
        folder: Where log and checkpoint of each member go; what is found there is gone on from.
        seed: Of the first member; the others follow.
        progress: Show a bar a member where standard error is a terminal.
    """
    for i, member in enumerate(surrogate.members):
        assert isinstance(member, WallNet)
        member.load_state_dict(start.state_dict())
        own = replace(config, train=replace(config.train, seed=seed + i))
        place = None if folder is None else Path(folder) / f"member-{i}"
        train_wall(member, cases, own, place, progress=progress)


def wall_errors(
    members: Iterable[nn.Module], cases: WallCases
) -> dict[str, Float[Tensor, " points"]]:
    """Return the errors of the mean of networks: ``cl`` and ``cd`` relative, ``cm`` absolute.

    ``cl_absolute`` is that of lift itself, ``cp`` the root of the mean square over the stations.
    """
    predicted = [_predicted(member, cases) for member in members]
    cp = torch.stack([cp for cp, _ in predicted]).mean(0)
    off = torch.stack([forces for _, forces in predicted]).mean(0) - cases.forces
    return {
        "cl": (off[:, 0] / cases.forces[:, 0]).abs(),
        "cl_absolute": off[:, 0].abs(),
        "cd": off[:, 1].expm1().abs(),
        "cm": off[:, 2].abs(),
        "cp": (cp - cases.cp).square().mean(-1).sqrt(),
    }


def coverage(surrogate: RansSurrogate, cases: WallCases) -> Float[Tensor, " 3"]:
    """Return the shares of lift, logarithm of drag and moment that lie inside the intervals."""
    with torch.no_grad():
        predicted = surrogate.predict_walls(cases.flow)
        half = surrogate.half_widths(predicted) * (1.0 + _ROUNDING)
    return ((predicted.forces - cases.forces).abs() <= half).float().mean(0)


def _predicted(member: nn.Module, cases: WallCases) -> tuple[Tensor, Tensor]:
    """Return pressure and forces by one network, in parts that fit the memory."""
    parts = torch.arange(len(cases)).split(_POINTS_AT_ONCE)
    with torch.no_grad():
        flows = [cases.flow.take(part) for part in parts]
        pairs = [flow.corrected(member(flow.view())) for flow in flows]
    return torch.cat([cp for cp, _ in pairs]), torch.cat([forces for _, forces in pairs])


def calibrate_rans(
    surrogate: RansSurrogate,
    cases: WallCases,
    level: float = LEVEL,
    *,
    known: WallCases | None = None,
    families: Sequence[str] = (),
) -> None:
    """Set the intervals from cases not trained on, so that they hold a share ``level`` of such.

    Args:
        surrogate: Trained.
        cases: Not trained on.
        level: Of the intervals.
        known: The cases trained on: what is unlike them is told from it (``support``), and
            intervals grow there. Where not given, that stays as it was.
        families: Of the sections of ``known``, one a case.
    """
    if known is not None:
        _fit_support(surrogate, known, families, cases)
    with torch.no_grad():
        predicted = surrogate.predict_walls(cases.flow)
    off = (predicted.forces - cases.forces) / predicted.forces.new_tensor(FORCE_SCALE)
    for i in range(off.shape[1]):
        surrogate.calibration[i] = conformal_factor(off[:, i], predicted.spread[:, i], level)


def _fit_support(
    surrogate: RansSurrogate, known: WallCases, families: Sequence[str], held: WallCases
) -> None:
    """Fit what is near to the cases trained on, each as it is and in the mirror."""
    _, index = np.unique(families, return_inverse=True)
    groups = torch.from_numpy(index).repeat(2)
    view = known.flow.view()
    both = WallView(*(torch.cat(pair) for pair in zip(view, view.mirrored(), strict=True)))
    surrogate.support.fit(seen_of(both), groups, seen_of(held.flow.view()))
