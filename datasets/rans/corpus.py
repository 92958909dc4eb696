"""The corpus of RANS cases: the run that computes what ``rans.cases`` draws.

Rows hold conditions, coefficients and the pressure at the stations; ``flows/CASE.npz`` holds the
whole record of a converged case. A case that failed is a row with its reason.
"""

from __future__ import annotations

import os
from concurrent.futures import Executor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from formwright.datasets.campaign import fill
from formwright.datasets.cases import CONDITIONS
from formwright.datasets.config import to_mapping
from formwright.datasets.corpus import Corpus, Manifest, start_corpus
from formwright.datasets.names import file_of
from formwright.datasets.rans.cases import DrawnCase, RansCorpus, draw
from formwright.datasets.rans.flow_field import FlowField, save_flow
from formwright.datasets.rans.rows import LABELS, case_row
from formwright.datasets.solvers.openfoam.solver import NAME
from formwright.datasets.solvers.result import POLAR_FIELDS

if TYPE_CHECKING:
    import pyarrow as pa

LICENCE: Final = "CC0-1.0 for the computed rows; coordinates from the UIUC airfoil database"
SPLIT_RULE: Final = "by family of the section (datasets/families.py); NACA design points: train"
FLOWS: Final = "flows"


def generate(
    config: RansCorpus,
    out: str | os.PathLike[str],
    *,
    executor: Executor | None = None,
    workers: int | None = None,
    time_limit_s: float | None = None,
    progress: bool = True,
) -> Corpus:
    """Compute the cases that the corpus ``out`` does not have yet.

    Args:
        config: The recipe; that of an existing corpus must agree except in ``cases``.
        out: Folder of the corpus.
        executor: Where to run; a pool of ``workers`` processes where None.
        workers: Processes at a time.
        time_limit_s: Start no case after this many seconds.
        progress: Show a progress bar.

    Raises:
        CorpusError: The folder holds a corpus with other settings.
        MissingSolverError: OpenFOAM is not installed.
        StorageError: The disk is full; run the same command again when it is not.
    """
    config.solver.require()
    corpus = start_corpus(out, manifest(config), extendable=("cases",))
    return fill(
        corpus,
        range(config.cases),
        partial(solve_case, config, corpus.path),
        partial(failed_row, config),
        partial(case_id, config),
        executor=executor,
        workers=workers,
        time_limit_s=time_limit_s,
        progress=progress,
    )


def manifest(config: RansCorpus) -> Manifest:
    """Return what the corpus of a recipe says of itself."""
    conditions = tuple(c for c in CONDITIONS if c.name in ("alpha_deg", "reynolds"))
    return Manifest(
        name="rans-2d",
        quantities=conditions + LABELS + POLAR_FIELDS,
        solver=NAME,
        settings=to_mapping(config),
        seed=config.seed,
        licence=LICENCE,
        split_rule=SPLIT_RULE,
    )


def case_id(config: RansCorpus, index: int) -> str:
    """Return the id of case ``index``."""
    return f"rans-{config.seed}-{index:05d}"


def flow_file(folder: str | os.PathLike[str], case: str) -> Path:
    """Return the file with the record of a converged case.

    Raises:
        CorpusError: Its id is no name of a file.
    """
    return file_of(Path(folder) / FLOWS, case, ".npz")


def solve_case(config: RansCorpus, folder: Path, index: int) -> pa.Table:
    """Draw case ``index``, solve it, store its flow, and return its row."""
    drawn = draw(config, index)
    flow = config.solver.point(drawn.pos, drawn.alpha_deg, drawn.reynolds)
    if isinstance(flow, str):
        return row(config, index, drawn, flow)
    save_flow(flow_file(folder, case_id(config, index)), flow)
    return row(config, index, drawn, "", flow)


def failed_row(config: RansCorpus, index: int, error: Exception) -> pa.Table:
    """Return the row of a case whose solver raised."""
    return row(config, index, draw(config, index), f"{type(error).__name__}: {error}")


def row(
    config: RansCorpus, index: int, drawn: DrawnCase, reason: str, flow: FlowField | None = None
) -> pa.Table:
    """Return the row of a case; labels are null where there is a reason."""
    return case_row(
        case_id=case_id(config, index),
        section=drawn.section,
        split=drawn.split,
        source=drawn.source,
        family=drawn.family,
        vector=drawn.vector.tolist(),
        alpha_deg=drawn.alpha_deg,
        reynolds=drawn.reynolds,
        reason=reason,
        flow=flow,
    )
