"""Memory and time of large inputs: a table of a million rows, a file of a million points.

Each is read by the command line in a process of its own, whose largest resident memory the system
tells; beside it stands the same command on an input of a hundredth of the size.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
from _common import Benchmark, save, tell

ROWS: Final = 1_000_000
SECTIONS: Final = ("naca0012", "naca2412", "naca4415", "e387", "s1223")
CHILD: Final = """
import resource, sys
from formwright.cli import main
code = main(sys.argv[1:])
print("PEAK", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, code)
"""


def table(path: Path, rows: int) -> list[str]:
    """Write a table of sections and conditions; return the command that predicts it."""
    random = np.random.default_rng(0)
    alpha, power = random.uniform(-5, 15, rows), random.uniform(5, 7, rows)
    with path.open("w") as handle:
        handle.write("section,alpha_deg,reynolds\n")
        for i in range(rows):
            name = SECTIONS[i % len(SECTIONS)]
            handle.write(f"{name},{alpha[i]:.4f},{10 ** power[i]:.6g}\n")
    out = path.with_suffix(".out.csv")
    return ["predict", "airfoil-polar", "--cases", str(path), "--out", str(out)]


def points(path: Path, count: int) -> list[str]:
    """Write a section as so many points; return the command that describes it."""
    turn = np.linspace(0.0, 2.0 * np.pi, count)
    x = 0.5 * (1.0 + np.cos(turn))
    shape = 0.2969 * np.sqrt(x) - 0.126 * x - 0.3516 * x**2 + 0.2843 * x**3 - 0.1036 * x**4
    y = np.sign(np.sin(turn)) * 0.6 * shape
    with path.open("w") as handle:
        handle.write("a section of many points\n")
        np.savetxt(handle, np.stack([x, y], 1), fmt="%.9f")
    return ["sections", "info", str(path)]


def measured(arguments: list[str]) -> dict[str, float]:
    """Return seconds and largest resident memory of a command."""
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", CHILD, *arguments], capture_output=True, text=True, check=True
    )
    seconds = time.perf_counter() - began
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("PEAK"))
    _, peak, code = line.split()
    assert code == "0", done.stderr
    return {"seconds": round(seconds, 2), "megabytes": round(int(peak) * 1024 / 1e6)}


def main() -> None:
    """Measure both inputs at two sizes."""
    jobs: dict[str, tuple[str, Callable[[Path, int], list[str]]]] = {
        "rows of a table, predict airfoil-polar": (".csv", table),
        "points of a .dat, sections info": (".dat", points),
    }
    found: dict[str, dict[str, dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, (suffix, write) in jobs.items():
            found[name] = {}
            for count in (ROWS, ROWS // 100):
                path = Path(folder) / f"input-{count}{suffix}"
                found[name][f"{count:,}"] = measured(write(path, count))
                tell(f"{count:,} {name}", found[name][f"{count:,}"])
    large = {name: sizes[f"{ROWS:,}"] for name, sizes in found.items()}
    small = {name: sizes[f"{ROWS // 100:,}"] for name, sizes in found.items()}
    flat = {f"{name}: {what}": v for name, said in large.items() for what, v in said.items()}
    base = {f"{name}: {what}": v for name, said in small.items() for what, v in said.items()}
    (rows, dots) = (said["megabytes"] for said in large.values())
    save(
        Benchmark(
            name="large-inputs",
            claim=(
                f"A table of {ROWS:,} rows is predicted in {rows:.0f} MB of memory, and a .dat of "
                f"{ROWS:,} points read in {dots:.0f} MB."
            ),
            value=flat,
            unit="seconds of the whole command; megabytes of resident memory at most",
            better="lower",
            split=f"{ROWS:,} rows of {len(SECTIONS)} sections; NACA 0012 as {ROWS:,} points",
            peers={f"the same of {ROWS // 100:,}": base},
            notes="Each in a process of its own, start and imports included.",
        )
    )


if __name__ == "__main__":
    main()
