"""From a folder or a file to what can be pretrained on it: network, data, settings, views."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from formwright.datasets.config import from_mapping
from formwright.datasets.errors import ConfigError
from formwright.datasets.structure_files import read_structures
from formwright.surrogate.adsorption import AdsorptionConfig
from formwright.surrogate.atom_cases import AtomCases
from formwright.surrogate.atom_task import recipe as atom_recipe
from formwright.surrogate.encoders.field import FieldCNN
from formwright.surrogate.field_task import STAGES, field_task, solved_in
from formwright.surrogate.flow_corpus import read_flows
from formwright.surrogate.named import Kind
from formwright.surrogate.named_views import (
    run_views,
    section_views,
    structure_views,
    views_named,
)
from formwright.surrogate.objectives.vicreg import VICReg
from formwright.surrogate.polar import PolarConfig
from formwright.surrogate.pretrain import Cases, PretrainConfig
from formwright.surrogate.views.contour import ContourView
from formwright.surrogate.views.view import View


@dataclass(frozen=True, kw_only=True, slots=True)
class Start:
    """What a pretraining begins with.

    Attributes:
        kind: Of the data.
        network: Makes the network.
        data: The cases.
        config: Settings to start from.
        views: What there is to choose from, by name.
    """

    kind: Kind
    network: Callable[[], nn.Module]
    data: Cases
    config: PretrainConfig
    views: Mapping[str, View]


def what_to_pretrain(
    flows: Path | None, runs: Path | None, structures: Path | None, label: str | None
) -> Start:
    """Return the start for one of three kinds of data.

    Raises:
        ConfigError: None of them is given, or several, or runs without a label.
    """
    if sum(given is not None for given in (flows, runs, structures)) != 1:
        raise ConfigError(
            "give --flows (sections), --runs (unsteady runs) or --structures (atoms), one of them."
        )
    if flows is not None:
        return Start(
            kind=Kind.SECTIONS,
            network=PolarConfig().network,
            data=read_flows(flows),
            config=PretrainConfig(),
            views=section_views(),
        )
    if structures is not None:
        return Start(
            kind=Kind.STRUCTURES,
            network=AdsorptionConfig().network,
            data=AtomCases(read_structures(structures)),
            config=atom_recipe(VICReg()),
            views=structure_views(),
        )
    if label is None or runs is None:
        raise ConfigError(
            "--runs needs --label, e.g. --label viscosity: what the encoder will serve decides "
            "which views are allowed."
        )
    task = field_task(runs, label)
    return Start(
        kind=Kind.RUNS,
        network=lambda: _with_points(task.network()),
        data=task.unlabeled,
        config=next(iter(task.recipes.values())),
        views=run_views(solved_in(runs, task.unlabeled)),
    )


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


def views_of(start: Start, given: Sequence[Any] | None) -> tuple[View, ...]:
    """Return the views of a flag or a configuration file, or the usual ones if it names none.

    Args:
        start: The data.
        given: Names; for sections also tables with the attributes of a view.

    Raises:
        ConfigError: Tables for other data than sections, or attributes that do not exist.
        UnknownNameError: There is no such view for these data.
        ViewError: A view is forbidden for what the encoder will serve.
    """
    if given is None:
        return start.config.views
    if all(isinstance(view, str) for view in given):
        return views_named(given, start.views, start.config.labels)
    if start.kind is not Kind.SECTIONS:
        raise ConfigError(
            f"views of {start.kind} go by name, views = [{', '.join(map(repr, start.views))}]; "
            "give their attributes in Python (PretrainConfig(views=...))."
        )
    return from_mapping(_SectionViews, {"views": given}, where="the file").views  # pyright: ignore
