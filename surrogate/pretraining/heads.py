"""Networks of pretraining alone: projector, predictor, and the slow copy of a teacher."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from formwright.surrogate.training.distributed import BatchNorm


def projector(width: int, hidden: int) -> nn.Module:
    """Return width -> hidden -> hidden with batch normalisation between; 0 is no projector."""
    if hidden == 0:
        return nn.Identity()
    return nn.Sequential(
        nn.Linear(width, hidden), BatchNorm(hidden), nn.ReLU(), nn.Linear(hidden, hidden)
    )


def predictor(width_in: int, width_out: int, hidden: int) -> nn.Sequential:
    """Return width_in -> hidden -> width_out with batch normalisation between."""
    return nn.Sequential(
        nn.Linear(width_in, hidden), BatchNorm(hidden), nn.ReLU(), nn.Linear(hidden, width_out)
    )


class Teacher(nn.Module):
    """A moving average of some networks: t <- decay t + (1 - decay) o after each update.

    The decay rises from its first value to 1 along half a cosine (arXiv 2006.07733).

    Attributes:
        networks: The averages, in evaluation of the gradient only: none flows.
    """

    def __init__(self, online: Sequence[nn.Module], decay: float) -> None:
        super().__init__()
        self.networks = nn.ModuleList(copy.deepcopy(network) for network in online)
        self.networks.requires_grad_(False)
        self.decay = decay

    def follow(self, online: Sequence[nn.Module], done: float) -> None:
        """Move towards ``online``; ``done`` is the finished share of the training."""
        decay = 1.0 - (1.0 - self.decay) * 0.5 * (1.0 + math.cos(math.pi * done))
        for target, network in zip(self.networks, online, strict=True):
            update_target(target, network, decay)


def update_target(target: nn.Module, online: nn.Module, decay: float) -> None:
    """Move the parameters of ``target`` towards those of ``online``; buffers are copied.

    Args:
        target: Changed in place.
        online: A network of the same architecture.
        decay: 0 copies, 1 leaves the target as it is.
    """
    with torch.no_grad():
        parameters: list[Tensor] = [*target.parameters()]
        if parameters:
            get_ema_multi_avg_fn(decay)(parameters, [*online.parameters()], 1)
        for kept, buffer in zip(target.buffers(), online.buffers(), strict=True):
            kept.copy_(buffer)
