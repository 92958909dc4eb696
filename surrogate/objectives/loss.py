"""What an objective returns, and what it asks of the embeddings it is given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from formwright.datasets.errors import ObjectiveError


@dataclass(frozen=True, slots=True)
class Loss:
    """A scalar to minimise and the parts it is made of.

    Attributes:
        total: The scalar that ``backward`` is called on.
        terms: By name, the unweighted parts, for the log.
    """

    total: Float[Tensor, ""]
    terms: Mapping[str, Float[Tensor, ""]]


class Target(StrEnum):
    """Where the second embedding comes from, and whether the gradient follows it."""

    SHARED = "shared"
    """From the same network, with gradient."""
    STOPPED = "stopped"
    """From the same network, without gradient."""
    AVERAGE = "average"
    """From a moving average of the network, without gradient."""


class TwoViews:
    """What an objective of two equal views needs beside their embeddings: nothing."""

    __slots__ = ()
    predictor: ClassVar[bool] = False
    target: ClassVar[Target] = Target.SHARED
    both_ways: ClassVar[bool] = True
    decay: ClassVar[float] = 0.0


def check_pair(za: Tensor, zb: Tensor, objective: str, *, statistics: bool = True) -> None:
    """Refuse two batches of embeddings that ``objective`` cannot compare.

    Args:
        za: Embeddings of the first view, (batch, width).
        zb: Embeddings of the second view, (batch, width).
        objective: Its name, for the message.
        statistics: Whether it needs at least two rows.

    Raises:
        ObjectiveError: Shapes differ or are not (batch, width), one row only, or a value that is
            not finite.
    """
    if za.dim() != 2 or za.shape != zb.shape:
        raise ObjectiveError(
            f"{objective} compares two views of one shape (batch, width); got {tuple(za.shape)} "
            f"and {tuple(zb.shape)}. Row i of both must belong to the same case."
        )
    if statistics and len(za) < 2:
        raise ObjectiveError(
            f"{objective} needs statistics over the batch, and the batch holds {len(za)} case: "
            "take at least 2, better 64 or more; a last, smaller batch can be dropped."
        )
    check_finite(za, "first view", objective)
    check_finite(zb, "second view", objective)


def check_finite(z: Tensor, what: str, objective: str) -> None:
    """Refuse embeddings with a value that is not finite.

    Raises:
        ObjectiveError: There is one; the message says in which rows.
    """
    z = z.detach()
    if torch.isfinite(z.sum()) or torch.isfinite(z).all():
        return
    rows = (~torch.isfinite(z)).any(1).nonzero()[:, 0].tolist()
    raise ObjectiveError(
        f"{objective} got embeddings of the {what} that are not finite in row(s) {rows[:5]} of "
        f"{len(z)}: look for NaN in these cases' geometry, conditions or fields, or lower the "
        "learning rate."
    )
