"""Pretraining: from unlabeled cases of any kind to an encoder.

Each step draws cases, applies the views (those with ``joint`` set once, the others to each branch
by itself) and goes down the loss of the pretext. What is left in the folder: the weights of the
encoder and of the network (encoder and trunk), ``pretrain.json``, and log and checkpoint of the
run, which resumes after a kill.

Under ``torchrun`` every process takes its share of the same batch, and the loss is that of the
whole batch.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol, runtime_checkable

import torch
from jaxtyping import Int
from torch import Tensor, nn

from formwright.datasets.begun import content
from formwright.datasets.cases import Case
from formwright.datasets.config import to_mapping
from formwright.datasets.errors import ConfigError
from formwright.datasets.files import write_json
from formwright.surrogate.checkpoints import save_weights
from formwright.surrogate.encoder import encoder_of
from formwright.surrogate.keeps import check_keeps
from formwright.surrogate.objectives.loss import Loss
from formwright.surrogate.pretraining.collapse import CollapseReport, inspect
from formwright.surrogate.pretraining.matching import ViewMatch
from formwright.surrogate.training import distributed
from formwright.surrogate.training.loop import TrainConfig, TrainResult, train
from formwright.surrogate.view import View, apply

ENCODER: Final = "encoder.safetensors"
NETWORK: Final = "network.safetensors"
WATCHED_CASES: Final = 256


@runtime_checkable
class Cases(Protocol):
    """Unlabeled cases: sections with their flows, runs of an unsteady equation, atoms."""

    def __len__(self) -> int:
        """Return the number of cases."""
        ...

    def batch(self, rows: Int[Tensor, " cases"]) -> Case:
        """Return some of the cases as one batch."""
        ...


@runtime_checkable
class Pretext(Protocol):
    """What pretraining asks of a network; a frozen dataclass with a ``kind`` of its own."""

    def build(self, network: Any, data: Any, sample: Case | None = None) -> Any:
        """Add the networks that are needed only while pretraining.

        What is returned is called with two views of a batch and a generator (where its
        ``two_views`` is False, with one view and the batch without the views that differ between
        branches) and gives a ``Loss``; ``embedding(batch)`` is watched for collapse.

        Args:
            network: What is pretrained.
            data: The cases.
            sample: A batch as the encoder will see it.
        """
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class PretrainConfig:
    """How to pretrain.

    Attributes:
        labels: What the representation will serve; a view that forbids one of them is refused.
        pretext: The question asked.
        views: Applied in this order.
        batch_cases: Cases a step, over all processes; VICReg and its kin need 64 or more. With
            ``variance = "within"`` every ``times`` of them are one run.
        train: The loop.
    """

    labels: tuple[str, ...]
    pretext: Pretext = field(default_factory=ViewMatch)
    views: tuple[View, ...]
    batch_cases: int = 128
    train: TrainConfig = field(default_factory=TrainConfig)


def pretrain_network(
    network: nn.Module,
    data: Cases,
    config: PretrainConfig,
    folder: str | os.PathLike[str] | None = None,
    *,
    header: Mapping[str, Any] | None = None,
    provenance: Mapping[str, Any] | None = None,
    progress: bool = True,
) -> TrainResult:
    """Train ``network`` in place on unlabeled cases; ``learn.pretrain`` begins with a corpus.

    Args:
        network: An encoder, or an encoder with more behind it (its attribute ``encoder``); pretexts
            that compare whole cases train the encoder only.
        data: The unlabeled cases.
        config: How.
        folder: Where weights, log, checkpoint and configuration go.
        header: What to write beside the weights of the network, so that they can be loaded by name.
        provenance: What else to write into ``pretrain.json``, e.g. the corpus.
        progress: Show a bar where standard error is a terminal.

    Raises:
        ViewError: A view is forbidden for one of ``config.labels``.
        ConfigError: There are fewer cases than a batch has, or a batch cannot be shared out.
        CheckpointError: The folder holds a pretraining on other data or with another configuration.
        TrainingError: The loss is not finite.
    """
    check_keeps(config.views, config.labels)
    device = distributed.local_device(config.train.device, network)
    distributed.join(device)
    step, path = _Step(data, config, device), Path(folder) if folder is not None else None
    sample = step.sample()
    writes = path is not None and distributed.rank() == 0
    made_from = {"data": content(data), "config": config} if writes else None
    torch.manual_seed(config.train.seed)
    model = config.pretext.build(network.to(device), data, sample)
    _check_batch(config, len(data), model.copies)
    watch = _Watch(model, sample)
    result = train(
        model,
        step,
        config.train,
        path,
        progress,
        watch,
        after_update=model.after_update,
        made_from=made_from,
    )
    network.eval()
    if path is not None and distributed.rank() == 0:
        save_weights(encoder_of(network), path / ENCODER)
        save_weights(network, path / NETWORK, header)
        noted = {"provenance": dict(provenance or {}), "last": result.history[-1]}
        write_json(path / "pretrain.json", {"config": plain(config), **noted})
    distributed.wait()
    return result


def _check_batch(config: PretrainConfig, cases: int, copies: int) -> None:
    """Refuse a batch that the data cannot fill, or that cannot be shared out.

    Raises:
        ConfigError: See above.
    """
    size, parts = config.batch_cases, copies * distributed.world()
    if cases < size // copies:
        raise ConfigError(
            f"a batch takes {size // copies} different cases and there are {cases}: lower "
            "batch_cases, or make a larger corpus."
        )
    if size % parts or size < parts:
        raise ConfigError(
            f"batch_cases = {size} is not a multiple of {parts} ({distributed.world()} processes, "
            f"{copies} times of each run): choose one that is."
        )


def plain(config: PretrainConfig) -> dict[str, Any]:
    """Return what JSON can hold of a configuration: of a view or pretext of one's own its repr."""
    mapping = to_mapping(config)
    mapping["views"] = [
        {"view": type(view).__name__, **(shown if isinstance(shown, dict) else {})}
        for view, shown in zip(config.views, mapping["views"], strict=True)
    ]
    return json.loads(json.dumps(mapping, default=repr))


