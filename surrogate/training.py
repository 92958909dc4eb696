"""The one training loop: AdamW, a warm-up and a cosine, clipping, exact resume.

A run with a folder leaves two files there: ``log.jsonl`` and ``checkpoint.safetensors`` (model,
average, moments of the optimiser, states of the random generators; step and configuration in its
header). Killed at any moment, the same call goes on from the checkpoint, and on the CPU its losses
are those of the run that was never killed, bit for bit.
"""

from __future__ import annotations

import contextlib
import copy
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from formwright.datasets.config import to_mapping
from formwright.datasets.errors import CheckpointError, ConfigError, TrainingError
from formwright.surrogate.checkpoints import load_state, load_tensors, save_tensors, unpack
from formwright.surrogate.objectives.loss import Loss
from formwright.surrogate.training_log import TrainingLog

CHECKPOINT: Final = "checkpoint.safetensors"
LOG: Final = "log.jsonl"
_MAY_CHANGE: Final = frozenset({"checkpoint_every_seconds", "log_every_steps", "threads"})

StepLoss = Callable[[Any, int, torch.Generator], Loss]
Watch = Callable[[int], Mapping[str, float | str]]


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainConfig:
    """How to train.

    Good values: a learning rate of 1e-3 for 1e4-1e6 parameters, a tenth of it for fine-tuning a
    whole pretrained network.

    Attributes:
        steps: Updates of the parameters.
        learning_rate: Highest one, after the warm-up.
        weight_decay: AdamW's, on matrices and kernels; biases and gains are spared.
        warmup_steps: Linear warm-up from zero.
        floor: Last learning rate as a fraction of the highest; a half cosine leads there.
        rate_factors: By prefix of a parameter's name, a factor on the learning rate; 0 freezes.
        clip_norm: Largest norm of the gradient; None does not clip.
        ema_decay: Decay a step of the moving average of the parameters; None keeps none.
        checkpoint_every_seconds: Wall time between checkpoints; there is one at the end as well.
        log_every_steps: Steps between two lines of the log.
        seed: Of the generator given to the step, and of dropout.
        threads: Threads of torch during the run; None leaves them.
    """

    steps: int = 1000
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    warmup_steps: int = 50
    floor: float = 0.01
    rate_factors: Mapping[str, float] = field(default_factory=dict)
    clip_norm: float | None = 1.0
    ema_decay: float | None = None
    checkpoint_every_seconds: float = 60.0
    log_every_steps: int = 20
    seed: int = 0
    threads: int | None = None

    def __post_init__(self) -> None:
        """Refuse values without meaning."""
        positive = {"steps": self.steps, "log_every_steps": self.log_every_steps}
        for name, value in positive.items():
            if value < 1:
                raise ConfigError(f"TrainConfig.{name} = {value} should be at least 1.")
        if self.learning_rate <= 0:
            raise ConfigError(f"TrainConfig.learning_rate = {self.learning_rate} should be > 0.")
        if self.ema_decay is not None and not 0 <= self.ema_decay < 1:
            raise ConfigError(f"TrainConfig.ema_decay = {self.ema_decay} should lie in [0, 1).")

    def rate(self, step: int) -> float:
        """Return the learning rate of ``step`` (counted from 0)."""
        warm = min(1.0, (step + 1) / max(1, self.warmup_steps))
        done = (step - self.warmup_steps) / max(1, self.steps - self.warmup_steps)
        cosine = 0.5 * (1.0 + math.cos(math.pi * min(1.0, max(0.0, done))))
        return self.learning_rate * warm * (self.floor + (1.0 - self.floor) * cosine)


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
) -> TrainResult:
    """Minimise ``step_loss`` over the parameters of ``model``, in place.

    Args:
        model: What is trained; it holds the last weights afterwards.
        step_loss: ``(model, step, generator) -> Loss``; draws its batch with the generator, and
            depends on nothing else that changes, so that a resumed run repeats it.
        config: How to train.
        folder: Where log and checkpoint go; a checkpoint found there is gone on from.
        progress: Show a bar where standard error is a terminal.
        watch: Called at every line of the log with the step; returns more figures for it, of which
            ``alarm`` is shown as a warning.

    Raises:
        TrainingError: The loss or its gradient is not finite; the message names the step, and the
            last checkpoint is kept.
        CheckpointError: The folder holds a run of another model or other settings.
        StorageError: A checkpoint cannot be written.
    """
    path = Path(folder) if folder is not None else None
    start = time.perf_counter()
    with _environment(config):
        run = _Run(model, config, path)
        resumed_from = run.step
        log = TrainingLog(path and path / LOG, config.steps, run.step, progress)
        with log:
            _loop(run, step_loss, log, watch)
    seconds = time.perf_counter() - start
    return TrainResult(
        steps=run.step,
        resumed_from=resumed_from,
        seconds=seconds,
        history=log.history,
        averaged=run.averaged,
    )


def _loop(run: _Run, step_loss: StepLoss, log: TrainingLog, watch: Watch | None) -> None:
    """Do the steps that are left, and write the checkpoints and the log of them."""
    config, saved = run.config, time.monotonic()
    run.model.train()
    while run.step < config.steps:
        loss = step_loss(run.model, run.step, run.generator)
        figures = run.update(loss)
        if run.step % config.log_every_steps == 0 or run.step == config.steps:
            terms = {name: float(value.detach()) for name, value in loss.terms.items()}
            seen = watch(run.step) if watch else {}
            log.report(run.step, {**figures, **terms, **seen})
            run.model.train()
        if time.monotonic() - saved > config.checkpoint_every_seconds or run.step == config.steps:
            run.save()
            saved = time.monotonic()


