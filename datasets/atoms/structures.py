"""The case of atoms: a slab, a crystal or a molecule as a ``cases.Batch``.

===============  ============  ===================================================================
attribute        shape         meaning and unit
===============  ============  ===================================================================
``pos``          (N, 3)        positions, angstrom
``z``            (N,)          atomic numbers
``mixture``      (N, 95)       optional: weights of the elements on a site, by atomic number; they
                               take the place of ``z``, and gradients flow to them
``tags``         (N,)          0 below the surface, 1 surface layer, 2 adsorbate
``fixed``        (N,)          atoms that a relaxation leaves where they are
``cell``         (cases, 3, 3) cell vectors as rows, angstrom
``pbc``          (cases, 3)    periodic directions
``edge_index``   (2, E)        optional neighbours: senders above receivers
``edge_shift``   (E, 3)        cells between sender and receiver
``batch``        (N,)          the case that an atom belongs to; ``ptr`` as PyG has it
===============  ============  ===================================================================

Labels have one number a case. A batch without ``edge_index`` gets its neighbours from the encoder;
whoever moves atoms or the cell by more than a list allows drops it (``moved``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from formwright.datasets.atoms.elements import COUNT, covalent_radii, numbers, symbols
from formwright.datasets.cases import EDGES, Batch, Case, Quantity
from formwright.datasets.errors import StructureError

if TYPE_CHECKING:
    from ase import Atoms

BELOW: Final = 0
SURFACE: Final = 1
ADSORBATE: Final = 2
OVERLAP: Final = 0.45
"""Least distance of two atoms, in sums of their covalent radii."""
LEAST_VACUUM: Final = 5.0
LONGEST: Final = 1e4
"""Longest cell vector, and farthest an atom may lie from another one, angstrom."""
THINNEST: Final = 0.1
"""Least width of the cell in a direction that repeats, angstrom."""
E_ADS: Final = Quantity("e_ads_ev", "eV", "adsorption energy against the reaction's references")
_PER_ATOM: Final = ("pos", "z", "mixture", "tags", "fixed")


@dataclass(frozen=True, kw_only=True, slots=True)
class Structure:
    """One structure as arrays, before it is part of a batch.

    Attributes:
        z: Atomic numbers, (N,).
        pos: Positions, angstrom, (N, 3).
        cell: Rows are the cell vectors, angstrom; zero where there is none.
        pbc: Periodic directions.
        tags: 0 below the surface, 1 surface, 2 adsorbate, (N,).
        fixed: Held in a relaxation, (N,).
        name: To speak of it in errors and tables.

    Example:
        >>> import formwright
        >>> from ase.build import bulk
        >>> bulk("Cu", cubic=True).write("copper.cif")
        >>> (crystal,) = formwright.read_structures("copper.cif")
        >>> len(crystal), crystal.elements[0]
        (4, 'Cu')
    """

    z: Int[np.ndarray, " atoms"]
    pos: Float[np.ndarray, "atoms 3"]
    cell: Float[np.ndarray, "3 3"]
    pbc: Bool[np.ndarray, " 3"]
    tags: Int[np.ndarray, " atoms"]
    fixed: Bool[np.ndarray, " atoms"]
    name: str = ""

    def __len__(self) -> int:
        """Return the number of atoms."""
        return len(self.z)

    @property
    def elements(self) -> list[str]:
        """Symbols of the atoms."""
        return [symbols()[number] for number in self.z]


def structure(
    elements: Sequence[str] | Int[np.ndarray, " atoms"],
    pos: Any,
    cell: Any = None,
    pbc: Any = None,
    *,
    tags: Any = None,
    fixed: Any = None,
    name: str = "",
) -> Structure:
    """Return a structure from what is at hand.

    Args:
        elements: Symbols or atomic numbers.
        pos: Positions, angstrom, (N, 3).
        cell: Cell vectors as rows, angstrom; None for a molecule.
        pbc: Periodic directions; all of them where there is a cell.
        tags: See the table above; all 1 where not given.
        fixed: Held atoms; none where not given.
        name: For errors and tables.

    Raises:
        StructureError: Shapes do not fit, a number is not finite, or an element is not known.
    """
    given = list(elements)
    text = given and isinstance(given[0], str)
    z = np.asarray(numbers(given) if text else given, dtype=np.int64)
    at = np.asarray(pos, dtype=np.float64)
    if at.shape != (len(z), 3) or not len(z):
        raise StructureError(
            f"{name or 'the structure'}: {len(z)} element(s) and positions of shape {at.shape}; "
            "give as many positions in 3-D, and one atom at least."
        )
    _check_atoms(z, at, name)
    box = np.zeros((3, 3)) if cell is None else np.asarray(cell, dtype=np.float64)
    if not np.isfinite(box).all():
        raise StructureError(f"{name or 'the structure'}: its cell is not finite: {box.tolist()}.")
    return Structure(
        z=z,
        pos=at,
        cell=box,
        pbc=np.broadcast_to(np.asarray(cell is not None if pbc is None else pbc, bool), 3).copy(),
        tags=np.full(len(z), SURFACE) if tags is None else np.asarray(tags, dtype=np.int64),
        fixed=np.zeros(len(z), bool) if fixed is None else np.asarray(fixed, dtype=bool),
        name=name,
    )


def _check_atoms(
    z: Int[np.ndarray, " atoms"], pos: Float[np.ndarray, "atoms 3"], name: str
) -> None:
    """Refuse elements that are not known and places that are none; the message names the atom."""
    strange = (z < 1) | (z >= COUNT)
    if strange.any():
        i = int(strange.argmax())
        ghost = " (X, a ghost or dummy atom: leave it out)" if z[i] == 0 else ""
        raise StructureError(
            f"{name or 'the structure'}: atom {i} has the atomic number {z[i]}{ghost}; numbers "
            f"from 1 to {COUNT - 1} are known."
        )
    lost = ~np.isfinite(pos).all(1)
    if lost.any():
        i = int(lost.argmax())
        raise StructureError(
            f"{name or 'the structure'}: the position of atom {i} ({symbols()[z[i]]}) is not "
            f"finite: {pos[i].tolist()}."
        )


def from_ase(atoms: Atoms, name: str = "") -> Structure:
    """Return ASE's atoms as a structure; ``FixAtoms`` constraints become ``fixed``."""
    from ase.constraints import FixAtoms

    fixed = np.zeros(len(atoms), bool)
    for constraint in atoms.constraints:
        if isinstance(constraint, FixAtoms):
            fixed[constraint.index] = True
    return structure(
        np.asarray(atoms.numbers),
        atoms.get_positions(),
        np.asarray(atoms.cell),
        np.asarray(atoms.pbc),
        tags=atoms.get_tags(),
        fixed=fixed,
        name=name or str(atoms.info.get("name", atoms.symbols)),
    )