class _Step:
    """The loss of one step: ``(model, step, generator) -> Loss``."""

    def __init__(self, data: Cases, config: PretrainConfig, device: torch.device) -> None:
        self.data, self.device, self.batch_cases = data, device, config.batch_cases
        self.joint = tuple(view for view in config.views if view.joint)
        self.separate = tuple(view for view in config.views if not view.joint)

    def __call__(self, model: Any, step: int, generator: torch.Generator) -> Loss:
        """Draw cases and compare two views of them."""
        runs = self.batch_cases // model.copies
        rows = torch.randperm(len(self.data), generator=generator)[:runs]
        rows = distributed.share(rows).repeat_interleave(model.copies)
        own = distributed.fork(generator)
        a, b = self.views(rows, own, two=model.two_views)
        return model(a, b, own)

    def views(
        self, rows: Int[Tensor, " cases"], generator: torch.Generator, *, two: bool
    ) -> tuple[Case, Case]:
        """Return two views of some cases, or one and the cases without the separate views."""
        both = apply(self.joint, self.data.batch(rows), generator)
        a = apply(self.separate, both, generator).to(str(self.device))
        if not two:
            return a, both.to(str(self.device))
        return a, apply(self.separate, both, generator).to(str(self.device))

    def sample(self) -> Case:
        """Return one view of the first cases, always the same."""
        rows = torch.arange(min(WATCHED_CASES, len(self.data)))
        return self.views(rows, torch.Generator().manual_seed(0), two=False)[0]


class _Watch:
    """Looks at one view of the same cases, drawn once, whenever a line is logged."""

    def __init__(self, model: Any, sample: Case) -> None:
        self.model, self.batch, self.started = model, sample, 0.0
        self.started = self._report().spread
        model.train()

    def __call__(self, step: int) -> dict[str, float | str]:
        """Return figures and, if need be, an alarm."""
        return self._report().figures()

    def _report(self) -> CollapseReport:
        """Look at the embedding as it is now."""
        self.model.eval()
        with torch.no_grad():
            return inspect(self.model.embedding(self.batch), self.started)
