"""The table of Mamun et al.: adsorption energies on ordered alloys of 37 metals, by one DFT set-up.

Eleven adsorbates on the (111) slabs of A1 metals, L1_2 A3B and L1_0 AB alloys: Quantum ESPRESSO,
BEEF-vdW (Mamun, Winther, Boes, Bligaard, Sci. Data 6, 76 (2019), CC BY 4.0; ``cards/mamun.md``).
An L1_0 alloy has one name here: A is the first of its elements in the alphabet, and ``canonical``
finds it. The lattice constants are SevenNet's. Splits are by pair of elements, whatever their
order, prototype, adsorbate or site; the pure metals are training data.
"""

from __future__ import annotations

import csv
import gzip
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
import torch
from jaxtyping import Float

from formwright.datasets.atoms.adsorbates import adsorbate
from formwright.datasets.atoms.elements import number
from formwright.datasets.atoms.slabs.ordered import PROTOTYPES, find_site, site_labels, slabs
from formwright.datasets.atoms.structures import Structure, structures_of
from formwright.datasets.cases import Case
from formwright.datasets.errors import StructureError, UnknownNameError, did_you_mean
from formwright.datasets.families import hashed

LEVEL: Final = "QE BEEF-vdW"
REFERENCES: Final = "BEEF-vdW (Quantum ESPRESSO) against the gases H2, H2O, CH4, N2 and H2S"
ERROR_BAR: Final = (
    "DFT has an error bar of its own: BEEF-vdW against RPBE is off by .173 eV, by .041 eV after "
    "an offset for each adsorbate; against RPA by .145 and .130 eV (200 energies of the "
    "Computational Materials Repository). Below about .1 eV one fits the functional, not nature."
)
REACTIONS: Final = {
    "H": "0.5H2(g) + * -> H*",
    "C": "CH4(g) - 2.0H2(g) + * -> C*",
    "N": "0.5N2(g) + * -> N*",
    "O": "H2O(g) - H2(g) + * -> O*",
    "S": "H2S(g) - H2(g) + * -> S*",
    "CH": "CH4(g) - 1.5H2(g) + * -> CH*",
    "CH2": "CH4(g) - H2(g) + * -> CH2*",
    "CH3": "CH4(g) - 0.5H2(g) + * -> CH3*",
    "NH": "0.5H2(g) + 0.5N2(g) + * -> NH*",
    "OH": "H2O(g) - 0.5H2(g) + * -> OH*",
    "SH": "H2S(g) - 0.5H2(g) + * -> SH*",
}
_FOLDER: Final = Path(__file__).parents[1] / "data"
_SHARES: Final = (("test", 0.1), ("validation", 0.2))


@dataclass(frozen=True, slots=True)
class Alloy:
    """An ordered alloy: a prototype and its elements; A is the majority of L12, A = B is A1.

    An L10 alloy may be written in either order; the letters of its sites follow what is written
    (``canonical_row``).
    """

    prototype: str
    a: str
    b: str

    @property
    def pair(self) -> tuple[str, str]:
        """The elements in alphabetical order."""
        first, second = sorted((self.a, self.b))
        return first, second

    @property
    def name(self) -> str:
        """The formula and, where it does not follow from that, the prototype: ``Pt3Ti``."""
        return {"A1": self.a, "L12": f"{self.a}3{self.b}"}.get(self.prototype, f"{self.a}{self.b}")

    @property
    def counts(self) -> dict[str, int]:
        """How many of the four sublattices each element holds."""
        element = {"A": self.a, "B": self.b}
        return dict(Counter(element[letter] for letter in PROTOTYPES[self.prototype]))

    @property
    def z(self) -> list[int]:
        """Atomic numbers of the four sublattices."""
        element = {"A": number(self.a), "B": number(self.b)}
        return [element[letter] for letter in PROTOTYPES[self.prototype]]


@dataclass(frozen=True, slots=True)
class Row:
    """What the table is about: an alloy, an adsorbate and the site that it ends on."""

    alloy: Alloy
    adsorbate: str
    site: str

    def __str__(self) -> str:
        """Return what a structure of the row is called."""
        return f"{self.alloy.name}({self.alloy.prototype})-{self.adsorbate}-{self.site}"


def split_of(pair: tuple[str, str]) -> str:
    """Return ``train``, ``validation`` or ``test`` for a pair of elements."""
    first, second = sorted(pair)
    if first == second:
        return "train"
    place = hashed(f"{first}-{second}")
    return next((name for name, end in _SHARES if place < end), "train")


@cache
def table() -> tuple[tuple[Row, ...], Float[np.ndarray, " rows"]]:
    """Return all 32,766 rows and their energies in eV."""
    with gzip.open(_FOLDER / "mamun2019.csv.gz", "rt", encoding="utf-8", newline="") as lines:
        read = list(csv.DictReader(lines))
    rows = tuple(
        Row(Alloy(r["prototype"], r["a"], r["b"]), r["adsorbate"], r["site"]) for r in read
    )
    return rows, np.array([float(r["e_ads_ev"]) for r in read])


def labelled(split: str) -> tuple[list[Row], Float[np.ndarray, " rows"]]:
    """Return the rows of a split whose site the ideal slab has, and their energies in eV.

    The others, ``moved()``, are those whose adsorbate left for a site that is on no ideal slab.
    """
    rows, energies = table()
    keep = [i for i, place in enumerate(splits()) if place == split]
    return [rows[i] for i in keep], energies[keep]


def moved() -> list[Row]:
    """Return the rows whose site no ideal slab of their prototype has."""
    return [row for row, place in zip(table()[0], splits(), strict=True) if not place]


