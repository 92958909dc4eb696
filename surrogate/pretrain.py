"""Pretraining: from unlabeled sections and their flows to an encoder.

Each step draws sections, applies the views (those with ``joint`` set once, the others to each
branch by itself) and goes down the loss of the pretext. What is left in the folder: the weights
of the encoder and of the network (encoder and trunk), ``pretrain.json``, and log and checkpoint of
the run, which resumes after a kill.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import torch
from torch_geometric.data import Data

from formwright.datasets.config import to_mapping
from formwright.datasets.errors import ConfigError
from formwright.datasets.files import write_json
from formwright.surrogate.checkpoints import save_weights
from formwright.surrogate.collapse import inspect
from formwright.surrogate.encoders.conditioned import Conditioned
from formwright.surrogate.flows import Flows
from formwright.surrogate.objectives.loss import Loss
from formwright.surrogate.pretexts import FlowMatch, Pretext
from formwright.surrogate.training import TrainConfig, TrainResult, train
from formwright.surrogate.views.contour import (
    Incidence,
    PartialContour,
    Repanel,
    View,
    apply,
)
from formwright.surrogate.views.keeps import check_keeps

ENCODER: Final = "encoder.safetensors"
NETWORK: Final = "network.safetensors"
WATCHED_CASES: Final = 256


def _default_views() -> tuple[View, ...]:
    """Return views that keep every label of a polar."""
    return Incidence(count=4), Repanel(), PartialContour()


@dataclass(frozen=True, kw_only=True, slots=True)
class PretrainConfig:
    """How to pretrain.

    Attributes:
        labels: What the representation will serve; a view that forbids one of them is refused.
        pretext: The question asked.
        views: Applied in this order.
        batch_cases: Sections a step; those with VICReg and its kin need 64 or more.
        train: The loop.
    """

    labels: tuple[str, ...] = ("cl", "cd", "cm", "xtr_top", "xtr_bottom")
    pretext: Pretext = field(default_factory=FlowMatch)
    views: tuple[View, ...] = field(default_factory=_default_views)
    batch_cases: int = 128
    train: TrainConfig = field(default_factory=TrainConfig)


def pretrain(
    network: Conditioned,
    flows: Flows,
    config: PretrainConfig,
    folder: str | os.PathLike[str] | None = None,
    *,
    provenance: Mapping[str, Any] | None = None,
    progress: bool = True,
) -> TrainResult:
    """Train ``network`` in place on unlabeled flows.

    Args:
        network: Encoder and trunk; ``ContourMatch`` trains the encoder only.
        flows: The unlabeled sections.
        config: How.
        folder: Where weights, log, checkpoint and configuration go.
        provenance: What else to write into ``pretrain.json``, e.g. the corpus.
        progress: Show a bar where standard error is a terminal.

    Raises:
        ViewError: A view is forbidden for one of ``config.labels``.
        ConfigError: There are fewer sections than a batch has.
        TrainingError: The loss is not finite.
    """
    check_keeps(config.views, config.labels)
    if len(flows) < config.batch_cases:
        raise ConfigError(
            f"a batch takes {config.batch_cases} sections and there are {len(flows)}: lower "
            "batch_cases, or make a larger corpus."
        )
    torch.manual_seed(config.train.seed)
    model = config.pretext.build(network, flows)
    path = Path(folder) if folder is not None else None
    result = train(model, _Step(flows, config), config.train, path, progress, _Watch(model, flows))
    network.eval()
    if path is not None:
        settings = {"config": to_mapping(config), "provenance": dict(provenance or {})}
        save_weights(network.encoder, path / ENCODER)
        save_weights(network, path / NETWORK)
        write_json(path / "pretrain.json", {**settings, "last": result.history[-1]})
    return result


class _Step:
    """The loss of one step: ``(model, step, generator) -> Loss``."""

    def __init__(self, flows: Flows, config: PretrainConfig) -> None:
        self.flows, self.batch_cases = flows, config.batch_cases
        self.joint = tuple(view for view in config.views if view.joint)
        self.separate = tuple(view for view in config.views if not view.joint)

    def __call__(self, model: Any, step: int, generator: torch.Generator) -> Loss:
        """Draw sections and compare two views of them."""
        rows = torch.randperm(len(self.flows), generator=generator)[: self.batch_cases]
        both = apply(self.joint, self.flows.batch(rows), generator)
        a = apply(self.separate, both, generator)
        b = apply(self.separate, both, generator) if model.two_contours else both
        return model(a, b, generator)


class _Watch:
    """Looks at the embedding of the same sections, as they are, whenever a line is logged."""

    def __init__(self, model: Any, flows: Flows) -> None:
        self.model = model
        self.batch: Data = flows.batch(torch.arange(min(WATCHED_CASES, len(flows))))

    def __call__(self, step: int) -> dict[str, float | str]:
        """Return figures and, if need be, an alarm."""
        self.model.eval()
        with torch.no_grad():
            return inspect(self.model.embedding(self.batch)).figures()
