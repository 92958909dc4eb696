"""Views of whole structures: those of slabs, with what they do to a label of one's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from formwright.datasets.atoms.structures import E_ADS
from formwright.datasets.cases import Case
from formwright.surrogate.keeps import Keeps
from formwright.surrogate.view import View


@dataclass(frozen=True, kw_only=True, slots=True)
class Whole:
    """A shipped view of atoms; it keeps a label as it keeps an adsorption energy.

    Attributes:
        view: Which.
        label: Name of the label.
    """

    view: View
    label: str

    @property
    def joint(self) -> bool:
        """Whether both branches see the same draw."""
        return self.view.joint

    @property
    def keeps(self) -> Mapping[str, Keeps]:
        """Return the promise."""
        return {self.label: self.view.keeps[E_ADS.name]}

    def __call__(self, case: Case, generator: torch.Generator) -> Case:
        """Return the view of a batch."""
        return self.view(case, generator)
