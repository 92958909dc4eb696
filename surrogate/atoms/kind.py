"""The kind ``adsorption``: energies of adsorbates on slabs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import torch
from torch.nn.functional import one_hot

from formwright.datasets.atoms.elements import COUNT
from formwright.datasets.atoms.files.structures import read_structures
from formwright.datasets.atoms.given import read_structure_corpus
from formwright.datasets.atoms.labelled_structures import LabelledStructures, read_labelled
from formwright.datasets.atoms.slabs.frame import is_slab
from formwright.datasets.atoms.slabs.surface_atoms import check_whole, tag
from formwright.datasets.atoms.structures import (
    ADSORBATE,
    BELOW,
    SURFACE,
    Structure,
    check_slab,
    collate,
    structure,
)
from formwright.datasets.cases import Case
from formwright.datasets.errors import ConfigError, StructureError
from formwright.surrogate.atoms import finetune as tuning
from formwright.surrogate.atoms.adsorption import LABEL, AdsorptionConfig, AdsorptionSurrogate
from formwright.surrogate.atoms.cases import AtomCases
from formwright.surrogate.atoms.checks import compositions, made_of
from formwright.surrogate.atoms.task import atom_task, recipe, structure_views
from formwright.surrogate.kinds import Kind, Scores, Start
from formwright.surrogate.objectives.vicreg import VICReg
from formwright.surrogate.pretraining.denoising import Denoising
from formwright.surrogate.pretraining.hiding import Nodes
from formwright.surrogate.pretraining.masking import MaskedPrediction
from formwright.surrogate.pretraining.pretrain import Pretext
from formwright.surrogate.uncertainty.conformal import LEVEL

_PRETEXTS: Final[dict[str, Pretext]] = {
    "masked": MaskedPrediction(hiding=Nodes(attribute="z", share=0.15)),
    "denoise": Denoising(sigma=0.1, gradient=True, self_conditioned=True),
}
OWN: Final = "own labels"
"""Level of theory of what was fitted to a file: that of its energies, whatever that is."""
_CELL: Final = ((4.0, 0.0, 0.0), (0.5, 4.1, 0.0), (0.0, 0.0, 20.0))
_POS: Final = (
    (0.0, 0.0, 6.0),
    (2.1, 2.0, 6.1),
    (0.2, 2.1, 8.0),
    (2.2, 0.1, 7.9),
    (1.2, 1.1, 9.4),
    (1.5, 1.7, 10.3),
)
_TAGS: Final = (BELOW, BELOW, SURFACE, SURFACE, ADSORBATE, ADSORBATE)
_ELEMENTS: Final = (
    ("Pt", "Ti", "Pt", "Au", "O", "H"),
    ("Cu", "Al", "Ni", "Zn", "C", "N"),
    ("Ag", "Fe", "Pd", "Bi", "S", "H"),
)


def slab_question(levels: int) -> Case:
    """Return three small slabs at each level of theory; one metal of the last is every element."""
    slabs = [structure(elements, _POS, _CELL, tags=_TAGS) for elements in _ELEMENTS] * levels
    batch = collate(slabs, level=torch.arange(levels).repeat_interleave(len(_ELEMENTS)))
    mixture = one_hot(batch.z, COUNT).double()
    mixture[-len(_POS), 1:] = 1.0 / (COUNT - 1)
    batch.mixture = mixture
    return batch


def _read(
    files: Sequence[Path], settings: tuning.AdsorptionFinetuneConfig, split: str, _: Path | None
) -> LabelledStructures:
    if len(files) != 1:
        raise ConfigError(f"give one file of structures; got {len(files)}.")
    if files[0].is_dir():
        part = _imported(files[0], split)
    else:
        part = read_labelled(files[0], settings.label)
    for frame, one in enumerate(part.structures):
        _check(one, f"frame {frame} of {str(files[0])!r}")
    return part if files[0].is_dir() else part.parts()[split]


def _check(one: Structure, where: str) -> None:
    """Refuse, before anything is trained, what no energy of adsorption will be predicted of.

    Raises:
        StructureError: It is none, with or without an adsorbate in one piece.
    """
    try:
        check_slab(one)
        check_whole(one)
    except StructureError as error:
        raise StructureError(
            f"{where} is no slab with an adsorbate, which is what 'adsorption' learns from and is "
            f"asked for: {error} Of crystals, molecules and clusters a surrogate is made by "
            "`formwright import structures` and `formwright fit structures`."
        ) from error


def _imported(folder: Path, split: str) -> LabelledStructures:
    """Return a split of what ``formwright import structures`` made.

    Raises:
        ConfigError: The unit is not eV: the energies are used with those of reactions.
    """
    part = read_structure_corpus(folder, split)
    if part.quantity.unit not in ("", "eV"):
        raise ConfigError(
            f"{str(folder)!r} has {part.quantity.name!r} in {part.quantity.unit}, and adsorption "
            "energies are in eV: convert it, or fit the kind 'structures'."
        )
    slabs = [tag(one) if is_slab(one) else one for one in part.structures]
    return LabelledStructures(slabs, part.label, part.groups, part.level or "own data")


def _begin(
    known: LabelledStructures, _: tuning.AdsorptionFinetuneConfig, first: Any
) -> AdsorptionSurrogate:
    own = compositions(known.structures)
    if not isinstance(first, AdsorptionSurrogate):
        return AdsorptionSurrogate(AdsorptionConfig(levels=(known.level,), adsorbates=own), first)
    levels, before = (known.level, *first.config.levels[1:]), made_of(first)
    both = tuple(dict.fromkeys((*before, *own))) if before else ()
    first.config = replace(first.config, levels=levels, adsorbates=both)
    return first


def _cases(surrogate: AdsorptionSurrogate, part: LabelledStructures) -> AtomCases:
    labels = {LABEL: part.label}
    return AtomCases(part.structures, labels, prepared_for=surrogate.encoder)


def _learn(
    surrogate: AdsorptionSurrogate,
    known: LabelledStructures,
    held: LabelledStructures,
    settings: tuning.AdsorptionFinetuneConfig,
    folder: Path | None,
    progress: bool,
) -> None:
    cases = _cases(surrogate, known)
    tuning.finetune_adsorption(surrogate, cases, settings, folder, progress=progress)
    tuning.calibrate_adsorption(surrogate, _cases(surrogate, held), known=cases)


def score(surrogate: AdsorptionSurrogate, part: LabelledStructures) -> Scores:
    """Compare a surrogate with labelled structures, eV."""
    answer = surrogate.predict(part.structures)
    inside = (answer[f"{LABEL}_lower"] <= part.label) & (part.label <= answer[f"{LABEL}_upper"])
    return Scores(
        error={LABEL: float(abs(answer[LABEL] - part.label).mean())},
        coverage={LABEL: float(inside.mean())},
        level=LEVEL,
        counts={"structures": len(part.label), "groups": len(set(part.groups))},
    )


def _unlabeled(path: Path, label: str | None, _: str | None) -> Start:
    return Start(
        network=AdsorptionConfig().network,
        data=AtomCases(read_structures(path)),
        config=recipe(VICReg()),
        views=structure_views(),
        pretexts=_PRETEXTS,
        architecture=AdsorptionConfig(),
    )


KIND: Final = Kind(
    name="adsorption",
    cases="slabs with adsorbates and their energies",
    model=AdsorptionSurrogate,
    config=AdsorptionConfig,
    build=lambda config, _: AdsorptionSurrogate(config),
    question=lambda config: slab_question(len(config.levels)),
    network=AdsorptionConfig.network,
    training=lambda *_: tuning.AdsorptionFinetuneConfig(),
    read=_read,
    begin=_begin,
    learn=_learn,
    score=score,
    unlabeled=_unlabeled,
    task=atom_task,
)