@cache
def splits() -> tuple[str, ...]:
    """Return the split of each row of the table, empty where no ideal slab has its site."""
    rows, _ = table()
    known = {prototype: site_labels(prototype) for prototype in PROTOTYPES}
    alloys = {row.alloy for row in rows}
    split = {alloy: split_of(alloy.pair) for alloy in alloys}
    return tuple(split[r.alloy] if r.site in known[r.alloy.prototype] else "" for r in rows)


@cache
def lattices() -> dict[Alloy, tuple[float, float, float]]:
    """Return a and c in angstrom and the energy in eV an atom by SevenNet-l3i5, of every alloy."""
    with (_FOLDER / "mamun2019_lattices.csv").open(encoding="utf-8", newline="") as lines:
        return {
            Alloy(r["prototype"], r["a"], r["b"]): (
                float(r["a_angstrom"]),
                float(r["c_angstrom"]),
                float(r["ev_per_atom"]),
            )
            for r in csv.DictReader(lines)
        }


def canonical(alloy: Alloy) -> Alloy:
    """Return the one name of an alloy: of L10, where the elements are alike, A is the first."""
    if alloy.a == alloy.b:
        return Alloy("A1", alloy.a, alloy.a)
    return Alloy("L10", *alloy.pair) if alloy.prototype == "L10" else alloy


def canonical_row(row: Row) -> Row:
    """Return a row with the one name of its alloy, and the letters of its site that go with it.

    The same site of the same slab: ``PtCu`` with ``hollow|A_A_B|FCC`` is ``CuPt`` with
    ``hollow|A_B_B|FCC``. What has no meaning, such as L10 of one element, stays as it is.
    """
    alloy = row.alloy
    if alloy.prototype != "L10" or alloy.a <= alloy.b:
        return row
    return replace(row, alloy=canonical(alloy), site=exchanged(row.site))


def exchanged(site: str) -> str:
    """Return the label of a site when A and B change places, e.g. ``bridge|B_B|A``."""
    kind, *rest = site.split("|")
    turned = [
        part
        if set(part) - set("AB_")
        else "_".join(sorted(part.translate(str.maketrans("AB", "BA")).split("_")))
        for part in rest
    ]
    return "|".join([kind, *turned])


def most_stable(adsorbate: str) -> dict[Alloy, tuple[float, str]]:
    """Return, for every alloy with rows of an adsorbate, its lowest energy in eV and the site."""
    result: dict[Alloy, tuple[float, str]] = {}
    for row, energy in zip(*table(), strict=True):
        if row.adsorbate == adsorbate and energy < result.get(row.alloy, (np.inf, ""))[0]:
            result[row.alloy] = (float(energy), row.site)
    return result


def known_lattice(alloy: Alloy) -> tuple[float, float, float] | None:
    """Return a, c and energy of an alloy, L10 in either order of its elements, or None."""
    return lattices().get(canonical(alloy) if alloy.a != alloy.b else alloy)


@cache
def metals() -> tuple[str, ...]:
    """Return the 37 elements."""
    return tuple(sorted({element for alloy in lattices() for element in alloy.pair}))


def lattice(alloy: Alloy) -> tuple[float, float]:
    """Return a and c of an alloy, angstrom.

    Raises:
        UnknownNameError: An element is none of the 37, or the prototype is unknown.
        StructureError: The alloy is not in the table.
    """
    for element in alloy.pair:
        if element not in metals():
            raise UnknownNameError(
                f"{element!r} is none of the {len(metals())} elements of this table."
                f"{did_you_mean(element, metals())} Known: {', '.join(metals())}."
            )
    if alloy.prototype not in PROTOTYPES:
        close = did_you_mean(alloy.prototype, PROTOTYPES)
        raise UnknownNameError(
            f"no prototype is called {alloy.prototype!r}.{close} Known: {', '.join(PROTOTYPES)}."
        )
    result = known_lattice(alloy)
    if result is None:
        raise StructureError(
            f"no lattice constants are known for {alloy.name} ({alloy.prototype}); an A1 metal has "
            "a = b, L12 and L10 alloys have two elements."
        )
    return result[0], result[1]


def build(rows: Sequence[Row]) -> list[Structure]:
    """Return the ideal structure of each row: unrelaxed slab, adsorbate on its site.

    Either spelling of an L10 alloy gives one structure, that of ``canonical_row``, and its name.

    Raises:
        UnknownNameError: An element, adsorbate or prototype is not known.
        StructureError: The slab has no such site.
    """
    rows = [canonical_row(row) for row in rows]
    groups: dict[tuple[str, str, str], list[int]] = {}
    for i, row in enumerate(rows):
        groups.setdefault((row.alloy.prototype, row.adsorbate, row.site), []).append(i)
    made: dict[int, Structure] = {}
    for index in groups.values():
        batch = _batch([rows[i] for i in index])
        made |= dict(zip(index, structures_of(batch), strict=True))
    return [replace(made[i], name=str(row)) for i, row in enumerate(rows)]


def _batch(rows: Sequence[Row]) -> Case:
    """Return rows of one prototype, adsorbate and site as one batch."""
    first = rows[0]
    size = [lattice(row.alloy) for row in rows]
    site = find_site(first.site, first.alloy.prototype)
    a, c = torch.tensor(size, dtype=torch.float64).unbind(1)
    z = torch.tensor([row.alloy.z for row in rows])
    return slabs(a, c, z, site, adsorbate(first.adsorbate))


def pairs(rows: Iterable[Row]) -> list[tuple[str, str]]:
    """Return the pair of each row: what a split keeps together."""
    return [row.alloy.pair for row in rows]