def to_ase(one: Structure) -> Atoms:
    """Return ASE's atoms with tags and constraints."""
    from ase import Atoms
    from ase.constraints import FixAtoms

    atoms = Atoms(numbers=one.z, positions=one.pos, cell=one.cell, pbc=one.pbc, tags=one.tags)
    if one.fixed.any():
        atoms.set_constraint(FixAtoms(mask=one.fixed))
    if one.name:
        atoms.info["name"] = one.name
    return atoms


def collate(
    structures: Sequence[Structure], labels: Mapping[str, Any] | None = None, **more: Any
) -> Batch:
    """Return structures as one batch, float64, without neighbours.

    Args:
        structures: One or more.
        labels: By name, one number a structure.
        more: Further attributes, taken as they are.
    """
    counts = torch.tensor([len(one) for one in structures])
    ptr = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    joined = {
        name: torch.from_numpy(np.concatenate([getattr(one, name) for one in structures]))
        for name in ("pos", "z", "tags", "fixed")
    }
    numbered = {k: torch.as_tensor(np.asarray(v)) for k, v in (labels or {}).items()}
    return Batch(
        **joined,
        cell=torch.from_numpy(np.stack([one.cell for one in structures])),
        pbc=torch.from_numpy(np.stack([one.pbc for one in structures])),
        batch=torch.arange(len(structures)).repeat_interleave(counts),
        ptr=ptr,
        **numbered,
        **more,
    )


