"""The kind ``structures``: a label of crystals, molecules, clusters or slabs, in its own unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from formwright.datasets.atoms.elements import COUNT, symbols
from formwright.datasets.atoms.files.structures import structure_list
from formwright.datasets.atoms.given import OwnStructures, read_structure_corpus
from formwright.datasets.cases import Case, Quantity
from formwright.datasets.errors import ConfigError
from formwright.surrogate.atoms.adsorption import AdsorptionConfig
from formwright.surrogate.atoms.cases import AtomCases
from formwright.surrogate.atoms.checks import formula
from formwright.surrogate.atoms.encoder import AtomGNN
from formwright.surrogate.atoms.task import structure_views
from formwright.surrogate.atoms.whole.features import features_width, hand_features, shares
from formwright.surrogate.atoms.whole.views import Whole
from formwright.surrogate.floors import floors
from formwright.surrogate.kinds import Kind, Start
from formwright.surrogate.label_efficiency.protocol import LabelledCases, Task
from formwright.surrogate.model import Prediction
from formwright.surrogate.objectives.objective import Objective
from formwright.surrogate.objectives.vicreg import VICReg
from formwright.surrogate.pretraining.choices import matched, views_named
from formwright.surrogate.pretraining.pretrain import PretrainConfig
from formwright.surrogate.regression import (
    SPLITS,
    Regression,
    RegressionTraining,
    batches,
    learn,
    score,
)
from formwright.surrogate.table import Table, flagged
from formwright.surrogate.training.loop import TrainConfig
from formwright.surrogate.view import View

VIEWS: Final = ("jiggle",)
_RIDGE: Final = 1e-4


@dataclass(frozen=True, kw_only=True, slots=True)
class StructuresConfig:
    """Architecture of a surrogate of structures, and what its label is.

    Attributes:
        atoms: Of the encoder.
        label: What is predicted; of no name for a pretrained network.
        extensive: Whether it grows with the number of atoms.
        level: Of theory, as the owner of the data states it.
    """

    atoms: AdsorptionConfig = field(default_factory=AdsorptionConfig)
    label: Quantity = Quantity("", "", "")
    extensive: bool = False
    level: str = ""

    def network(self) -> AtomGNN:
        """Return the encoder, untrained."""
        return self.atoms.network()


class StructureCases(AtomCases):
    """A part of an imported corpus of structures."""

    def __init__(self, part: OwnStructures, encoder: AtomGNN | None = None) -> None:
        """Hold it, with what an encoder needs worked out where one is given."""
        super().__init__(part.structures, {part.quantity.name: part.label}, encoder)
        self.part, self.groups = part, part.groups

    def select(self, rows: Int[Tensor, " cases"]) -> StructureCases:
        """Return some of the structures."""
        index, part = rows.tolist(), self.part
        return StructureCases(
            OwnStructures(
                structures=tuple(part.structures[i] for i in index),
                label=part.label[index],
                groups=tuple(part.groups[i] for i in index),
                quantity=part.quantity,
                extensive=part.extensive,
                level=part.level,
                adsorbates=part.adsorbates,
            )
        )


class StructureSurrogate(Regression):
    """A label of structures: references of the elements and what the encoder adds."""

    def __init__(self, config: StructuresConfig, encoder: AtomGNN | None = None) -> None:
        """Build an untrained surrogate on an encoder."""
        super().__init__(
            config,
            encoder or config.network(),
            (config.label,),
            described=hand_features,
            width=features_width(),
        )
        self.references = nn.Buffer(torch.zeros(COUNT))
        self.trained_on = nn.Buffer(torch.zeros(COUNT, dtype=torch.bool))

    def sizes(self, batch: Case) -> Float[Tensor, "cases 1"]:
        """Return what an extensive label is divided by: the atoms of each case; else 1."""
        counts = batch.ptr.diff()[:, None].to(self.centre)
        return counts if self.config.extensive else torch.ones_like(counts)

    def targets(self, batch: Case) -> Float[Tensor, "cases labels"]:
        """Return the label as it is regressed: by atom where it is extensive."""
        plain = batch[self.config.label.name].to(self.centre)[:, None] / self.sizes(batch)
        return (plain - self.offsets(batch) - self.centre) / self.scale

    def offsets(self, batch: Case) -> Float[Tensor, "cases labels"]:
        """Return the references of the elements."""
        return (shares(batch).to(self.references) @ self.references)[:, None]

    def restored(
        self, values: Float[Tensor, "cases labels"], batch: Case
    ) -> Float[Tensor, "cases labels"]:
        """Return values as the label is told: of the whole structure."""
        return values * self.sizes(batch)

    def prepare(self, known: LabelledCases) -> None:
        """Fit the references of the elements, and note which there are."""
        self.references.zero_()
        parts = batches(known)
        x = torch.cat([shares(batch) for batch in parts]).double()
        y = torch.cat([self.targets(batch) for batch in parts]).double()[:, 0]
        centre = y.mean()
        penalty = _RIDGE * len(x) * torch.eye(COUNT).double()
        weights = torch.linalg.solve(x.T @ x + penalty, x.T @ (y - centre))
        self.references.copy_(weights + centre)
        self.trained_on.copy_(x.sum(0) > 0)

    def forward(self, batch: Case, *, fields: bool = False) -> Prediction:
        """Predict the label of every case, differentiably in positions and cells."""
        made, name, size = super().forward(batch), self.config.label.name, self.sizes(batch)[:, 0]
        parts = {
            part: {name: getattr(made, part)[name] * size}
            for part in ("mean", "std", "lower", "upper")
        }
        return Prediction(**parts, level=made.level, fields={}, support=made.support)

    def predict(self, structures: Any, *, fields: bool = False) -> Table:
        """Predict structures.

        Args:
            structures: One or a list of ``Structure``, ASE's ``Atoms`` or pymatgen's
                ``Structure``, or what the kind's reader makes.
            fields: There are none.

        Raises:
            StructureError: Something is no structure.
        """
        if isinstance(structures, StructureCases):
            return super().predict(structures, fields=fields)
        made = structure_list(structures).structures
        answer = super().predict(AtomCases(made), fields=fields)
        told = [self._strange(one.z) for one in made]
        remarks = {i: _joined(answer.flags[i], text) for i, text in enumerate(told) if text}
        remarks = {**{i: str(f) for i, f in enumerate(answer.flags) if f}, **remarks}
        names = np.array([one.name or formula(one.elements) for one in made], dtype=object)
        return Table(
            labels=answer.labels,
            columns=answer.columns,
            flags=flagged((len(made),), remarks),
            about={"name": names},
            dims=("case",),
            level=answer.level,
        )

    def _strange(self, z: np.ndarray) -> str:
        """Return what is to be said of elements that the training data had not."""
        strange = [symbols()[i] for i in dict.fromkeys(z.tolist()) if not self.trained_on[i]]
        return f"{' and '.join(strange)}: not in the training data" if strange else ""


def _joined(flag: Any, text: str) -> str:
    return f"{flag}; {text}" if flag else text


def _read(
    folders: Sequence[Path], settings: RegressionTraining, split: str, _: Path | None
) -> StructureCases:
    if len(folders) != 1:
        raise ConfigError(f"give one folder of `formwright import structures`; got {len(folders)}.")
    return StructureCases(read_structure_corpus(folders[0], split))


def _begin(known: StructureCases, _: RegressionTraining, first: Any) -> StructureSurrogate:
    if isinstance(first, StructureSurrogate):
        return first
    config = StructuresConfig(
        label=known.part.quantity, extensive=known.part.extensive, level=known.part.level
    )
    return StructureSurrogate(config, first or _shipped())


def _shipped() -> AtomGNN:
    """Return the shipped encoder of atoms, ready to be trained on."""
    from formwright.surrogate.zoo import load

    return load("atoms").requires_grad_(True).train()


def _learn(
    surrogate: StructureSurrogate,
    known: StructureCases,
    held: StructureCases,
    settings: RegressionTraining,
    folder: Path | None,
    progress: bool,
) -> None:
    encoder: Any = surrogate.encoder
    ready = [StructureCases(cases.part, encoder) for cases in (known, held)]
    learn(surrogate, ready[0], ready[1], settings, folder, progress)


def _floors(
    surrogate: StructureSurrogate, known: StructureCases, held: StructureCases
) -> Mapping[str, Mapping[str, float]]:
    return floors(surrogate, known, held, hand_features, surrogate.config.network())


def _recipe(objective: Objective, names: Sequence[str], label: str, count: int) -> PretrainConfig:
    return PretrainConfig(
        labels=(label,),
        pretext=matched(objective),
        views=views_named(names, _views(label), (label,)),
        batch_cases=min(64, count),
        train=TrainConfig(steps=300, learning_rate=1e-3, weight_decay=1e-3, log_every_steps=50),
    )


def _views(label: str) -> dict[str, View]:
    """Return the views of structures, with what they do to a label of the owner's."""
    made: dict[str, Any] = {}
    for name, view in structure_views().items():
        made[name] = Whole(view=view, label=label)
    return made


