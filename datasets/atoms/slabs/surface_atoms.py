"""Which atoms of a slab are adsorbate, which are its surface.

Two ways lead to tags: ``with_tags`` where the adsorbate's atoms are known, and ``tag`` for
structures of one's own, which reads the tags of other programs, and guesses where there are none.
"""

from __future__ import annotations

import dataclasses
import warnings
from typing import Final

import numpy as np
from jaxtyping import Bool, Float

from formwright.datasets.atoms.elements import covalent_radii, numbers, symbols
from formwright.datasets.atoms.slabs.bonds import pieces
from formwright.datasets.atoms.slabs.frame import upright
from formwright.datasets.atoms.structures import ADSORBATE, BELOW, SURFACE, Structure, neighbours
from formwright.datasets.errors import StructureError

NONMETALS: Final = tuple("H He B C N O F Ne P S Cl Ar Se Br Kr I Xe".split())
"""Elements that an adsorbate is guessed from."""
REACH: Final = 5.0
"""How far above an atom another one may cover it, angstrom."""
COVER: Final = 0.8
"""Sideways distance within which an atom covers the one below, in sums of covalent radii."""
STEP: Final = 0.5
"""Least height of an atom above another one to count as above it, angstrom."""


class TagWarning(UserWarning):
    """Tags were guessed."""


def with_tags(one: Structure, adsorbate: Bool[np.ndarray, " atoms"]) -> Structure:
    """Return the structure with tags 2 (adsorbate), 1 (surface) and 0 (below).

    Surface atoms are those of the slab that no other atom of it covers, seen along the surface
    normal from the adsorbate's side (from above where there is none): all of the top layer, and on
    a stepped or open surface the atoms in its furrows.

    Args:
        one: A slab.
        adsorbate: True for the adsorbate's atoms.
    """
    tags = np.where(adsorbate, ADSORBATE, BELOW)
    tags[~adsorbate & ~_covered(one, adsorbate)] = SURFACE
    return dataclasses.replace(one, tags=tags)


def tag(one: Structure) -> Structure:
    """Return a slab in the standard frame (``slabs.frame``) with tags, guessed where it has none.

    Tags with an adsorbate (2) are kept. Layer numbers of ``ase.build`` (1 on top, 2 below it ...)
    are told from them by the metal in layer 2, or by numbers above 2 that grow downwards; what has
    the tag 0 then is the adsorbate. Otherwise non-metal atoms are taken for the adsorbate: all of
    them on a metal, and only those above the top metal atoms where non-metals are found in both
    halves of the slab (an oxide). A ``TagWarning`` says which.

    Raises:
        StructureError: It is no slab (``slabs.frame.normal_axis``), or there is no metal surface to
            tell the adsorbate from.
    """
    if not _metals(one).any() and not (one.tags == ADSORBATE).any():
        raise StructureError(
            f"{one.name or 'the structure'} has no metal atom, so its slab cannot be told from its "
            "adsorbate: mark the adsorbate's atoms with tag 2 (ASE: atoms.set_tags)."
        )
    if has_layers(one):
        stood = upright(one, -one.tags)
        if _downwards(stood):
            return with_tags(stood, stood.tags == 0)
    if not np.isin(one.tags, (BELOW, SURFACE, ADSORBATE)).all():
        one = dataclasses.replace(one, tags=np.zeros(len(one), np.int64))
    stood = upright(one)
    if (stood.tags == ADSORBATE).any():
        return stood
    chosen = _guessed(stood)
    atoms = ", ".join(f"{stood.elements[i]} {i}" for i in np.flatnonzero(chosen)) or "none"
    warnings.warn(
        f"{stood.name or 'the structure'} has no tags that tell its adsorbate; taken for it: "
        f"{atoms}. Set tag 2 on the adsorbate's atoms where that is wrong.",
        TagWarning,
        stacklevel=2,
    )
    return upright(with_tags(stood, chosen))


def marked(one: Structure) -> Bool[np.ndarray, " atoms"]:
    """Return which atoms tags mark as the adsorbate: 2, or 0 beside layer numbers."""
    return one.tags == (BELOW if has_layers(one) else ADSORBATE)


def has_layers(one: Structure) -> bool:
    """Return whether tags look like the layer numbers of ``ase.build``.

    They do where a number is above 2; or where metal has the tags 1 and 2, as much of it 2 as 1, or
    1 alone, and none has the tag 0 that ``ase.build.add_adsorbate`` gives.
    """
    if one.tags.max() > ADSORBATE or one.tags.min() < 0:
        return bool(one.tags.min() >= 0)
    of_metal = np.bincount(one.tags[_metals(one)], minlength=3).tolist()
    if of_metal[2]:
        return 0 == of_metal[0] < of_metal[1] <= of_metal[2]
    return of_metal[0] == 0 < of_metal[1] and set(one.tags.tolist()) == {0, 1}


