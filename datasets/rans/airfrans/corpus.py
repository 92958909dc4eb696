"""The real AirfRANS as a corpus: fetched, looked over, converted to rows and flow records.

Rows have the columns of the corpus ``rans-2d``, so that what learns from one learns from the other.
The files stand in the axes of the NACA digits, whose cambered sections have their noses a little
below the origin. Row and record stand in the section's own axes, CST vector, incidence, cells and
wall alike: the incidence is that of the name plus the angle between the two, up to .7 degrees.
Lengths and coefficients keep the dataset's unit, a chord of a metre.
"""

from __future__ import annotations

import os
import zipfile
import zlib
from concurrent.futures import Executor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from formwright.datasets.airfoils import cst
from formwright.datasets.campaign import fill
from formwright.datasets.cases import CONDITIONS
from formwright.datasets.corpus import Corpus, Manifest, start_corpus
from formwright.datasets.download import AIRFRANS_URL, download_with_bar
from formwright.datasets.errors import DownloadError, FlowFileError, SectionError, StorageError
from formwright.datasets.families import family
from formwright.datasets.rans.airfrans.cases import (
    MANIFEST,
    TASKS,
    Task,
    parse_name,
    read_manifest,
    task_split,
)
from formwright.datasets.rans.airfrans.read import AEROFOIL, INTERNAL, read_case
from formwright.datasets.rans.corpus import flow_file
from formwright.datasets.rans.flow_axes import in_own_axes
from formwright.datasets.rans.flow_field import FlowField, save_flow
from formwright.datasets.rans.rows import LABELS, case_row
from formwright.datasets.solvers.result import POLAR_FIELDS

if TYPE_CHECKING:
    import pyarrow as pa

LICENCE: Final = "ODbL-1.0 (AirfRANS, Bonnet et al. 2022)"
_WEIGHTS: Final = 8
_MOST_UNPACKED: Final = 1 << 30
_RATIO: Final = 20
_DEEPEST: Final = 12


def fetch(folder: str | os.PathLike[str], *, url: str = AIRFRANS_URL) -> tuple[Path, str]:
    """Download and unpack the dataset (about 10 GB), going on where an earlier call stopped.

    Args:
        folder: Where to; the zip file stays in it.
        url: Of the zip file. Its authors publish no checksum, so none is asked for.

    Returns:
        The folder with ``manifest.json``, and the sha256 of what came.

    Raises:
        DownloadError: No connection, or what came is no zip file of the dataset.
        StorageError: It cannot be written.
    """
    target = Path(folder) / Path(url).name
    digest = download_with_bar(url, target)
    try:
        with zipfile.ZipFile(target) as archive:
            _check_size(archive, target)
            for member in archive.infolist():
                there = Path(folder) / member.filename
                if not there.is_file() or there.stat().st_size != member.file_size:
                    archive.extract(member, folder)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError) as error:
        raise DownloadError(
            f"{str(target)!r} is no zip file, a damaged or an encrypted one ({error}); its sha256 "
            f"is {digest}. Remove it and run the same command again."
        ) from error
    except OSError as error:
        raise StorageError(
            f"could not unpack {str(target)!r}: {error.strerror or error}. Free some space or "
            "choose another folder, then run the same command again: it goes on."
        ) from error
    result = [path.parent for path in sorted(Path(folder).glob(f"**/{MANIFEST}"))]
    if not result:
        raise DownloadError(f"{str(target)!r} holds no {MANIFEST}: it is not AirfRANS.")
    return result[0], digest


