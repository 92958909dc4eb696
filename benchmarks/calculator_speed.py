"""Energy and forces of a 50-atom slab beside CHGNet, through the same ASE interface.

Both calculators get the same atoms, moved a little before every call, so nothing is remembered; one
thread, in turns.

    python benchmarks/calculator_speed.py [--surrogate adsorption-mamun] [--repeats 40]
"""

from __future__ import annotations

import argparse
import contextlib
import io
import statistics
import time
import warnings
from importlib import metadata

import numpy as np
import torch
from _common import Benchmark, save
from ase import Atoms
from ase.build import add_adsorbate, fcc111
from ase.calculators.calculator import Calculator

import formwright
from formwright.surrogate.atoms.calculator import AdsorptionCalculator

BAR, STRETCH = 5.0, 20.0


def slab() -> Atoms:
    """Return OH on the fcc site of Pt(111), 4 x 4 x 3: 50 atoms."""
    atoms = fcc111("Pt", (4, 4, 3), vacuum=8.0)
    below = atoms.get_tags() > 1
    add_adsorbate(atoms, Atoms("OH", [(0, 0, 0), (0, 0.8, 0.5)]), 1.3, "fcc")
    atoms.set_tags([*np.where(below, 0, 1), 2, 2])
    atoms.pbc = True
    return atoms


def chgnet() -> Calculator:
    """Return CHGNet's calculator on the processor."""
    from chgnet.model.dynamics import CHGNetCalculator

    with contextlib.redirect_stdout(io.StringIO()):
        return CHGNetCalculator(use_device="cpu")


def timed(calculators: list[Calculator], repeats: int) -> list[list[float]]:
    """Return the seconds of each call of each calculator, in turns, after two of warm-up."""
    rng, here = np.random.default_rng(0), slab()
    times: list[list[float]] = [[] for _ in calculators]
    for _ in range(repeats + 2):
        moved = here.positions + 0.01 * rng.standard_normal(here.positions.shape)
        for calculator, found in zip(calculators, times, strict=True):
            atoms = here.copy()
            atoms.positions, atoms.calc = moved, calculator
            start = time.perf_counter()
            atoms.get_potential_energy()
            forces = atoms.get_forces()
            found.append(time.perf_counter() - start)
            assert forces.shape == (50, 3) and np.isfinite(forces).all()
    return [found[2:] for found in times]


def main() -> None:
    """Measure and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--surrogate", default="adsorption-mamun")
    parser.add_argument("--repeats", type=int, default=40)
    given = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    surrogate = formwright.load(given.surrogate)
    mine, peer = timed([AdsorptionCalculator(surrogate), chgnet()], given.repeats)
    ours, theirs = statistics.median(mine), statistics.median(peer)
    ratios = [b / a for a, b in zip(mine, peer, strict=True)]
    low, high = np.quantile(ratios, (0.1, 0.9))
    name = f"CHGNet {metadata.version('chgnet')}"
    save(
        Benchmark(
            name="calculator-speed",
            claim="Energy and forces of a 50-atom slab through ASE, one thread: "
            f"{theirs / ours:.0f} times as fast as {name}.",
            value=1e3 * ours,
            unit="ms",
            better="lower",
            split="OH on Pt(111), 4 x 4 x 3, rattled before every call",
            peers={name: 1e3 * theirs},
            bars={"bar": 1e3 * theirs / BAR, "stretch": 1e3 * theirs / STRETCH},
            notes=f"Median of {given.repeats} calls in turns; each call of CHGNet against the "
            f"call before it: {low:.0f} to {high:.0f} times as long in 80 % of them. The two do "
            "not answer the same question: CHGNet is a potential of the whole slab, the "
            "surrogate's energy is that of adsorption.",
        )
    )


if __name__ == "__main__":
    main()
