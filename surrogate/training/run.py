"""What changes from step to step of a training run: weights, moments, random states."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from formwright.datasets.begun import check_same
from formwright.datasets.config import to_mapping
from formwright.datasets.errors import CheckpointError, TrainingError
from formwright.surrogate.checkpoints import load_state, load_tensors, save_tensors, unpack
from formwright.surrogate.objectives.loss import Loss
from formwright.surrogate.training import distributed
from formwright.surrogate.training.config import TrainConfig

CHECKPOINT: Final = "checkpoint.safetensors"
MAY_CHANGE: Final = frozenset(
    {"checkpoint_every_seconds", "device", "log_every_steps", "tensorboard", "threads"}
)
"""Attributes of ``TrainConfig`` that a run may go on with others of."""


class Run:
    """Everything that changes from step to step."""

    def __init__(self, model: nn.Module, config: TrainConfig, folder: Path | None) -> None:
        self.device = distributed.local_device(config.device, model)
        self.model, self.config, self.step = model.to(self.device), config, 0
        self.spent, self._before, self._begun = 0.0, 0.0, time.process_time()
        distributed.broadcast_state(model)
        self.path = folder / CHECKPOINT if folder is not None else None
        self.generator = torch.Generator().manual_seed(config.seed)
        self.averaged = copy.deepcopy(model) if config.ema_decay is not None else None
        groups, self.factors = _groups(model, config)
        self.parameters = [p for group in groups for p in group["params"]]
        self.optimiser = torch.optim.AdamW(groups, lr=config.learning_rate, fused=True)
        if self.path is not None and self.path.exists():
            self.restore(self.path)
        distributed.wait()

    @property
    def done(self) -> float:
        """The finished share of the training."""
        return self.config.done(self.step, self.spent)

    def autocast(self) -> torch.autocast:
        """Return the context that a loss is computed in."""
        dtype = self.config.precision.on(self.device)
        low = dtype is not torch.float32
        return torch.autocast(self.device.type, dtype=dtype if low else None, enabled=low)

    def update(self, losses: Iterable[Loss]) -> dict[str, float]:
        """Do one step down the mean gradient of ``losses``; return its figures and their terms."""
        self.optimiser.zero_grad(set_to_none=True)
        means: dict[str, float] = {}
        loss = Loss(torch.zeros(()), {})
        for loss in losses:
            value = float(loss.total.detach())
            self._check("loss", value, loss)
            share = 1.0 / self.config.accumulate
            (loss.total if self.config.accumulate == 1 else share * loss.total).backward()
            terms = {name: float(term.detach()) for name, term in loss.terms.items()}
            for name, number in {"loss": value, **terms}.items():
                means[name] = means.get(name, 0.0) + share * number
        distributed.average_gradients(self.parameters)
        return self._descend(loss, means)

    def _descend(self, loss: Loss, means: dict[str, float]) -> dict[str, float]:
        """Move the parameters down their gradients."""
        rate = self.config.rate(self.step, self.spent)
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
        self._look_at_the_clock()
        value = means.pop("loss")
        return {"loss": value, "gradient_norm": size, "learning_rate": rate, **means}

    def _look_at_the_clock(self) -> None:
        """Add up the processor time, where it ends the run: the mean over all processes."""
        if self.config.seconds is not None:
            own = self._before + time.process_time() - self._begun
            whole = distributed.total(torch.tensor(own, dtype=torch.float64, device=self.device))
            self.spent = float(whole) / distributed.world()

    def _average(self) -> None:
        """Move the average towards the parameters; buffers are copied."""
        if self.averaged is None or self.config.ema_decay is None:
            return
        with torch.no_grad():
            decay = self.config.ema_decay
            decay = min(decay, self.step / (self.step + 9)) if self.config.ema_rises else decay
            move = get_ema_multi_avg_fn(decay)
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
        """Write the checkpoint, if there is a folder; the first process does."""
        if self.path is None or distributed.rank() > 0:
            return
        tensors = {f"model.{k}": v for k, v in self.model.state_dict().items()}
        if self.averaged is not None:
            tensors |= {f"average.{k}": v for k, v in self.averaged.state_dict().items()}
        for index, moments in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{index}.{k}": v for k, v in moments.items()}
        tensors["random.step"] = self.generator.get_state()
        tensors["random.global"] = torch.get_rng_state()
        state = {"step": self.step, "spent": self.spent, "config": to_mapping(self.config)}
        save_tensors(self.path, tensors, state)

    def restore(self, path: Path) -> None:
        """Go on from a checkpoint.

        Raises:
            CheckpointError: It is of another run, or damaged.
        """
        tensors, header = load_tensors(path)
        try:
            self._take(path, tensors, header)
        except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            if isinstance(error, CheckpointError):
                raise
            raise CheckpointError(
                f"{str(path)!r} is no checkpoint of a training, or a damaged one "
                f"({type(error).__name__}: {error}). Remove it to train from the start."
            ) from error

    def _take(self, path: Path, tensors: dict[str, Tensor], header: dict[str, Any]) -> None:
        """Take over what a checkpoint holds."""
        found = {**to_mapping(TrainConfig()), **header["config"]}
        requested = to_mapping(self.config)
        check_same(path, found, requested, free=MAY_CHANGE, error=CheckpointError)
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
        self.spent = self._before = header.get("spent", 0.0)


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
