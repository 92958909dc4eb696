"""Memory of a screening of 100,000 candidates, from the first thousand to the last.

``formwright screen`` runs as a user runs it, with two workers; the resident memory of all its
processes is looked at several times a second. Formulas come from a CSV: all alloys of Mamun's 37
metals, over and over. Slabs come from a file of structures, each with a lattice of its own.

    python benchmarks/screen_stream.py
    python benchmarks/screen_stream.py --formulas 20000 --slabs 2000
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from _common import Benchmark, save, tell

from formwright.design.screening.entries import entries

FORMULAS: Final = 100_000
SLABS: Final = 6_000
WINDOW: Final = 1_000
EVERY_S: Final = 0.1
PAGE: Final = os.sysconf("SC_PAGE_SIZE") / 2**20
METALS: Final = ("Cu", "Ni", "Pd", "Pt", "Ag", "Au", "Rh", "Ir")


@dataclass(frozen=True, slots=True)
class Sample:
    """What was seen at one moment.

    Attributes:
        done: Candidates on disk.
        total_mib: Resident memory of all processes.
        parent_mib: Of the one that reads, writes and ranks.
    """

    done: int
    total_mib: float
    parent_mib: float


def main(formulas: int, slabs: int) -> None:
    """Screen both, and write ``screen-stream.json``."""
    found = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for kind, count, write in (
            ("formulas", formulas, write_formulas),
            ("slabs", slabs, write_slabs),
        ):
            path = write(folder, count)
            found[kind] = looked_at(path, folder / f"of-{kind}", count)
            tell(kind, found[kind])
    publish(found, formulas, slabs)


def publish(found: Mapping[str, Mapping[str, Any]], formulas: int, slabs: int) -> None:
    """Write the JSON."""
    value = {kind: of["last over first"] for kind, of in found.items()}
    save(
        Benchmark(
            name="screen-stream",
            claim=f"From the first to the last thousand of {formulas:,} formulas the memory of a "
            f"screening changes by {100 * (value['formulas'] - 1):+.1f} %, of {slabs:,} slabs by "
            f"{100 * (value['slabs'] - 1):+.1f} %.",
            value={**value, "formulas, while they are ranked": found["formulas"]["ranking"]},
            unit="times the memory in the first thousand",
            better="lower",
            split="HER, one site each, two workers; formulas: alloys of 37 metals, again and again",
            peers={},
            bars={"bar": dict.fromkeys(value, 1.1)},
            notes="Resident memory of all processes together, the median of the samples while a "
            "thousand candidates are worked on; the highest thousand is "
            f"{found['formulas']['highest over first']:.3f} times the first with formulas, "
            f"{found['slabs']['highest over first']:.3f} times with slabs. While they are ranked: "
            "the highest sample after the last candidate.",
            details=found,
        )
    )


def write_formulas(folder: Path, count: int) -> Path:
    """Write a table of formulas, every alloy in turn."""
    path = folder / "formulas.csv"
    every = [one.alloy for one in entries("binaries:all") if one.alloy]
    with path.open("w", encoding="utf-8") as out:
        out.write("prototype,a,b\n")
        for alloy in itertools.islice(itertools.cycle(every), count):
            out.write(f"{alloy.prototype},{alloy.a},{alloy.b}\n")
    return path


def write_slabs(folder: Path, count: int) -> Path:
    """Write bare slabs, no two with one lattice."""
    from ase.build import fcc111
    from ase.io import write

    path, generator = folder / "slabs.extxyz", np.random.default_rng(0)
    for first in range(0, count, 500):
        frames = []
        for k in range(first, min(first + 500, count)):
            size = float(generator.uniform(3.5, 4.2))
            slab = fcc111(METALS[k % len(METALS)], (2, 2, 3), a=size, vacuum=7.0)
            slab.info = {"name": f"slab {k}"}
            frames.append(slab)
        write(path, frames, append=True)
    return path


def looked_at(path: Path, out: Path, count: int) -> dict[str, Any]:
    """Screen a file in a process of its own, and return what its memory did."""
    words = ["screen", str(path), "--reaction", "HER", "--sites", "one", "--workers", "2"]
    began = time.monotonic()
    with (out.parent / f"{out.name}.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "formwright", *words, "--out", str(out), "--quiet"],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        samples = list(watched(process, out / "parts"))
    if process.returncode:
        raise SystemExit((out.parent / f"{out.name}.log").read_text())
    return {**described(samples, count), "seconds": time.monotonic() - began}


def watched(process: subprocess.Popen[bytes], parts: Path) -> Iterator[Sample]:
    """Yield samples until a process ends."""
    counted: dict[str, int] = {}
    while process.poll() is None:
        for part in parts.glob("[0-9]*.jsonl"):
            if part.name not in counted:
                counted[part.name] = part.read_bytes().count(b"\n")
        own = resident_mib(process.pid)
        others = sum(resident_mib(child) for child in descendants(process.pid))
        yield Sample(done=sum(counted.values()), total_mib=own + others, parent_mib=own)
        time.sleep(EVERY_S)


def described(samples: list[Sample], count: int) -> dict[str, Any]:
    """Return the memory by thousands of candidates, and the ratios that count."""
    by_thousand: dict[int, list[float]] = {}
    for one in samples:
        if 0 < one.done < count:
            by_thousand.setdefault(one.done // WINDOW, []).append(one.total_mib)
    medians = {k: statistics.median(values) for k, values in sorted(by_thousand.items())}
    first, last = medians[min(medians)], medians[max(medians)]
    ranking = [one for one in samples if one.done >= count]
    tenth = max(1, len(medians) // 10)
    return {
        "first thousand, MiB": round(first, 1),
        "last thousand, MiB": round(last, 1),
        "last over first": last / first,
        "highest over first": max(medians.values()) / first,
        "ranking": max(one.total_mib for one in ranking) / first if ranking else None,
        "parent, highest while ranking, MiB": max((s.parent_mib for s in ranking), default=None),
        "MiB by thousands done": {k: round(m, 1) for k, m in list(medians.items())[::tenth]},
        "windows": [min(medians), max(medians)],
    }


def resident_mib(pid: int) -> float:
    """Return the resident memory of a process; 0 where it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
    except (OSError, IndexError):
        return 0.0


def descendants(pid: int) -> Iterator[int]:
    """Yield the processes that a process started, and theirs."""
    try:
        texts = [task.read_text() for task in Path(f"/proc/{pid}/task").glob("*/children")]
    except OSError:
        return
    for child in (int(word) for text in texts for word in text.split()):
        yield child
        yield from descendants(child)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--formulas", type=int, default=FORMULAS)
    parser.add_argument("--slabs", type=int, default=SLABS)
    given = parser.parse_args()
    main(given.formulas, given.slabs)