def _check_size(archive: zipfile.ZipFile, path: Path) -> None:
    """Refuse a zip file that unpacks to far more than a dataset does, or lies too deep.

    Raises:
        DownloadError: It is such a one.
    """
    members = archive.infolist()
    unpacked, packed = sum(m.file_size for m in members), sum(m.compress_size for m in members)
    if unpacked > _MOST_UNPACKED + _RATIO * packed:
        raise DownloadError(
            f"{str(path)!r} of {packed:,} bytes unpacks to {unpacked:,}: it is not AirfRANS."
        )
    deepest = max((m.filename for m in members), key=lambda name: name.count("/"), default="")
    if deepest.count("/") > _DEEPEST:
        raise DownloadError(
            f"{str(path)!r} holds {deepest[:80]!r}..., {deepest.count('/')} folders deep: it is "
            "not AirfRANS."
        )


def absent_files(folder: str | os.PathLike[str]) -> dict[str, int]:
    """Return how many cases of each part lack a file, without reading any.

    Args:
        folder: Of the dataset.

    Raises:
        CorpusError: There is no manifest.
    """
    return {
        part: sum(not all(path.is_file() for path in _files(folder, name)) for name in names)
        for part, names in read_manifest(folder).items()
    }


def convert(
    folder: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    task: Task = "full",
    executor: Executor | None = None,
    workers: int | None = None,
    time_limit_s: float | None = None,
    progress: bool = True,
) -> Corpus:
    """Convert the cases of a task; a case that cannot be read is a row with its reason.

    Args:
        folder: Of the dataset.
        out: Of the corpus; run again to go on.
        task: Whose official split is kept.
        executor: Where to run; a pool of ``workers`` processes where None.
        workers: Processes at a time.
        time_limit_s: Start no case after this many seconds.
        progress: Show a progress bar.

    Raises:
        CorpusError: There is no manifest, or ``out`` holds another corpus.
        UnknownNameError: There is no such task.
        StorageError: The disk is full; run the same command again when it is not.
    """
    train, test = task_split(read_manifest(folder), task)
    splits = dict.fromkeys(train, "train") | dict.fromkeys(test, "test")
    corpus = start_corpus(out, manifest(task))
    return fill(
        corpus,
        splits,
        partial(convert_case, Path(folder), corpus.path, splits),
        lambda name, error: row(name, splits[name], str(error)),
        str,
        executor=executor,
        workers=workers,
        time_limit_s=time_limit_s,
        progress=progress,
    )


def manifest(task: str) -> Manifest:
    """Return what the corpus of a task says of itself."""
    conditions = tuple(c for c in CONDITIONS if c.name in ("alpha_deg", "reynolds"))
    return Manifest(
        name=f"airfrans-{task}",
        quantities=conditions + LABELS + POLAR_FIELDS,
        solver="OpenFOAM, k-omega SST (AirfRANS)",
        settings={"task": task},
        seed=0,
        licence=LICENCE,
        split_rule=f"official, task {task!r} of {', '.join(TASKS)}",
    )


def convert_case(folder: Path, out: Path, splits: dict[str, str], name: str) -> pa.Table:
    """Read a case, store its flow, and return its row."""
    try:
        flow, section = in_own_axes(read_case(folder, name), name)
        vector = cst.fit(section.pos, _WEIGHTS, for_lift=True).tolist()
    except (FlowFileError, SectionError) as error:
        return row(name, splits[name], f"{type(error).__name__}: {error}")
    save_flow(flow_file(out, name), flow)
    return row(name, splits[name], "", flow, vector)


def row(
    name: str,
    split: str,
    reason: str,
    flow: FlowField | None = None,
    vector: list[float] | None = None,
) -> pa.Table:
    """Return the row of a case; labels are null where there is a reason."""
    case = parse_name(name)
    return case_row(
        case_id=name,
        section=case.label,
        split=split,
        source="airfrans",
        family="naca" if case.digits else family(case.label),
        vector=vector,
        alpha_deg=flow.alpha_deg if flow else case.alpha_deg,
        reynolds=case.reynolds,
        reason=reason,
        flow=flow,
    )


def _files(folder: str | os.PathLike[str], name: str) -> list[Path]:
    return [Path(folder) / name / f"{name}{suffix}" for suffix in (INTERNAL, AEROFOIL)]
