"""What readers do with damaged files: an answer or a named error, never anything else.

    python benchmarks/readers_fuzz.py

Bits are flipped, pieces cut, swapped, repeated and zeroed, numbers made NaN or huge, brackets
nested deep in one whole file a reader. A fault is a traceback, a hang, a dead process, or an answer
with numbers that are not finite.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from pathlib import Path
from typing import Final

import torch
from _common import Benchmark, save, tell
from _fuzz import LIMIT_S, PARTS, fuzz, originals

MUTANTS: Final = 300
GOOD: Final = ("read", "refused")


def main() -> None:
    """Damage, read, count, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--mutants", type=int, default=MUTANTS)
    parser.add_argument("--only", default="")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    counts, faults = {}, {}
    with tempfile.TemporaryDirectory() as temporary:
        readers = originals(Path(temporary))
        names = [name for name in readers if asked.only in name]
        for name in names:
            found = fuzz(*readers[name], asked.mutants, asked.seed)
            counts[name] = dict(Counter(how.split(":")[0] for how in found.values()))
            bad = {f"{name} {n}": how for n, how in found.items() if how not in GOOD}
            faults |= bad
            tell(name, (counts[name], list(bad.items())[:4]))
    if asked.only or asked.mutants != MUTANTS:
        return
    save(
        Benchmark(
            name="readers-fuzz",
            claim=f"{len(names)} readers of files are given {MUTANTS} damaged files each: "
            f"{len(faults)} times there is a traceback, a hang, a dead process or a silent NaN "
            "instead of an answer or a named error.",
            value=float(len(faults)),
            unit=f"faults of {MUTANTS * len(names)} damaged files",
            better="lower",
            bars={"bar": 0.0},
            peers={},
            seeds=[asked.seed],
            split=", ".join(names),
            notes=f"Kinds of damage: {', '.join(PARTS)}; a hang is {LIMIT_S:g} s a file. Files "
            "with checksums are refused before they are read, so those of formwright's own forms "
            "are written without.",
            details={"outcomes": counts, "faults": faults},
        )
    )


if __name__ == "__main__":
    main()
