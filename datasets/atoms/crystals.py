"""Crystals and slabs without adsorbates, to pretrain on (card: ``cards/crystals.md``).

The files are the user's. A reader yields one structure after the other, each with its properties;
``PROPERTIES`` has their units.
"""

from __future__ import annotations

import csv
import dataclasses
import gzip
import os
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any, Final, cast

from formwright.datasets.atoms.files.structures import iterate_structures
from formwright.datasets.atoms.slabs.surface_atoms import with_tags
from formwright.datasets.atoms.structures import Structure, from_ase
from formwright.datasets.cases import Quantity
from formwright.datasets.errors import StructureError

PROPERTIES: Final = (
    Quantity("surface_energy_ev_a2", "eV/angstrom^2", "surface energy (unit inferred)"),
    Quantity("cleavage_energy_ev_a2", "eV/angstrom^2", "cleavage energy (unit inferred)"),
    Quantity("work_function_ev", "eV", "work function (unit inferred)"),
    Quantity("heat_ev_atom", "eV/atom", "heat of formation of a perovskite"),
    Quantity("energy_ev_atom", "eV/atom", "total energy of a carbon allotrope"),
    Quantity("direct_gap_ev", "eV", "direct band gap"),
    Quantity("indirect_gap_ev", "eV", "indirect band gap"),
)
_CDVAE: Final = {
    "heat_ref": "heat_ev_atom",
    "energy_per_atom": "energy_ev_atom",
    "dir_gap": "direct_gap_ev",
    "ind_gap": "indirect_gap_ev",
}


def iterate_secgcnn(
    path: str | os.PathLike[str], *, cleavage: bool = False
) -> Iterator[tuple[Structure, dict[str, float]]]:
    """Yield the slabs of an SE-CGCNN file with their properties, surface atoms tagged.

    Args:
        path: Extended XYZ with ``id``, ``prop1`` and perhaps ``prop2``.
        cleavage: ``prop1`` is a cleavage energy (the set of intermetallics), not a surface energy.

    Raises:
        StructureError: It is another file, or a damaged one.
    """
    first = "cleavage_energy_ev_a2" if cleavage else "surface_energy_ev_a2"
    for i, (one, columns) in enumerate(iterate_structures(path)):
        if "id" not in columns or "prop1" not in columns:
            raise StructureError(
                f"{str(path)!r}, frame {i}, is not of SE-CGCNN: it has no id and prop1. Columns: "
                f"{', '.join(map(str, columns))}."
            )
        named = dataclasses.replace(one, name=str(columns["id"]))
        found = {first: float(columns["prop1"])}
        if "prop2" in columns:
            found["work_function_ev"] = float(columns["prop2"])
        yield with_tags(named, named.z < 0), found


def iterate_cdvae(path: str | os.PathLike[str]) -> Iterator[tuple[Structure, dict[str, float]]]:
    """Yield the crystals of a CDVAE table (perovskites, carbon) with their properties, tags 0.

    Args:
        path: CSV, gzip allowed, with ``material_id``, ``cif`` and columns of numbers.

    Raises:
        StructureError: It is another file, or a damaged one.
    """
    opened = gzip.open if Path(path).suffix == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8", newline="") as lines:
            for i, row in enumerate(csv.DictReader(lines)):
                yield _crystal(row, f"{str(path)!r}, row {i}")
    except (OSError, EOFError) as error:
        raise StructureError(f"{str(path)!r} cannot be read: {error}.") from error


def _crystal(row: dict[str, Any], where: str) -> tuple[Structure, dict[str, float]]:
    """Return a row's crystal and its properties."""
    from ase import Atoms
    from ase.io import read

    if not row.get("cif") or "material_id" not in row:
        raise StructureError(f"{where}, is not of CDVAE: it has no material_id and cif.")
    try:
        atoms = cast(Atoms, read(StringIO(row["cif"]), format="cif"))
        found = {name: float(row[column]) for column, name in _CDVAE.items() if row.get(column)}
    except (ValueError, KeyError, IndexError, AssertionError, RuntimeError) as error:
        raise StructureError(f"{where}, has a CIF that cannot be read: {error!r}.") from error
    return from_ase(atoms, row["material_id"]), found
