"""Sections out and in again: what a prediction changes by when a section goes through a file.

    python benchmarks/export_roundtrip.py

Sections of the database are predicted, written as ``.dat``, read and predicted again, at the same
incidences. Then the same sections turned, scaled and shifted, as files that somebody else wrote:
read, predicted, written, read and predicted again.
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import torch
from _common import Benchmark, save, tell

import formwright
from formwright.datasets.airfoils.contour import Placement, in_file_axes
from formwright.datasets.airfoils.section import Section
from formwright.datasets.airfoils.sections import database, read_dat, write_dat
from formwright.datasets.errors import SectionWarning
from formwright.surrogate.airfoils.polar import PolarSurrogate

SECTIONS: Final = 200
ALPHA_DEG: Final = (-2.0, 4.0, 8.0)
REYNOLDS: Final = 1e6
MOST_TURNED_DEG: Final = 5.0
SCALES: Final = (1e-2, 1e3)
Polars = dict[str, np.ndarray]


def written_elsewhere(section: Section, path: Path, rng: np.random.Generator) -> Section:
    """Write a section turned, scaled and shifted, digits and all, and return what is read."""
    pos = in_file_axes(section.pos, section.placement).numpy()
    angle = np.deg2rad(rng.uniform(-MOST_TURNED_DEG, MOST_TURNED_DEG))
    scale = np.exp(rng.uniform(*np.log(SCALES)))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = scale * (pos @ turn.T + rng.uniform(-1.0, 1.0, 2))
    np.savetxt(path, points, fmt="%.17g", header=section.name, comments="")
    return read_dat(path, section.name)


def again(sections: Sequence[Section], folder: Path) -> list[Section]:
    """Write sections and return what is read."""
    found = []
    for i, section in enumerate(sections):
        write_dat(folder / f"{i}.dat", section)
        found.append(read_dat(folder / f"{i}.dat", section.name))
    return found


def predicted(surrogate: PolarSurrogate, sections: Sequence[Section]) -> Polars:
    """Return lift, logarithm of drag, and moment, (sections, incidences)."""
    polar = surrogate.predict(list(sections), alpha_deg=list(ALPHA_DEG), reynolds=REYNOLDS)
    return {"cl": polar["cl"], "ln cd": np.log(polar["cd"]), "cm": polar["cm"]}


def apart(ours: Polars, theirs: Polars) -> dict[str, float]:
    """Return the largest differences."""
    return {name: float(np.abs(ours[name] - theirs[name]).max()) for name in ours}


def at_most(value: Mapping[str, float], kind: str) -> str:
    """Return the largest of the differences of a kind in words."""
    most = max(size for key, size in value.items() if key.endswith(kind))
    return f"by {most:.0e} at most" if most else "not at all"


def main() -> None:
    """Write, read, predict, compare, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    seed = parser.parse_args().seed
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", SectionWarning)
    rng, surrogate = np.random.default_rng(seed), formwright.load("airfoil-polar")
    assert isinstance(surrogate, PolarSurrogate)
    known = database()
    drawn = sorted(rng.choice(sorted(known), SECTIONS, replace=False).tolist())
    plain = [known[name] for name in drawn]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        turned = [written_elsewhere(one, folder / "elsewhere.dat", rng) for one in plain]
        own_axes = [replace(one, placement=Placement()) for one in turned]
        before = {"as it is": predicted(surrogate, plain), "turned": predicted(surrogate, turned)}
        after = {
            "as it is": predicted(surrogate, again(plain, folder)),
            "turned": predicted(surrogate, again(turned, folder)),
        }
        peer = apart(before["turned"], predicted(surrogate, again(own_axes, folder)))
    value = {
        f"{label}, {kind}": size
        for kind in before
        for label, size in apart(before[kind], after[kind]).items()
    }
    tell("largest differences", value)
    save(
        Benchmark(
            name="export-roundtrip",
            claim=f"Predicted lift, ln(drag) and moment of {SECTIONS} sections of the database, "
            f"written as .dat and read again, change {at_most(value, 'as it is')} at the same "
            f"incidence; of the same turned by up to {MOST_TURNED_DEG:g} degrees, scaled and "
            f"shifted, {at_most(value, 'turned')}.",
            value=value,
            unit="largest absolute difference of cl, ln(cd), cm",
            better="lower",
            peers={
                "written in the section's own axes": {
                    key: peer.get(key.removesuffix(", turned")) for key in value
                }
            },
            seeds=[seed],
            split=f"{SECTIONS} sections of the database at "
            f"{', '.join(f'{a:g}' for a in ALPHA_DEG)} degrees, Re = {REYNOLDS:g}",
            notes=f"airfoil-polar; scales from {SCALES[0]:g} to {SCALES[1]:g}, shifts of up to a "
            "chord, incidences in the axes of the file.",
            details={"sections": drawn},
        )
    )


if __name__ == "__main__":
    main()
