"""Pretexts by the name of their objective, with the settings that suit a kind of data."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from formwright.datasets.errors import UnknownNameError, did_you_mean
from formwright.surrogate.airfoils.flow_pretexts import FlowMatch, FlowPredict
from formwright.surrogate.objectives.jepa import JEPA
from formwright.surrogate.objectives.objective import OBJECTIVES, Objective, Symmetric
from formwright.surrogate.objectives.sigreg import LeJEPA
from formwright.surrogate.objectives.visreg import VISReg
from formwright.surrogate.pretraining.denoising import Denoising
from formwright.surrogate.pretraining.hiding import Arcs, Cells, Nodes
from formwright.surrogate.pretraining.masking import MaskedPrediction
from formwright.surrogate.pretraining.matching import ViewMatch
from formwright.surrogate.pretraining.pretexts import Pretext

PROJECTOR: Final = 256
SMALL_PROJECTOR: Final = 64


class Kind(StrEnum):
    """Of unlabeled data."""

    SECTIONS = "sections"
    """Contours with their flows."""
    RUNS = "runs"
    """Runs of an unsteady equation on a grid."""
    STRUCTURES = "structures"
    """Atoms: slabs with adsorbates, crystals."""
    FIELDS = "fields"
    """Potential flow at the cells of meshes around sections."""


_OTHERS: Final[Mapping[Kind, Mapping[str, Pretext]]] = {
    Kind.SECTIONS: {
        "masked": MaskedPrediction(hiding=Arcs()),
        "denoise": Denoising(sigma=2e-3, gradient=True, self_conditioned=True),
        "flow-predict": FlowPredict(),
    },
    Kind.RUNS: {
        "masked": MaskedPrediction(),
        "denoise": Denoising(attribute="field", sigma=0.3),
    },
    Kind.STRUCTURES: {
        "masked": MaskedPrediction(hiding=Nodes(attribute="z", share=0.15)),
        "denoise": Denoising(sigma=0.1, gradient=True, self_conditioned=True),
    },
    Kind.FIELDS: {"masked": MaskedPrediction(hiding=Cells(), hidden=64)},
}


def names(kind: Kind) -> tuple[str, ...]:
    """Return the names that ``pretext_of`` knows for a kind of data."""
    return (*OBJECTIVES, *_OTHERS[kind])


def pretext_of(name: str, kind: Kind) -> Pretext:
    """Return the pretext that trains an objective on a kind of data.

    Raises:
        UnknownNameError: There is no such objective for this kind.
    """
    if name in _OTHERS[kind]:
        return _OTHERS[kind][name]
    if name not in OBJECTIVES:
        known = names(kind)
        raise UnknownNameError(
            f"no objective is called {name!r} for {kind}.{did_you_mean(name, known)} Known: "
            f"{', '.join(known)}."
        )
    return matched(OBJECTIVES[name](), flows=kind is Kind.SECTIONS)


def matched(objective: Objective, *, flows: bool = False) -> FlowMatch | ViewMatch:
    """Return an objective with the projector that suits it.

    Args:
        objective: Compares two embeddings.
        flows: Whether cases come with their flow, which is then the other view for objectives that
            need no predictor.
    """
    projector = projector_width(objective)
    if flows and isinstance(objective, Symmetric):
        return FlowMatch(objective=objective, projector=projector)
    return ViewMatch(objective=objective, projector=projector)


def projector_width(objective: Objective) -> int:
    """Return the width of the projector: none for JEPA, small where Gaussians are asked for."""
    if isinstance(objective, JEPA):
        return 0
    return SMALL_PROJECTOR if isinstance(objective, LeJEPA | VISReg) else PROJECTOR
