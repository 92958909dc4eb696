"""The corpus of polars: its recipe, and the run that computes it.

Section i of a corpus is a function of the seed, the split and i alone: a section of the database
or a blend of two or three of its CST vectors, with noise on the weights for a share of them. All
parents lie in the split that is asked for, so no blend reaches across. Each section gets a few
sweeps of incidence, each at its own Reynolds number and e^N exponent. ``polar_data`` reads it.
"""

from __future__ import annotations

import os
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from jaxtyping import Float

from formwright.datasets.airfoils import cst
from formwright.datasets.airfoils.blends import SPLITS, Blending, Drawn, draw_section
from formwright.datasets.airfoils.sections import database
from formwright.datasets.campaign import fill
from formwright.datasets.cases import CONDITIONS, Case, section_case
from formwright.datasets.config import to_mapping
from formwright.datasets.corpus import Corpus, Manifest, start_corpus
from formwright.datasets.errors import ConfigError
from formwright.datasets.solvers.panel import solver as panel
from formwright.datasets.solvers.panel.solver import Panel
from formwright.datasets.solvers.result import POLAR_FIELDS, POLAR_LABELS, Result, unanswered
from formwright.datasets.solvers.xfoil import solver as xfoil
from formwright.datasets.solvers.xfoil.solver import XFoil

if TYPE_CHECKING:
    import pyarrow as pa

LICENCE: Final = "CC0-1.0 for the computed rows; coordinates from the UIUC airfoil database"
SPLIT_RULE: Final = "by family of the section, of every parent for a blend (datasets/families.py)"
STANDARD_NCRIT: Final = 9.0


@dataclass(frozen=True, kw_only=True, slots=True)
class PolarCorpus:
    """The recipe.

    Attributes:
        sections: How many; a later run may ask for more of the same.
        seed: Of everything random.
        split: Whose families the sections come from: ``"train"``, ``"validation"`` or ``"test"``.
        solver: What computes the labels.
        sweeps: Sweeps of incidence a section, each at its own Reynolds number and e^N exponent.
        incidences: Points a sweep, evenly spaced over ``alpha_deg`` from a random start.
        alpha_deg: Lowest and highest incidence, degrees.
        reynolds: Lowest and highest Reynolds number, log-uniform.
        ncrit: Lowest and highest e^N exponent, uniform.
        standard_ncrit_share: Share of sweeps at an exponent of 9 instead.
        blending: How the sections are drawn.
        labelled: Keep the labels; without them the corpus holds the fields only.
    """

    sections: int = 1000
    seed: int = 1
    split: str = "train"
    solver: XFoil | Panel = field(default_factory=lambda: XFoil(fields_every=2))
    sweeps: int = 2
    incidences: int = 21
    alpha_deg: tuple[float, float] = (-10.0, 16.0)
    reynolds: tuple[float, float] = (5e4, 1e7)
    ncrit: tuple[float, float] = (3.0, 13.0)
    standard_ncrit_share: float = 0.4
    blending: Blending = field(default_factory=Blending)
    labelled: bool = True

    def __post_init__(self) -> None:
        """Refuse an unknown split."""
        if self.split not in SPLITS:
            raise ConfigError(f"split = {self.split!r} is none of {', '.join(SPLITS)}.")


def generate(
    config: PolarCorpus,
    out: str | os.PathLike[str],
    *,
    executor: Executor | None = None,
    workers: int | None = None,
    time_limit_s: float | None = None,
    progress: bool = True,
) -> Corpus:
    """Compute the sections that the corpus ``out`` does not have yet.

    Args:
        config: The recipe; that of an existing corpus must agree except in ``sections``.
        out: Folder of the corpus.
        executor: Where to run; a pool of ``workers`` processes where None.
        workers: Processes at a time.
        time_limit_s: Start no section after this many seconds.
        progress: Show a progress bar.

    Raises:
        CorpusError: The folder holds a corpus with other settings.
        MissingSolverError: The solver cannot run here.
        StorageError: The disk is full; run the same command again when it is not.
    """
    if isinstance(config.solver, XFoil):
        config.solver.require()
    corpus = start_corpus(out, manifest(config), extendable=("sections",))
    return fill(
        corpus,
        range(config.sections),
        partial(solve_section, config),
        partial(failed_section, config),
        partial(case_id, config),
        executor=executor,
        workers=workers,
        time_limit_s=time_limit_s,
        title="sections",
        progress=progress,
    )


