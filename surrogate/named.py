"""Pretexts by the name of their objective, with the settings that suit a kind of data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from torch import nn

from formwright.datasets.config import from_mapping
from formwright.datasets.errors import ConfigError, UnknownNameError, did_you_mean
from formwright.datasets.structure_files import read_structures
from formwright.surrogate.adsorption import AdsorptionConfig
from formwright.surrogate.atom_cases import AtomCases
from formwright.surrogate.atom_task import recipe as atom_recipe
from formwright.surrogate.denoising import Denoising
from formwright.surrogate.encoders.field import FieldCNN
from formwright.surrogate.field_task import STAGES, field_task
from formwright.surrogate.flow_corpus import read_flows
from formwright.surrogate.flow_pretexts import FlowMatch, FlowPredict
from formwright.surrogate.hiding import Arcs, Nodes
from formwright.surrogate.masking import MaskedPrediction
from formwright.surrogate.matching import ViewMatch
from formwright.surrogate.objectives.loss import TwoViews
from formwright.surrogate.objectives.objective import OBJECTIVES
from formwright.surrogate.objectives.vicreg import VICReg
from formwright.surrogate.polar import PolarConfig
from formwright.surrogate.pretexts import Pretext
from formwright.surrogate.pretrain import Cases, PretrainConfig
from formwright.surrogate.views.contour import ContourView
from formwright.surrogate.views.view import View

SMALL: Final = ("lejepa", "visreg")
SMALL_PROJECTOR: Final = 64


class Kind(StrEnum):
    """Of unlabeled data."""

    SECTIONS = "sections"
    """Contours with their flows."""
    RUNS = "runs"
    """Runs of an unsteady equation on a grid."""
    STRUCTURES = "structures"
    """Atoms: slabs with adsorbates, crystals."""


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
    objective = OBJECTIVES[name]()
    projector = SMALL_PROJECTOR if name in SMALL else 0 if name == "jepa" else 256
    if kind is Kind.SECTIONS and isinstance(objective, TwoViews):
        return FlowMatch(objective=objective, projector=projector)
    return ViewMatch(objective=objective, projector=projector)


def what_to_pretrain(
    flows: Path | None, runs: Path | None, structures: Path | None, label: str | None
) -> tuple[Callable[[], nn.Module], Cases, PretrainConfig, Kind]:
    """Return network, data, settings to start from and kind, for one of three kinds of data.

    Raises:
        ConfigError: None of them is given, or several, or runs without a label.
    """
    if sum(given is not None for given in (flows, runs, structures)) != 1:
        raise ConfigError(
            "give --flows (sections), --runs (unsteady runs) or --structures (atoms), one of them."
        )
    if flows is not None:
        return PolarConfig().network, read_flows(flows), PretrainConfig(), Kind.SECTIONS
    if structures is not None:
        cases = AtomCases(read_structures(structures))
        return AdsorptionConfig().network, cases, atom_recipe(VICReg()), Kind.STRUCTURES
    if label is None or runs is None:
        raise ConfigError(
            "--runs needs --label, e.g. --label viscosity: what the encoder will serve decides "
            "which views are allowed."
        )
    task = field_task(runs, label)
    base = next(iter(task.recipes.values()))
    return lambda: _with_points(task.network()), task.unlabeled, base, Kind.RUNS


def _with_points(network: nn.Module) -> FieldCNN:
    """Return an encoder like ``network`` that has vectors of points too, for masks and noise."""
    assert isinstance(network, FieldCNN)
    built = FieldCNN(
        dimensions=network.dimensions,
        frames=network.frames,
        channels=network.channels,
        stages=STAGES[network.dimensions],
    )
    built.mean.copy_(network.mean)
    built.std.copy_(network.std)
    return built


@dataclass(frozen=True, kw_only=True, slots=True)
class _SectionViews:
    views: tuple[ContourView, ...]


def views_of(base: PretrainConfig, given: Sequence[Any] | None) -> tuple[View, ...]:
    """Return the views of a configuration file, or those of ``base`` if it names none.

    Raises:
        ConfigError: A view that does not exist, or views given for runs.
    """
    if given is None:
        return base.views
    if not all(isinstance(view, ContourView) for view in base.views):
        raise ConfigError(
            "views of runs follow from their equation and label, those of atoms are fixed; choose "
            "others in Python (PretrainConfig(views=...))."
        )
    return from_mapping(_SectionViews, {"views": given}, where="the file").views  # pyright: ignore
