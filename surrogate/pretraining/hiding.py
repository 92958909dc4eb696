"""What masked prediction hides: patches of a grid, nodes of a mesh, atoms.

A value with ``hide(batch, generator) -> Hidden``. Hidden points carry ``visible`` False, and what
is put in their place (the mean of the visible points, a straight line, class 0, no flow) says
nothing of them to an encoder that does not look at ``visible``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from formwright.datasets.cases import Batch, Case
from formwright.datasets.errors import ViewError


@dataclass(frozen=True, slots=True)
class Hidden:
    """A batch of which something is hidden.

    Attributes:
        batch: As the encoder sees it.
        where: Which points are hidden.
        values: True values at all points: (points, channels), or classes, (points,).
        place: What may be told of a hidden point, (points, coordinates); None where the encoder's
            own vector of the point says where it is.
    """

    batch: Case
    where: Bool[Tensor, " points"]
    values: Shaped[Tensor, " points *channels"]
    place: Float[Tensor, "points coordinates"] | None = None


@runtime_checkable
class Hiding(Protocol):
    """What is hidden of each case; a frozen dataclass with a ``kind`` of its own."""

    def hide(self, batch: Case, generator: torch.Generator) -> Hidden:
        """Return the batch with something hidden."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Patches:
    """Square patches of a grid, all frames and fields of their points (``datasets.pde.runs``).

    Attributes:
        kind: Its name in a configuration file.
        side: Points along each edge of a patch.
        share: Of the patches, hidden in each case.
    """

    kind: Literal["patches"] = "patches"
    side: int = 4
    share: float = 0.75

    def hide(self, batch: Case, generator: torch.Generator) -> Hidden:
        """Hide patches.

        Raises:
            ViewError: The grid is not a whole number of patches, or differs within the batch.
        """
        if "grid" not in batch or (batch.grid != batch.grid[0]).any():
            raise ViewError(
                "Patches needs cases on one grid (attributes 'field' and 'grid'); for meshes and "
                "atoms take Nodes, for contours Arcs."
            )
        space = batch.grid[0].tolist()
        if any(n % self.side for n in space):
            raise ViewError(
                f"Patches(side={self.side}) does not divide a grid of {tuple(space)} points."
            )
        coarse = [n // self.side for n in space]
        chosen = _choose(len(batch.grid), coarse, self.share, generator)
        for axis in range(len(space)):
            chosen = chosen.repeat_interleave(self.side, axis + 1)
        where = chosen.reshape(-1).to(batch.field.device)
        return Hidden(_filled(batch, "field", where), where, batch.field.flatten(1))


@dataclass(frozen=True, kw_only=True, slots=True)
class Nodes:
    """Nodes of a mesh or atoms of a structure: one of their attributes.

    Attributes:
        kind: Its name in a configuration file.
        attribute: Numbers, (nodes, channels), or classes from 0, (nodes,), e.g. ``z``.
        share: Of the nodes, hidden in each case: .4 of a mesh, .15 of atoms.
    """

    kind: Literal["nodes"] = "nodes"
    attribute: str = "field"
    share: float = 0.4

    def hide(self, batch: Case, generator: torch.Generator) -> Hidden:
        """Hide nodes.

        Raises:
            ViewError: The cases have no such attribute.
        """
        if self.attribute not in batch:
            raise ViewError(
                f"Nodes(attribute={self.attribute!r}): the cases have {', '.join(batch.keys())}."
            )
        value, case = batch[self.attribute], batch.batch
        assert case is not None
        drawn = torch.rand(len(value), generator=generator, dtype=torch.float64).to(case.device)
        order = (case + drawn).argsort()
        place = torch.empty_like(order)
        place[order] = torch.arange(len(order), device=order.device)
        hidden = place - batch.ptr[case] < self.share * batch.ptr.diff()[case]
        filled = _filled(batch, self.attribute, hidden)
        return Hidden(filled, hidden, value.flatten(1) if value.is_floating_point() else value)


def _choose(
    cases: int, shape: list[int], share: float, generator: torch.Generator
) -> Bool[Tensor, " cases *shape"]:
    """Return equally many True at random in each case, at least one and not all."""
    count = 1
    for n in shape:
        count *= n
    hidden = min(count - 1, max(1, round(share * count)))
    rank = torch.rand(cases, count, generator=generator).argsort(1).argsort(1)
    return (rank < hidden).reshape(cases, *shape)


def _filled(batch: Case, attribute: str, hidden: Bool[Tensor, " points"]) -> Case:
    """Return a copy with the attribute of hidden points replaced."""
    value, case = batch[attribute], batch.batch
    assert case is not None
    filled = value.clone()
    if value.is_floating_point():
        cases, seen = len(batch.ptr) - 1, ~hidden
        sums = value.new_zeros(cases, *value.shape[1:]).index_add_(0, case[seen], value[seen])
        counts = torch.bincount(case[seen], minlength=cases).clamp_min(1)
        means = sums / counts.reshape(-1, *[1] * (value.dim() - 1)).to(value)
        filled[hidden] = means[case[hidden]]
    else:
        filled[hidden] = 0
    return Batch.from_dict({**batch.to_dict(), attribute: filled, "visible": ~hidden})
