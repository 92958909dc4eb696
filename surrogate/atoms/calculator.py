"""An ASE calculator over a surrogate of adsorption energies.

    atoms.calc = AdsorptionCalculator(formwright.load("adsorption-mamun"))

What it is: the energy is the *adsorption energy* that DFT finds after relaxation, as a smooth
function of an unrelaxed structure, learnt on ideal slabs with the adsorbate on ideal sites. Forces
and stress are its exact gradients, so an optimiser, a path or a thermostat conserves it. What it is
not: a potential. It holds no energy of the slab itself, so a strained or rattled slab is not pulled
back by the metal's own stiffness; nothing off the ideal sites was ever seen, so atoms may drift to
where the number means nothing: the first step there warns (``support``), and an adsorbate that
falls apart is refused; a minimum is where the surrogate likes the adsorbate best, not where
DFT puts it. Good for gradients to site, height, strain and composition; compare energies at ideal
sites, and relax with a potential.

Every call finds its neighbours anew: that is 4 % of a call for 50 atoms, and a list kept with a
skin of half an angstrom has a third more pairs, which costs as much as it saves.
"""

from __future__ import annotations

import warnings
from typing import Any, ClassVar, Final

import numpy as np
import torch
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.stress import full_3x3_to_voigt_6_stress

from formwright.datasets.atoms.elements import symbols
from formwright.datasets.atoms.slabs.surface_atoms import check_whole
from formwright.datasets.atoms.structures import ADSORBATE, Structure, check_slab, collate, from_ase
from formwright.datasets.errors import (
    OutOfRangeWarning,
    StructureError,
    UnknownNameError,
    did_you_mean,
)
from formwright.surrogate.atoms.adsorption import LABEL, AdsorptionSurrogate
from formwright.surrogate.atoms.checks import trained_adsorbates
from formwright.surrogate.atoms.forces import Response, respond
from formwright.surrogate.uncertainty.support import SUPPORT, remark

_TAGS: Final = "tags"


class AdsorptionCalculator(Calculator):
    """Energy, forces and stress of a slab with an adsorbate, eV and angstrom.

    Tags say what an atom is: 0 below the surface, 1 surface, 2 adsorbate. ``results`` also holds
    the surrogate's interval, ``energy_std``, ``energy_lower`` and ``energy_upper``, and, where the
    surrogate knows, ``support``: beyond 1 the number is a guess, and the first such call warns.

    Attributes:
        surrogate: As given; it is not changed.
        level: Index of the level of theory.

    Example:
        >>> import formwright
        >>> from ase.build import add_adsorbate, fcc111
        >>> slab = fcc111("Pt", (2, 2, 4), vacuum=8.0)
        >>> slab.set_tags([1 if tag == 1 else 0 for tag in slab.get_tags()])
        >>> add_adsorbate(slab, "O", 1.2, "fcc")
        >>> slab.set_tags([*slab.get_tags()[:-1], 2])
        >>> slab.calc = formwright.AdsorptionCalculator(formwright.load("adsorption-mamun"))
        >>> slab.get_forces().shape, bool(slab.calc.results["energy_std"] > 0.0)
        ((17, 3), True)
    """

    implemented_properties: ClassVar[list[str]] = ["energy", "free_energy", "forces", "stress"]

    def __init__(
        self, surrogate: AdsorptionSurrogate, *, level: str | None = None, **more: Any
    ) -> None:
        """Wrap a surrogate.

        Args:
            surrogate: Trained; in float64 (``surrogate.double()``) energies are exact to 1e-12.
            level: One of its levels of theory; the first where not given.
            more: What every ASE calculator takes.

        Raises:
            UnknownNameError: The surrogate has no such level.
        """
        super().__init__(**more)
        self.surrogate = surrogate
        self.level = level_index(surrogate, level)
        self._warned: set[str] = set()

    def check_state(self, atoms: Atoms, tol: float = 1e-15) -> list[str]:
        """Return what changed since the last call; other than ASE's, it looks at tags too."""
        changes = super().check_state(atoms, tol=tol)
        if self.atoms is not None and not np.array_equal(self.atoms.get_tags(), atoms.get_tags()):
            changes.append(_TAGS)
        return changes

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: list[str] | None = None,
        system_changes: list[str] = all_changes,
    ) -> None:
        """Compute everything at once.

        Raises:
            StructureError: No cell, no vacuum, no adsorbate or one in pieces, overlapping atoms, or
                tags that mean nothing here.
        """
        super().calculate(atoms, properties, system_changes)
        if self.atoms is None:
            raise StructureError("there are no atoms to compute: calculate(atoms=...).")
        one = from_ase(self.atoms)
        check_tags(one)
        check_slab(one)
        if trained_adsorbates(self.surrogate):
            check_whole(one)
        batch = collate([one])
        batch.level = torch.tensor([self.level])
        self.results = _results(respond(self.surrogate, batch))
        self._warn(one)

    def _warn(self, one: Structure) -> None:
        """Warn, once an element, of what the training data had not; once of a strange place."""
        told = {message: message for message in strangers(self.surrogate, one, self.level)}
        if outside := remark(self.results.get(SUPPORT, 0.0)):
            told[SUPPORT] = f"{one.name or 'the structure'}: {outside}; stop where that begins."
        for key, message in told.items():
            if key not in self._warned:
                self._warned.add(key)
                warnings.warn(message, OutOfRangeWarning, stacklevel=2)


