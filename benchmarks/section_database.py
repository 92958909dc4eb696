"""How many files of the UIUC database load, and how well CST parameters describe the sections.

``--rebuild`` writes the package's compact copy anew from an installed aerosandbox.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib.metadata import distribution
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool

from formwright.datasets.contour import order, validate
from formwright.datasets.dat import decode, parse_points
from formwright.datasets.database import FILE, Entry, write_database
from formwright.datasets.errors import SectionError
from formwright.datasets.families import family, join_near_copies, make_split
from formwright.datasets.section import section_from_points

NEAR_COPY = 0.002
STATIONS = 40
FOLDER = "aerosandbox/geometry/airfoil/airfoil_database"


def files() -> list[Path]:
    """Return the coordinate files of the installed aerosandbox."""
    folder = Path(str(distribution("aerosandbox").locate_file(FOLDER)))
    return sorted(folder.glob("*.dat"))


def read(paths: Sequence[Path]) -> tuple[list[Entry], dict[str, str]]:
    """Return what loads, and why the rest does not."""
    entries, refused = [], {}
    for path in paths:
        name = path.stem
        try:
            header, points = parse_points(decode(path.read_bytes()), name)
            ordered = order(points, name)
            validate(torch.from_numpy(ordered), name)
        except SectionError as error:
            refused[name] = str(error)
            continue
        entries.append(Entry(name=name, points=ordered, family=family(name), description=header))
    return entries, refused


def shape(entry: Entry) -> np.ndarray:
    """Return y at 40 stations of each side, upper then lower, both from the nose."""
    pos = section_from_points(entry.points, entry.name).pos.numpy()
    nose = int(pos[:, 0].argmin())
    angle = np.arccos(np.clip(1.0 - 2.0 * pos[:, 0], -1.0, 1.0))
    at = np.pi * (np.arange(STATIONS) + 0.5) / STATIONS
    upper = np.interp(at, angle[nose::-1], pos[nose::-1, 1])
    return np.concatenate([upper, np.interp(at, angle[nose:], pos[nose:, 1])])


def near_copies(entries: Sequence[Entry]) -> Bool[np.ndarray, "sections sections"]:
    """Return which sections differ by less than 0.002 chord everywhere, mirrored or not."""
    shapes = np.stack([shape(entry) for entry in entries])
    mirrored = -np.roll(shapes, STATIONS, axis=1)
    apart = [
        np.minimum(np.abs(shapes - one).max(1), np.abs(mirrored - one).max(1)) for one in shapes
    ]
    near = np.stack(apart) < NEAR_COPY
    return near | near.T


def rebuild() -> None:
    """Write the compact copy: sections, families joined over near-copies, and the split."""
    entries, refused = read(files())
    families = join_near_copies([entry.family for entry in entries], near_copies(entries))
    entries = [
        Entry(name=e.name, points=e.points, family=joined, description=e.description)
        for e, joined in zip(entries, families, strict=True)
    ]
    version = distribution("aerosandbox").version
    provenance = {
        "source": f"UIUC Airfoil Coordinates Database via AeroSandbox {version}",
        "url": "https://m-selig.ae.illinois.edu/ads/coord_database.html",
        "licence": "MIT (AeroSandbox, Copyright (c) Peter Sharpe)",
        "command": "python benchmarks/section_database.py --rebuild",
        "near_copy_chord": NEAR_COPY,
        "refused": refused,
    }
    write_database(FILE, entries, make_split(families), provenance)
    print(f"{len(entries)} sections, {FILE.stat().st_size / 1e6:.2f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rebuild", action="store_true")
    if parser.parse_args().rebuild:
        rebuild()


if __name__ == "__main__":
    main()
