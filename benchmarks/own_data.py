"""Data of one's own, by command: import, fit, predict, evaluate-pretraining, on what is made here.

python benchmarks/own_data.py [NAME ...]
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from _common import Benchmark, save, tell
from _own_data import make_clusters, make_crystals, make_gray_scott, make_signals, make_table

SHORT: Final = """
sizes = [40]
seeds = 2
learning_rates = [1e-3]
steps = [100]
pretraining_steps = 60
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """A data set and its four commands.

    Attributes:
        make: Writes the source.
        source: Its name.
        imported: Kind and options of the import.
        kind: Of the surrogate.
        label: That evaluate-pretraining asks about.
        fit: Further options of the fit.
        asked: What predict is given, by its flag.
    """

    make: Any
    source: str
    imported: tuple[str, ...]
    kind: str
    label: str
    fit: tuple[str, ...] = ()
    asked: tuple[str, str]


JOBS: Final = {
    "table": Job(
        make=make_table,
        source="tests.csv",
        imported=("table", "--outputs", "bend,load,heat", "--group", "part"),
        kind="table",
        label="bend",
        asked=("--cases", "tests.csv"),
    ),
    "Gray-Scott": Job(
        make=make_gray_scott,
        source="gray_scott.h5",
        imported=("runs", "--promise", "feed=constant,shift,mirror"),
        kind="runs",
        label="feed",
        fit=("--label", "feed", "--steps", "400"),
        asked=("--cases", "corpus"),
    ),
    "signals": Job(
        make=make_signals,
        source="signals.npz",
        imported=("runs", "--periodic", "--promise", "width=shift,mirror"),
        kind="runs",
        label="width",
        fit=("--label", "width", "--steps", "800"),
        asked=("--cases", "signals.npz"),
    ),
    "clusters": Job(
        make=make_clusters,
        source="clusters.extxyz",
        imported=("structures", "--label", "energy", "--unit", "energy=eV", "--extensive"),
        kind="structures",
        label="energy",
        fit=("--steps", "400"),
        asked=("--structures", "clusters.extxyz"),
    ),
    "crystals": Job(
        make=make_crystals,
        source="crystals",
        imported=(
            *("structures", "--label", "energy", "--labels", "crystals/energies.csv"),
            *("--unit", "energy=eV", "--extensive"),
        ),
        kind="structures",
        label="energy",
        fit=("--steps", "400"),
        asked=("--structures", "crystals/c000.cif"),
    ),
}


def main() -> None:
    """Run the jobs that are named, or all, and write the answer."""
    chosen = sys.argv[1:] or list(JOBS)
    found = {}
    for name in chosen:
        with TemporaryDirectory() as folder:
            found[name] = run(JOBS[name], Path(folder))
        tell(name, found[name])
    if chosen == list(JOBS):
        save(answer(found))


def run(job: Job, folder: Path) -> dict[str, Any]:
    """Run the commands of a job, and return what they said and how long they took."""
    job.make(folder / job.source)
    (folder / "short.toml").write_text(SHORT, encoding="utf-8")
    seconds: dict[str, float] = {}

    def command(step: str, *words: str) -> Any:
        began = time.perf_counter()
        line = [sys.executable, "-m", "formwright", *words]
        done = subprocess.run(line, cwd=folder, capture_output=True, text=True, check=False)
        seconds[step] = round(time.perf_counter() - began, 1)
        if done.returncode not in (0, 1):
            raise RuntimeError(f"{' '.join(words)}: {done.stderr[-2000:]}")
        last = (done.stdout.strip().splitlines() or [""])[-1]
        return json.loads(last) if last.startswith("{") else done.stdout

    kind, *options = job.imported
    command("import", "import", kind, job.source, "--out", "corpus", *options)
    fitted = command(
        "fit", "fit", job.kind, "corpus", "--out", "fit", "--quiet", "--json", *job.fit
    )
    label = ("--label", job.label) if job.kind == "runs" else ()
    test = command("evaluate", "evaluate", "fit", "corpus", "--json", *label)
    command("predict", "predict", "fit", *job.asked, "--out", "out.csv", "--prefix", "said_")
    asked = ("corpus", "--label", job.label, "--config", "short.toml", "--out", "evaluation")
    command("evaluate-pretraining", "evaluate-pretraining", job.kind, *asked)
    return {
        "error": fitted["validation"]["error"],
        "floors": fitted["floors"],
        "test error": test["error"],
        "coverage": test["coverage"],
        "cases": [fitted["validation"]["counts"], test["counts"]],
        "seconds": seconds,
    }


def answer(found: dict[str, Any]) -> Benchmark:
    """Return the benchmark: errors in shares of the best floor, the label at its worst."""
    return Benchmark(
        name="own-data",
        claim="A table, runs, signals, clusters and crystals of one's own go from file to "
        "surrogate by command; errors in shares of the best of mean, ridge, Gaussian process and "
        "random encoder.",
        value={name: max(shares(one).values()) for name, one in found.items()},
        unit="error / error of the best floor",
        better="lower",
        peers={},
        split="validation split by group, the label at its worst",
        notes="Above 1 the floor is the better choice, and fit says so. Flows on the meshes of "
        "other programs are not among them.",
        details=found,
    )


def shares(one: dict[str, Any]) -> dict[str, float]:
    """Return errors divided by those of the best floor."""
    best = {label: min(f[label] for f in one["floors"].values()) for label in one["error"]}
    return {label: error / best[label] for label, error in one["error"].items()}


if __name__ == "__main__":
    main()
