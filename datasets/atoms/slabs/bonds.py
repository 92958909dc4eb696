"""What hangs together by bonds, told from covalent radii."""

from __future__ import annotations

from typing import Final

import numpy as np
from jaxtyping import Bool, Int

from formwright.datasets.atoms.elements import covalent_radii
from formwright.datasets.atoms.structures import Structure, neighbours

BOND: Final = 1.3
"""Longest bond, in sums of covalent radii (Cordero et al. 2008)."""


def pieces(
    one: Structure, chosen: Bool[np.ndarray, " atoms"]
) -> list[tuple[Int[np.ndarray, " piece"], bool]]:
    """Return what some atoms of a structure hang together as.

    Args:
        one: The structure.
        chosen: Which atoms; bonds to others do not count.

    Returns:
        The atoms of each piece, and whether it goes on through the cell without end (a sheet).

    Raises:
        StructureError: The cell is none (``structures.check_cell``).
    """
    index = np.flatnonzero(chosen)
    if not len(index):
        return []
    pos, radii = one.pos[index], covalent_radii().numpy()[one.z[index]]
    (sender, receiver), shift = neighbours(pos, one.cell, one.pbc, float(2.0 * BOND * radii.max()))
    apart = np.linalg.norm(pos[sender] + shift @ one.cell - pos[receiver], axis=1)
    bonded = apart < BOND * (radii[sender] + radii[receiver])
    bonds: dict[int, list[tuple[int, np.ndarray]]] = {}
    for a, b, cells in zip(receiver[bonded], sender[bonded], shift[bonded], strict=True):
        bonds.setdefault(int(a), []).append((int(b), cells))
    result: list[tuple[Int[np.ndarray, " piece"], bool]] = []
    seen: dict[int, np.ndarray] = {}
    for first in range(len(index)):
        if first not in seen:
            members, endless = _piece(first, bonds, seen)
            result.append((index[members], endless))
    return result


def _piece(
    first: int, bonds: dict[int, list[tuple[int, np.ndarray]]], seen: dict[int, np.ndarray]
) -> tuple[list[int], bool]:
    """Return the atoms bonded to one, and whether its image is among them; add them to ``seen``."""
    seen[first] = np.zeros(3, dtype=np.int64)
    members, endless, todo = [first], False, [first]
    while todo:
        here = todo.pop()
        for there, cells in bonds.get(here, ()):
            if there not in seen:
                seen[there] = seen[here] + cells
                members.append(there)
                todo.append(there)
            endless |= bool((seen[there] != seen[here] + cells).any())
    return sorted(members), endless
