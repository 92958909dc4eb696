"""What an XFoil run apart says of a section that a study, or a peer, hands over."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from _common import tell

from formwright.datasets.airfoils.sections import read_dat, validate
from formwright.datasets.cases import Case, section_case
from formwright.datasets.files import write_record
from formwright.datasets.solvers.result import POLAR_LABELS
from formwright.datasets.solvers.xfoil.solver import XFoil
from formwright.design.airfoils.study import Study
from formwright.design.airfoils.verify import verify
from formwright.design.constraint import Constraint, as_list
from formwright.design.objectives import OBJECTIVES
from formwright.design.records import plain, read_json
from formwright.design.spaces.points import OperatingPoints
from formwright.surrogate.model import Prediction

PANELS: Final = (160, 180, 200)
LEAST_GAIN: Final = 0.002
"""A design is better where it gains this share of the start's objective by all that XFoil says."""
TOLERANCE: Final = 0.1
"""A constraint is broken where it is missed by this share of its scale, whatever the panels."""
LABELS: Final = tuple(label.name for label in POLAR_LABELS)


@dataclass(frozen=True, slots=True)
class Apart:
    """A section as XFoil sees it with several panel counts.

    Attributes:
        objective: Median over the panel counts; NaN where two of three miss a point.
        broken: Constraints of the study that are missed with every count.
        labels: Median of each label, one number an operating point; NaN where two of three miss it.
    """

    objective: float
    broken: tuple[str, ...]
    labels: dict[str, np.ndarray]


def apart(study: Study, path: Path, alpha_deg: Sequence[float]) -> Apart:
    """Return what XFoil says of the section in a file, asked around the incidences claimed."""
    pos = read_dat(path).pos
    seen = [_seen(study, pos, alpha_deg, panels) for panels in PANELS]
    weights = OperatingPoints(study.points).weights
    value = OBJECTIVES[study.objective](weights, 0.0)
    rules = [spec.build(seen[0][1]) for spec in study.constraints]
    return Apart(
        objective=float(_median(np.array([float(value(*one)[0]) for one in seen]))),
        broken=tuple(rule.name for rule in rules if all(_missed(rule, *one) for one in seen)),
        labels={
            name: _median(np.stack([said.mean[name].numpy() for said, _ in seen]))
            for name in LABELS
        },
    )


def kept_rows(
    problems: Path,
    names: Sequence[str],
    keep: Path | None,
    judged: Callable[[Path, Path], Mapping[str, Any]],
) -> dict[str, Mapping[str, Any]]:
    """Return the row of every problem, from its folder where it is there.

    Args:
        problems: Folder of TOML files.
        names: Only these; all where empty.
        keep: Where folders and finished rows stay; nowhere if None.
        judged: File of a problem and folder of its study -> row.
    """
    rows: dict[str, Mapping[str, Any]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        for path in sorted(problems.glob("*.toml")):
            if names and path.stem not in names:
                continue
            folder = (keep or Path(temporary)) / path.stem
            row = read_json(folder / "row.json")
            if row is None:
                row = plain(judged(path, folder))
                write_record(folder / "row.json", row)
            rows[path.stem] = row
            tell(path.stem, row)
    return rows


def valid(path: Path) -> bool:
    """Return whether the file holds a section."""
    try:
        validate(read_dat(path).pos)
    except ValueError:
        return False
    return True


def _seen(
    study: Study, pos: torch.Tensor, alpha_deg: Sequence[float], panels: int
) -> tuple[Prediction, Case]:
    """Return XFoil's labels as a prediction, NaN where a point is missed, and the case."""
    points = OperatingPoints(study.points, study.alpha_bounds_deg)
    solver = XFoil(panels=panels, iterations=80, retries=1)
    verdicts = verify(pos, points, solver, alpha_deg, workers=1).verdicts
    labels = {
        name: torch.tensor([v.labels[name] for v in verdicts], dtype=torch.float64)
        for name in LABELS
    }
    said = Prediction(mean=labels, std=labels, lower=labels, upper=labels, level=1.0, fields={})
    reynolds = torch.tensor([point.reynolds for point in study.points], dtype=torch.float64)
    alpha = torch.tensor([v.alpha_deg for v in verdicts], dtype=torch.float64)
    return said, section_case(pos.double(), {"alpha_deg": alpha, "reynolds": reynolds})


def _median(values: np.ndarray) -> np.ndarray:
    """Return the median over the first axis; NaN where fewer than two are known."""
    known = np.isfinite(values).sum(0) > 1
    filled = np.where(known, values, 0.0)
    return np.where(known, np.nanmedian(filled, 0), np.nan)


def _missed(rule: Constraint, said: Prediction, case: Case) -> bool:
    """Return whether a constraint is missed; a point without a verdict misses nothing."""
    values = rule.values(said, case)[0].numpy()
    low, high = np.array(as_list(rule.lower, -np.inf)), np.array(as_list(rule.upper, np.inf))
    far = np.maximum(np.nan_to_num(low - values, nan=0.0), np.nan_to_num(values - high, nan=0.0))
    return bool(far.max(initial=0.0) > TOLERANCE * rule.scale)
