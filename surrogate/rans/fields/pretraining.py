"""Pretraining of networks of RANS fields on unlabeled potential flow: recipes for ``pretrain``.

    fields = read_panel_fields("corpora/panel-fields")
    config = FieldConfig()
    network = FieldSurrogate(config)
    pretrain(network, fields, masked_cells(config), "runs/masked-cells")
    encoder = pretrained_encoder("runs/masked-cells", config)
    surrogate = fit(samples, config, encoder=encoder)

The recipes serve lift, drag and the wall, so views that change these are refused.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from formwright.datasets.errors import CheckpointError
from formwright.surrogate.checkpoints import load_state, load_tensors
from formwright.surrogate.encoder import Encoder
from formwright.surrogate.objectives.objective import Objective
from formwright.surrogate.objectives.vicreg import VICReg
from formwright.surrogate.pretraining.hiding import Cells
from formwright.surrogate.pretraining.masking import MaskedPrediction
from formwright.surrogate.pretraining.named import matched
from formwright.surrogate.pretraining.pretrain import ENCODER, PretrainConfig
from formwright.surrogate.rans.fields.inputs import FEATURES
from formwright.surrogate.rans.fields.surrogate import FieldConfig, Network, encoder_class
from formwright.surrogate.rans.fields.views import FLOW_LABELS, Graphs, JoinCells, OtherMesh
from formwright.surrogate.training.loop import TrainConfig
from formwright.surrogate.view import View

TRAINING: Final = TrainConfig(steps=500, learning_rate=2e-3, warmup_steps=20, log_every_steps=100)


def masked_cells(
    config: FieldConfig,
    train: TrainConfig = TRAINING,
    *,
    hiding: Cells | None = None,
    batch_cases: int = 8,
) -> PretrainConfig:
    """Return the recipe that hides blocks of cells and predicts the potential flow there.

    Args:
        config: Of the network that is pretrained.
        train: The loop.
        hiding: How much of each case.
        batch_cases: Cases a step.
    """
    return PretrainConfig(
        labels=FLOW_LABELS,
        pretext=MaskedPrediction(hiding=hiding or Cells(), hidden=64),
        views=(OtherMesh(), *graphs_of(config)),
        batch_cases=batch_cases,
        train=train,
    )


def matched_meshes(
    config: FieldConfig,
    train: TrainConfig = TRAINING,
    *,
    objective: Objective | None = None,
    factors: tuple[int, ...] = (1, 2, 4),
    batch_cases: int = 64,
) -> PretrainConfig:
    """Return the recipe that embeds a case at one place, whatever its mesh and however fine.

    It trains what of the encoder makes ``Embedding.per_case``: of both networks the way down.

    Args:
        config: Of the network that is pretrained.
        train: The loop.
        objective: Of two views; ``VICReg`` where None.
        factors: Cells joined.
        batch_cases: Cases a step.
    """
    return PretrainConfig(
        labels=FLOW_LABELS,
        pretext=matched(objective or VICReg()),
        views=(OtherMesh(), JoinCells(factors=factors), *graphs_of(config)),
        batch_cases=batch_cases,
        train=train,
    )


def pretrained_encoder(folder: str | os.PathLike[str], config: FieldConfig) -> Encoder:
    """Return the encoder that ``pretrain`` left in a folder.

    Args:
        folder: Of the pretraining.
        config: Of the network that was pretrained.

    Raises:
        CheckpointError: There is none, or it is of another architecture.
    """
    path = Path(folder) / ENCODER
    tensors, _ = load_tensors(path)
    for network in Network:
        other = encoder_class(network)(len(FEATURES), config.stages)
        names = other.state_dict().keys()
        if network is not config.network and names == tensors.keys():
            raise CheckpointError(
                f"{str(path)!r} is of another architecture: it holds an encoder of the {network} "
                f"network, and the {config.network} network is asked for. Ask for the {network} "
                f"network, or pretrain that of the {config.network}."
            )
    encoder = encoder_class(config.network)(len(FEATURES), config.stages)
    load_state(encoder, tensors, str(path))
    return encoder


def graphs_of(config: FieldConfig) -> tuple[View, ...]:
    """Return what a network on a mesh needs after the views: the graphs of their cells."""
    return (Graphs(levels=len(config.stages)),) if config.network is Network.MESH else ()
