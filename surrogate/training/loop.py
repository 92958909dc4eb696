"""The one training loop: AdamW, a warm-up and a cosine, clipping, exact resume.

A run with a folder leaves there ``log.jsonl``, ``checkpoint.safetensors`` (model, average, moments
of the optimiser, states of the random generators; step and configuration in its header) and, where
its caller says what the run is of, ``begun.json``. Killed at any moment, the same call goes on from
the checkpoint, and on the CPU its losses are those of the run that was never killed, bit for bit
(unless it ends after some seconds).

Under ``torchrun`` every process computes the loss of its share of the cases; gradients are averaged
over the processes, and the first of them writes log and checkpoint.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn

from formwright.datasets.begun import claim, content, digest
from formwright.datasets.errors import CheckpointError
from formwright.datasets.locks import writing
from formwright.surrogate.objectives.loss import Loss
from formwright.surrogate.training import distributed
from formwright.surrogate.training.config import Precision, TrainConfig
from formwright.surrogate.training.log import TrainingLog
from formwright.surrogate.training.run import CHECKPOINT, MAY_CHANGE, Run

LOG: Final = "log.jsonl"

StepLoss = Callable[[Any, int, torch.Generator], Loss]
Watch = Callable[[int], Mapping[str, float | str]]
AfterUpdate = Callable[[float], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainResult:
    """What a training run leaves in memory.

    Attributes:
        steps: Updates done, those before a resume included.
        resumed_from: Step of the checkpoint that this call began with; 0 without one.
        seconds: Wall time of this call.
        history: The reports of the log, oldest first.
        averaged: A copy of the model with the moving average of its parameters, or None.
    """

    steps: int
    resumed_from: int
    seconds: float
    history: list[dict[str, Any]]
    averaged: nn.Module | None


def train(
    model: nn.Module,
    step_loss: StepLoss,
    config: TrainConfig,
    folder: str | os.PathLike[str] | None = None,
    progress: bool = True,
    watch: Watch | None = None,
    after_update: AfterUpdate | None = None,
    made_from: Mapping[str, Any] | None = None,
) -> TrainResult:
    """Minimise ``step_loss`` over the parameters of ``model``, in place.

    Args:
        model: What is trained; it holds the last weights afterwards.
        step_loss: ``(model, step, generator) -> Loss``; draws its batch with the generator, and
            depends on nothing else that changes, so that a resumed run repeats it. With
            ``config.accumulate`` it is called that often a step.
        config: How to train.
        folder: Where log and checkpoint go; a checkpoint found there is gone on from.
        progress: Show a bar where standard error is a terminal.
        watch: Called at every line of the log with the step; returns more figures for it, of which
            ``alarm`` is shown as a warning.
        after_update: Called after each update with the finished share of the training, e.g. to move
            a slow copy of the model that is part of ``model``.
        made_from: What else the run is of: its data, its configuration, what it begins with
            (``origin`` gathers it); a folder that was begun with anything else is refused. Where
            None, only ``config`` is compared, and the names and shapes of the weights.

    Raises:
        TrainingError: The loss or its gradient is not finite; the message names the step, and the
            last checkpoint is kept.
        CheckpointError: The folder holds a run of other data, another model or other settings.
        ConfigError: TensorBoard is asked for and not installed.
        FolderInUseError: Another process trains in the folder.
        StorageError: A checkpoint cannot be written.
    """
    path = Path(folder) if folder is not None else None
    start = time.perf_counter()
    distributed.join(distributed.local_device(config.device, model))
    first = distributed.rank() == 0
    with contextlib.ExitStack() as held:
        if path is not None and first:
            held.enter_context(writing(path))
        if path is not None and made_from is not None and first:
            claim(path, made_from, free=MAY_CHANGE, error=CheckpointError)
        held.enter_context(_environment(config))
        run = Run(model, config, path)
        resumed_from = run.step
        log = TrainingLog(
            path / LOG if path is not None and first else None,
            config.steps,
            run.step,
            progress and first,
            tensorboard=config.tensorboard,
        )
        with log:
            _loop(run, step_loss, log, watch, after_update)
        distributed.wait()
    seconds = time.perf_counter() - start
    return TrainResult(
        steps=run.step,
        resumed_from=resumed_from,
        seconds=seconds,
        history=log.history,
        averaged=run.averaged,
    )


def origin(model: nn.Module, data: Any, config: Any) -> dict[str, Any]:
    """Return what a run is of, for ``made_from``; call it before anything is fitted.

    Args:
        model: What is trained; its parameters are what the run begins with.
        data: The cases, with all that is learned from.
        config: The whole configuration.
    """
    start = digest(dict(model.named_parameters()))
    return {"data": content(data), "start": f"weights {start}", "config": config}


def train_for_use(
    model: nn.Module,
    step_loss: StepLoss,
    config: TrainConfig,
    folder: str | os.PathLike[str] | None = None,
    progress: bool = True,
    made_from: Mapping[str, Any] | None = None,
) -> TrainResult:
    """Train as ``train`` does; the model ends with its averaged weights, if any, to be asked."""
    result = train(model, step_loss, config, folder, progress, made_from=made_from)
    if result.averaged is not None:
        model.load_state_dict(result.averaged.state_dict())
    model.eval()
    return result


def _loop(
    run: Run,
    step_loss: StepLoss,
    log: TrainingLog,
    watch: Watch | None,
    after_update: AfterUpdate | None,
) -> None:
    """Do the steps that are left, and write the checkpoints and the log of them."""
    config, saved = run.config, time.monotonic()
    run.model.train()
    while run.done < 1.0:
        figures = run.update(_losses(run, step_loss))
        if after_update is not None:
            after_update(run.done)
        if run.step % config.log_every_steps == 0 or run.done == 1.0:
            seen = watch(run.step) if watch else {}
            log.report(run.step, {**figures, **seen})
            run.model.train()
        if time.monotonic() - saved > config.checkpoint_every_seconds or run.done == 1.0:
            run.save()
            saved = time.monotonic()


def _losses(run: Run, step_loss: StepLoss) -> Iterator[Loss]:
    """Yield the losses of one step, each when the last one's gradient has been taken."""
    for _ in range(run.config.accumulate):
        with run.autocast():
            loss = step_loss(run.model, run.step, run.generator)
        yield loss


@contextlib.contextmanager
def _environment(config: TrainConfig) -> Iterator[None]:
    """Set threads, seed and the rounding of tiny numbers for the run; put them back after it."""
    threads, flushed = torch.get_num_threads(), _flushes_denormals()
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            torch.set_flush_denormal(True)
            if config.threads is not None:
                torch.set_num_threads(config.threads)
            yield
    finally:
        torch.set_num_threads(threads)
        torch.set_flush_denormal(flushed)


def _flushes_denormals() -> bool:
    """Return whether torch rounds denormal numbers to zero at present."""
    return bool(torch.tensor(1e-310, dtype=torch.float64) * 1.0 == 0.0)


__all__ = ["CHECKPOINT", "LOG", "Precision", "TrainConfig", "TrainResult", "train", "train_for_use"]
