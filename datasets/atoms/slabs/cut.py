"""Slabs of any bulk and any Miller index.

pymatgen's ``SlabGenerator`` (Tran et al. 2016) cuts; layers are counted here. A layer is a shell of
bonds: the first has the atoms that lack neighbours of the bulk, the next has their neighbours, and
so on. On (111), (100) and (0001) that is a plane of atoms, on a stepped surface a terrace deep.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np
from jaxtyping import Float, Int

from formwright.datasets.atoms.slabs.frame import shortest
from formwright.datasets.atoms.structures import BELOW, SURFACE, Structure, neighbours, structure
from formwright.datasets.errors import StructureError

VACUUM: Final = 8.0
REACH: Final = 1.15
"""Neighbours are as far as the nearest one times this."""
SHORTEST: Final = 4.0
"""A surface cell is repeated until both its vectors are as long, angstrom."""
_SAME: Final = 1e-2


def cut(
    bulk: Structure,
    miller: tuple[int, ...] = (1, 1, 1),
    *,
    layers: int = 3,
    thickness: float | None = None,
    vacuum: float = VACUUM,
    supercell: tuple[int, int] | None = None,
    fixed_layers: int = 2,
) -> list[Structure]:
    """Return the slabs of a surface, one for each way to end it.

    The first cell vector is along x, the normal along z, and the third vector along the normal.
    Tags are 1 in the uppermost layer and 0 below.

    Args:
        bulk: The conventional cell that the index is meant for.
        miller: Three indices, or four of a hexagonal cell.
        layers: How many layers (see above) are kept, counted from the top.
        thickness: In place of ``layers``: whole cells of the bulk, so that composition is kept, at
            least so thick, angstrom.
        vacuum: Below and above the atoms, angstrom.
        supercell: Repeats along the two surface vectors; where not given, as many as make both at
            least ``SHORTEST`` long.
        fixed_layers: This many of the lowest layers are fixed.

    Raises:
        StructureError: The bulk has no cell, or the index is none.
    """
    index = _checked(bulk, miller, layers)
    made: list[Structure] = []
    for thick, level in _terminations(bulk, index, layers, thickness):
        keep = np.flatnonzero(level <= (layers if thickness is None else level.max()))
        one = _finished(thick, level, keep, vacuum, fixed_layers)
        one = repeat(one, supercell or _repeats(one.cell))
        if not any(_alike(one, other) for other in made):
            label = "".join(map(str, miller))
            made.append(replace(one, name=f"{bulk.name}({label})"))
    return made


def repeat(slab: Structure, times: tuple[int, int]) -> Structure:
    """Return a slab repeated along its two surface vectors."""
    steps = [(i, j, 0) for i in range(times[0]) for j in range(times[1])]
    shifts = np.array(steps, dtype=np.float64) @ slab.cell
    count = len(steps)
    return replace(
        slab,
        z=np.tile(slab.z, count),
        pos=(shifts[:, None] + slab.pos).reshape(-1, 3),
        cell=slab.cell * np.array([*times, 1.0])[:, None],
        tags=np.tile(slab.tags, count),
        fixed=np.tile(slab.fixed, count),
    )


def _checked(bulk: Structure, miller: tuple[int, ...], layers: int) -> tuple[int, int, int]:
    """Return three indices."""
    if not bulk.pbc.all() or abs(np.linalg.det(bulk.cell)) < 1e-6:
        raise StructureError(
            f"{bulk.name or 'the bulk'} has no cell that repeats in three directions, so no slab "
            "can be cut from it; give a crystal."
        )
    fits = len(miller) == 3 or (len(miller) == 4 and miller[0] + miller[1] + miller[2] == 0)
    if not fits or not any(miller):
        raise StructureError(
            f"{miller} is no Miller index; give three integers that are not all zero, or four "
            "(h, k, -h-k, l) of a hexagonal cell."
        )
    if layers < 1:
        raise StructureError(f"a slab has one layer or more; got {layers}.")
    return miller[0], miller[1], miller[-1]


def _terminations(
    bulk: Structure, index: tuple[int, int, int], layers: int, thickness: float | None
) -> Iterator[tuple[Structure, Int[np.ndarray, " atoms"]]]:
    """Yield thick slabs, either side up, with the layer of each atom, 1 on top."""
    from pymatgen.core import Lattice
    from pymatgen.core import Structure as Crystal
    from pymatgen.core.surface import SlabGenerator

    reach, count = _shells(bulk)
    about = {"reach": reach.tolist(), "neighbours": count.tolist()}
    crystal = Crystal(
        Lattice(bulk.cell),
        bulk.elements,
        bulk.pos,
        coords_are_cartesian=True,
        site_properties=about,
    )
    depth = (layers + 2) * float(reach.max()) if thickness is None else thickness
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        generator = SlabGenerator(crystal, index, depth, 4.0 * float(reach.max()))
        found = generator.get_slabs()
    for slab in found:
        about = slab.site_properties
        upright = _upright(slab.cart_coords, np.array(slab.lattice.matrix))
        for pos, cell in (upright, _turned_over(*upright)):
            one = structure(np.array(slab.atomic_numbers), pos, cell, (True, True, False))
            yield one, _levels(one, np.array(about["reach"]), np.array(about["neighbours"]))


def _shells(bulk: Structure) -> tuple[Float[np.ndarray, " atoms"], Int[np.ndarray, " atoms"]]:
    """Return how far the neighbours of each atom are, angstrom, and how many it has."""
    cutoff = 3.0
    while True:
        (sender, receiver), shift = neighbours(bulk.pos, bulk.cell, bulk.pbc, cutoff)
        if len(np.unique(receiver)) == len(bulk):
            break
        cutoff *= 1.25
    if cutoff < 6.0:
        (sender, receiver), shift = neighbours(bulk.pos, bulk.cell, bulk.pbc, REACH * cutoff)
    apart = np.linalg.norm(bulk.pos[sender] + shift @ bulk.cell - bulk.pos[receiver], axis=1)
    nearest = np.full(len(bulk), np.inf)
    np.minimum.at(nearest, receiver, apart)
    near = apart < REACH * nearest[receiver]
    return REACH * nearest, np.bincount(receiver[near], minlength=len(bulk))


def _levels(
    one: Structure, reach: Float[np.ndarray, " atoms"], count: Int[np.ndarray, " atoms"]
) -> Int[np.ndarray, " atoms"]:
    """Return the layer of each atom, 1 where neighbours above are missing."""
    (sender, receiver), shift = neighbours(one.pos, one.cell, one.pbc, float(reach.max()))
    apart = np.linalg.norm(one.pos[sender] + shift @ one.cell - one.pos[receiver], axis=1)
    near = apart < reach[receiver]
    sender, receiver = sender[near], receiver[near]
    lacking = np.bincount(receiver, minlength=len(one)) < count
    height = one.pos[:, 2]
    level = np.where(lacking & (height > height.mean()), 1, 0)
    level[height.argmax()] = 1
    while (level == 0).any():
        last = level.max()
        reached = receiver[level[sender] == last]
        reached = reached[level[reached] == 0]
        if not len(reached):
            level[level == 0] = last + 1
        level[reached] = last + 1
    return level


def _upright(
    pos: Float[np.ndarray, "atoms 3"], cell: Float[np.ndarray, "3 3"]
) -> tuple[Float[np.ndarray, "atoms 3"], Float[np.ndarray, "3 3"]]:
    """Turn the first vector to x and the normal to z; the third vector goes along the normal.

    The surface vectors are made as short as they can be, and their angle 60 to 90 degrees.
    """
    normal = np.cross(cell[0], cell[1])
    normal = normal * np.sign(normal @ cell[2]) / np.linalg.norm(normal)
    first, second = shortest(cell[0], cell[1])
    if np.cross(first, second) @ normal < 0:
        first, second = second, first
    x = first / np.linalg.norm(first)
    frame = np.stack([x, np.cross(normal, x), normal], 1)
    height = np.array([0.0, 0.0, float(cell[2] @ normal)])
    return pos @ frame, np.stack([first @ frame, second @ frame, height])


def _turned_over(
    pos: Float[np.ndarray, "atoms 3"], cell: Float[np.ndarray, "3 3"]
) -> tuple[Float[np.ndarray, "atoms 3"], Float[np.ndarray, "3 3"]]:
    """Return a slab turned by 180 degrees about x."""
    turn = np.array([1.0, -1.0, -1.0])
    return _upright(pos * turn, np.stack([cell[0] * turn, cell[1] * turn, cell[2]]))


def _finished(
    thick: Structure,
    level: Int[np.ndarray, " atoms"],
    keep: Int[np.ndarray, " kept"],
    vacuum: float,
    fixed_layers: int,
) -> Structure:
    """Return the kept atoms from the bottom upwards, between two vacuums, tagged."""
    pos, level = thick.pos[keep], level[keep]
    order = np.lexsort((pos[:, 0].round(3), pos[:, 1].round(3), pos[:, 2].round(3)))
    pos, level = pos[order], level[order]
    flat = np.linalg.solve(thick.cell[:2, :2].T, pos[:, :2].T).T
    flat = (flat + 1e-6) % 1.0 - 1e-6
    z = pos[:, 2] - pos[:, 2].min() + vacuum
    height = float(z.max()) + vacuum
    return replace(
        thick,
        z=thick.z[keep][order],
        pos=np.column_stack([flat @ thick.cell[:2, :2], z]),
        cell=np.stack([thick.cell[0], thick.cell[1], np.array([0.0, 0.0, height])]),
        tags=np.where(level == 1, SURFACE, BELOW),
        fixed=level > level.max() - fixed_layers,
    )


def _repeats(cell: Float[np.ndarray, "3 3"]) -> tuple[int, int]:
    lengths = np.linalg.norm(cell[:2], axis=1)
    first, second = np.ceil(SHORTEST / lengths - 1e-9).astype(int)
    return int(first), int(second)


def _alike(one: Structure, other: Structure) -> bool:
    """Return whether two slabs have the same atoms at the same depths and distances."""
    mine, its = _fingerprint(one), _fingerprint(other)
    return mine.shape == its.shape and bool(np.abs(mine - its).max() < _SAME)


def _fingerprint(one: Structure) -> Float[np.ndarray, " numbers"]:
    """Return sorted depths by element, and sorted distances by pair of elements."""
    depth = one.pos[:, 2].max() - one.pos[:, 2]
    (sender, receiver), shift = neighbours(one.pos, one.cell, one.pbc, 5.0)
    apart = np.linalg.norm(one.pos[sender] + shift @ one.cell - one.pos[receiver], axis=1)
    pair = 1000 * one.z[sender] + one.z[receiver]
    parts = [np.sort(depth[one.z == z]) for z in np.unique(one.z)]
    parts += [np.sort(apart[pair == kind]) for kind in np.unique(pair)]
    heads = [np.array([z, (one.z == z).sum()]) for z in np.unique(one.z)]
    return np.concatenate([*heads, *parts]).astype(np.float64)
