"""Two workers of a Dask cluster against one, on a campaign of XFoil; then one is killed midway.

Two processors that nothing else uses are needed: the load before is kept with the numbers.

    python benchmarks/dask_campaign.py            (needs xfoil; pip install 'formwright[dask]')
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from operator import ne
from pathlib import Path
from typing import Final

from _common import Benchmark, save, tell

from formwright.datasets.airfoils.polars import PolarCorpus, generate, solve_section
from formwright.datasets.corpus import open_corpus
from formwright.datasets.executors import opened

SECTIONS: Final = 24
REPEATS: Final = 3
TIMES: Final = "two over one"
LABELS: Final = ("case_id", "alpha_deg", "cl", "cd", "cm")


def main(sections: int, repeats: int) -> None:
    """Run the campaign with one worker and two in turns, then with one of two killed."""
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        times: dict[int, list[float]] = {1: [], 2: []}
        for k in range(repeats):
            for count in (1, 2):
                times[count].append(campaign(folder / f"{count}-{k}", count, sections))
                tell(f"{count} worker(s)", times[count][-1])
        killed = campaign(folder / "killed", 2, sections, kill_after=min(times[2]) / 2.0)
        tell("one of two killed", killed)
        whole, after = (rows(folder / which) for which in ("1-0", "killed"))
    ratios = sorted(one / two for one, two in zip(times[1], times[2], strict=True))
    ids = [(row["case_id"], row["alpha_deg"]) for row in after]
    value = {
        TIMES: statistics.median(ratios),
        "rows lost": len(whole) - len(set(ids)),
        "rows doubled": len(ids) - len(set(ids)),
        "rows that differ": sum(map(ne, whole, after)),
    }
    save(
        Benchmark(
            name="dask-campaign",
            claim=f"Two workers of a Dask cluster are {value[TIMES]:.2f} times as fast as one on a "
            f"campaign of XFoil; where one of the two is killed midway, {value['rows lost']} of "
            f"{len(whole):,} rows are lost, {value['rows doubled']} doubled and "
            f"{value['rows that differ']} differ.",
            value=value,
            unit="times, rows",
            better="higher",
            split=f"{sections} sections of the training families, two sweeps of 21 incidences each",
            peers={},
            bars={"bar": {TIMES: 1.8, "rows lost": 0, "rows doubled": 0}},
            interval={TIMES: [ratios[0], ratios[-1]]},
            notes="Scheduler and workers are processes of one machine; a worker has one thread and "
            "has solved sections of another seed before. The interval is the range of the repeats, "
            "one worker and two by turns. Load of the machine before: "
            f"{load:.1f}.",
            details={"seconds": {**times, "one of two killed": killed}},
        )
    )


def campaign(out: Path, count: int, sections: int, kill_after: float | None = None) -> float:
    """Return the seconds that a campaign took with some workers, one killed midway if asked."""
    with cluster(out.with_suffix(".cluster"), count) as (address, workers):
        with opened(f"dask:{address}") as where:
            if where.executor is None:
                raise AssertionError("unreachable")
            other = PolarCorpus(sections=sections, seed=2)
            list(where.executor.map(partial(solve_section, other), range(4 * count)))
            if kill_after is not None:
                threading.Timer(kill_after, workers[0].kill).start()
            started = time.monotonic()
            recipe = PolarCorpus(sections=sections)
            generate(recipe, out, executor=where.executor, workers=where.workers, progress=False)
            return time.monotonic() - started


def rows(path: Path) -> list[dict[str, object]]:
    """Return the rows of a corpus in the order of its cases."""
    found = open_corpus(path).read(list(LABELS)).to_pylist()
    return sorted(found, key=lambda row: (row["case_id"], row["alpha_deg"]))


@contextmanager
def cluster(folder: Path, count: int) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """Yield the address of a scheduler and its workers, each a process of its own."""
    import json

    folder.mkdir()
    file = folder / "scheduler.json"
    flags = ("--scheduler-file", str(file), "--no-dashboard")
    ends = [start("distributed.cli.dask_scheduler", *flags, "--port", "0", "--host", "127.0.0.1")]
    try:
        while not (file.exists() and file.read_text().rstrip().endswith("}")):
            time.sleep(0.1)
        for k in range(count):
            more = ("--nthreads", "1", "--no-nanny", "--local-directory", str(folder / str(k)))
            ends.append(start("distributed.cli.dask_worker", *flags, *more))
        address = json.loads(file.read_text())["address"]
        wait_for_workers(address, count)
        yield address, ends[1:]
    finally:
        for end in reversed(ends):
            end.kill()
            end.wait()


def wait_for_workers(address: str, count: int) -> None:
    """Wait until all workers are there."""
    from distributed import Client

    with Client(address, set_as_default=False) as client:
        client.wait_for_workers(count, timeout=120)


def start(module: str, *arguments: str) -> subprocess.Popen[bytes]:
    """Start a module of Python as a process."""
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sections", type=int, default=SECTIONS)
    parser.add_argument("--repeats", type=int, default=REPEATS)
    given = parser.parse_args()
    main(given.sections, given.repeats)
