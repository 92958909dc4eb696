"""The kind ``polar``: lift, drag, moment and transition of sections."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from formwright.datasets.airfoils.polar_data import LABELS, Polars, read_polars
from formwright.datasets.airfoils.sections import naca
from formwright.datasets.cases import Case, section_case
from formwright.surrogate.airfoils import finetune as tuning
from formwright.surrogate.airfoils.flow_corpus import read_flows
from formwright.surrogate.airfoils.flow_pretexts import FlowMatch
from formwright.surrogate.airfoils.named import PRETEXTS, matched_flow, section_views
from formwright.surrogate.airfoils.polar import PolarConfig, PolarSurrogate
from formwright.surrogate.airfoils.task import polar_task
from formwright.surrogate.airfoils.views import Incidence, PartialContour, Repanel
from formwright.surrogate.kinds import Kind, Scores, Start
from formwright.surrogate.pretraining.pretrain import PretrainConfig
from formwright.surrogate.uncertainty.conformal import LEVEL, NORMAL_QUANTILE

ROUNDING: Final = 1e-6


def section_question(_: Any = None) -> Case:
    """Return a section at two operating points."""
    conditions = {
        "alpha_deg": [-4.0, 7.0],
        "reynolds": [2e5, 5e6],
        "ncrit": [9.0, 5.0],
        "mach": [0.0, 0.0],
    }
    values = {name: torch.tensor(pair).double() for name, pair in conditions.items()}
    return section_case(naca("4412").pos, values)


def _read(corpora: Sequence[Path], _: tuning.FinetuneConfig, split: str, __: Path | None) -> Polars:
    return read_polars(corpora, split=split, fields=split == "train")


def _begin(_: Polars, __: tuning.FinetuneConfig, first: Any) -> PolarSurrogate:
    return first if isinstance(first, PolarSurrogate) else PolarSurrogate(network=first)


def _learn(
    surrogate: PolarSurrogate,
    known: Polars,
    held: Polars,
    settings: tuning.FinetuneConfig,
    folder: Path | None,
    progress: bool,
) -> None:
    points = tuning.labelled(surrogate, known)
    tuning.finetune(surrogate, points, settings, folder, progress=progress)
    others = tuning.labelled(surrogate, held)
    tuning.fit_pressure(surrogate, points)
    tuning.calibrate(surrogate, others)
    tuning.fit_support(surrogate, points, others)


def score(surrogate: PolarSurrogate, polars: Polars) -> Scores:
    """Compare a surrogate with labelled polars.

    Args:
        surrogate: What predicts.
        polars: Converged points, as ``polar_data.read_polars`` gives them.

    Returns:
        Errors and coverage over the points that have the label.
    """
    conditions = [polars.conditions[name] for name in ("alpha_deg", "reynolds", "ncrit")]
    answer = surrogate.predict_rows(list(polars.cst), polars.section, *conditions)
    error, coverage = {}, {}
    for label in LABELS:
        predicted, truth = answer[label], polars.labels[label]
        gap = np.abs(predicted - truth)
        half = NORMAL_QUANTILE * answer[f"{label}_std"]
        if label == "cd":
            gap, half = np.abs(np.log(predicted / truth)), half / predicted
        known = np.isfinite(truth)
        error["ln_cd" if label == "cd" else label] = float(gap[known].mean())
        coverage[label] = float((gap[known] <= half[known] * (1.0 + ROUNDING)).mean())
    return Scores(
        error=error,
        coverage=coverage,
        level=LEVEL,
        counts={"points": len(polars.section), "sections": len(polars.cst)},
    )


def _unlabeled(path: Path, label: str | None, _: str | None) -> Start:
    labels = LABELS if label is None else (label,)
    return Start(
        network=PolarConfig().network,
        data=read_flows(path),
        config=PretrainConfig(
            labels=labels,
            pretext=FlowMatch(),
            views=(Incidence(count=4), Repanel(), PartialContour()),
        ),
        views=section_views(),
        pretexts=PRETEXTS,
        match=matched_flow,
        architecture=PolarConfig(),
    )


KIND: Final = Kind(
    name="polar",
    cases="polars of sections",
    model=PolarSurrogate,
    config=PolarConfig,
    build=PolarSurrogate,
    question=section_question,
    network=PolarConfig.network,
    training=lambda *_: tuning.FinetuneConfig(),
    read=_read,
    begin=_begin,
    learn=_learn,
    score=score,
    unlabeled=_unlabeled,
    task=polar_task,
)
