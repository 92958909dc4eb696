"""Which atoms of a slab are adsorbate, which are its surface.

Two ways lead to tags: ``with_tags`` where the adsorbate's atoms are known, and ``tag``, a guess for
structures of one's own that carry none.
"""

from __future__ import annotations

import dataclasses
import warnings
from typing import Final

import numpy as np
from jaxtyping import Bool, Float

from formwright.datasets.atoms import ADSORBATE, BELOW, SURFACE, Structure, neighbours
from formwright.datasets.elements import covalent_radii, numbers
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
    """Return the structure with tags, guessed where it has none.

    A structure with an atom of tag 2 is returned as it is. Otherwise non-metal atoms are taken for
    the adsorbate: all of them on a metal, and only those above the top metal atoms where non-metals
    are found in both halves of the slab (an oxide). A ``TagWarning`` says which.

    Raises:
        StructureError: There is no metal to tell a slab by.
    """
    if (one.tags == ADSORBATE).any():
        return one
    chosen = np.isin(one.z, numbers(NONMETALS))
    if chosen.all():
        raise StructureError(
            f"{one.name or 'the structure'} has no metal atom, so its slab cannot be told from its "
            "adsorbate: mark the adsorbate's atoms with tag 2 (ASE: atoms.set_tags)."
        )
    height = _heights(one)
    metal = height[~chosen]
    low = height[chosen] < metal.mean()
    if low.any() and not low.all():
        chosen &= height > metal.max() + STEP
    atoms = ", ".join(f"{one.elements[i]} {i}" for i in np.flatnonzero(chosen)) or "none"
    warnings.warn(
        f"{one.name or 'the structure'} has no tags; taken for the adsorbate: {atoms}. Set tag 2 "
        "on the adsorbate's atoms where that is wrong.",
        TagWarning,
        stacklevel=2,
    )
    return with_tags(one, chosen)


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


def _heights(one: Structure) -> Float[np.ndarray, " atoms"]:
    """Return heights along the normal, angstrom, of a slab that its vacuum does not cut."""
    normal = _normal(one)
    height = one.pos @ normal
    period = float(one.cell[2] @ normal)
    if not one.pbc[2] or period < 1e-9:
        return height
    turned = height % period
    ordered = np.sort(turned)
    gaps = np.diff(np.append(ordered, ordered[0] + period))
    middle = ordered[int(gaps.argmax())] + gaps.max() / 2.0
    return (turned - middle) % period


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
