"""Recipes to pretrain networks of RANS fields on unlabeled potential flow.

The recipes serve lift, drag and the wall, so views that change these are refused.
"""

from __future__ import annotations

from typing import Final

from formwright.surrogate.objectives.objective import Objective
from formwright.surrogate.objectives.vicreg import VICReg
from formwright.surrogate.pretraining.choices import matched
from formwright.surrogate.pretraining.masking import MaskedPrediction
from formwright.surrogate.pretraining.pretrain import PretrainConfig
from formwright.surrogate.rans.fields.hiding import Cells
from formwright.surrogate.rans.fields.network import FieldConfig, Network
from formwright.surrogate.rans.fields.views import (
    FLOW_LABELS,
    Graphs,
    HideCells,
    JoinCells,
    OtherIncidence,
    OtherMesh,
)
from formwright.surrogate.training.loop import TrainConfig
from formwright.surrogate.view import View

TRAINING: Final = TrainConfig(steps=500, learning_rate=2e-3, warmup_steps=20, log_every_steps=100)


def field_views(factors: tuple[int, ...] = (1, 2, 4)) -> dict[str, View]:
    """Return the views of flows by name, of whose cells ``factors`` a direction are joined."""
    return {
        "other-mesh": OtherMesh(),
        "other-incidence": OtherIncidence(),
        "join-cells": JoinCells(factors=factors),
        "hide-cells": HideCells(),
    }


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


def graphs_of(config: FieldConfig) -> tuple[View, ...]:
    """Return what a network on a mesh needs after the views: the graphs of their cells."""
    return (Graphs(levels=len(config.stages)),) if config.network is Network.MESH else ()
