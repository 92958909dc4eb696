"""Unlabeled slabs, and what a cheap potential says of them: the pretraining corpus of atoms.

Every alloy of the training pairs, every adsorbate, every site of the ideal slab: first those of
the table, then the others in random order. CHGNet 0.3.0 gives the energy of slab and adsorbate
minus that of the bare slab, in eV; no DFT label is looked at. Shards of 1,000 go to
``runs/cheap-adsorption``; killed, the same command goes on.

    python benchmarks/cheap_adsorption.py --count 60000     (about 35 minutes of one core)
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from _common import ROOT

from formwright.datasets.atoms import mamun
from formwright.datasets.atoms.slabs.ordered import site_labels, slabs
from formwright.datasets.atoms.structures import Structure, structures_of
from formwright.datasets.files import replacing

FOLDER = ROOT / "runs" / "cheap-adsorption"
SHARD = 1000


def enumerated(seed: int = 0) -> list[mamun.Row]:
    """Return all rows of the training pairs: those of the table, then the others, shuffled."""
    generator = np.random.default_rng(seed)
    known, _ = mamun.labelled("train")
    known = [known[i] for i in generator.permutation(len(known))]
    alloys = [a for a in mamun.lattices() if mamun.split_of(a.pair) == "train"]
    judged = {row.alloy.pair for row in mamun.table()[0]}
    every = {
        mamun.Row(alloy, adsorbate, site)
        for alloy, adsorbate in itertools.product(alloys, mamun.REACTIONS)
        if alloy.pair in judged
        for site in site_labels(alloy.prototype)
    }
    rest = sorted(every - set(known), key=str)
    return known + [rest[i] for i in generator.permutation(len(rest))]


class Potential:
    """CHGNet's energies of many small slabs, one core."""

    def __init__(self) -> None:
        import torch
        from chgnet.model import CHGNet

        torch.set_num_threads(1)
        self.model = CHGNet.load(verbose=False, use_device="cpu")
        self.bare: dict[mamun.Alloy, float] = {}

    def total(self, structures: Sequence[Structure]) -> np.ndarray:
        """Return total energies, eV."""
        from pymatgen.core import Lattice
        from pymatgen.core import Structure as Crystal

        made = [
            Crystal(Lattice(one.cell), one.elements, one.pos, coords_are_cartesian=True)
            for one in structures
        ]
        found = self.model.predict_structure(made, task="e", batch_size=32)
        found = [found] if isinstance(found, dict) else found
        return np.array([float(f["e"]) * len(s) for f, s in zip(found, structures, strict=True)])

    def binding(self, rows: Sequence[mamun.Row]) -> np.ndarray:
        """Return the energy of slab and adsorbate minus that of the slab, eV."""
        missing = sorted({row.alloy for row in rows} - set(self.bare), key=str)
        if missing:
            clean = [bare(alloy) for alloy in missing]
            self.bare |= dict(zip(missing, self.total(clean), strict=True))
        return self.total(mamun.build(rows)) - [self.bare[row.alloy] for row in rows]


def bare(alloy: mamun.Alloy) -> Structure:
    """Return the clean slab of an alloy."""
    import torch

    a, c = torch.tensor([mamun.lattice(alloy)], dtype=torch.float64).unbind(1)
    return structures_of(slabs(a, c, torch.tensor([alloy.z])))[0]


def read(folder: Path = FOLDER) -> tuple[list[mamun.Row], np.ndarray]:
    """Return rows and cheap energies that are on disk, eV."""
    rows, energies = [], []
    everything = enumerated()
    for path in sorted(folder.glob("shard-*.npz")):
        shard = np.load(path)
        rows += [everything[i] for i in shard["index"]]
        energies.append(shard["energy_ev"])
    return rows, np.concatenate(energies)


def main() -> None:
    """Compute the shards that are missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=60000)
    count = parser.parse_args().count
    FOLDER.mkdir(parents=True, exist_ok=True)
    rows, potential = enumerated()[:count], Potential()
    for first in range(0, len(rows), SHARD):
        path = FOLDER / f"shard-{first // SHARD:04d}.npz"
        if path.exists():
            continue
        some = rows[first : first + SHARD]
        energy = potential.binding(some)
        with replacing(path) as temporary, open(temporary, "wb") as file:
            index = np.arange(first, first + len(some))
            np.savez_compressed(file, index=index, energy_ev=energy)
        print(f"{first + len(some):,} of {len(rows):,}", flush=True)


if __name__ == "__main__":
    main()