def manifest(config: PolarCorpus) -> Manifest:
    """Return what the corpus of a recipe says of itself."""
    return Manifest(
        name="polars",
        quantities=CONDITIONS + (POLAR_LABELS if config.labelled else ()) + POLAR_FIELDS,
        solver=solver_name(config),
        settings=to_mapping(config),
        seed=config.seed,
        licence=LICENCE,
        split_rule=SPLIT_RULE,
    )


def case_id(config: PolarCorpus, index: int) -> str:
    """Return the id of section ``index``."""
    return f"{config.split}-{config.seed}-{index:06d}"


def solver_name(config: PolarCorpus) -> str:
    """Return name and version of the solver."""
    return xfoil.NAME if isinstance(config.solver, XFoil) else panel.VERSION


def solve_section(config: PolarCorpus, index: int) -> pa.Table:
    """Draw section ``index``, solve it, and return its rows."""
    drawn, case = draw(config, index)
    return rows_of(config, index, drawn, case, next(config.solver.solve([case])))


def failed_section(config: PolarCorpus, index: int, error: Exception) -> pa.Table:
    """Return the rows of a section whose solver raised: each point with that reason."""
    drawn, case = draw(config, index)
    n = len(case["alpha_deg"])
    result = Result(
        labels=unanswered(n)[0],
        reasons=(f"{type(error).__name__}: {error}",) * n,
        solver=solver_name(config),
    )
    return rows_of(config, index, drawn, case, result)


def draw(config: PolarCorpus, index: int) -> tuple[Drawn, Case]:
    """Return section ``index`` and its case, a function of seed, split and index alone."""
    rng = np.random.default_rng([config.seed, SPLITS.index(config.split), index])
    drawn = draw_section(config.blending, config.split, index, rng)
    return drawn, draw_case(config, drawn.vector, rng)


def draw_case(
    config: PolarCorpus, vector: Float[np.ndarray, " parameters"], rng: np.random.Generator
) -> Case:
    """Draw the operating points of a section."""
    low, high = config.alpha_deg
    step = (high - low) / config.incidences
    columns: dict[str, list[np.ndarray]] = {"alpha_deg": [], "reynolds": [], "ncrit": []}
    for _ in range(config.sweeps):
        alpha = low + step * (np.arange(config.incidences) + rng.random())
        reynolds = np.exp(rng.uniform(*np.log(config.reynolds)))
        ncrit = rng.uniform(*config.ncrit)
        if rng.random() < config.standard_ncrit_share:
            ncrit = STANDARD_NCRIT
        columns["alpha_deg"].append(alpha.round(4))
        columns["reynolds"].append(np.full(len(alpha), reynolds.round()))
        columns["ncrit"].append(np.full(len(alpha), round(ncrit, 2)))
    conditions = {name: torch.from_numpy(np.concatenate(v)) for name, v in columns.items()}
    return section_case(cst.coordinates(torch.from_numpy(vector)), conditions)


def rows_of(config: PolarCorpus, index: int, drawn: Drawn, case: Case, result: Result) -> pa.Table:
    """Return one row an operating point."""
    import pyarrow as pa

    n = len(result.reasons)
    families = [database().family(parent) for parent in drawn.parents]

    def constant(value: Any, kind: pa.DataType) -> pa.Array:
        return pa.array([value] * n, kind)

    columns: dict[str, pa.Array] = {
        "case_id": constant(case_id(config, index), pa.string()),
        "section": constant(drawn.name, pa.string()),
        "split": constant(config.split, pa.string()),
        "parents": constant(list(drawn.parents), pa.list_(pa.string())),
        "families": constant(families, pa.list_(pa.string())),
        "blend": constant(list(drawn.blend), pa.list_(pa.float64())),
        "noise": constant(drawn.noise, pa.bool_()),
        "cst": constant(drawn.vector, pa.list_(pa.float64(), len(drawn.vector))),
    }
    for condition in CONDITIONS:
        columns[condition.name] = pa.array(case[condition.name].numpy())
    for name, values in (result.labels if config.labelled else {}).items():
        columns[name] = pa.array(values, mask=np.isnan(values))
    columns["converged"] = pa.array(result.converged)
    columns["reason"] = pa.array(list(result.reasons), pa.string())
    pressure = unanswered(n)[1] | dict(result.fields)
    columns |= {name: _vectors(values) for name, values in pressure.items()}
    return pa.table(columns)


def _vectors(values: Float[np.ndarray, "points stations"]) -> pa.Array:
    """Return an array of fixed-size lists, null where a point has no values."""
    import pyarrow as pa

    flat = pa.array(values.astype(np.float32).reshape(-1))
    absent = pa.array(np.isnan(values).any(1))
    return pa.FixedSizeListArray.from_arrays(flat, values.shape[1], mask=absent)