def level_index(surrogate: AdsorptionSurrogate, level: str | None) -> int:
    """Return the index of a level of theory, 0 for None.

    Raises:
        UnknownNameError: The surrogate has no such level.
    """
    known = surrogate.config.levels
    if level is None or level in known:
        return 0 if level is None else known.index(level)
    raise UnknownNameError(
        f"the surrogate has no level {level!r}.{did_you_mean(level, known)} Its levels: "
        f"{', '.join(known)}."
    )


def check_tags(one: Structure) -> None:
    """Refuse tags other than 0, 1 and 2.

    Raises:
        StructureError: There is another, e.g. the layer numbers of ``ase.build``.
    """
    found = sorted(set(one.tags.tolist()))
    if not set(found) <= {0, 1, 2}:
        raise StructureError(
            f"{one.name or 'the structure'} has the tags {found}; 0 is below the surface, 1 the "
            "surface, 2 the adsorbate. ase.build numbers layers from the top and tags an adsorbate "
            "0: set them anew with atoms.set_tags."
        )


def strangers(surrogate: AdsorptionSurrogate, one: Structure, level: int = 0) -> list[str]:
    """Return one message an element that a trained surrogate has not seen, or not as adsorbate."""
    trained = surrogate.trained_on.cpu().numpy()
    unseen = sorted(set(one.z[~trained[one.z]].tolist()))
    messages = [
        f"{symbols()[z]} is not in the training data of this surrogate: its energy is a guess."
        for z in unseen
    ]
    bound = surrogate.references[level].cpu().numpy() != 0.0
    adsorbed = one.z[one.tags == ADSORBATE]
    odd = sorted(set(adsorbed[~bound[adsorbed]].tolist()) - set(unseen))
    return messages + [
        f"{symbols()[z]} is tagged as part of the adsorbate (2), and no adsorbate of the training "
        "data had it: check the tags; else its energy is a guess."
        for z in odd
    ]


def _results(response: Response) -> dict[str, Any]:
    """Return a response to one structure as ASE names and orders it."""
    energy, prediction = float(response.energy[0]), response.prediction
    support = prediction.support
    return ({} if support is None else {SUPPORT: float(support[0])}) | {
        "energy": energy,
        "free_energy": energy,
        "forces": response.forces.numpy(),
        "stress": full_3x3_to_voigt_6_stress(response.stress[0].numpy()),
        "energy_std": float(prediction.std[LABEL][0]),
        "energy_lower": float(prediction.lower[LABEL][0]),
        "energy_upper": float(prediction.upper[LABEL][0]),
    }
