"""The kind ``runs``: a constant of an unsteady run, from its fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch

from formwright.datasets.cases import Quantity
from formwright.datasets.errors import ConfigError
from formwright.datasets.pde.runs import FieldRuns
from formwright.surrogate.floors import floors
from formwright.surrogate.kinds import Kind, Start
from formwright.surrogate.pde.encoder import FieldCNN
from formwright.surrogate.pde.task import (
    STAGES,
    field_task,
    frames_of,
    hand_features,
    hand_width,
    needs_logarithm,
    parts_of,
    views_in,
)
from formwright.surrogate.pretraining.denoising import Denoising
from formwright.surrogate.pretraining.masking import MaskedPrediction
from formwright.surrogate.pretraining.pretrain import Pretext
from formwright.surrogate.regression import Regression, RegressionTraining, learn, score

_PRETEXTS: Final[dict[str, Pretext]] = {
    "masked": MaskedPrediction(),
    "denoise": Denoising(attribute="field", sigma=0.3),
}
_STANDARDISED_ON: Final = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class RunsConfig:
    """Architecture of a surrogate of runs.

    Attributes:
        dimensions: Axes of space, 1 or 2.
        frames: Of a window that the encoder reads at once.
        channels: Fields.
        label: Constant of a run that is predicted; empty for a pretrained network.
        logarithm: Whether it is regressed as its logarithm.
    """

    dimensions: int = 1
    frames: int = 8
    channels: int = 1
    label: str = ""
    logarithm: bool = False

    def network(self) -> FieldCNN:
        """Return the encoder, untrained."""
        return FieldCNN(
            dimensions=self.dimensions,
            frames=self.frames,
            channels=self.channels,
            stages=STAGES[self.dimensions],
        )


def _config(runs: FieldRuns, label: str = "") -> RunsConfig:
    """Return the architecture for some runs."""
    return RunsConfig(
        dimensions=runs.values.dim() - 3,
        frames=frames_of(runs),
        channels=len(runs.names),
        label=label,
        logarithm=bool(label) and needs_logarithm(runs, label),
    )


def _standardised(config: RunsConfig, runs: FieldRuns) -> FieldCNN:
    """Return a new encoder that knows the size of the fields."""
    network = config.network()
    network.standardise(runs.batch(torch.arange(min(_STANDARDISED_ON, len(runs)))))
    return network


def _build(config: RunsConfig, _: Any = None, network: FieldCNN | None = None) -> Regression:
    label = Quantity(config.label, "", "constant of the run, in the unit of its file")
    return Regression(
        config,
        network or config.network(),
        (label,),
        (config.label,) if config.logarithm else (),
        hand_features,
        hand_width(config.channels),
    )


def _read(
    folders: Sequence[Path], settings: RegressionTraining, split: str, _: Path | None
) -> FieldRuns:
    if not settings.label:
        raise ConfigError(
            "a surrogate of runs needs --label, a constant of the runs, e.g. --label viscosity."
        )
    if len(folders) != 1:
        raise ConfigError(f"give one folder of runs; got {len(folders)}.")
    return parts_of(folders[0], settings.label)[split]


def _begin(known: FieldRuns, settings: RegressionTraining, first: Any) -> Regression:
    if isinstance(first, Regression):
        return first
    config = _config(known, settings.label)
    return _build(config, network=first or _standardised(config, known))


def _unlabeled(folder: Path, label: str | None, _: str | None) -> Start:
    if label is None:
        raise ConfigError(
            "runs need --label, e.g. --label viscosity: what the encoder will serve decides which "
            "views are allowed."
        )
    task = field_task((folder,), label)
    runs = task.unlabeled
    config = _config(runs)
    return Start(
        network=lambda: _standardised(config, runs),
        data=runs,
        config=next(iter(task.recipes.values())),
        views=views_in(folder, runs, label)[1],
        pretexts=_PRETEXTS,
        architecture=config,
    )


def _floors(
    surrogate: Regression, known: FieldRuns, held: FieldRuns
) -> Mapping[str, Mapping[str, float]]:
    untrained = _standardised(surrogate.config, known)
    return floors(surrogate, known, held, hand_features, untrained)


KIND: Final = Kind(
    name="runs",
    cases="unsteady runs of fields on a grid",
    model=Regression,
    config=RunsConfig,
    build=_build,
    question=None,
    network=RunsConfig.network,
    training=lambda *_: RegressionTraining(batch_cases=32),
    read=_read,
    begin=_begin,
    learn=learn,
    score=score,
    floors=_floors,
    unlabeled=_unlabeled,
    task=field_task,
)
