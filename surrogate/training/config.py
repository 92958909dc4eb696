"""How to train: the settings of the one loop."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import torch

from formwright.datasets.errors import ConfigError


class Precision(StrEnum):
    """Of the matrix products of a training step."""

    AUTO = "auto"
    """bfloat16 on a GPU that computes in it, float32 elsewhere."""
    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"

    def on(self, device: torch.device) -> torch.dtype:
        """Return the type that products on ``device`` are computed in."""
        if self is Precision.AUTO:
            fast = device.type == "cuda" and torch.cuda.is_bf16_supported()
            return torch.bfloat16 if fast else torch.float32
        return torch.bfloat16 if self is Precision.BFLOAT16 else torch.float32


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainConfig:
    """How to train.

    Good values: a learning rate of 1e-3 for 1e4-1e6 parameters, a tenth of it for fine-tuning a
    whole pretrained network.

    Attributes:
        steps: Updates of the parameters, at most.
        seconds: Processor time of the training, at most; None sets no such end. The learning rate
            follows whichever of the two ends first. Such a run goes on after a kill, but is not
            repeated bit for bit.
        learning_rate: Highest one, after the warm-up.
        weight_decay: AdamW's, on matrices and kernels; biases and gains are spared.
        warmup_steps: Linear warm-up from zero.
        floor: Last learning rate as a fraction of the highest; a half cosine leads there.
        rate_factors: By prefix of a parameter's name, a factor on the learning rate; 0 freezes.
        clip_norm: Largest norm of the gradient; None does not clip.
        ema_decay: Decay a step of the moving average of the parameters; None keeps none.
        ema_rises: Whether that decay is at most k / (k + 9) after k updates, so that the average of
            a short run forgets where it began.
        checkpoint_every_seconds: Wall time between checkpoints; there is one at the end as well.
        log_every_steps: Steps between two lines of the log.
        seed: Of the generator given to the step, and of dropout.
        threads: Threads of torch during the run; None leaves them.
        device: Where to train, e.g. ``cuda``; None is where the model is. Under ``torchrun`` each
            process takes the GPU of its own number.
        precision: Of the matrix products; weights, statistics and losses stay in float32.
        accumulate: Batches an update, whose gradients are averaged. For a loss that is a mean over
            cases this equals one larger batch. For one with statistics over the batch (VICReg,
            Barlow Twins, SimCLR, Siamese, LeJEPA, VISReg) it does not: variances, covariances and
            negatives are those of each small batch, and only their noise averages out. There, use
            more processes, whose batches are joined, before more accumulation.
        tensorboard: Also write event files for TensorBoard into the folder.
    """

    steps: int = 1000
    seconds: float | None = None
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    warmup_steps: int = 50
    floor: float = 0.01
    rate_factors: Mapping[str, float] = field(default_factory=dict)
    clip_norm: float | None = 1.0
    ema_decay: float | None = None
    ema_rises: bool = False
    checkpoint_every_seconds: float = 60.0
    log_every_steps: int = 20
    seed: int = 0
    threads: int | None = None
    device: str | None = None
    precision: Precision = Precision.AUTO
    accumulate: int = 1
    tensorboard: bool = False

    def __post_init__(self) -> None:
        """Refuse values without meaning."""
        positive = {"steps": self.steps, "log_every_steps": self.log_every_steps}
        positive["accumulate"] = self.accumulate
        for name, value in positive.items():
            if value < 1:
                raise ConfigError(f"TrainConfig.{name} = {value} should be at least 1.")
        if self.learning_rate <= 0:
            raise ConfigError(f"TrainConfig.learning_rate = {self.learning_rate} should be > 0.")
        if self.seconds is not None and self.seconds <= 0:
            raise ConfigError(f"TrainConfig.seconds = {self.seconds} should be > 0, or None.")
        if self.ema_decay is not None and not 0 <= self.ema_decay < 1:
            raise ConfigError(f"TrainConfig.ema_decay = {self.ema_decay} should lie in [0, 1).")

    def done(self, step: int, spent: float) -> float:
        """Return the finished share of a training after so many updates and seconds."""
        share = 0.0 if self.seconds is None else spent / self.seconds
        return min(1.0, max(step / self.steps, share))

    def rate(self, step: int, spent: float = 0.0) -> float:
        """Return the learning rate of ``step`` (counted from 0), ``spent`` seconds after the start.

        Without a budget in seconds these are not looked at.
        """
        warm = min(1.0, (step + 1) / max(1, self.warmup_steps))
        done = (step - self.warmup_steps) / max(1, self.steps - self.warmup_steps)
        done = done if self.seconds is None else max(done, spent / self.seconds)
        cosine = 0.5 * (1.0 + math.cos(math.pi * min(1.0, max(0.0, done))))
        return self.learning_rate * warm * (self.floor + (1.0 - self.floor) * cosine)
