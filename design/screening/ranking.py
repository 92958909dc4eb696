"""From the parts of a screening to one ranking, without holding the rows."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np

from formwright.datasets.files import inert, replacing
from formwright.datasets.ledger import damaged, read_line
from formwright.design.screening.activity import PATHS
from formwright.design.screening.config import ScreenConfig
from formwright.design.screening.rows import FAILED, LEFT_OUT, RANKED

RANKING: Final = "ranking.csv"
_ORDER: Final = {RANKED: 0, LEFT_OUT: 1, FAILED: 2}
_KEYS: Final = frozenset(
    {"candidate", "status", "reason", "overpotential_v", "descriptor_ev", "sites", "elements"}
)
_POINTS: Final = 4000
_HANDLES: Final = 500
_REASONS: Final = 200
_REMEDY: Final = "Delete that file"
"""A part that is there counts as done."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ScreenResult:
    """What a screening found.

    Attributes:
        counts: Candidates by status.
        structures: Structures predicted, in all.
        best: The best rows, best first (columns: ``screening.rows``).
        points: Descriptor and overpotential of the ranked, at most some thousand of them.
        elements: The best row of each element, by its symbol.
        reasons: The first candidates that failed or were left out, their status and the reason.
        ranking: The CSV with all of them.
    """

    counts: Mapping[str, int]
    structures: int
    best: tuple[Mapping[str, Any], ...]
    points: tuple[tuple[float, float], ...]
    elements: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    reasons: tuple[tuple[str, str, str], ...] = ()
    ranking: str = RANKING


@dataclass(slots=True)
class _Seen:
    """What is kept of every row: where it is, and the keys of its rank."""

    place: list[tuple[int, int]] = field(default_factory=list)
    keys: list[tuple[int, float, float]] = field(default_factory=list)
    descriptor: list[float] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    structures: int = 0
    elements: dict[str, dict[str, Any]] = field(default_factory=dict)
    reasons: list[tuple[str, str, str]] = field(default_factory=list)


def rank(folder: Path, config: ScreenConfig, names: Sequence[str]) -> ScreenResult:
    """Write ``ranking.csv`` and return what is in it.

    Args:
        folder: Of the screening, its parts complete.
        config: What was asked.
        names: The adsorbates.
    """
    parts = sorted((folder / "parts").glob("*.jsonl"))
    seen = _Seen()
    optimum = PATHS[config.process].optimum_ev
    for number, part in enumerate(parts):
        with part.open("rb") as handle:
            for at, row in _lines(handle):
                _note(seen, (number, at), row, optimum)
    order = sorted(range(len(seen.keys)), key=lambda i: (*seen.keys[i], i))
    best = _write(folder / RANKING, parts, seen, order, config.best)
    return ScreenResult(
        counts={status: seen.counts.get(status, 0) for status in _ORDER},
        structures=seen.structures,
        best=tuple(best),
        points=_points(seen, order),
        elements=seen.elements,
        reasons=tuple(sorted(seen.reasons, key=lambda reason: reason[1])),
    )


def _lines(handle: BinaryIO) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield where each row of a part begins, and the row."""
    at = 0
    for number, line in enumerate(handle, 1):
        yield at, _row(line, number, Path(handle.name))
        at += len(line)


def _row(line: bytes, number: int, path: Path) -> dict[str, Any]:
    """Return a row of a part.

    Raises:
        CorpusError: It is damaged.
    """
    row = read_line(line, number, path, _REMEDY)
    if not _KEYS <= row.keys() or row["status"] not in _ORDER:
        raise damaged(path, number, "it lacks columns", _REMEDY)
    return row


def _note(seen: _Seen, place: tuple[int, int], row: dict[str, Any], optimum: float | None) -> None:
    """Keep what is needed of a row."""
    status = row["status"]
    over, descriptor = row["overpotential_v"], row["descriptor_ev"]
    seen.place.append(place)
    ranked = status == RANKED
    far = abs(descriptor - optimum) if ranked and optimum is not None else 0.0
    seen.keys.append((_ORDER[status], over if ranked else 0.0, far))
    seen.descriptor.append(descriptor if ranked else np.nan)
    seen.counts[status] += 1
    seen.structures += row["sites"] or 0
    if not ranked:
        if seen.counts[status] <= _REASONS:
            seen.reasons.append((row["candidate"], status, row["reason"]))
        return
    for element in row["elements"].split():
        known = seen.elements.get(element)
        if known is None or over < known["overpotential_v"]:
            seen.elements[element] = {
                "candidate": row["candidate"],
                "overpotential_v": over,
                "flag": row["flag"],
            }


def _write(
    path: Path, parts: Sequence[Path], seen: _Seen, order: Sequence[int], keep: int
) -> list[dict[str, Any]]:
    """Write the rows in their order; return the best."""
    best: list[dict[str, Any]] = []
    handles = [part.open("rb") for part in parts] if len(parts) <= _HANDLES else []
    try:
        with replacing(path) as temporary, temporary.open("w", newline="") as out:
            writer: Any = None
            for place, i in enumerate(order):
                row = _read(parts, handles, *seen.place[i])
                ranked = row["status"] == RANKED
                row = {"rank": place + 1 if ranked else None, **row}
                if writer is None:
                    columns = [name for name in row if name != "index"]
                    writer = csv.DictWriter(
                        out, columns, extrasaction="ignore", lineterminator="\n"
                    )
                    writer.writeheader()
                texts = {k: inert(v) if isinstance(v, str) else v for k, v in row.items()}
                writer.writerow(texts)
                if ranked and len(best) < keep:
                    best.append(row)
    finally:
        for handle in handles:
            handle.close()
    return best


def _read(
    parts: Sequence[Path], handles: Sequence[BinaryIO], number: int, at: int
) -> dict[str, Any]:
    """Return the row that begins at a place of a part."""
    if handles:
        handles[number].seek(at)
        line = handles[number].readline()
    else:
        with parts[number].open("rb") as handle:
            handle.seek(at)
            line = handle.readline()
    return _row(line, 0, parts[number])


def _points(seen: _Seen, order: Sequence[int]) -> tuple[tuple[float, float], ...]:
    """Return descriptors and overpotentials of the ranked, evenly thinned."""
    ranked = [i for i in order if seen.keys[i][0] == 0]
    step = max(1, -(-len(ranked) // _POINTS))
    return tuple((seen.descriptor[i], seen.keys[i][1]) for i in ranked[::step])
