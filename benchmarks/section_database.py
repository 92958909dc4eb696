"""How many files of the UIUC database load, and how well CST parameters describe the sections.

``--rebuild`` writes the package's compact copy anew from an installed aerosandbox.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from importlib.metadata import distribution
from pathlib import Path

import numpy as np
import torch
from _common import Benchmark, save
from jaxtyping import Bool

from formwright.datasets.airfoils import cst
from formwright.datasets.airfoils.contour import order, validate
from formwright.datasets.airfoils.database import FILE, Entry, write_database
from formwright.datasets.airfoils.files.dat import decode, parse_points
from formwright.datasets.airfoils.geometry import stations_y
from formwright.datasets.airfoils.section import section_from_points
from formwright.datasets.errors import SectionError
from formwright.datasets.families import family, join_near_copies, make_split

NEAR_COPY = 0.002
STATIONS = 40
SET_ASIDE = "set-aside"
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


def smooth_shape(entry: Entry) -> np.ndarray:
    """Return the same by cubics in place of straight lines."""
    heights = stations_y(section_from_points(entry.points, entry.name).pos, STATIONS).numpy()
    return np.concatenate([heights[STATIONS - 1 :: -1], heights[STATIONS:]])


def near_copies(shapes: np.ndarray) -> Bool[np.ndarray, "sections sections"]:
    """Return which sections differ by less than 0.002 chord everywhere, mirrored or not."""
    mirrored = -np.roll(shapes, STATIONS, axis=1)
    apart = [
        np.minimum(np.abs(shapes - one).max(1), np.abs(mirrored - one).max(1)) for one in shapes
    ]
    near = np.stack(apart) < NEAR_COPY
    return near | near.T


def set_aside(
    families: Sequence[str], splits: Mapping[str, str], near: Bool[np.ndarray, "sections sections"]
) -> list[str]:
    """Return the families; held-out sections with a near-copy in another part leave theirs."""
    part = np.array([splits[family] for family in families])
    across = (near & (part[:, None] != part)).any(1) & (part != "train")
    return [SET_ASIDE if out else name for name, out in zip(families, across, strict=True)]


def rebuild() -> None:
    """Write the compact copy: sections, families joined over near-copies, and the split."""
    entries, refused = read(files())
    by_lines = near_copies(np.stack([shape(entry) for entry in entries]))
    families = join_near_copies([entry.family for entry in entries], by_lines)
    splits = make_split(families)
    by_cubics = near_copies(np.stack([smooth_shape(entry) for entry in entries]))
    families = set_aside(families, splits, by_cubics)
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
    write_database(FILE, entries, {**splits, SET_ASIDE: "none"}, provenance)
    print(f"{len(entries)} sections, {FILE.stat().st_size / 1e6:.2f} MB")


def fit_error(entry: Entry) -> float:
    """Return the largest distance in y between a section's points and its CST fit, 8 + 8."""
    pos = section_from_points(entry.points, entry.name).pos
    vector = cst.fit(pos)
    upper, lower = cst.design_matrices(pos[:, 0].clamp(0.0, 1.0), cst.weights_per_side(vector))
    is_upper = torch.arange(len(pos)) <= int(pos[:, 0].argmin())
    return float((torch.where(is_upper, upper @ vector, lower @ vector) - pos[:, 1]).abs().max())


def measure() -> Benchmark:
    """Return the counts and the errors over the whole database."""
    paths = files()
    entries, refused = read(paths)
    errors = np.array([fit_error(entry) for entry in entries])
    worst = [entries[i].name for i in np.argsort(errors)[::-1][:8]]
    return Benchmark(
        name="section-database",
        claim=f"{len(entries)} of the {len(paths)} files of the UIUC database load, the rest is "
        "refused with a reason; CST parameters, 8 + 8, describe a section to "
        f"{np.median(errors):.5f} chord (median largest error).",
        value={
            "median": float(np.median(errors)),
            "90 %": float(np.quantile(errors, 0.9)),
            "99 %": float(np.quantile(errors, 0.99)),
            "largest": float(errors.max()),
            "loaded": len(entries),
            "refused": len(refused),
        },
        unit="chord; files",
        better="lower",
        peers={},
        bars={"bar": {"median": 0.0008}},
        split=f"all {len(paths)} files of aerosandbox {distribution('aerosandbox').version}",
        notes=f"Refused: {list(refused.values())} Largest errors: {', '.join(worst)} (blunt or "
        "beaded trailing edges, kinks, misread points near the nose).",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rebuild", action="store_true", help="write the compact copy anew")
    if parser.parse_args().rebuild:
        rebuild()
    save(measure())


if __name__ == "__main__":
    main()
