"""What a view is, for every kind of data: ``view(batch, generator) -> batch``.

A view with ``joint`` set changes conditions or labels too, or chooses what is looked at: it is
applied once, and both branches of a joint embedding see the same copy. Every other view is drawn
anew for each branch. A view that cuts a window out of a run leaves the time of its first frame as
``start``, (cases,); pretexts that predict later states read the lag from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Protocol, runtime_checkable

import torch

from formwright.datasets.cases import Case
from formwright.surrogate.keeps import Keeps


@runtime_checkable
class View(Protocol):
    """A changed copy of a batch of cases, and what it does to each label.

    Attributes:
        joint: Whether both branches see the same draw.
        keeps: For each label, whether it stays, changes by a known map, or is lost.

    Example:
        >>> import formwright
        >>> from formwright.surrogate.pde.symmetries import Shift
        >>> isinstance(Shift(), formwright.View), Shift().joint
        (True, False)
    """

    joint: ClassVar[bool]

    @property
    def keeps(self) -> Mapping[str, Keeps]:
        """Return the promise."""
        ...

    def __call__(self, case: Case, generator: torch.Generator) -> Case:
        """Return a changed copy; the batch itself stays as it is."""
        ...


def apply(views: Sequence[View], case: Case, generator: torch.Generator) -> Case:
    """Return the batch after one view after the other."""
    for view in views:
        case = view(case, generator)
    return case
