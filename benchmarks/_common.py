"""The house form of a benchmark's answer: one JSON a claim, and the same as a table."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import torch
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from formwright.datasets.config import to_mapping
from formwright.datasets.files import write_json

ROOT: Final = Path(__file__).resolve().parents[1]
RESULTS: Final = ROOT / "benchmarks" / "results"
DATA: Final = ROOT / "benchmarks" / "data"
"""What benchmarks read, in the repository."""
PACKAGES: Final = ("formwright", "torch", "numpy", "scipy", "aerosandbox", "neuralfoil")
Value = float | Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Benchmark:
    """What one benchmark found.

    Attributes:
        name: Name of the JSON file, without its suffix.
        claim: One sentence; the README quotes it.
        value: A number, or numbers by name.
        unit: Of the value.
        better: Which way is better.
        peers: From peer and version, e.g. ``"NeuralFoil 0.3.3 xlarge"``, to its value in the same
            run, in the same shape as ``value``.
        bars: What the value was asked to reach, by name (``"bar"``, ``"stretch"``).
        interval: Two ends, or two ends by name, where there is chance; None otherwise.
        seeds: The seeds of what was repeated.
        split: The cases it was measured on.
        notes: What a reader must know to judge the number.
        details: Whatever else was measured, for those who open the file; the README leaves it out.
    """

    name: str
    claim: str
    value: Value
    unit: str
    better: Literal["lower", "higher"]
    split: str
    peers: Mapping[str, Value | None]
    bars: Mapping[str, Value] | None = None
    interval: Sequence[float] | Mapping[str, Sequence[float]] | None = None
    seeds: Sequence[int] = ()
    notes: str = ""
    details: Any = None


def tell(key: str, value: Any) -> None:
    """Print what a long run has just worked out."""
    print(key, value, flush=True)


def kulfan(vectors: np.ndarray) -> dict[str, np.ndarray]:
    """Return CST vectors, (18,) or (cases, 18), as NeuralFoil names their parts, cases last."""
    w = vectors.T
    return {
        "lower_weights": w[:8],
        "upper_weights": w[8:16],
        "leading_edge_weight": w[16],
        "TE_thickness": w[17],
    }


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that a benchmark may use."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def processor() -> str:
    """Return the processor's name and how many cores this process may use."""
    name = platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
                break
    return f"{name}, {len(os.sched_getaffinity(0))} cores"


def save(benchmark: Benchmark, folder: Path = RESULTS) -> Path:
    """Write ``folder/NAME.json`` atomically and print the table.

    Returns:
        The path of the JSON.
    """
    record = {
        **to_mapping(benchmark),
        "command": "python " + " ".join([f"benchmarks/{Path(sys.argv[0]).name}", *sys.argv[1:]]),
        "versions": versions(),
        "threads": torch.get_num_threads(),
        "machine": processor(),
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
    }
    path = folder / f"{benchmark.name}.json"
    write_json(path, record)
    Console().print(table(record))
    return path


def table(record: Mapping[str, Any]) -> Table:
    """Return the record as a table: formwright's row, then the bars and the peers."""
    value = record["value"]
    columns = list(value) if isinstance(value, Mapping) else ["value"]
    title = f"{record['name']} [{record['unit']}], {record['better']} is better"
    result = Table(title=escape(title))
    result.add_column("who")
    for column in columns:
        result.add_column(column, justify="right")
    result.add_row("formwright", *cells(value, columns))
    for name, other in {**(record.get("bars") or {}), **record["peers"]}.items():
        result.add_row(name, *cells(other, columns))
    return result


def cells(value: Any, columns: Sequence[str]) -> list[str]:
    """Return a value, or the values of a mapping by column, as short text."""
    if not isinstance(value, Mapping):
        return [short(value), *[""] * (len(columns) - 1)]
    return [short(value.get(column)) for column in columns]


def short(value: Any) -> str:
    """Return a number with four digits that count, a large one in full; the rest as it is."""
    if value is None:
        return "-"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    whole = isinstance(value, int) or abs(value) >= 1e4
    return f"{value:,.0f}" if whole else f"{value:.4g}"
