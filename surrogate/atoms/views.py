"""Views of atoms: moved, strained, with elements hidden.

The encoder does not see translation, rotation or the choice of the cell, so these make no views.
What a view does to an adsorption energy is said in its docstring.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

import torch

from formwright.datasets.atoms.structures import ADSORBATE, E_ADS, case_of
from formwright.datasets.cases import Batch, Case, moved
from formwright.surrogate.keeps import Keeps

LABELS: Final = (E_ADS.name,)


@dataclass(frozen=True, kw_only=True, slots=True)
class Jiggle:
    """Every atom moved by an independent normal error.

    Approximate: a relaxation would undo it, and the label is that of the relaxed structure.

    Attributes:
        sigma: Standard deviation along each axis, angstrom; beyond .2 bonds break.
    """

    sigma: float = 0.05
    joint: ClassVar[bool] = False

    @property
    def keeps(self) -> Mapping[str, Keeps]:
        """Return the promise."""
        return dict.fromkeys(LABELS, Keeps.APPROXIMATE)

    def __call__(self, case: Case, generator: torch.Generator) -> Case:
        """Return the batch with moved atoms."""
        pos = case["pos"]
        error = torch.randn(pos.shape, generator=generator, dtype=torch.float64).to(pos)
        return moved(case, pos=pos + self.sigma * error)


@dataclass(frozen=True, kw_only=True, slots=True)
class Strain:
    """Cell and atoms stretched along each axis by a random factor.

    Approximate: the lattice constant of an alloy is known to a per cent or two, and adsorption
    energies of transition metals move by some .02 eV a per cent (Mavrikakis et al., PRL 81 (1998)).

    Attributes:
        most: Largest strain, uniform between plus and minus it.
    """

    most: float = 0.01
    joint: ClassVar[bool] = False

    @property
    def keeps(self) -> Mapping[str, Keeps]:
        """Return the promise."""
        return dict.fromkeys(LABELS, Keeps.APPROXIMATE)

    def __call__(self, case: Case, generator: torch.Generator) -> Case:
        """Return the batch, each case stretched by itself."""
        draw = torch.rand(len(case.cell), 3, generator=generator, dtype=torch.float64)
        factor = (1.0 + self.most * (2.0 * draw - 1.0)).to(case.cell)
        pos = case["pos"] * factor[case_of(case)]
        return moved(case, pos=pos, cell=case.cell * factor[:, None])


@dataclass(frozen=True, kw_only=True, slots=True)
class HideElements:
    """The elements of some atoms of the slab replaced by nothing (number 0).

    Approximate where few are hidden: the others still tell what alloy this is; the adsorbate's
    atoms are never hidden.

    Attributes:
        share: Probability of each atom of the slab to be hidden.
    """

    share: float = 0.15
    joint: ClassVar[bool] = False

    @property
    def keeps(self) -> Mapping[str, Keeps]:
        """Return the promise."""
        return dict.fromkeys(LABELS, Keeps.APPROXIMATE)

    def __call__(self, case: Case, generator: torch.Generator) -> Case:
        """Return the batch with hidden elements."""
        drawn = torch.rand(len(case.z), generator=generator).to(case.z.device) < self.share
        hidden = drawn & (case.tags != ADSORBATE)
        return Batch.from_dict({**case.to_dict(), "z": case.z.masked_fill(hidden, 0)})


@dataclass(frozen=True, kw_only=True, slots=True)
class OtherElement:
    """One element of each slab replaced by another: a false view, here to be refused.

    Attributes:
        highest: Largest atomic number put in.
    """

    highest: int = 83
    joint: ClassVar[bool] = False

    @property
    def keeps(self) -> Mapping[str, Keeps]:
        """Return the promise."""
        return dict.fromkeys(LABELS, Keeps.FORBIDDEN)

    def __call__(self, case: Case, generator: torch.Generator) -> Case:
        """Return the batch with the first metal of each slab exchanged."""
        z = case.z.clone()
        for number, first in zip(z[case.ptr[:-1]].tolist(), case.ptr.tolist(), strict=False):
            new = int(torch.randint(3, self.highest + 1, (1,), generator=generator))
            same = (case_of(case) == case_of(case)[first]) & (z == number)
            z[same & (case.tags != ADSORBATE)] = new
        return Batch.from_dict({**case.to_dict(), "z": z})
