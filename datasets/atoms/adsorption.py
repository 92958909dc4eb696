"""Sets of adsorption energies with relaxed structures (card: ``cards/adsorption.md``).

The files are the user's (they are not shipped); a reader takes a path and returns an
``AdsorptionSet``. Mamun's table, which is shipped, is in ``formwright.datasets.atoms.mamun``.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from jaxtyping import Float

from formwright.datasets.atoms.elements import numbers
from formwright.datasets.atoms.files.structures import iterate_structures
from formwright.datasets.atoms.reactions import Reaction, reaction
from formwright.datasets.atoms.slabs.surface_atoms import with_tags
from formwright.datasets.atoms.structures import Structure
from formwright.datasets.errors import StructureError

LEVEL_WWL: Final = "QE BEEF-vdW (WWL-GPR)"
LEVEL_GAMENET: Final = "VASP PBE-D2"
LEVEL_XU_KITCHIN: Final = "VASP PBE"
_WWL_GAS: Final[Mapping[str, Mapping[str, float]]] = {
    "H": {"H2": 0.5},
    "O": {"H2O": 1.0, "H2": -1.0},
    "OH": {"H2O": 1.0, "H2": -0.5},
    "C": {"CH4": 1.0, "H2": -2.0},
    "CH": {"CH4": 1.0, "H2": -1.5},
    "CH2": {"CH4": 1.0, "H2": -1.0},
    "CH3": {"CH4": 1.0, "H2": -0.5},
    "CO": {"CH4": 1.0, "H2O": 1.0, "H2": -3.0},
}


@dataclass(frozen=True, kw_only=True, slots=True)
class AdsorptionSet:
    """Structures with adsorption energies, and what is needed to use them rightly.

    Attributes:
        name: Of the set.
        structures: Tagged: 2 adsorbate, 1 surface, 0 below.
        e_ads_ev: Energies, eV, (structures,).
        reactions: The reference of each energy.
        groups: The surface of each; splits keep a group together.
        licence: Of the data.
        citation: To be given where the data are used.
    """

    name: str
    structures: tuple[Structure, ...]
    e_ads_ev: Float[np.ndarray, " structures"]
    reactions: tuple[Reaction, ...]
    groups: tuple[str, ...]
    licence: str
    citation: str

    def __post_init__(self) -> None:
        """Refuse columns of different lengths and energies that are not finite."""
        counts = {len(self.structures), len(self.e_ads_ev), len(self.reactions), len(self.groups)}
        if len(counts) > 1 or not np.isfinite(self.e_ads_ev).all():
            raise StructureError(
                f"{self.name}: {len(self.structures)} structures, {len(self.e_ads_ev)} energies, "
                f"{len(self.reactions)} reactions and {len(self.groups)} groups; as many of each "
                "are needed, and finite energies."
            )

    def __len__(self) -> int:
        """Return the number of structures."""
        return len(self.structures)

    @property
    def adsorbates(self) -> tuple[str, ...]:
        """The adsorbate of each structure, by formula."""
        return tuple(one.adsorbate for one in self.reactions)

    def subset(self, rows: Sequence[int] | np.ndarray) -> AdsorptionSet:
        """Return the set of some rows, in their order."""
        chosen = [int(i) for i in rows]
        return dataclasses.replace(
            self,
            structures=tuple(self.structures[i] for i in chosen),
            e_ads_ev=self.e_ads_ev[chosen],
            reactions=tuple(self.reactions[i] for i in chosen),
            groups=tuple(self.groups[i] for i in chosen),
        )


def read_wwl(path: str | os.PathLike[str]) -> AdsorptionSet:
    """Return the simple-adsorbate set of WWL-GPR; a group is a metal or alloy, all its facets.

    Energies are against CH4, H2O and H2. Facets: the structure's name ends with one, e.g. ``211``.

    Raises:
        StructureError: It is another file, or a damaged one.
    """
    return _read(
        path,
        name="wwl-simple",
        elements=("H", "C", "O"),
        of=lambda row: reaction(row["adsorbate"], _WWL_GAS[row["adsorbate"]], LEVEL_WWL),
        group=lambda row: str(row["surface"]),
        label=lambda row: f"{row['adsorbate']}/{row['surface']}({_facet(row)})/{row['site']}",
        licence="MIT",
        citation="W. Xu, K. Reuter, M. Andersen, Nat. Comput. Sci. 2, 443 (2022)",
    )


def read_gamenet(path: str | os.PathLike[str]) -> AdsorptionSet:
    """Return the functional-group set of GAME-Net; a group is a metal.

    Every molecule is measured against itself in the gas; its code in the set tells isomers apart.

    Raises:
        StructureError: It is another file, or a damaged one.
    """

    def of(row: Mapping[str, Any]) -> Reaction:
        code = str(row["name"]).split("-", 1)[1]
        molecule = f"{row['formula']}[{row['family']} {code}]"
        return reaction(molecule, {molecule: 1.0}, LEVEL_GAMENET)

    return _read(
        path,
        name="gamenet-fg",
        elements=("H", "C", "N", "O", "S"),
        of=of,
        group=lambda row: str(row["metal"]).capitalize(),
        label=lambda row: f"{row['name']}/{row['family']}",
        licence="MIT",
        citation="S. Pablo-Garcia et al., Nat. Comput. Sci. 3, 433 (2023)",
    )


def read_xu_kitchin(path: str | os.PathLike[str]) -> AdsorptionSet:
    """Return the coverage set of Xu and Kitchin on (111) metals; a group is a metal.

    One to four equal atoms are adsorbed; the energy is per atom and against free atoms.

    Raises:
        StructureError: It is another file, or a damaged one.
    """

    def of(row: Mapping[str, Any]) -> Reaction:
        return reaction(_symbol(row), {_symbol(row): 1.0}, LEVEL_XU_KITCHIN)

    return _read(
        path,
        name="xu-kitchin-111",
        elements=("H", "C", "N", "O", "F", "S", "Cl", "Br"),
        of=of,
        group=lambda row: str(row["metal"]),
        label=lambda row: f"{_symbol(row)}/{row['metal']}/{row['site']}/{row['coverage']:g}",
        licence="MIT",
        citation="Z. Xu, J. R. Kitchin, J. Phys. Chem. C 118, 25597 (2014)",
    )


def _read(
    path: str | os.PathLike[str],
    *,
    name: str,
    elements: Sequence[str],
    of: Callable[[Mapping[str, Any]], Reaction],
    group: Callable[[Mapping[str, Any]], str],
    label: Callable[[Mapping[str, Any]], str],
    licence: str,
    citation: str,
) -> AdsorptionSet:
    """Return a set from extended XYZ; ``of``, ``group`` and ``label`` take a frame's columns."""
    numbered = numbers(elements)
    structures: list[Structure] = []
    reactions: list[Reaction] = []
    groups: list[str] = []
    energies: list[float] = []
    known: dict[Reaction, Reaction] = {}
    for i, (one, columns) in enumerate(iterate_structures(path)):
        adsorbate = np.isin(one.z, numbered)
        row = {**columns, "formula": _formula(one, adsorbate)}
        try:
            stated, energy = of(row), float(row["ads_energy_eV"])
            named = dataclasses.replace(one, name=label(row))
            groups.append(group(row))
        except KeyError as error:
            raise StructureError(
                f"{str(path)!r}, frame {i}, is not of the set {name!r}: {error} is missing or not "
                f"known. Columns: {', '.join(map(str, columns))}."
            ) from error
        if not adsorbate.any() or adsorbate.all():
            raise StructureError(
                f"{str(path)!r}, frame {i} ({named.name}): no atom of {', '.join(elements)} on a "
                "slab of others, so there is no adsorbate."
            )
        structures.append(with_tags(named, adsorbate))
        reactions.append(known.setdefault(stated, stated))
        energies.append(energy)
    return AdsorptionSet(
        name=name,
        structures=tuple(structures),
        e_ads_ev=np.array(energies, dtype=np.float64),
        reactions=tuple(reactions),
        groups=tuple(groups),
        licence=licence,
        citation=citation,
    )


def _formula(one: Structure, adsorbate: np.ndarray) -> str:
    """Return the formula of the marked atoms, C and H first and the others by name."""
    names, counts = np.unique(np.array(one.elements)[adsorbate], return_counts=True)
    result = dict(zip(names.tolist(), counts.tolist(), strict=True))
    order = [*(e for e in ("C", "H") if e in result), *(e for e in result if e not in ("C", "H"))]
    return "".join(e + (str(result[e]) if result[e] > 1 else "") for e in order)


def _facet(row: Mapping[str, Any]) -> str:
    """Return a facet's indices; 0001 comes out of the file as the number 1."""
    return "0001" if str(row["facet"]) == "1" else str(row["facet"])


def _symbol(row: Mapping[str, Any]) -> str:
    """Return the adsorbed element; extended XYZ takes a lone F for "false"."""
    return "F" if row["adsorbate"] is False else str(row["adsorbate"])