def check_whole(one: Structure) -> None:
    """Refuse an adsorbate of several pieces: an adsorbate is what hangs together by bonds.

    Raises:
        StructureError: The message lists the pieces.
    """
    found = pieces(one, one.tags == ADSORBATE)
    if len(found) > 1:
        listed = "; ".join(" ".join(f"{one.elements[i]} {i}" for i in atoms) for atoms, _ in found)
        raise StructureError(
            f"{one.name or 'the structure'}: its adsorbate (tag 2) is in {len(found)} pieces that "
            f"no bond joins: {listed}. The energy of adsorption is of one species: give each a "
            "slab of its own, or bring the atoms within a bond's length."
        )


def _metals(one: Structure) -> Bool[np.ndarray, " atoms"]:
    """Return which atoms are metal."""
    return ~np.isin(one.z, numbers(NONMETALS))


def _downwards(one: Structure) -> bool:
    """Return whether layer numbers grow from the top downwards."""
    layers = [one.pos[one.tags == k, 2].mean() for k in np.unique(one.tags[one.tags > 0])]
    return bool((np.diff(layers) < 0.0).all())


def _guessed(one: Structure) -> Bool[np.ndarray, " atoms"]:
    """Return which atoms of an upright slab without tags are taken for its adsorbate.

    Raises:
        StructureError: There is no metal surface: the non-metal atoms are a sheet, or some of an
            element of the slab itself lie above its metal.
    """
    metal, height = _metals(one), one.pos[:, 2]
    chosen = ~metal
    mark = "mark the adsorbate's atoms with tag 2 and the surface with tag 1 (ASE: atoms.set_tags)."
    low = height[chosen] < height[metal].mean()
    if low.any() and not low.all():
        chosen &= height > height[metal].max() + STEP
        both = np.intersect1d(one.z[chosen], one.z[~metal & ~chosen])
        if len(both):
            raise StructureError(
                f"{one.name or 'the structure'} has no metal surface: {symbols()[both[0]]} is part "
                f"of the slab and lies on it, so which of it is adsorbate cannot be told; {mark}"
            )
    sheet = next((atoms for atoms, endless in pieces(one, chosen) if endless), None)
    if sheet is not None:
        raise StructureError(
            f"{one.name or 'the structure'} has no metal surface: {len(sheet)} non-metal atoms "
            f"({one.elements[sheet[0]]} {sheet[0]} ...) are one sheet without end, which is no "
            f"adsorbate; {mark}"
        )
    return chosen


def _normal(one: Structure) -> Float[np.ndarray, " 3"]:
    """Return the surface normal, on the side of the third cell vector."""
    normal = np.cross(one.cell[0], one.cell[1])
    length = float(np.linalg.norm(normal))
    if length < 1e-9:
        raise StructureError(
            f"{one.name or 'the structure'} has no cell: a slab repeats along its first two cell "
            "vectors. Set its cell and pbc (in extxyz: Lattice and pbc)."
        )
    return normal / length * (-1.0 if normal @ one.cell[2] < 0.0 else 1.0)


def _covered(one: Structure, adsorbate: Bool[np.ndarray, " atoms"]) -> Bool[np.ndarray, " atoms"]:
    """Return which atoms have an atom of the slab above them."""
    normal = _normal(one)
    (above, below), shift = neighbours(one.pos, one.cell, one.pbc, REACH)
    apart = one.pos[above] + shift @ one.cell - one.pos[below]
    height = apart @ normal
    if adsorbate.any() and not adsorbate.all():
        height = height * _side(above, below, adsorbate, np.linalg.norm(apart, axis=1), height)
    sideways = np.linalg.norm(apart - np.outer(apart @ normal, normal), axis=1)
    radii = covalent_radii().numpy()[one.z]
    covers = (
        ~adsorbate[above] & (height > STEP) & (sideways < COVER * (radii[above] + radii[below]))
    )
    covered = np.zeros(len(one), bool)
    covered[below[covers]] = True
    return covered


def _side(
    sender: np.ndarray,
    receiver: np.ndarray,
    adsorbate: Bool[np.ndarray, " atoms"],
    apart: np.ndarray,
    height: np.ndarray,
) -> float:
    """Return 1 where the adsorbate sits on top of the slab and -1 where it hangs below."""
    pairs = adsorbate[sender] & ~adsorbate[receiver]
    if not pairs.any():
        return 1.0
    return 1.0 if float((height / apart**2)[pairs].sum()) >= 0.0 else -1.0
