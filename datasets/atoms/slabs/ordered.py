"""Ordered fcc alloys and their (111) slabs: three layers of four atoms, sites, an adsorbate.

The bulk cell holds four sites, (0, 0, 0), (1/2, 1/2, 0), (1/2, 0, 1/2), (0, 1/2, 1/2), and a
prototype says which element is where: A1 is AAAA, L1_2 (``L12``) BAAA, L1_0 (``L10``) AABB. A layer
of the slab has one of each. The surface vectors are [1 0 -1] and [0 1 -1] of the bulk, the next
layer lies one [0 0 1] up, so the slab is that of ``ase.build.surface(bulk, (1, 1, 1), 3)``.

Everything is differentiable in lattice and elements.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from formwright.datasets.atoms.adsorbates import Adsorbate
from formwright.datasets.atoms.elements import covalent_radii
from formwright.datasets.atoms.structures import ADSORBATE, BELOW, SURFACE
from formwright.datasets.cases import Batch
from formwright.datasets.errors import StructureError

PROTOTYPES: Final[Mapping[str, str]] = {"A1": "AAAA", "L12": "BAAA", "L10": "AABB"}
LAYERS: Final = 3
VACUUM: Final = 8.0
LOWEST: Final = 0.6
"""Least height of an adsorbate above its site, angstrom."""
_FLAT: Final = ((0.0, 0.0), (0.5, 0.5), (0.5, 0.0), (0.0, 0.5))
_ALONG: Final = ((1.0, 0.0, -1.0), (0.0, 1.0, -1.0))
_UP: Final = (0.0, 0.0, 1.0)
_HCP, _FCC = "HCP", "FCC"


@dataclass(frozen=True, slots=True)
class Site:
    """A site of the top layer.

    Attributes:
        kind: ``top``, ``bridge``, or ``hollow``.
        atoms: The sublattices (0..3) of the top atoms around it.
        shifts: For each of these atoms, whole surface cells that it is away.
        below: Of a bridge, the sublattice of the atom of the second layer that its hollow over hcp
            stands on; -1 elsewhere.
        stacking: Of a hollow, ``HCP`` over an atom of the second layer, else ``FCC``.
    """

    kind: str
    atoms: tuple[int, ...]
    shifts: tuple[tuple[int, int], ...]
    below: int = -1
    stacking: str = ""

    def label(self, letters: str) -> str:
        """Return its label for a prototype, e.g. ``hollow|A_A_B|FCC`` for ``BAAA``."""
        around = "_".join(sorted(letters[atom] for atom in self.atoms))
        last = letters[self.below] if self.kind == "bridge" else self.stacking
        return "|".join(part for part in (self.kind, around, last) if part)


_Member = tuple[int, tuple[int, int]]


@cache
def sites() -> tuple[Site, ...]:
    """Return all 24 sites of the surface cell: 4 on top, 12 bridges, 8 hollows."""
    tops = [Site("top", (m,), ((0, 0),)) for m in range(4)]
    hollows: dict[tuple[_Member, ...], Site] = {}
    bridges: dict[tuple[_Member, ...], Site] = {}
    for trio in _triangles():
        below = _under(np.mean([_at(one) for one in trio], 0))
        stacking = _FCC if below < 0 else _HCP
        hollows.setdefault(_modulo(trio), Site("hollow", *_apart(trio), -1, stacking))
        for pair in itertools.combinations(trio, 2) if below >= 0 else ():
            bridges.setdefault(_modulo(pair), Site("bridge", *_apart(pair), below))
    return (*tops, *bridges.values(), *hollows.values())


def _apart(members: Sequence[_Member]) -> tuple[tuple[int, ...], tuple[tuple[int, int], ...]]:
    """Return sublattices and cells of some top atoms."""
    return tuple(m for m, _ in members), tuple(cell for _, cell in members)


def _at(one: _Member) -> Float[np.ndarray, " 2"]:
    """Return where a top atom is, in surface cells."""
    return np.array(_FLAT[one[0]]) + one[1]


def _triangles() -> Iterator[tuple[_Member, _Member, _Member]]:
    """Yield trios of touching top atoms, each at least once."""
    metric = np.array([[1.0, 0.5], [0.5, 1.0]])

    def touch(p: _Member, q: _Member) -> bool:
        apart = _at(p) - _at(q)
        return bool(abs(apart @ metric @ apart - 0.25) < 1e-9)

    around: list[_Member] = [(m, (i, j)) for m in range(4) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    for m in range(4):
        here: _Member = (m, (0, 0))
        ring = [one for one in around if touch(one, here)]
        for p, q in itertools.combinations(ring, 2):
            if touch(p, q):
                yield here, p, q


def _modulo(members: Sequence[_Member]) -> tuple[_Member, ...]:
    """Return a name of some atoms that does not change when all move by whole cells."""
    return min(
        tuple(sorted((m, (c[0] - o[0], c[1] - o[1])) for m, c in members)) for _, o in members
    )


def _under(centre: Float[np.ndarray, " 2"]) -> int:
    """Return which atom of the second layer lies below a point of the surface cell, or -1."""
    apart = (np.array(_FLAT) + 1.0 / 3.0 - centre) % 1.0
    apart = np.minimum(apart, 1.0 - apart).sum(1)
    return int(apart.argmin()) if apart.min() < 1e-6 else -1


def find_site(label: str, prototype: str) -> Site:
    """Return the first site of a label; all of a label are alike by symmetry or nearly so.

    Raises:
        StructureError: The prototype is not known, or its surface has no such site.
    """
    known = site_labels(prototype)
    if label not in known:
        raise StructureError(
            f"the (111) surface of {prototype} has no site {label!r}. Its sites: "
            f"{', '.join(known)}."
        )
    return known[label]


@cache
def site_labels(prototype: str) -> dict[str, Site]:
    """Return the sites of a prototype's surface by label, one a label.

    Raises:
        StructureError: The prototype is not known.
    """
    if prototype not in PROTOTYPES:
        raise StructureError(
            f"no prototype is called {prototype!r}; known are {', '.join(PROTOTYPES)}."
        )
    named: dict[str, Site] = {}
    for site in sites():
        named.setdefault(site.label(PROTOTYPES[prototype]), site)
    return named


def slab_positions(
    a: Float[Tensor, " cases"], c: Float[Tensor, " cases"]
) -> tuple[Float[Tensor, "cases 12 3"], Float[Tensor, "cases 3 3"]]:
    """Return positions and cells of clean slabs, angstrom.

    Args:
        a: Lattice constant of the bulk along x and y, angstrom.
        c: Along z, angstrom; ``a`` where cubic.

    Returns:
        Layer by layer upwards, each in the order of the bulk cell; the surface's first vector is
        along x and its normal along z, with ``VACUUM`` below and above the atoms.
    """
    bulk = torch.stack([a, a, c], -1)[:, None]
    along, up = (torch.tensor(t).to(a) for t in (_ALONG, _UP))
    u, v = (along * bulk).unbind(1)
    x = u / u.norm(dim=-1, keepdim=True)
    normal = torch.linalg.cross(u, v)
    normal = normal / normal.norm(dim=-1, keepdim=True)
    frame = torch.stack([x, torch.linalg.cross(normal, x), normal], -1)
    in_plane = torch.stack([u, v], 1)
    first = torch.tensor(_FLAT).to(a) @ in_plane
    layer = torch.arange(LAYERS).to(a)[:, None, None]
    lift = layer * (up * bulk)[:, None] + (layer > 0) * in_plane.sum(1)[:, None, None]
    pos = (first[:, None] + lift).flatten(1, 2) @ frame
    pos = torch.cat([pos[:, :, :2], pos[:, :, 2:] + VACUUM], -1)
    thick = pos[:, -1:, 2] + VACUUM
    third = torch.cat([torch.zeros_like(thick), torch.zeros_like(thick), thick], -1)
    cell = torch.cat([in_plane @ frame, third[:, None]], 1)
    return pos, cell


def place(
    pos: Float[Tensor, "cases 12 3"],
    cell: Float[Tensor, "cases 3 3"],
    radius: Float[Tensor, "cases 4"],
    site: Site,
    adsorbate: Adsorbate,
) -> Float[Tensor, "cases atoms 3"]:
    """Return the adsorbate's positions on a site of each slab, angstrom.

    The atom that binds stands above the centre of the site's atoms, as far from them as covalent
    radii say (at least ``LOWEST`` above their plane).

    Args:
        pos: Of the slabs.
        cell: Of the slabs.
        radius: Covalent radii of the top atoms, angstrom.
        site: Where.
        adsorbate: What.
    """
    top = pos[:, -4:]
    shifts = torch.tensor(site.shifts, dtype=pos.dtype)
    atoms = top[:, list(site.atoms)] + shifts @ cell[:, :2]
    centre = atoms.mean(1)
    own = float(covalent_radii()[int(adsorbate.z[0])])
    bond = own + radius[:, list(site.atoms)].mean(1)
    across = (atoms - centre[:, None]).square().sum(-1).mean(1)
    height = (bond.square() - across).clamp_min(LOWEST**2).sqrt()
    lift = torch.stack([torch.zeros_like(height), torch.zeros_like(height), height], -1)
    offsets = torch.as_tensor(adsorbate.offsets).to(pos)
    return (centre + lift)[:, None] + offsets


def slabs(
    a: Float[Tensor, " cases"],
    c: Float[Tensor, " cases"],
    z: Int[Tensor, "cases 4"],
    site: Site | None = None,
    adsorbate: Adsorbate | None = None,
    *,
    mixture: Float[Tensor, "cases 4 elements"] | None = None,
    strain: Float[Tensor, " cases"] | None = None,
    shift: Float[Tensor, "cases 3"] | None = None,
) -> Batch:
    """Return (111) slabs as one batch, bare or each with the adsorbate on the site.

    Args:
        a: Lattice constants, angstrom.
        c: Those along the third axis.
        z: Atomic numbers of the four sublattices.
        site: Where the adsorbate stands.
        adsorbate: What stands there.
        mixture: Weights of the elements of each sublattice; gradients flow to them.
        strain: Of the surface cell along both its vectors, e.g. .02; heights stay.
        shift: Of the adsorbate from where covalent radii put it, angstrom.
    """
    cases = len(a)
    pos, cell = slab_positions(a, c)
    if strain is not None:
        stretch = torch.stack([1.0 + strain, 1.0 + strain, torch.ones_like(strain)], -1)[:, None]
        pos, cell = pos * stretch, cell * stretch
    radii = covalent_radii().to(pos)
    radius = radii[z] if mixture is None else mixture.to(pos) @ radii
    number, tags = z.repeat(1, LAYERS), [BELOW] * 4 * (LAYERS - 1) + [SURFACE] * 4
    fixed = [True] * 4 * (LAYERS - 1) + [False] * 4
    if adsorbate is not None and site is not None:
        stands = place(pos, cell, radius, site, adsorbate)
        stands = stands if shift is None else stands + shift[:, None]
        pos = torch.cat([pos, stands], 1)
        number = torch.cat([number, torch.as_tensor(adsorbate.z).expand(cases, -1)], 1)
        tags, fixed = tags + [ADSORBATE] * len(adsorbate.z), fixed + [False] * len(adsorbate.z)
    atoms = pos.shape[1]
    batch = Batch(
        pos=pos.flatten(0, 1),
        z=number.flatten(),
        tags=torch.tensor(tags).repeat(cases),
        fixed=torch.tensor(fixed).repeat(cases),
        cell=cell,
        pbc=torch.tensor([True, True, False]).expand(cases, 3),
        batch=torch.arange(cases).repeat_interleave(atoms),
        ptr=torch.arange(cases + 1) * atoms,
    )
    if mixture is not None:
        batch.mixture = _mixture(mixture.repeat(1, LAYERS, 1), number)
    return batch


def _mixture(
    metals: Float[Tensor, "cases slab elements"], z: Int[Tensor, "cases atoms"]
) -> Float[Tensor, "rows elements"]:
    """Return the weights of all atoms: those of the slab as given, those of the adsorbate whole."""
    rest = torch.nn.functional.one_hot(z[:, metals.shape[1] :], metals.shape[2]).to(metals)
    return torch.cat([metals, rest], 1).flatten(0, 1)
