"""One slab, many descriptions: what screening says of each.

    python benchmarks/slab_frames.py

Slabs of several kinds in twelve descriptions each (turned, the third cell vector negated, cell
vectors permuted, wrapped through the vacuum, atoms permuted, shifted) go through ``screen`` for
HER as one file of structures. Descriptions of a slab should have one descriptor. Where the two
ends of a slab differ, what is held says which is the top, or else the third cell vector: negated,
it names the other end.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from _common import Benchmark, save, tell

from formwright.datasets.atoms.files.structures import write_structures
from formwright.datasets.atoms.structures import Structure, from_ase
from formwright.design.screening.config import ScreenConfig
from formwright.design.screening.screen import screen

if TYPE_CHECKING:
    from ase import Atoms

VACUUM: Final = 8.0
RATTLE: Final = 0.05
ALIKE, HELD, UNSAID = "ends alike", "ends differ, bottom held", "ends differ, nothing held"
NEGATED: Final = "c negated"
TURNS: Final = {
    "turned about x": (0.5, 0.0, 0.0),
    "turned about y": (0.0, 1.3, 0.0),
    "turned about z": (0.0, 0.0, 0.7),
    "upside down": (np.pi, 0.0, 0.0),
    "turned askew": (1.0, 2.0, -0.7),
}
Key = tuple[str, str, str]
ORDERS: Final = {"cell vectors b, c, a": [1, 2, 0], "cell vectors a, c, b": [0, 2, 1]}


def slabs(seed: int) -> dict[tuple[str, str], Structure]:
    """Return bare slabs by kind and name."""
    from ase.build import fcc100, fcc111, fcc211, hcp0001

    rng = np.random.default_rng(seed)
    made: dict[str, Atoms] = {
        "Pt fcc111": fcc111("Pt", (2, 2, 4), vacuum=VACUUM),
        "Cu fcc100": fcc100("Cu", (2, 2, 4), vacuum=VACUUM),
        "Pt fcc211": fcc211("Pt", (3, 2, 3), vacuum=VACUUM),
        "Ru hcp0001": hcp0001("Ru", (2, 2, 4), vacuum=VACUUM),
    }
    uneven = {f"{name}, rattled": rattled(one, rng) for name, one in made.items()}
    uneven["Pt3Ni fcc111"] = made["Pt fcc111"].copy()
    uneven["Pt3Ni fcc111"].symbols[::4] = "Ni"
    uneven["Pt3Ni fcc111, rattled"] = rattled(uneven["Pt3Ni fcc111"], rng)
    found = {(ALIKE, name): described(one) for name, one in made.items()}
    for name, one in uneven.items():
        free = described(one)
        low = free.pos[:, 2] < free.pos[:, 2].mean()
        found |= {(HELD, name): replace(free, fixed=low), (UNSAID, name): free}
    return found


def rattled(one: Atoms, rng: np.random.Generator) -> Atoms:
    """Return a copy with every atom moved a little."""
    other = one.copy()
    other.positions += rng.normal(0.0, RATTLE, other.positions.shape)
    return other


def described(one: Atoms) -> Structure:
    """Return a slab as a file without layers would have it."""
    other = one.copy()
    other.set_tags(0)
    other.pbc = True
    return from_ase(other)


def turned(one: Structure, about: tuple[float, float, float]) -> Structure:
    """Return a structure turned about an axis by its length in radians."""
    from scipy.spatial.transform import Rotation

    turn = Rotation.from_rotvec(about).as_matrix().T
    return replace(one, pos=one.pos @ turn, cell=one.cell @ turn)


def wrapped(one: Structure) -> Structure:
    """Return a structure moved by half the cell along the third vector, and wrapped."""
    places = np.linalg.solve(one.cell.T, (one.pos + 0.5 * one.cell[2]).T).T
    return replace(one, pos=(places % 1.0) @ one.cell)


def shuffled(one: Structure, rng: np.random.Generator) -> Structure:
    """Return a structure with its atoms in another order."""
    order = rng.permutation(len(one))
    parts = {name: getattr(one, name)[order] for name in ("z", "pos", "tags", "fixed")}
    return replace(one, **parts)


def descriptions(one: Structure, rng: np.random.Generator) -> dict[str, Structure]:
    """Return twelve descriptions of a slab."""
    found = {"as built": one} | {name: turned(one, about) for name, about in TURNS.items()}
    found[NEGATED] = replace(one, cell=one.cell * np.array([1.0, 1.0, -1.0])[:, None])
    for name, order in ORDERS.items():
        found[name] = replace(one, cell=one.cell[order], pbc=one.pbc[order])
    found["wrapped through the vacuum"] = wrapped(one)
    found["atoms permuted"] = shuffled(one, rng)
    found["shifted"] = replace(one, pos=one.pos + np.array([31.3, -17.1, 5.0]))
    return found


def screened(frames: Mapping[Key, Structure]) -> dict[Key, dict[str, str]]:
    """Return the rows of the ranking by kind, slab and description."""
    with tempfile.TemporaryDirectory() as temporary:
        path, out = Path(temporary) / "slabs.extxyz", Path(temporary) / "out"
        write_structures(path, list(frames.values()), name=[": ".join(key) for key in frames])
        screen(str(path), ScreenConfig(reaction="HER"), out, workers=1)
        with (out / "ranking.csv").open(newline="", encoding="utf-8") as handle:
            rows = {row["candidate"]: row for row in csv.DictReader(handle)}
    found = {key: rows[": ".join(key)] for key in frames}
    lost = {key: row["reason"] for key, row in found.items() if row["status"] != "ranked"}
    if lost:
        raise SystemExit(f"not ranked: {lost}")
    return found


def spreads(found: Mapping[Key, Mapping[str, str]]) -> dict[tuple[str, str], dict[str, float]]:
    """Return by kind and slab the spread of the descriptor, of all and without the negated c."""
    slab: dict[tuple[str, str], dict[str, float]] = {}
    for (kind, name, how), row in found.items():
        slab.setdefault((kind, name), {})[how] = float(row["descriptor_ev"])
    return {
        key: {
            "all": float(np.ptp(list(said.values()))),
            "less negated": float(np.ptp([x for how, x in said.items() if how != NEGATED])),
        }
        for key, said in slab.items()
    }


def main() -> None:
    """Describe, screen, compare, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    seed = parser.parse_args().seed
    torch.set_num_threads(1)
    rng = np.random.default_rng(seed)
    frames = {
        (*key, how): other
        for key, one in slabs(seed).items()
        for how, other in descriptions(one, rng).items()
    }
    found = screened(frames)
    apart = spreads(found)

    def most(kind: str, which: str = "all") -> float:
        return max(size[which] for (k, _), size in apart.items() if k == kind)

    value = {
        ALIKE: most(ALIKE),
        HELD: most(HELD),
        UNSAID: most(UNSAID, "less negated"),
        f"{UNSAID}, c negated": most(UNSAID),
    }
    tell("largest spreads, eV", value)
    count, names = len(frames) // len(apart), list(dict.fromkeys(name for _, name in apart))
    flagged = sum("ends of the slab" in r["flag"] for (k, *_), r in found.items() if k == UNSAID)
    unsaid = sum(kind == UNSAID for kind, *_ in found)
    worst = max((k for k in apart if k[0] == HELD), key=lambda k: apart[k]["all"])
    others = max(size["all"] for k, size in apart.items() if k[0] != UNSAID and k != worst)
    save(
        Benchmark(
            name="slab-frames",
            claim=f"{len(names)} slabs in {count} descriptions each (turned, cell vectors permuted "
            "or negated, atoms permuted, wrapped, shifted): where the two ends of a slab are alike "
            "or its bottom is held, the descriptor for HER differs between descriptions by "
            f"{apart[worst]['all']:.1g} eV at most, for {worst[1]}, and by {others:.1g} eV for the "
            "others; where neither is so, the third cell vector says which end is the top, and "
            f"negating it makes up to {most(UNSAID):.2g} eV; {flagged} of {unsaid} such rows are "
            "flagged.",
            value=value,
            unit="eV, largest less smallest descriptor of one slab",
            better="lower",
            peers={},
            seeds=[seed],
            split=", ".join(names),
            notes="formwright screen, HER, adsorption-mamun, every site; rattled by "
            f"{RATTLE:g} angstrom (standard deviation). The third column leaves out the "
            "description with a negated third vector.",
            details=[{"kind": kind, "slab": name, **size} for (kind, name), size in apart.items()],
        )
    )


if __name__ == "__main__":
    main()
