"""Adsorption sites of any slab.

The surface atoms (tag 1) seen from above are joined by a Delaunay triangulation; triangles with one
circumcircle are one face. A site is on an atom (top), on an edge (bridge) or on a face (hollow), at
the mean of its atoms; sites with the same surroundings are one. Labels are those of ``ordered``
with symbols in place of letters, e.g. ``hollow|Pt_Pt_Ti|FCC``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from jaxtyping import Float, Int

from formwright.datasets.atoms.structures import SURFACE, Structure
from formwright.datasets.errors import StructureError

KINDS: Final = ("top", "bridge", "hollow")
AROUND: Final = 12.0
"""Sites are compared by the atoms within this distance, angstrom."""
_ABOVE: Final = 1.5
_SAME: Final = 0.05
_ALIKE: Final = 0.02
_TOUCH: Final = 1.2
_Face = tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class SlabSite:
    """A site of a slab.

    Attributes:
        kind: ``top``, ``bridge`` or ``hollow``.
        label: The kind, the elements around, and what tells close-packed sites apart: of a hollow
            ``HCP`` over an atom of the second layer, else ``FCC``; of a bridge the element of the
            second layer beside it. ``#2`` and so on follow where sites differ all the same.
        position: Mean of its atoms, angstrom, (3,).
        atoms: Their indices.
        corners: Their positions, where images of the atoms are meant as they are, angstrom.
    """

    kind: str
    label: str
    position: Float[np.ndarray, " 3"]
    atoms: tuple[int, ...]
    corners: Float[np.ndarray, "corners 3"]


def find_sites(slab: Structure) -> list[SlabSite]:
    """Return one of each of the slab's sites that differ: tops, then bridges, then hollows.

    Their order, and which of some that hardly differ stands for them, hang on what is around them,
    not on how the slab is described.

    Raises:
        StructureError: No atom has tag 1, or the surface normal is not +z (``frame.upright``).
    """
    viewed = [(site, _surroundings(slab, site)) for site in all_sites(slab)]
    viewed.sort(
        key=lambda pair: (KINDS.index(pair[0].kind), pair[0].label, *pair[1].round(4).tolist())
    )
    found: list[tuple[SlabSite, Float[np.ndarray, " atoms"]]] = []
    kept: list[SlabSite] = []
    for site, view in viewed:
        alike = [other for one, other in found if one.label == site.label]
        if any(np.abs(view - other).max() < _ALIKE for other in alike):
            continue
        found.append((site, view))
        last = f"#{len(alike) + 1}" if alike else ""
        kept.append(replace(site, label=site.label + last))
    return kept


def all_sites(slab: Structure) -> Iterator[SlabSite]:
    """Yield every site of the surface cell, alike or not.

    Raises:
        StructureError: No atom has tag 1, or the surface normal is not +z (``frame.upright``).
    """
    top = np.flatnonzero(slab.tags == SURFACE)
    leaning = np.abs(slab.cell[:2, 2]).max() > 1e-6
    if not len(top) or leaning or abs(np.linalg.det(slab.cell[:2, :2])) < 1e-6:
        raise StructureError(
            f"{slab.name or 'the slab'} has {len(top)} surface atom(s) and surface vectors "
            f"{slab.cell[:2].tolist()}: for sites, tag surface atoms 1 (ASE: atoms.set_tags), and "
            "let the first two cell vectors span a surface whose normal is +z (slab_frame.upright)."
        )
    index, pos = images(slab, top)
    low_index, low = images(slab, _second(slab))
    elements = np.array(slab.elements)
    seen: list[Float[np.ndarray, " 2"]] = []
    for corners, last in _named(slab, pos, low, elements[low_index]):
        at = pos[list(corners)]
        flat = np.linalg.solve(slab.cell[:2, :2].T, at.mean(0)[:2])
        if (flat < -1e-6).any() or (flat > 1.0 - 1e-6).any() or _known(flat, seen):
            continue
        seen.append(flat)
        kind = KINDS[min(len(corners), 3) - 1]
        around = "_".join(sorted(elements[index[list(corners)]]))
        yield SlabSite(
            kind=kind,
            label="|".join(part for part in (kind, around, last) if part),
            position=at.mean(0),
            atoms=tuple(int(i) for i in index[list(corners)]),
            corners=at,
        )


def _named(
    slab: Structure,
    pos: Float[np.ndarray, "points 3"],
    low: Float[np.ndarray, "lower 3"],
    low_elements: np.ndarray,
) -> Iterator[tuple[_Face, str]]:
    """Yield the corners of tops, edges and faces with the last part of their labels."""
    faces = _faces(slab, pos)
    feet = {face: _foot(pos[list(face)], low) for face in faces}
    stacked = {foot < 0 for face, foot in feet.items() if len(face) == 3} == {True, False}
    beside: dict[_Face, list[int]] = {}
    for face in faces:
        for edge in _rim(pos, face):
            beside.setdefault(edge, []).append(feet[face])
    yield from (((i,), "") for i in range(len(pos)))
    for edge, both in beside.items():
        foot = [one for one in both if one >= 0]
        near = foot if stacked and len(foot) == 1 else _nearest(pos[list(edge)].mean(0), low)
        yield edge, "_".join(sorted(set(low_elements[near])))
    for face in faces:
        triangle = stacked and len(face) == 3
        yield face, ("FCC" if feet[face] < 0 else "HCP") if triangle else ""


def _faces(slab: Structure, pos: Float[np.ndarray, "points 3"]) -> list[_Face]:
    """Return the faces in and next to the surface cell, triangles with one circumcircle joined."""
    from scipy.spatial import Delaunay

    flat = pos[:, :2]
    triangles = Delaunay(flat).simplices
    home = np.linalg.solve(slab.cell[:2, :2].T, flat[triangles].mean(1).T).T
    triangles = triangles[((home > -1.0) & (home < 2.0)).all(1)]
    a, b, c = (flat[triangles[:, k]] for k in range(3))
    u, v = b - a, c - a
    twice = 2.0 * (u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0])
    uu, vv = (u**2).sum(1), (v**2).sum(1)
    across = np.stack([v[:, 1] * uu - u[:, 1] * vv, u[:, 0] * vv - v[:, 0] * uu], 1)
    centre = a + across / twice[:, None]
    first = (np.abs(centre[:, None] - centre).max(2) < _SAME).argmax(1)
    joined = (np.unique(triangles[first == k]) for k in np.unique(first))
    return [tuple(int(i) for i in face) for face in joined]


def _rim(pos: Float[np.ndarray, "points 3"], face: _Face) -> list[_Face]:
    """Return the edges of a convex face."""
    out = pos[list(face), :2] - pos[list(face), :2].mean(0)
    turn = [face[k] for k in np.argsort(np.arctan2(out[:, 1], out[:, 0]))]
    around = zip(turn, turn[1:] + turn[:1], strict=True)
    return [(min(pair), max(pair)) for pair in around]


def _foot(corners: Float[np.ndarray, "corners 3"], low: Float[np.ndarray, "lower 3"]) -> int:
    """Return which atom of the second layer touches all corners of a triangle, or -1."""
    if len(corners) != 3 or not len(low):
        return -1
    edge = np.linalg.norm(corners - np.roll(corners, 1, 0), axis=1).mean()
    farthest = np.linalg.norm(low[:, None] - corners, axis=2).max(1)
    return int(farthest.argmin()) if farthest.min() < _TOUCH * edge else -1


def _nearest(
    point: Float[np.ndarray, " 3"], low: Float[np.ndarray, "lower 3"]
) -> Int[np.ndarray, " atoms"]:
    """Return the atoms of the second layer that are nearest to a point, seen from above."""
    if not len(low):
        return np.zeros(0, dtype=int)
    apart = np.linalg.norm(low[:, :2] - point[:2], axis=1)
    return np.flatnonzero(apart < apart.min() + _SAME)


def _second(slab: Structure) -> Int[np.ndarray, " atoms"]:
    """Return the atoms below the surface that are next to it in height."""
    low = np.flatnonzero(slab.tags < SURFACE)
    if not len(low):
        return low
    highest = slab.pos[low, 2].max()
    step = max(float(slab.pos[slab.tags == SURFACE, 2].min() - highest), 1.0)
    return low[slab.pos[low, 2] > highest - 0.5 * step]


def images(
    slab: Structure, atoms: Int[np.ndarray, " atoms"], radius: float = 2.0 * AROUND
) -> tuple[Int[np.ndarray, " images"], Float[np.ndarray, "images 3"]]:
    """Return atoms with their images as far as ``radius`` around the surface cell."""
    widths = abs(np.linalg.det(slab.cell[:2, :2])) / np.linalg.norm(slab.cell[[1, 0]], axis=1)
    counts = np.ceil(radius / widths).astype(int)
    steps = np.stack(np.meshgrid(*(np.arange(-n, n + 1) for n in counts)), -1).reshape(-1, 2)
    shifts = steps @ slab.cell[:2]
    flat = np.linalg.solve(slab.cell[:2, :2].T, slab.pos[atoms, :2].T).T
    home = slab.pos[atoms] - np.floor(flat + 1e-6) @ slab.cell[:2]
    return np.tile(atoms, len(steps)), (home + shifts[:, None]).reshape(-1, 3)


def _surroundings(slab: Structure, site: SlabSite) -> Float[np.ndarray, " numbers"]:
    """Return distances from above a site, and of the atoms around it from each other, angstrom.

    The first are sorted element by element, and none exceeds ``AROUND``. The others are, for each
    element, mean distances of an atom from those of it, and tell apart what lies at the same
    distances on other sides of the site. What is near counts more, what is at ``AROUND`` nothing.
    """
    index, pos = images(slab, np.arange(len(slab)), AROUND)
    apart = np.linalg.norm(pos - site.position - np.array([0.0, 0.0, _ABOVE]), axis=1)
    z, capped = slab.z[index], np.minimum(apart, AROUND)
    near = np.flatnonzero(apart < AROUND)
    weight = (1.0 - (apart[near] / AROUND) ** 2) ** 2
    between = np.linalg.norm(pos[near, None] - pos[near], axis=2)
    parts = [capped[np.lexsort((capped, z))]]
    for element in np.unique(slab.z):
        own = weight * (z[near] == element)
        mean = np.zeros(len(pos))
        mean[near] = weight * (between @ own) / max(float(own.sum()), 1e-9)
        parts.append(mean[np.lexsort((mean, z))])
    return np.concatenate(parts)


def _known(flat: Float[np.ndarray, " 2"], seen: Sequence[Float[np.ndarray, " 2"]]) -> bool:
    if not len(seen):
        return False
    apart = (np.array(seen) - flat + 0.5) % 1.0 - 0.5
    return bool((np.abs(apart).max(1) < 1e-4).any())
