"""One frame for every slab, in which sites are found and adsorbates are placed.

In it the outward normal of the surface is +z, the first cell vector goes along +x, the first two
span the surface, all three are right-handed, and the slab is in one piece between the two halves of
its vacuum. The slab is the same: it is turned, shifted and described by other vectors of its
lattice, never mirrored.

The normal belongs to the direction that does not repeat, or else to the one with the widest gap
between planes of atoms. Which of its two ends is the top, the first of these that tells says:

1. held atoms (``fixed``) are at the bottom;
2. tags: surface and adsorbate are above what lies below (layer numbers of ``ase.build`` likewise);
3. the top is where the third cell vector points, the one along the gap.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Final

import numpy as np
from jaxtyping import Float, Shaped

from formwright.datasets.atoms.structures import LEAST_VACUUM, Structure, check_cell
from formwright.datasets.errors import StructureError

_TELLS: Final = 0.5
_AS_SHORT: Final = 1.01
_INSIDE: Final = 1e-6
_UNLIKE: Final = 1e-3
"""How far atoms of two ends of a slab may be apart, angstrom, for the ends to be the same."""
_BENT: Final = 0.3
_OVER: Final = np.array([1.0, -1.0, -1.0])


def upright(one: Structure, rank: Shaped[np.ndarray, " atoms"] | None = None) -> Structure:
    """Return a slab in the frame above; one that stands in it already is returned as it is.

    Args:
        one: A slab, however it is described.
        rank: Numbers that grow from the bottom upwards, in place of the tags.

    Raises:
        StructureError: It is no slab (``normal_axis``).
    """
    stood = _inside(_turned(one, normal_axis(one)))
    if up(stood, rank) >= 0:
        return stood
    return _inside(replace(stood, pos=stood.pos * _OVER, cell=_right_handed(stood.cell * _OVER)))


def normal_axis(one: Structure) -> int:
    """Return which cell vector leads out of the surface.

    Raises:
        StructureError: The cell is none, repeats in fewer than two directions, has no gap of
            ``LEAST_VACUUM``, or has one in several directions.
    """
    who = one.name or "the structure"
    check_cell(one.pos, one.cell, one.pbc, one.name)
    open_ends = np.flatnonzero(~one.pbc)
    if len(open_ends) > 1:
        raise StructureError(
            f"{who} has no cell that repeats in two directions at least, as a slab does (pbc = "
            f"{one.pbc.tolist()}). Set its cell and pbc (in extxyz: Lattice and pbc)."
        )
    if len(open_ends):
        return int(open_ends[0])
    gaps = widest_gaps(one)
    wide = np.flatnonzero(gaps >= LEAST_VACUUM)
    if len(wide) == 1:
        return int(wide[0])
    told = ", ".join(f"{gap:.2f}" for gap in gaps)
    if not len(wide):
        raise StructureError(
            f"{who} has no vacuum: the widest gaps between its atoms are {told} angstrom along its "
            f"cell vectors, and a slab wants {LEAST_VACUUM} or more along one of them (ASE: "
            "atoms.center(vacuum=8, axis=2))."
        )
    raise StructureError(
        f"{who} has no surface normal that could be told: there are gaps of {told} angstrom along "
        "its cell vectors, and a slab has vacuum along one of them only. Repeat it in the surface, "
        "or set pbc to False along the normal."
    )


def is_slab(one: Structure) -> bool:
    """Return whether a structure has a cell with a surface normal."""
    try:
        normal_axis(one)
    except StructureError:
        return False
    return True


def widest_gaps(one: Structure) -> Float[np.ndarray, " 3"]:
    """Return the widest gap between planes of atoms along each cell vector, angstrom."""
    reciprocal = np.linalg.inv(one.cell)
    flat = np.sort((one.pos @ reciprocal) % 1.0, axis=0)
    gaps = np.diff(np.concatenate([flat, flat[:1] + 1.0]), axis=0).max(0)
    return gaps / np.linalg.norm(reciprocal, axis=0)


def up(one: Structure, rank: Shaped[np.ndarray, " atoms"] | None = None) -> int:
    """Return 1 where the top of a slab is at +z, -1 where it is at -z, 0 where nothing tells.

    Args:
        one: A slab in the frame above, but for its ends.
        rank: See ``upright``.
    """
    height = one.pos[:, 2] - one.pos[:, 2].mean()
    for says in (~one.fixed, one.tags if rank is None else rank):
        number = says - says.mean()
        weight = 0.5 * float(np.abs(number).sum())
        if weight > 0.0 and abs(number @ height) > _TELLS * weight:
            return int(np.sign(number @ height))
    return 0


def ends_differ(one: Structure) -> bool:
    """Return whether the two ends of a slab, in the frame above, are other surfaces.

    They are the same where the slab turned over lies on itself again, atom by atom, after a turn or
    a mirror of its surface lattice and a shift along it.
    """
    for z in np.unique(one.z):
        from_top = np.sort(one.pos[:, 2].max() - one.pos[one.z == z, 2])
        from_bottom = np.sort(one.pos[one.z == z, 2] - one.pos[:, 2].min())
        if np.abs(from_top - from_bottom).max() > _UNLIKE:
            return True
    return not any(_lies_on_itself(one, turn) for turn in _lattice_turns(one.cell[:2, :2]))


def _lattice_turns(cell: Float[np.ndarray, "2 2"]) -> list[Float[np.ndarray, "2 2"]]:
    """Return the turns and mirrors that a plane lattice has, as maps of its cell coordinates."""
    metric = cell @ cell.T
    maps = (
        np.array(m, dtype=float).reshape(2, 2) for m in itertools.product(range(-2, 3), repeat=4)
    )
    near = _BENT * float(np.sqrt(metric.diagonal().max()))
    return [m for m in maps if np.abs(m @ metric @ m.T - metric).max() < near]


def _lies_on_itself(one: Structure, turn: Float[np.ndarray, "2 2"]) -> bool:
    """Return whether a slab turned over and turned in its plane is the same after some shift."""
    place = one.pos[:, :2] @ np.linalg.inv(one.cell[:2, :2])
    height = one.pos[:, 2] - 0.5 * (one.pos[:, 2].min() + one.pos[:, 2].max())
    alike = one.z[:, None] == one.z
    alike &= np.abs(height[:, None] + height) < _UNLIKE
    turned = place @ turn
    first = int(alike.sum(1).argmin())
    for other in np.flatnonzero(alike[first]):
        away = turned[:, None] + (place[other] - turned[first]) - place
        near = np.linalg.norm((away - np.round(away)) @ one.cell[:2, :2], axis=-1) < _UNLIKE
        if (near & alike).any(1).all():
            return True
    return False


def shortest_turns_deg(slab: Structure) -> list[float]:
    """Return the angles from x of the shortest vectors of a slab's surface lattice, 0 to 360.

    Six of a hexagonal lattice, four of a square one, else two: whatever is tried along all of them
    is tried alike for every description of the slab.
    """
    steps = np.array([(i, j) for i in range(-1, 2) for j in range(-1, 2) if i or j])
    vectors = steps @ np.stack(shortest(slab.cell[0, :2], slab.cell[1, :2]))
    lengths = np.linalg.norm(vectors, axis=1)
    chosen = vectors[lengths < _AS_SHORT * lengths.min()]
    angles = np.degrees(np.arctan2(chosen[:, 1], chosen[:, 0])).round(6) % 360.0
    return sorted(float(angle) for angle in angles)


def shortest(
    first: Float[np.ndarray, " axes"], second: Float[np.ndarray, " axes"]
) -> tuple[Float[np.ndarray, " axes"], Float[np.ndarray, " axes"]]:
    """Return the shortest vectors of a plane lattice, not more than 90 degrees apart."""
    while True:
        if second @ second < first @ first - 1e-9:
            first, second = second, first
        steps = round(float(first @ second / (first @ first)) - 1e-9)
        if steps == 0:
            return first, second * (-1.0 if first @ second < -1e-9 else 1.0)
        second = second - steps * first


def _turned(one: Structure, axis: int) -> Structure:
    """Turn a slab until its third cell vector, once ``axis``, points up, and the first along x."""
    order = [(axis + 1) % 3, (axis + 2) % 3, axis]
    cell = one.cell[order]
    normal = np.cross(cell[0], cell[1])
    normal = normal / np.linalg.norm(normal)
    normal = -normal if normal @ cell[2] < 0.0 else normal
    x = cell[0] / np.linalg.norm(cell[0])
    frame = np.stack([x, np.cross(normal, x), normal], 1)
    if np.abs(frame - np.eye(3)).max() < 1e-12:
        frame = np.eye(3)
    turned = _right_handed(cell @ frame)
    turned[0, 1:] = turned[1, 2] = 0.0
    return replace(one, pos=one.pos @ frame, cell=turned, pbc=one.pbc[order])


def _right_handed(cell: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "3 3"]:
    """Return vectors of the same lattice: the third upwards, the second to the left of x."""
    upwards = -1.0 if cell[2, 2] < 0.0 else 1.0
    left = -1.0 if cell[1, 1] < 0.0 else 1.0
    return cell * np.array([1.0, left, upwards])[:, None] + 0.0


def _inside(one: Structure) -> Structure:
    """Return a slab in one piece, its middle in the cell, the gap above and below it."""
    cell, pos = one.cell.copy(), one.pos.copy()
    if one.pbc[2]:
        pos -= np.outer(_turns(pos[:, 2], float(cell[2, 2])), cell[2])
    low, high = float(pos[:, 2].min()), float(pos[:, 2].max())
    if not one.pbc[2] and cell[2, 2] < high - low + LEAST_VACUUM:
        cell[2] = 0.0, 0.0, high - low + 2.0 * LEAST_VACUUM
    if low < -_INSIDE or high > cell[2, 2] + _INSIDE:
        pos[:, 2] += 0.5 * (cell[2, 2] - low - high)
    flat = np.linalg.solve(cell[:2, :2].T, pos[:, :2].T).T
    pos -= np.floor(flat.mean(0) + _INSIDE) @ cell[:2]
    return replace(one, pos=pos, cell=cell)


def _turns(height: Float[np.ndarray, " atoms"], period: float) -> Float[np.ndarray, " atoms"]:
    """Return how many periods each atom is away from a slab that its widest gap does not cut."""
    ordered = np.sort(height % period)
    gaps = np.diff(np.append(ordered, ordered[0] + period))
    gap = float(gaps.max())
    if float(np.ptp(height)) <= period - gap + _INSIDE:
        return np.zeros(len(height))
    middle = ordered[int(gaps.argmax())] + 0.5 * gap
    return np.floor((height - middle) / period)
