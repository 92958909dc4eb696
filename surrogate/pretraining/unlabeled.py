"""From a folder or a file to what can be pretrained on it: network, data, settings, views."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from torch import nn

from formwright.datasets.atoms.files.structures import read_structures
from formwright.datasets.config import from_mapping
from formwright.datasets.errors import ConfigError
from formwright.surrogate.airfoils.flow_corpus import read_flows
from formwright.surrogate.airfoils.polar import PolarConfig
from formwright.surrogate.airfoils.views import ContourView
from formwright.surrogate.atoms.adsorption import AdsorptionConfig
from formwright.surrogate.atoms.cases import AtomCases
from formwright.surrogate.atoms.task import recipe as atom_recipe
from formwright.surrogate.objectives.vicreg import VICReg
from formwright.surrogate.pde.encoder import FieldCNN
from formwright.surrogate.pde.task import STAGES, field_task, solved_in
from formwright.surrogate.pretraining.matching import ViewMatch
from formwright.surrogate.pretraining.named import Kind
from formwright.surrogate.pretraining.named_views import (
    field_views,
    run_views,
    section_views,
    structure_views,
    views_named,
)
from formwright.surrogate.pretraining.pretexts import Pretext
from formwright.surrogate.pretraining.pretrain import Cases, PretrainConfig
from formwright.surrogate.rans.fields.panel_field_corpus import read_panel_fields
from formwright.surrogate.rans.fields.pretraining import graphs_of, masked_cells, matched_meshes
from formwright.surrogate.rans.fields.surrogate import FieldConfig, FieldSurrogate, Network
from formwright.surrogate.view import View

_FACTORS: Final = (1, 2, 4)
"""Cells that are joined in both directions, where they divide the meshes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Start:
    """What a pretraining begins with.

    Attributes:
        kind: Of the data.
        network: Makes the network.
        data: The cases.
        config: Settings to start from.
        views: What there is to choose from, by name.
        last: Views that the network needs after those that are chosen.
        of_two_views: Settings to start from where two views are compared; ``config`` where None.
    """

    kind: Kind
    network: Callable[[], nn.Module]
    data: Cases
    config: PretrainConfig
    views: Mapping[str, View]
    last: tuple[View, ...] = ()
    of_two_views: PretrainConfig | None = None

    def asked(self, pretext: Pretext | None) -> Start:
        """Return the start for a pretext; for the usual one where None."""
        if self.of_two_views is None or not isinstance(pretext, ViewMatch):
            return self
        return replace(self, config=self.of_two_views)


def what_to_pretrain(
    *,
    flows: Path | None = None,
    runs: Path | None = None,
    structures: Path | None = None,
    fields: Path | None = None,
    label: str | None = None,
    network: Network | None = None,
) -> Start:
    """Return the start for one of four kinds of data.

    Raises:
        ConfigError: None of them is given, or several, or runs without a label, or a network to
            choose for other data than fields.
    """
    if sum(given is not None for given in (flows, runs, structures, fields)) != 1:
        raise ConfigError(
            "give --flows (sections), --runs (unsteady runs), --structures (atoms) or --fields "
            "(flow on meshes), one of them."
        )
    if fields is not None:
        return _of_fields(fields, network or Network.GRID)
    if network is not None:
        raise ConfigError(f"--network {network} is a choice of --fields; leave it out.")
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


def _of_fields(folder: Path, network: Network) -> Start:
    """Return the start for flow on meshes."""
    config, data = FieldConfig(network=network), read_panel_fields(folder)
    size = data.grid.tolist()
    factors = tuple(by for by in _FACTORS if all(number % by == 0 for number in size))
    return Start(
        kind=Kind.FIELDS,
        network=lambda: FieldSurrogate(config),
        data=data,
        config=masked_cells(config),
        of_two_views=matched_meshes(config, factors=factors),
        views=field_views(factors),
        last=graphs_of(config),
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
        return (*views_named(given, start.views, start.config.labels), *start.last)
    if start.kind is not Kind.SECTIONS:
        raise ConfigError(
            f"views of {start.kind} go by name, views = [{', '.join(map(repr, start.views))}]; "
            "give their attributes in Python (PretrainConfig(views=...))."
        )
    return from_mapping(_SectionViews, {"views": given}, where="the file").views  # pyright: ignore
