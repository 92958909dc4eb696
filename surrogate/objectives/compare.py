"""How a pretext calls an objective: over the whole batch, or within each run, in full precision.

Objectives are plain functions of two tensors and know nothing of processes. ``compare`` joins the
rows of all processes first, so every objective, one's own too, sees the batch that one process
would see.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from formwright.datasets.errors import ObjectiveError
from formwright.surrogate.objectives.loss import Loss
from formwright.surrogate.training import distributed


class Variance(StrEnum):
    """Over which cases an objective takes its statistics (variances, negatives, covariances)."""

    ACROSS = "across"
    """Over cases of different runs: the embedding keeps what differs from run to run, the
    constants (geometry, viscosity, Reynolds number)."""
    WITHIN = "within"
    """Over several times of one run: the embedding keeps what changes in it, the state."""


@runtime_checkable
class Comparison(Protocol):
    """Two tensors of equal shape, row against row -> loss: what every objective is."""

    def __call__(self, za: Tensor, zb: Tensor, generator: torch.Generator | None = None) -> Loss:
        """Return the loss."""
        ...


def compare(
    objective: Comparison,
    za: Tensor,
    zb: Tensor,
    generator: torch.Generator,
    copies: int = 1,
) -> Loss:
    """Return an objective's loss over the batch of all processes.

    Args:
        objective: What compares the rows.
        za: This process's embeddings of the first view, (rows, width).
        zb: Those of the second view, or the targets.
        generator: Draws what the objective draws, the same in every process.
        copies: With more than 1, each run has that many rows below each other, and the loss is the
            mean over runs of the objective within each.
    """
    with torch.autocast(za.device.type, enabled=False):
        za, zb = _full(za), _full(zb)
        generator = distributed.agree(generator)
        if copies == 1:
            return objective(distributed.gather(za), distributed.gather(zb), generator)
        _check_copies(za, copies)
        pairs = zip(za.split(copies), zb.split(copies), strict=True)
        return mean_loss([objective(a, b, generator) for a, b in pairs])


def mean_loss(losses: Sequence[Loss]) -> Loss:
    """Return the mean of losses that every process has equally many of."""
    n = len(losses) * distributed.world()
    whole = distributed.total(torch.stack([loss.total for loss in losses]).sum()) / n
    terms = {
        name: distributed.total(torch.stack([loss.terms[name].detach() for loss in losses]).sum())
        / n
        for name in losses[0].terms
    }
    return Loss(whole, terms)


def _full(z: Tensor) -> Tensor:
    """Return half-precision numbers in float32, others as they are."""
    return z.float() if z.dtype in (torch.float16, torch.bfloat16) else z


def _check_copies(z: Tensor, copies: int) -> None:
    """Refuse rows that are not whole runs."""
    if len(z) % copies:
        raise ObjectiveError(
            f"variance within a run needs {copies} rows of each run, and {len(z)} rows are not a "
            f"multiple of it: take batch_cases a multiple of times = {copies}."
        )