class _Run:
    """Everything that changes from step to step."""

    def __init__(self, model: nn.Module, config: TrainConfig, folder: Path | None) -> None:
        self.model, self.config, self.step = model, config, 0
        self.path = folder / CHECKPOINT if folder is not None else None
        self.generator = torch.Generator().manual_seed(config.seed)
        self.averaged = copy.deepcopy(model) if config.ema_decay is not None else None
        groups, self.factors = _groups(model, config)
        self.parameters = [p for group in groups for p in group["params"]]
        self.optimiser = torch.optim.AdamW(groups, lr=config.learning_rate, fused=True)
        if self.path is not None and self.path.exists():
            self.restore(self.path)

    def update(self, loss: Loss) -> dict[str, float]:
        """Do one step down the gradient of ``loss``; return its figures."""
        value, rate = float(loss.total.detach()), self.config.rate(self.step)
        self._check("loss", value, loss)
        self.optimiser.zero_grad(set_to_none=True)
        loss.total.backward()
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        norm = nn.utils.get_total_norm(gradients)
        size = float(norm)
        self._check("norm of the gradient", size, loss)
        if self.config.clip_norm is not None and size > self.config.clip_norm:
            nn.utils.clip_grads_with_norm_(self.parameters, self.config.clip_norm, norm)
        for group, factor in zip(self.optimiser.param_groups, self.factors, strict=True):
            group["lr"] = rate * factor
        self.optimiser.step()
        self.step += 1
        self._average()
        return {"loss": value, "gradient_norm": size, "learning_rate": rate}

    def _average(self) -> None:
        """Move the average towards the parameters; buffers are copied."""
        if self.averaged is None or self.config.ema_decay is None:
            return
        with torch.no_grad():
            move = get_ema_multi_avg_fn(self.config.ema_decay)
            average, current = self.averaged.parameters(), self.model.parameters()
            move([*average], [*current], self.step)
            pairs = zip(self.averaged.buffers(), self.model.buffers(), strict=True)
            for kept, buffer in pairs:
                kept.copy_(buffer)

    def _check(self, what: str, value: float, loss: Loss) -> None:
        """Stop if ``value`` is not finite."""
        if math.isfinite(value):
            return
        terms = ", ".join(f"{name} {float(term.detach()):.4g}" for name, term in loss.terms.items())
        kept = "no checkpoint was asked for"
        if self.path is not None:
            kept = f"the last good checkpoint is {str(self.path)!r}"
            kept = kept if self.path.exists() else "no checkpoint had been written yet"
        raise TrainingError(
            f"the {what} is {value} at step {self.step} (terms: {terms or 'none'}); {kept}. Look "
            "for NaN in the data, lower learning_rate, or lower clip_norm."
        )

    def save(self) -> None:
        """Write the checkpoint, if there is a folder."""
        if self.path is None:
            return
        tensors = {f"model.{k}": v for k, v in self.model.state_dict().items()}
        if self.averaged is not None:
            tensors |= {f"average.{k}": v for k, v in self.averaged.state_dict().items()}
        for index, moments in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{index}.{k}": v for k, v in moments.items()}
        tensors["random.step"] = self.generator.get_state()
        tensors["random.global"] = torch.get_rng_state()
        save_tensors(self.path, tensors, {"step": self.step, "config": to_mapping(self.config)})

    def restore(self, path: Path) -> None:
        """Go on from a checkpoint."""
        tensors, header = load_tensors(path)
        _check_same(header["config"], to_mapping(self.config), path)
        load_state(self.model, unpack(tensors, "model."), str(path))
        if self.averaged is not None:
            load_state(self.averaged, unpack(tensors, "average."), str(path))
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in unpack(tensors, "optimiser.").items():
            index, key = name.split(".")
            state.setdefault(int(index), {})[key] = value
        self.optimiser.load_state_dict({**self.optimiser.state_dict(), "state": state})
        self.generator.set_state(tensors["random.step"])
        torch.set_rng_state(tensors["random.global"])
        self.step = header["step"]


def _groups(model: nn.Module, config: TrainConfig) -> tuple[list[dict[str, Any]], list[float]]:
    """Return AdamW's parameter groups and each one's factor on the learning rate."""
    chosen: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        prefixes = [prefix for prefix in config.rate_factors if name.startswith(prefix)]
        factor = config.rate_factors[max(prefixes, key=len)] if prefixes else 1.0
        if parameter.requires_grad and factor != 0.0:
            chosen.setdefault((factor, parameter.dim() > 1), []).append(parameter)
    groups = [
        {"params": parameters, "weight_decay": config.weight_decay if decays else 0.0}
        for (_, decays), parameters in chosen.items()
    ]
    return groups, [factor for factor, _ in chosen]


def _check_same(found: Mapping[str, Any], asked: Mapping[str, Any], path: Path) -> None:
    """Refuse to go on with settings that would not repeat the run."""
    changed = [
        f"{key} = {found.get(key)!r} there, {asked.get(key)!r} asked"
        for key in sorted({*found, *asked} - _MAY_CHANGE)
        if found.get(key) != asked.get(key)
    ]
    if changed:
        raise CheckpointError(
            f"{str(path)!r} belongs to a run with other settings: {'; '.join(changed)}. Ask for "
            "the same settings to go on with it, or choose another folder to start anew."
        )


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