def _task(
    corpora: Sequence[Path],
    label: str,
    unlabeled: Path | None = None,
    objectives: Mapping[str, Objective] | None = None,
    views: Sequence[Sequence[str]] = (),
) -> Task:
    parts = {split: _read(corpora, RegressionTraining(), split, None) for split in SPLITS}
    quantity, extensive = parts["train"].part.quantity, parts["train"].part.extensive
    if label != quantity.name:
        raise ConfigError(f"the corpus has the label {quantity.name!r}, not {label!r}.")
    seen = (
        parts["train"]
        if unlabeled is None
        else _read([unlabeled], RegressionTraining(), "train", None)
    )
    return Task(
        corpus=corpora[0].name,
        label=f"{label} per atom" if extensive else label,
        unlabeled=AtomCases(seen.structures),
        parts=parts,
        target=lambda batch: batch[label] / (batch.ptr.diff() if extensive else 1.0),
        network=StructuresConfig().network,
        vectors=lambda network, batch: network(batch).per_case,
        raw=shares,
        hand=hand_features,
        recipes={
            f"{called}, {' + '.join(names)}": _recipe(objective, names, label, len(seen))
            for called, objective in (objectives or {"VICReg": VICReg()}).items()
            for names in views or (VIEWS,)
        },
    )


def _unlabeled(path: Path, label: str | None, _: str | None) -> Start:
    part = read_structure_corpus(path, "train")
    name = label or part.quantity.name
    return Start(
        network=StructuresConfig().network,
        data=AtomCases(part.structures),
        config=_recipe(VICReg(), VIEWS, name, len(part.structures)),
        views=_views(name),
        architecture=StructuresConfig(),
    )


KIND: Final = Kind(
    name="structures",
    cases="crystals, molecules, clusters or slabs with a label",
    model=StructureSurrogate,
    config=StructuresConfig,
    build=lambda config, _: StructureSurrogate(config),
    question=None,
    network=StructuresConfig.network,
    training=lambda *_: RegressionTraining(
        batch_cases=32,
        linear_first=True,
        train=TrainConfig(steps=1000, learning_rate=1e-3, ema_decay=0.99),
    ),
    read=_read,
    begin=_begin,
    learn=_learn,
    score=score,
    unlabeled=_unlabeled,
    floors=_floors,
    borrows="adsorption",
    task=_task,
)
