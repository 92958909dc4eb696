"""What a surrogate of adsorption energies may be asked, and what makes its answer a guess."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int

from formwright.datasets.atoms import mamun
from formwright.datasets.atoms.adsorbates import ADSORBATES, adsorbate
from formwright.datasets.atoms.elements import symbols
from formwright.datasets.atoms.slabs.surface_atoms import (
    TagWarning,
    check_whole,
    has_layers,
    tag,
)
from formwright.datasets.atoms.structures import ADSORBATE, Structure, check_slab
from formwright.datasets.errors import StructureError, UnknownNameError, did_you_mean


@runtime_checkable
class Trained(Protocol):
    """What is known of the training of a surrogate (``AdsorptionSurrogate``)."""

    @property
    def config(self) -> Any:
        """The architecture, with levels of theory and adsorbates."""
        ...

    @property
    def trained_on(self) -> Any:
        """Whether an element was in the training data, (95,)."""
        ...


def trained_adsorbates(surrogate: Trained) -> tuple[str, ...]:
    """Return the adsorbates that a surrogate was trained on; empty where that is not known.

    They are names of ``ADSORBATES``, and formulas where none there is made of the same atoms.
    """
    held = made_of(surrogate)
    if not surrogate.config.adsorbates:
        return tuple(mamun.REACTIONS) if held else ()
    known = {name: composition_of(one.elements) for name, one in ADSORBATES.items()}
    names = [name for name, made in known.items() if made in held]
    return (*names, *(made for made in held if made not in known.values()))


def made_of(surrogate: Trained) -> tuple[str, ...]:
    """Return what the adsorbates that a surrogate was trained on are made of, as formulas."""
    if surrogate.config.adsorbates or surrogate.config.levels != (mamun.LEVEL,):
        return tuple(surrogate.config.adsorbates)
    return tuple(composition_of(ADSORBATES[name].elements) for name in mamun.REACTIONS)


def energies_of(surrogate: Trained) -> str:
    """Return by which functional and against which references the energies of a surrogate are."""
    if surrogate.config.levels == (mamun.LEVEL,):
        return mamun.REFERENCES
    levels = ", ".join(surrogate.config.levels)
    return f"functional and references of the energies that it was fitted to ({levels})"


def composition_of(elements: Sequence[str]) -> str:
    """Return what an adsorbate is made of: a formula, its elements in alphabetical order."""
    return formula(sorted(elements))


def compositions(structures: Iterable[Structure]) -> tuple[str, ...]:
    """Return what the adsorbates of structures are made of, each once."""
    found = (
        composition_of(
            [e for e, tag in zip(one.elements, one.tags, strict=True) if tag == ADSORBATE]
        )
        for one in structures
    )
    return tuple(dict.fromkeys(found))


def check_adsorbate(surrogate: Trained, name: str) -> None:
    """Refuse an adsorbate that is not known here or was not trained on.

    Raises:
        UnknownNameError: The message lists those that are.
    """
    trained = trained_adsorbates(surrogate)
    if trained and name not in trained:
        raise UnknownNameError(
            f"{name!r} is none of the adsorbates that this surrogate was trained on."
            f"{did_you_mean(name, trained)} They are: {', '.join(trained)}."
        )
    adsorbate(name)


def check_composition(surrogate: Trained, z: Int[np.ndarray, " atoms"]) -> None:
    """Refuse the atoms of an adsorbate if no adsorbate of the training data is made of them.

    Raises:
        UnknownNameError: The message lists those that are.
    """
    held, elements = made_of(surrogate), [symbols()[k] for k in sorted(z)]
    if held and composition_of(elements) not in held:
        made, trained = " ".join(elements), trained_adsorbates(surrogate)
        raise UnknownNameError(
            f"the adsorbate's atoms (tag 2) are {made}, and this surrogate was trained on "
            f"{', '.join(trained)} only."
        )


def strange_elements(surrogate: Trained, elements: Iterable[int]) -> list[str]:
    """Return symbols, of some atomic numbers, that the training data had not."""
    return [symbols()[z] for z in dict.fromkeys(elements) if not surrogate.trained_on[z]]


def checked(surrogate: Trained, one: Structure) -> tuple[Structure, list[str]]:
    """Return a slab in the standard frame with tags, and what makes its energy a guess.

    Raises:
        StructureError: No energy can be asked of it.
        UnknownNameError: The surrogate was not trained on its adsorbate.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", TagWarning)
        tagged = tag(one)
    remarks = [str(entry.message) for entry in caught if entry.category is TagWarning]
    check_slab(tagged)
    if trained_adsorbates(surrogate):
        check_whole(tagged)
    check_composition(surrogate, tagged.z[tagged.tags == ADSORBATE])
    return tagged, [*remarks, *_strange(surrogate, tagged)]


def ready(
    surrogate: Trained, structures: Sequence[Structure], own: Sequence[bool]
) -> tuple[list[Structure], dict[int, str]]:
    """Return structures with tags, and what makes the energies of some a guess.

    Structures of this package whose tags mark an adsorbate are taken as they are; all else goes
    through ``checked``.

    Args:
        surrogate: To be asked.
        structures: Slabs with an adsorbate.
        own: Whether each is one of this package, not of another program.

    Raises:
        StructureError: No energy can be asked of one; the message says of which.
        UnknownNameError: The surrogate was not trained on its adsorbate.
    """
    fine: list[Structure] = []
    told: dict[int, str] = {}
    for i, (made, ours) in enumerate(zip(structures, own, strict=True)):
        plain = ours and bool((made.tags == ADSORBATE).any()) and not has_layers(made)
        try:
            found, remarks = (
                (made, _strange(surrogate, made)) if plain else checked(surrogate, made)
            )
        except (StructureError, UnknownNameError) as error:
            raise type(error)(f"structure {i}: {error}") from error
        fine.append(found)
        if remarks:
            told[i] = "; ".join(remarks)
    return fine, told


def _strange(surrogate: Trained, one: Structure) -> list[str]:
    """Return what is to be said of elements that the training data had not."""
    strange = strange_elements(surrogate, one.z.tolist())
    predicted = f"{' and '.join(strange)}: not in the training data, the number is a guess"
    return [predicted] if strange else []


def formula(elements: Sequence[str]) -> str:
    """Return a formula: elements in the order in which they come, with their counts."""
    counts: dict[str, int] = {}
    for element in elements:
        counts[element] = counts.get(element, 0) + 1
    return "".join(f"{e}{n if n > 1 else ''}" for e, n in counts.items())
