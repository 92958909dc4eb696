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
        """The architecture, with the levels of theory."""
        ...

    @property
    def trained_on(self) -> Any:
        """Whether an element was in the training data, (95,)."""
        ...


def trained_adsorbates(surrogate: Trained) -> tuple[str, ...]:
    """Return the adsorbates that a surrogate was trained on; empty where that is not known."""
    if surrogate.config.adsorbates:
        return surrogate.config.adsorbates
    return tuple(mamun.REACTIONS) if surrogate.config.levels == (mamun.LEVEL,) else ()


def adsorbates_in(structures: Sequence[Structure]) -> tuple[str, ...]:
    """Return names of the adsorbates of structures; empty if one of them has no name here.

    Isomers share a name's atoms, so both names are returned.
    """
    made = {tuple(sorted(one.z[one.tags == ADSORBATE].tolist())) for one in structures}
    named = {name: tuple(sorted(one.z.tolist())) for name, one in ADSORBATES.items()}
    if not made <= set(named.values()):
        return ()
    return tuple(name for name, atoms in named.items() if atoms in made)


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
    trained = trained_adsorbates(surrogate)
    if trained and not any(sorted(adsorbate(name).z) == sorted(z) for name in trained):
        made = " ".join(symbols()[number] for number in sorted(z))
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
