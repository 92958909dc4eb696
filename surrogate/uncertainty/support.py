"""How far a case is from those that a surrogate learned from: a distance of Mahalanobis.

A case is described by some features x, and by what they may depend on, its context c (the elements
of a slab). Of the training cases the expectation of x given c is fitted (least squares, so that
classes are centred each for itself), and the covariance S of what is left over, in units of a
tolerance per feature: what may differ without making another kind of case. Then

    distance^2 = r' (S + 1)^-1 r,     r = (x - E[x | c]) / tolerance.

Of S the principal axes are kept; across them, the tolerance alone counts. A distance means little
by itself, so it is divided by the one below which a share ``HELD`` of known cases lie when their
whole group (section family, pair of elements) was left out of the fit: above 1 a case is unlike all
that was learned from (a distance of Mahalanobis by class: Lee et al., NeurIPS 2018).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

SUPPORT: Final = "support"
"""Name of the column."""
HELD: Final = 0.99
_FOLDS: Final = 10
_RIDGE: Final = 1e-4
_TINY: Final = 1e-12
_ANY: Final = 1e30


class Described(NamedTuple):
    """Cases as ``Support`` sees them; the context may be of no width."""

    features: Float[Tensor, "cases width"]
    context: Float[Tensor, "cases given"]


class Support(nn.Module):
    """The distance, fitted once; part of a surrogate, whose weights hold it.

    Attributes:
        limit: The distance that is called 1; 0 before ``fit``.
    """

    def __init__(self, width: int, given: int = 0, axes: int = 64) -> None:
        """Build one that knows nothing, for which every case is as good as any other.

        Args:
            width: Number of features.
            given: Width of the context.
            axes: Principal axes kept at most.
        """
        super().__init__()
        self.slope = nn.Buffer(torch.zeros(given + 1, width))
        self.tolerance = nn.Buffer(torch.ones(width))
        self.axes = nn.Buffer(torch.zeros(min(axes, width), width))
        self.limit = nn.Buffer(torch.zeros(()))

    @property
    def known(self) -> bool:
        """Whether it was fitted."""
        return bool(self.limit > 0.0)

    def forward(self, cases: Described) -> Float[Tensor, " cases"]:
        """Return the distances of cases relative to ``limit``, differentiably; above 1 is far."""
        fitted = (buffer.double() for buffer in (self.slope, self.tolerance, self.axes))
        own = Described(*(part.double() for part in cases))
        return _distance(own, *fitted) / self.limit.double()

    def of_parts(
        self, few: Float[Tensor, "cases few"], many: Float[Tensor, "cases many"], turned: int = 0
    ) -> Float[Tensor, " cases"]:
        """Return the same of features in two parts, without a context, in their own precision.

        The products are expanded, so that no array of the size of the features is made.

        Args:
            few: The first features.
            many: The others.
            turned: By how many places the others are turned round first.
        """
        middle, tolerance, axes, limit = (
            buffer.to(many) for buffer in (self.slope[0], self.tolerance, self.axes, self.limit)
        )
        width = few.shape[1]
        rest = (few - middle[:width]) / tolerance[:width]
        scaled, centre = axes[:, width:] / tolerance[width:], middle[width:]
        inverse = tolerance[width:].square().reciprocal()
        along = rest @ axes[:, :width].T - scaled @ centre + many @ scaled.roll(-turned, 1).T
        square = rest.square().sum(-1) + (centre.square() * inverse).sum()
        square = square + many.square() @ inverse.roll(-turned)
        square = square - 2.0 * (many @ (centre * inverse).roll(-turned))
        return (square - along.square().sum(-1)).clamp_min(_TINY).sqrt() / limit

    def fit(
        self,
        cases: Described,
        groups: Int[Tensor, " cases"],
        held: Described,
        tolerance: Float[Tensor, " width"] | None = None,
    ) -> None:
        """Fit it to the cases of training.

        Args:
            cases: Trained on.
            groups: Number of the group of each: where they are left out, they are so together.
            held: Cases not trained on, of other groups; they are judged by all of ``cases``.
            tolerance: Per feature; where not given, a third of the deviation that its context
                leaves.
        """
        known = Described(*(part.double() for part in cases))
        if tolerance is None:
            rest = known.features - _with_one(known.context) @ _slope(known)
            tolerance = rest.std(0, correction=0) / 3.0
        wide = torch.where(tolerance > 1e-9, tolerance, _ANY).double()
        rank = len(self.axes)
        fold = groups.unique(return_inverse=True)[1] % _FOLDS
        found = [_distance(Described(*(part.double() for part in held)), *_fit(known, wide, rank))]
        for k in fold.unique().tolist():
            own = fold == k
            others = own if bool(own.all()) else ~own
            rest = _fit(Described(*(part[others] for part in known)), wide, rank)
            found.append(_distance(Described(*(part[own] for part in known)), *rest))
        far = torch.cat(found).sort().values
        slope, _, axes = _fit(known, wide, rank)
        self.slope.copy_(slope)
        self.tolerance.copy_(wide)
        self.axes.copy_(axes)
        self.limit.copy_(far[min(len(far), math.ceil((len(far) + 1) * HELD)) - 1])


def _fit(cases: Described, tolerance: Tensor, rank: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return slope, tolerance and axes, each axis as long as it shortens a distance along it."""
    slope = _slope(cases)
    rest = (cases.features - _with_one(cases.context) @ slope) / tolerance
    variance, axes = torch.linalg.eigh(rest.T @ rest / len(rest))
    variance, axes = variance[-rank:].clamp_min(0.0), axes[:, -rank:]
    return slope, tolerance, (variance / (1.0 + variance)).sqrt()[:, None] * axes.T


def _slope(cases: Described) -> Tensor:
    """Return what the features are expected to be, linear in context and 1."""
    given = _with_one(cases.context)
    penalty = _RIDGE * len(given) * torch.eye(given.shape[1], dtype=given.dtype)
    penalty[-1, -1] = _TINY
    return torch.linalg.solve(given.T @ given + penalty, given.T @ cases.features)


def _distance(cases: Described, slope: Tensor, tolerance: Tensor, axes: Tensor) -> Tensor:
    """Return the distance of each case."""
    rest = (cases.features - _with_one(cases.context) @ slope) / tolerance
    square = rest.square().sum(-1) - (rest @ axes.T).square().sum(-1)
    return square.clamp_min(_TINY).sqrt()


def _with_one(context: Tensor) -> Tensor:
    return torch.cat([context, context.new_ones(len(context), 1)], 1)


def growth(support: Float[Tensor, " cases"]) -> Float[Tensor, " cases"]:
    """Return what half an interval is multiplied by: beyond 1 it grows as the distance does."""
    return support.clamp_min(1.0)


def remark(support: float) -> str:
    """Return what a user is told of a number, nothing where it is supported."""
    if support <= 1.0:
        return ""
    return (
        f"outside of what it learned from (distance {support:.3g}, {100 * HELD:.0f} % of known "
        "cases are below 1): the number is a guess"
    )


def add_remarks(
    flags: dict[int, str], values: Mapping[str, np.ndarray], rows: Sequence[int]
) -> None:
    """Add the remarks on a column ``support`` of a table, if it has one, to the flags of its rows.

    Args:
        flags: By row; what is there is kept.
        values: Columns.
        rows: The row that each value belongs to.
    """
    for i in np.flatnonzero(values.get(SUPPORT, np.zeros(0)) > 1.0).tolist():
        known = [flags[rows[i]]] if rows[i] in flags else []
        flags[rows[i]] = "; ".join([*known, remark(float(values[SUPPORT][i]))])