def join(batches: Sequence[Case]) -> Batch:
    """Return the cases of several batches as one; attributes that all have are kept."""
    names = set(batches[0].keys()).intersection(*(b.keys() for b in batches[1:])) - set(EDGES)
    joined = {n: torch.cat([b[n] for b in batches]) for n in names - {"batch", "ptr"}}
    counts = torch.cat([b["ptr"].diff() for b in batches])
    return Batch(
        **joined,
        batch=torch.arange(len(counts)).repeat_interleave(counts),
        ptr=torch.cat([counts.new_zeros(1), counts.cumsum(0)]),
    )


def structures_of(batch: Case) -> list[Structure]:
    """Return the cases of a batch as structures; a mixture is rounded to its largest weight."""
    z = batch.mixture.argmax(1) if "mixture" in batch else batch.z
    bounds = batch.ptr.tolist()
    arrays = {k: v.detach().cpu().numpy() for k, v in batch.to_dict().items() if k in _PER_ATOM}
    arrays["z"] = z.detach().cpu().numpy()
    return [
        structure(
            arrays["z"][a:b],
            arrays["pos"][a:b],
            batch.cell[i].detach().cpu().numpy(),
            batch.pbc[i].cpu().numpy(),
            tags=arrays["tags"][a:b],
            fixed=arrays["fixed"][a:b],
        )
        for i, (a, b) in enumerate(zip(bounds, bounds[1:], strict=False))
    ]


def case_of(batch: Case) -> Int[Tensor, " atoms"]:
    """Return the case that each atom belongs to."""
    return batch["batch"]


def neighbours(
    pos: Float[np.ndarray, "atoms 3"],
    cell: Float[np.ndarray, "3 3"],
    pbc: Bool[np.ndarray, " 3"],
    cutoff: float,
) -> tuple[Int[np.ndarray, "2 edges"], Int[np.ndarray, "edges 3"]]:
    """Return senders above receivers, and the cells between them, of one structure.

    A neighbour within ``cutoff`` (angstrom) is at ``pos[sender] + shift @ cell``. The lists are
    vesin's (linked cells), ordered by receiver.

    Raises:
        StructureError: See ``check_cell``.
    """
    from vesin import NeighborList

    check_cell(pos, cell, pbc)
    finder = NeighborList(cutoff=cutoff, full_list=True, sorted=True, n_threads=1)
    receiver, sender, shift = finder.compute(
        points=pos, box=cell, periodic=[bool(p) for p in pbc], quantities="ijS"
    )
    return np.stack([sender, receiver]).astype(np.int64), shift.astype(np.int64)


def check_cell(
    pos: Float[np.ndarray, "atoms 3"],
    cell: Float[np.ndarray, "3 3"],
    pbc: Bool[np.ndarray, " 3"],
    name: str = "",
) -> None:
    """Refuse cells in which neighbours cannot be looked for.

    Raises:
        StructureError: The cell is flat or not finite, or atoms or cell reach beyond ``LONGEST``.
    """
    who = name or "the structure"
    reach = np.abs(cell).max() if np.isfinite(cell).all() else np.inf
    spread = float(np.ptp(pos, axis=0).max()) if len(pos) else 0.0
    if max(reach, spread) > LONGEST:
        raise StructureError(
            f"{who} has the cell {cell.tolist()} and atoms up to {spread:.4g} angstrom apart; more "
            f"than {LONGEST:g} cannot be computed. Check the cell and the units (angstrom)."
        )
    turning = cell[np.asarray(pbc, dtype=bool)]
    if not turning.size or np.linalg.svd(turning, compute_uv=False).min() > THINNEST:
        return
    flat = "no cell" if not turning.any() else f"a cell without volume, {cell.tolist()}"
    raise StructureError(
        f"{who} has {flat}: the vectors of its periodic directions must span a space, none of them "
        "zero or in line with others. Set its cell and pbc (in extxyz: Lattice and pbc)."
    )


