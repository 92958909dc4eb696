"""Throughput of screening: all alloys of Mamun's 37 metals for HER, one site each, unrelaxed.

Candidates a second from names to rows: slabs are built, predicted and judged, on two processes with
one thread each that have loaded the surrogate before.

    python benchmarks/screening_throughput.py
"""

from __future__ import annotations

import argparse
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import torch
from _common import Benchmark, save

from formwright.design.screening.config import ScreenConfig
from formwright.design.screening.entries import entries
from formwright.design.screening.rows import work

BARS = {"bar": 500.0, "stretch": 2000.0}


def main() -> None:
    """Time the screening of every alloy, in turns."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--surrogate", default="adsorption-mamun")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    one = ScreenConfig(reaction="HER", surrogate=given.surrogate, sites="one")
    every = ScreenConfig(reaction="HER", surrogate=given.surrogate, sites="all")
    some = tuple(entries("binaries:all"))
    chunks = [some[first : first + one.chunk] for first in range(0, len(some), one.chunk)]
    context = get_context("spawn")
    threads = partial(torch.set_num_threads, 1)
    with ProcessPoolExecutor(given.workers, mp_context=context, initializer=threads) as pool:
        times = {"one site each": [], "most stable of all sites": []}
        list(pool.map(partial(work, config=one), chunks))
        for _ in range(given.repeats):
            for config, found in zip((one, every), times.values(), strict=True):
                start = time.perf_counter()
                rows = [
                    row for part in pool.map(partial(work, config=config), chunks) for row in part
                ]
                found.append(len(rows) / (time.perf_counter() - start))
                assert all(row["status"] == "ranked" for row in rows)
    value = {name: statistics.median(found) for name, found in times.items()}
    save(
        Benchmark(
            name="screening-throughput",
            claim=f"formwright screen judges {value['one site each']:,.0f} alloys a second for HER "
            f"on {given.workers} cores, one site each, unrelaxed.",
            value=value,
            unit="candidates / s",
            better="higher",
            split=f"all {len(some):,} A1, L12 and L10 alloys of 37 metals",
            peers={},
            bars={name: {"one site each": bar} for name, bar in BARS.items()},
            interval={name: (min(found), max(found)) for name, found in times.items()},
            notes=f"Median of {given.repeats} runs, processes warm; the interval is their range.",
        )
    )


if __name__ == "__main__":
    main()
