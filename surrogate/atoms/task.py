"""The question of ``label_efficiency`` for structures: one label of adsorbates on slabs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from formwright.datasets.atoms.elements import properties
from formwright.datasets.atoms.files.structures import read_structures
from formwright.datasets.atoms.labelled_structures import LabelledStructures, read_labelled
from formwright.datasets.atoms.structures import ADSORBATE, E_ADS, SURFACE, Structure, case_of
from formwright.datasets.cases import Case
from formwright.datasets.errors import CorpusError
from formwright.surrogate.atoms.adsorption import AdsorptionConfig, composition
from formwright.surrogate.atoms.cases import AtomCases
from formwright.surrogate.atoms.views import HideElements, Jiggle, OtherElement, Strain
from formwright.surrogate.label_efficiency.protocol import Task
from formwright.surrogate.objectives.objective import Objective
from formwright.surrogate.objectives.vicreg import VICReg
from formwright.surrogate.pretraining.choices import matched, views_named
from formwright.surrogate.pretraining.pretrain import PretrainConfig
from formwright.surrogate.training.loop import TrainConfig
from formwright.surrogate.view import View

STEPS: Final = 500
VIEWS: Final = ("jiggle", "strain", "hide-elements")
_NEAREST: Final = 3


def structure_views() -> dict[str, View]:
    """Return the views of atoms by name."""
    return {
        "jiggle": Jiggle(),
        "strain": Strain(),
        "hide-elements": HideElements(),
        "other-element": OtherElement(),
    }


class LabelledAtoms(AtomCases):
    """Labelled structures that can be selected from."""

    def __init__(self, part: LabelledStructures, label: str) -> None:
        """Hold a part of the structures of a file."""
        super().__init__(part.structures, {label: part.label})
        self.part, self.name = part, label

    def select(self, rows: Int[Tensor, " cases"]) -> LabelledAtoms:
        """Return some of the structures."""
        return LabelledAtoms(self.part.take(rows.tolist()), self.name)


def atom_task(
    files: Sequence[str | os.PathLike[str]],
    label: str,
    unlabeled: str | os.PathLike[str] | None = None,
    objectives: Mapping[str, Objective] | None = None,
    views: Sequence[Sequence[str]] = (),
) -> Task:
    """Ask the question of a label of the structures in a file.

    Args:
        files: One, of structures with the label as a column (extxyz: in the comment line).
        label: ``e_ads_ev``; another name is taken for an energy of the same kind.
        unlabeled: A file of more structures, without labels; else those of the training part.
        objectives: By name; none takes VICReg.
        views: Names of views, one or more sets to compare; none takes ``VIEWS``.

    Raises:
        UnknownNameError: There is no such column, or no such view.
        ViewError: A view is forbidden for adsorption energies.
        CorpusError: Too few groups for three parts.
        StructureError: A file cannot be read.
    """
    if len(files) != 1:
        raise CorpusError(f"give one file of structures; got {len(files)}.")
    path = files[0]
    labelled = {k: LabelledAtoms(v, label) for k, v in read_labelled(path, label).parts().items()}
    seen: Sequence[Structure] = (
        labelled["train"].structures if unlabeled is None else read_structures(unlabeled)
    )
    return Task(
        corpus=Path(path).name,
        label=label,
        unlabeled=AtomCases(seen),
        parts=labelled,
        target=lambda batch: batch[label],
        network=lambda: AdsorptionConfig().network(),
        vectors=_vectors,
        raw=_raw,
        hand=_hand,
        recipes=_recipes(objectives, views),
    )


def recipe(objective: Objective, views: Sequence[str] = VIEWS) -> PretrainConfig:
    """Return how an objective is trained on two views of a slab."""
    loop = TrainConfig(steps=STEPS, learning_rate=1e-3, weight_decay=1e-3, log_every_steps=50)
    return PretrainConfig(
        labels=(E_ADS.name,),
        pretext=matched(objective),
        views=views_named(views, structure_views(), (E_ADS.name,)),
        batch_cases=64,
        train=loop,
    )


def _recipes(
    objectives: Mapping[str, Objective] | None, views: Sequence[Sequence[str]]
) -> dict[str, PretrainConfig]:
    """Return every objective on every set of views."""
    return {
        f"{name}, {' + '.join(names) if views else 'moved atoms'}": recipe(objective, names)
        for name, objective in (objectives or {"VICReg": VICReg()}).items()
        for names in views or (VIEWS,)
    }


def _vectors(network: nn.Module, batch: Case) -> Float[Tensor, "cases width"]:
    """Return the embedding of every case."""
    return network(batch).per_case


def _raw(batch: Case) -> Float[Tensor, "cases values"]:
    """Return how many atoms of each element slab and adsorbate have, as shares."""
    cases, case = len(batch.ptr) - 1, case_of(batch)
    slab = torch.zeros(cases, properties().shape[0])
    slab.index_put_((case, batch.z), (batch.tags != ADSORBATE).float(), accumulate=True)
    return torch.cat([slab / slab.sum(1, keepdim=True).clamp_min(1.0), composition(batch)], 1)


def _hand(batch: Case) -> Float[Tensor, "cases features"]:
    """Return means of elements' properties near the adsorbate, in the surface and in the slab."""
    table, case, cases = properties(), case_of(batch), len(batch.ptr) - 1
    own = table[batch.z]
    result = [composition(batch)[:, [1, 6, 7, 8, 16]].double()]
    for chosen in (batch.tags != ADSORBATE, batch.tags == SURFACE, _near(batch)):
        total = own.new_zeros(cases, own.shape[1]).index_add(0, case[chosen], own[chosen])
        count = torch.bincount(case[chosen], minlength=cases).clamp_min(1)
        result.append(total / count[:, None])
    return torch.cat(result, 1)


def _near(batch: Case) -> Tensor:
    """Return which atoms of the slab are among the nearest to the adsorbate's lowest atom."""
    pos, chosen = batch["pos"], torch.zeros(len(batch.z), dtype=torch.bool)
    for k, (a, b) in enumerate(zip(batch.ptr.tolist(), batch.ptr.tolist()[1:], strict=False)):
        tags = batch.tags[a:b]
        if not (tags == ADSORBATE).any() or (tags == ADSORBATE).all():
            continue
        up = torch.linalg.cross(batch.cell[k, 0], batch.cell[k, 1])
        height = pos[a:b] @ up
        lowest = torch.where(tags == ADSORBATE, height, np.inf).argmin()
        apart = pos[a:b] - pos[a + lowest]
        flat = batch.cell[k, :2]
        for i in range(2):
            length = flat[i].square().sum()
            if length > 0:
                apart = apart - (apart @ flat[i] / length).round()[:, None] * flat[i]
        far = apart.square().sum(1).masked_fill(tags == ADSORBATE, np.inf)
        nearest = far.argsort()[:_NEAREST]
        chosen[a + nearest[far[nearest].isfinite()]] = True
    return chosen
