"""Screening: candidates -> slabs -> sites -> energies -> free energies -> a ranking with a report.

The folder of a screening:

=====================  ==========================================================================
``screen.json``        what was asked, what came out (``ScreenResult``), versions, the best rows
``parts/``             rows of ``chunk`` candidates each, as they were done; a killed run goes on
``ranking.csv``        all candidates: the ranked first, then those left out, then the failed ones
``best.extxyz``        the best slabs with each adsorbate on its most stable site, not relaxed
``report.html``        the ranking as a page
=====================  ==========================================================================

Candidates are read, worked on and written ``chunk`` at a time; what is held of a candidate is its
place and its overpotential.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import Executor, Future
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Any

from formwright import __version__
from formwright.datasets import campaign
from formwright.datasets.begun import check_same, file_digest
from formwright.datasets.config import to_mapping
from formwright.datasets.errors import ConfigError
from formwright.datasets.files import read_record, replacing, write_record
from formwright.datasets.ledger import line_of
from formwright.datasets.locks import writing
from formwright.design.records import SCREEN_FORMAT
from formwright.design.screening.activity import adsorbates_of
from formwright.design.screening.config import ScreenConfig
from formwright.design.screening.entries import Entry, entries
from formwright.design.screening.ranking import ScreenResult, rank
from formwright.design.screening.report import write_report
from formwright.design.screening.rows import work
from formwright.design.screening.structures import write_best
from formwright.surrogate.atoms.adsorption import AdsorptionSurrogate
from formwright.surrogate.atoms.checks import energies_of, trained_adsorbates
from formwright.surrogate.zoo import load

RECIPE, PARTS, SUMMARY = "recipe.json", "parts", "screen.json"
Chunk = tuple[int, tuple[Entry, ...]]


def screen(
    candidates: str,
    config: ScreenConfig,
    out: str | os.PathLike[str],
    *,
    workers: int | None = None,
    executor: Executor | None = None,
    progress: bool = False,
) -> ScreenResult:
    """Screen candidates and write the folder; one that was begun is gone on with.

    Args:
        candidates: What to screen (``formwright.design.screening.entries``).
        config: What for.
        out: The folder.
        workers: Processes, each with one thread; the processors where not given.
        executor: Where to run in place of such processes.
        progress: Show a progress bar on standard error.

    Returns:
        Counts, the best rows and the paths of the files.

    Raises:
        ConfigError: The candidates are nothing that can be read, the surrogate is none of
            adsorption energies or lacks an adsorbate, or the folder holds another screening.
        UnknownNameError: There is no such reaction or surrogate.
        StorageError: A file cannot be written; what is there is intact.

    Example:
        >>> import formwright
        >>> config = formwright.ScreenConfig(reaction="HER", sites="one", prototypes=("L12",))
        >>> result = formwright.screen("binaries:Ni,Cu", config, "her", workers=1)
        >>> result.best[0]["candidate"], result.counts["ranked"]
        ('Cu3Ni', 2)
    """
    began, folder = perf_counter(), Path(out)
    names, weights, energies = _checked(config)
    with writing(folder):
        _claim(folder, candidates, config, weights)
        workers = workers or os.cpu_count() or 1
        parts = folder / PARTS
        chunks, more = _peek(_missing(entries(candidates, config.prototypes), config.chunk, parts))
        alone = executor is None and (workers == 1 or not more)
        campaign.run(
            chunks,
            partial(_work, config=config),
            on_result=lambda chunk, rows: _write_part(parts, chunk[0], rows),
            on_failure=lambda chunk, error: _raise(error),
            executor=_Here() if alone else executor,
            workers=1 if alone else workers,
            title=f"candidates, {config.chunk} at a time",
            progress=progress,
        )
        result = rank(folder, config, names)
        write_best(folder / "best.extxyz", candidates, config, result.best, names)
        summary = _summary(candidates, config, names, energies, result, perf_counter() - began)
        write_record(folder / SUMMARY, summary)
        write_report(folder)
        return result


def _work(chunk: Chunk, config: ScreenConfig) -> list[dict[str, Any]]:
    """Return the rows of a chunk; for a worker."""
    return work(chunk[1], config)


def _checked(config: ScreenConfig) -> tuple[tuple[str, ...], str, str]:
    """Return adsorbates that are asked for, a digest of the weights, and what their energies are.

    Raises:
        ConfigError: The surrogate does not fit the reaction.
    """
    surrogate = load(config.surrogate)
    if not isinstance(surrogate, AdsorptionSurrogate):
        raise ConfigError(
            f"{config.surrogate!r} is no surrogate of adsorption energies; one that is shipped is "
            "'adsorption-mamun'."
        )
    names = adsorbates_of(config.process, trained_adsorbates(surrogate))
    for name in names:
        config.correction_ev(name)
    digest = hashlib.sha256()
    for key, tensor in sorted(surrogate.state_dict().items()):
        digest.update(key.encode() + tensor.numpy().tobytes())
    return names, digest.hexdigest()[:16], energies_of(surrogate)


def _claim(folder: Path, candidates: str, config: ScreenConfig, weights: str) -> None:
    """Write what is asked into the folder, or see that it is the same as before.

    A folder without parts holds nothing to go on with: what was asked there and failed is no claim.

    Raises:
        ConfigError: The folder holds the parts of another screening.
    """
    recipe = {**to_mapping(config), "candidates": candidates, "weights": weights}
    recipe |= {"content": _digest(Path(candidates)), "format_version": SCREEN_FORMAT}
    del recipe["best"]
    path = folder / RECIPE
    if not path.exists() or not any((folder / PARTS).glob("*")):
        (folder / PARTS).mkdir(parents=True, exist_ok=True)
        write_record(path, recipe)
        return
    found = read_record(
        path, ConfigError, "Choose another folder, or delete this one to begin anew."
    )
    check_same(folder, {key: found.get(key) for key in recipe}, recipe)


def _digest(path: Path) -> str:
    """Return a digest of the candidates' file; empty where they are no file."""
    return file_digest(path) if path.is_file() else ""


