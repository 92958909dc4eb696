"""What a command costs before it has anything to do: processor time of one row, from a cold start.

    python benchmarks/cold_start.py

User and system seconds of a whole process, the interpreter and torch included, and beside them
those of ``import torch`` alone.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from _common import Benchmark, save, tell

ROW: Final = "section,alpha_deg,reynolds,ncrit\nnaca2412,2,1e6,9\n"
ALLOY: Final = "prototype,a,b,adsorbate,site\nA1,Cu,Cu,OH,bridge|A_A|A\n"
PREDICT: Final = ("-m", "formwright", "predict")
TORCH: Final = "import torch"


def commands(folder: Path) -> dict[str, tuple[str, ...]]:
    """Return what is run, by its name in the table, with its inputs written to a folder."""
    tables = {"airfoil-polar": ROW, "adsorption-mamun": ALLOY}
    found: dict[str, tuple[str, ...]] = {}
    for name, text in tables.items():
        path = folder / f"{name}.csv"
        path.write_text(text, encoding="utf-8")
        out = str(folder / f"{name}-out.csv")
        found[f"predict {name}"] = (*PREDICT, name, "--cases", str(path), "--out", out)
    return {**found, "--help": ("-m", "formwright", "--help"), TORCH: ("-c", TORCH)}


def cpu_seconds(arguments: Sequence[str]) -> float:
    """Return the user and system time of a process of Python."""
    before = os.times()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    after = os.times()
    used = (after.children_user - before.children_user, after.children_system)
    return used[0] + used[1] - before.children_system


def main() -> None:
    """Measure and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    repeats = parser.parse_args().repeats
    with tempfile.TemporaryDirectory() as folder:
        asked = commands(Path(folder))
        for arguments in asked.values():
            cpu_seconds(arguments)
        runs: dict[str, list[float]] = {name: [] for name in asked}
        for _ in range(repeats):
            for name, arguments in asked.items():
                runs[name].append(cpu_seconds(arguments))
    middle = {name: statistics.median(times) for name, times in runs.items()}
    tell("all", runs)
    torch = middle.pop(TORCH)
    one = middle["predict airfoil-polar"]
    save(
        Benchmark(
            name="cold-start",
            claim=f"A row of airfoil-polar takes {one:.2g} s of processor time from a cold start, "
            f"{torch:.2g} s of which torch takes to be imported.",
            value=middle,
            unit="s of processor time, user and system",
            better="lower",
            split=f"one row each; median of {repeats}",
            peers={TORCH: dict.fromkeys(middle, torch) | {"--help": None}},
            interval={name: [min(runs[name]), max(runs[name])] for name in middle},
            notes="After one run of each that is not counted; least and largest as the interval.",
            details=runs,
        )
    )


if __name__ == "__main__":
    main()