def with_neighbours(batch: Case, cutoff: float) -> Batch:
    """Return the batch with ``edge_index`` and ``edge_shift``, found case by case."""
    pos, cell = batch["pos"].detach().cpu().numpy(), batch.cell.detach().cpu().numpy()
    pbc, bounds = batch.pbc.cpu().numpy(), batch.ptr.tolist()
    found = [
        neighbours(pos[a:b].astype(np.float64), cell[i].astype(np.float64), pbc[i], cutoff)
        for i, (a, b) in enumerate(zip(bounds, bounds[1:], strict=False))
    ]
    edges = np.concatenate([e + a for (e, _), a in zip(found, bounds, strict=False)], 1)
    shifts = np.concatenate([shift for _, shift in found])
    device = batch["pos"].device
    return Batch.from_dict(
        {
            **batch.to_dict(),
            "edge_index": torch.from_numpy(edges).to(device),
            "edge_shift": torch.from_numpy(shifts).to(device),
        }
    )


def check_slab(one: Structure) -> None:
    """Refuse what no adsorption energy can be asked of.

    Raises:
        StructureError: No cell, atoms on top of each other, no adsorbate, or no vacuum.
    """
    check_apart(one)
    if abs(np.linalg.det(one.cell)) < 1e-6:
        raise StructureError(
            f"{one.name or 'the structure'} has no cell: a slab repeats in two directions at "
            "least. Set its cell and pbc (in extxyz: Lattice and pbc)."
        )
    gap = vacuum(one)
    if gap < LEAST_VACUUM:
        raise StructureError(
            f"{one.name or 'the structure'} has {gap:.2f} angstrom of vacuum along its third cell "
            f"vector, and a slab wants {LEAST_VACUUM} or more: put the surface normal along the "
            "third vector and leave room above it (ASE: atoms.center(vacuum=8, axis=2))."
        )
    if not (one.tags == ADSORBATE).any():
        raise StructureError(
            f"{one.name or 'the structure'} has no adsorbate: mark its atoms with tag 2 (ASE: "
            "atoms.set_tags)."
        )


def check_apart(one: Structure) -> None:
    """Refuse atoms on top of each other.

    Raises:
        StructureError: Two atoms are nearer than ``OVERLAP`` sums of covalent radii, or the cell is
            none (``check_cell``).
    """
    check_cell(one.pos, one.cell, one.pbc, one.name)
    radii = covalent_radii().numpy()[one.z]
    edges, shift = neighbours(one.pos, one.cell, one.pbc, float(2.0 * OVERLAP * radii.max()))
    sender, receiver = edges
    apart = np.linalg.norm(one.pos[sender] + shift @ one.cell - one.pos[receiver], axis=1)
    least = OVERLAP * (radii[sender] + radii[receiver])
    if (apart < least).any():
        k = int((apart - least).argmin())
        a, b = (f"{one.elements[int(atom)]} {int(atom)}" for atom in (sender[k], receiver[k]))
        raise StructureError(
            f"{one.name or 'the structure'}: atoms {a} and {b} are {apart[k]:.3f} angstrom apart, "
            f"less than {least[k]:.3f}: they overlap. Check positions, cell and units (angstrom)."
        )


def vacuum(one: Structure) -> float:
    """Return the widest empty gap along the third cell vector, angstrom, across its planes."""
    normal = np.cross(one.cell[0], one.cell[1])
    normal /= np.linalg.norm(normal)
    period = abs(float(one.cell[2] @ normal))
    heights = np.sort((one.pos @ normal) % period)
    return float(np.diff(np.append(heights, heights[0] + period)).max())