def _missing(all_entries: Iterator[Entry], size: int, parts: Path) -> Iterator[Chunk]:
    """Yield the chunks that have no part yet."""
    number = 0
    while some := tuple(islice(all_entries, size)):
        if not _part(parts, number).exists():
            yield number, some
        number += 1


def _peek(chunks: Iterator[Chunk]) -> tuple[Iterator[Chunk], bool]:
    """Return the same chunks, and whether there is more than one."""
    first = list(islice(chunks, 2))

    def all_of_them() -> Iterator[Chunk]:
        yield from first
        yield from chunks

    return all_of_them(), len(first) > 1


def _part(parts: Path, number: int) -> Path:
    return parts / f"{number:06d}.jsonl"


def _write_part(parts: Path, number: int, rows: list[dict[str, Any]]) -> None:
    with replacing(_part(parts, number)) as temporary, temporary.open("w") as handle:
        handle.writelines(map(line_of, rows))


def _raise(error: Exception) -> None:
    """Let what is no candidate's fault end the run; what is done stays."""
    raise error


def _summary(
    candidates: str,
    config: ScreenConfig,
    names: tuple[str, ...],
    energies: str,
    result: ScreenResult,
    seconds: float,
) -> dict[str, Any]:
    """Return the content of ``screen.json``."""
    return {
        "format_version": SCREEN_FORMAT,
        "candidates": candidates,
        "config": to_mapping(config),
        "adsorbates": list(names),
        "energies": energies,
        "corrections_ev": {name: config.correction_ev(name) for name in names},
        "result": to_mapping(result),
        "seconds": seconds,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {"formwright": __version__},
    }


class _Here(Executor):
    """Runs what is submitted at once, in this process."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run and return what came out."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future
