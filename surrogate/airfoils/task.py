"""The question of ``label_efficiency`` for sections: one label of their polars."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from formwright.datasets.airfoils.polar_data import LABELS, Polars, read_polars
from formwright.datasets.cases import Case
from formwright.datasets.errors import CorpusError, UnknownNameError, did_you_mean
from formwright.surrogate.airfoils.conditioned import condition_features
from formwright.surrogate.airfoils.encoder import rings
from formwright.surrogate.airfoils.flow_corpus import read_flows
from formwright.surrogate.airfoils.flow_pretexts import FlowMatch, FlowPredict
from formwright.surrogate.airfoils.flows import Flows
from formwright.surrogate.airfoils.named import matched_flow, section_views
from formwright.surrogate.airfoils.polar import PolarConfig
from formwright.surrogate.label_efficiency.protocol import Task
from formwright.surrogate.objectives.objective import Objective
from formwright.surrogate.objectives.vicreg import VICReg
from formwright.surrogate.pretraining.choices import matched, views_named
from formwright.surrogate.pretraining.pretrain import Pretext, PretrainConfig
from formwright.surrogate.training.loop import TrainConfig

POINTS: Final = 8
STEPS: Final = 2000
ARCHITECTURE: Final = PolarConfig(encoder_hidden=(192, 128), embedding=64, hidden=96, layers=3)
_SPLITS: Final = ("train", "validation", "test")


def polar_task(
    corpora: Sequence[str | os.PathLike[str]],
    label: str,
    flows: str | os.PathLike[str] | None = None,
    objectives: Mapping[str, Objective] | None = None,
    views: Sequence[Sequence[str]] = (),
) -> Task:
    """Ask the question of a label of labelled polars.

    Args:
        corpora: Folders that ``formwright corpus polars`` wrote; together they hold all splits.
        label: ``cl``, ``cd`` (its logarithm is predicted), ``cm``, ``xtr_top`` or ``xtr_bottom``.
        flows: Folder of unlabeled sections with their flows; without it, the sections of the
            training split are the unlabeled ones, and only views of contours are compared.
        objectives: By name; none takes VICReg.
        views: Names of views, one or more sets to compare; none takes operating points alone where
            there are flows, else contours through other points and in part.

    Raises:
        UnknownNameError: Polars have no such label, or there is no such view.
        ViewError: A view is forbidden for the label.
        CorpusError: A split is empty.
    """
    if label not in LABELS:
        known = ", ".join(LABELS)
        raise UnknownNameError(
            f"polars have no label {label!r}.{did_you_mean(label, LABELS)} Known: {known}."
        )
    parts = {split: labelled_flows(read_polars(corpora, split=split)) for split in _SPLITS}
    unlabeled = read_flows(flows) if flows is not None else parts["train"]
    ring = torch.cat(
        [rings(unlabeled.batch(part)) for part in torch.arange(len(unlabeled)).split(512)]
    )

    def network() -> nn.Module:
        built = ARCHITECTURE.network()
        built.encoder.standardise(ring.float())  # pyright: ignore
        return built

    return Task(
        corpus=", ".join(Path(folder).name for folder in corpora),
        label="ln cd" if label == "cd" else label,
        unlabeled=unlabeled,
        parts=parts,
        target=lambda batch: batch[label].log() if label == "cd" else batch[label],
        network=network,
        vectors=lambda built, batch: built(batch),
        raw=_raw,
        hand=_hand,
        recipes=_recipes(label, flows is not None, objectives, views),
    )


def labelled_flows(polars: Polars, points: int = POINTS) -> Flows:
    """Return polars as sections with equally many operating points, labels as ``answers``.

    Args:
        polars: Converged points.
        points: Kept of each section, at random; sections with fewer are left out.

    Raises:
        CorpusError: No section has that many.
    """
    rng = np.random.default_rng(0)
    ends = np.cumsum(np.bincount(polars.section, minlength=len(polars.cst)))
    chosen = [
        np.sort(rng.permutation(np.arange(start, end))[:points])
        for start, end in zip(np.concatenate([[0], ends[:-1]]), ends, strict=True)
        if end - start >= points
    ]
    if not chosen:
        raise CorpusError(f"no section has {points} converged operating points.")
    rows = np.stack(chosen)
    pos = polars.contours()[torch.from_numpy(polars.section[rows[:, 0]])]
    names = ("alpha_deg", "reynolds", "ncrit")
    return Flows(
        pos=pos,
        conditions={name: torch.from_numpy(polars.conditions[name][rows]) for name in names},
        fields={},
        answers={name: torch.from_numpy(polars.labels[name][rows]) for name in LABELS},
    )


def _recipes(
    label: str,
    with_flows: bool,
    objectives: Mapping[str, Objective] | None,
    views: Sequence[Sequence[str]],
) -> dict[str, PretrainConfig]:
    """Return what is compared: every objective on views of contours, or on section and flow."""
    match = matched_flow if with_flows else matched
    pretexts: dict[str, Pretext] = {
        name: match(objective) for name, objective in (objectives or {"VICReg": VICReg()}).items()
    }
    pretexts |= {"flow predicted": FlowPredict()} if with_flows else {}
    return {
        f"{name}, {' + '.join(names)}" if views else _title(name, pretext): PretrainConfig(
            labels=(label,),
            pretext=pretext,
            views=views_named(names, section_views(_incidences(pretext)), (label,)),
            batch_cases=96,
            train=TrainConfig(steps=STEPS, learning_rate=2e-3, log_every_steps=100),
        )
        for name, pretext in pretexts.items()
        for names in views or (_usual(pretext),)
    }


def _reads_flow(pretext: Pretext) -> bool:
    return isinstance(pretext, FlowMatch | FlowPredict)


def _incidences(pretext: Pretext) -> int:
    """Return how many operating points of a section a step takes: one will do for contours."""
    return 4 if _reads_flow(pretext) else 1


def _usual(pretext: Pretext) -> tuple[str, ...]:
    """Return the views if none are named."""
    return ("incidence",) if _reads_flow(pretext) else ("incidence", "repanel", "partial-contour")


def _title(name: str, pretext: Pretext) -> str:
    """Return what a recipe of the usual views is called."""
    if isinstance(pretext, FlowPredict):
        return name
    return f"{name}, section and flow" if _reads_flow(pretext) else f"{name}, contours"


def _raw(batch: Case) -> Float[Tensor, "points inputs"]:
    """Return heights at 64 stations and the features of the conditions."""
    even, odd = condition_features(batch.alpha_deg, batch.reynolds, batch.ncrit)
    return torch.cat([rings(batch)[batch.condition_batch] / 0.06, even, odd], 1)


def _hand(batch: Case) -> Float[Tensor, "points features"]:
    """Return thickness and camber at 8 places, incidence, ln Re, Ncrit."""
    ring = rings(batch, 8)
    upper, lower = ring.flip(-1)[:, 8:], ring[:, 8:]
    shape = torch.cat([upper - lower, upper + lower], 1)[batch.condition_batch]
    conditions = torch.stack([batch.alpha_deg, batch.reynolds.log(), batch.ncrit], 1)
    return torch.cat([shape, conditions], 1)
