"""Adsorbates on the sites of a slab: known ones, any molecule, any atoms of one's own."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np
from jaxtyping import Float

from formwright.datasets.atoms.adsorbates import ADSORBATES, Adsorbate
from formwright.datasets.atoms.elements import covalent_radii, symbols
from formwright.datasets.atoms.slabs.ordered import LOWEST
from formwright.datasets.atoms.slabs.sites import SlabSite, images
from formwright.datasets.atoms.structures import ADSORBATE, Structure, check_apart
from formwright.datasets.errors import StructureError, UnknownNameError, did_you_mean

if TYPE_CHECKING:
    from ase import Atoms

CLEAR: Final = 0.85
"""Least distance of a molecule's other atoms from the slab, in sums of covalent radii."""


def place(
    slab: Structure,
    site: SlabSite,
    adsorbate: str | Adsorbate | Structure,
    *,
    height: float | None = None,
    turn_deg: float = 0.0,
    binding: int | None = None,
) -> Structure:
    """Return the slab with an adsorbate on a site, tag 2, free to move.

    Args:
        slab: A clean slab or one that has adsorbates already.
        site: Where.
        adsorbate: What: see ``species``.
        height: Of the binding atom above the site, angstrom; where not given, as far from the
            atoms around as covalent radii say (at least ``ordered.LOWEST``), and a molecule so
            high that its other atoms are clear of the slab.
        turn_deg: Turn about the normal, degrees.
        binding: Which atom binds; see ``species``.

    Raises:
        StructureError: Atoms would overlap.
        UnknownNameError: There is no such species.
    """
    what = species(adsorbate, binding)
    turn = np.deg2rad(turn_deg)
    about = np.array(
        [[np.cos(turn), np.sin(turn), 0.0], [-np.sin(turn), np.cos(turn), 0.0], [0.0, 0.0, 1.0]]
    )
    offsets = what.offsets @ about
    up = _height(slab, site, what, offsets) if height is None else height
    pos = site.position + np.array([0.0, 0.0, up]) + offsets
    count = len(what.z)
    made = replace(
        slab,
        z=np.concatenate([slab.z, what.z]),
        pos=np.concatenate([slab.pos, pos]),
        tags=np.concatenate([slab.tags, np.full(count, ADSORBATE)]),
        fixed=np.concatenate([slab.fixed, np.zeros(count, bool)]),
        name=f"{slab.name} {what.name} {site.label}".strip(),
    )
    check_apart(made)
    return made


def species(what: str | Adsorbate | Structure, binding: int | None = None) -> Adsorbate:
    """Return an adsorbate from its name, or a molecule with its binding atom first, the rest up.

    Args:
        what: A name of ``ADSORBATES``, a name that ``ase.build.molecule`` knows, or a molecule.
        binding: The index of the atom that binds. Of a molecule by name the first that is not
            hydrogen where not given, else the first.

    Raises:
        UnknownNameError: There is no such species.
        StructureError: The molecule has no such atom.
    """
    if isinstance(what, Adsorbate):
        return what
    if isinstance(what, str):
        if what in ADSORBATES and binding is None:
            return ADSORBATES[what]
        atoms = _molecule(what)
        heavy = np.flatnonzero(atoms.numbers > 1)
        first = int(heavy[0]) if len(heavy) else 0
        z, pos, name = atoms.numbers, atoms.get_positions(), what
    else:
        z, pos, name, first = what.z, what.pos, what.name or "molecule", 0
    first = first if binding is None else binding
    if not 0 <= first < len(z):
        raise StructureError(
            f"{name} has {len(z)} atom(s), and atom {first} was to bind; give 0 to {len(z) - 1}."
        )
    order = [first, *(i for i in range(len(z)) if i != first)]
    offsets = _upwards(pos[order] - pos[first])
    return Adsorbate(
        name,
        tuple(symbols()[z[i]] for i in order),
        tuple((x, y, h) for x, y, h in offsets.tolist()),
    )


def _molecule(name: str) -> Atoms:
    """Return a molecule of ASE's collection."""
    from ase.build import molecule
    from ase.collections import g2

    if name not in g2.names:
        known = sorted({*ADSORBATES, *g2.names})
        raise UnknownNameError(
            f"no adsorbate or molecule is called {name!r}.{did_you_mean(name, known)} Known "
            f"adsorbates: {', '.join(ADSORBATES)}; molecules: those of ase.build.molecule; or give "
            "a Structure."
        )
    return molecule(name)


def _upwards(pos: Float[np.ndarray, "atoms 3"]) -> Float[np.ndarray, "atoms 3"]:
    """Turn a molecule about its first atom until the mean of the others is above it.

    Where the mean is on the first atom (carbon of CO2), a bond of it is laid flat.
    """
    if len(pos) == 1:
        return pos
    middle = pos[1:].mean(0)
    if np.linalg.norm(middle) > 1e-3:
        return _turned(pos, middle, np.array([0.0, 0.0, 1.0]))
    return _turned(pos, pos[1], np.array([1.0, 0.0, 0.0]))


def _turned(
    pos: Float[np.ndarray, "atoms 3"],
    start: Float[np.ndarray, " 3"],
    goal: Float[np.ndarray, " 3"],
) -> Float[np.ndarray, "atoms 3"]:
    """Turn atoms by the rotation of 180 degrees that takes one direction to another."""
    half = start / np.linalg.norm(start) + goal
    if half @ half < 1e-12:
        half = np.roll(goal, 1)
    return pos @ (2.0 * np.outer(half, half) / (half @ half) - np.eye(3))


def _height(
    slab: Structure, site: SlabSite, what: Adsorbate, offsets: Float[np.ndarray, "atoms 3"]
) -> float:
    """Return the height of the binding atom above the site, angstrom."""
    radii = covalent_radii().numpy()
    bond = radii[what.z[0]] + radii[slab.z[list(site.atoms)]].mean()
    across = np.square(site.corners - site.position).sum(1).mean()
    height = float(np.sqrt(max(bond**2 - across, LOWEST**2)))
    if what.name in ADSORBATES or len(offsets) == 1:
        return height
    index, pos = images(slab, np.arange(len(slab)))
    away = pos - (site.position + offsets[1:, None])
    clear = CLEAR * (radii[what.z[1:], None] + radii[slab.z[index]])
    rise = np.square(clear) - np.square(away[..., :2]).sum(2)
    least = np.where(rise > 0.0, away[..., 2] + np.sqrt(rise.clip(0.0)), -np.inf)
    return max(height, float(least.max()))
