"""Runs of fields on grids as cases: points of the grid, frames in time, labels a run.

===================  =================  ==========================================================
attribute            shape              meaning
===================  =================  ==========================================================
``field``            (P, T, C)          C fields at T times, at every point, the last axis fastest
``grid``             (cases, D)         points along each axis
``spacing``          (cases, D)         distance of neighbours along each axis
``interval``         (cases,)           time between two frames
``start``            (cases,)           time of the first frame
``periodic``         (cases, D)         whether the field goes on beyond the ends of each axis
``batch``, ``ptr``   (P,), (cases + 1,) the case of each point, as PyG's collation has them
===================  =================  ==========================================================

Labels and parameters are attributes of shape (cases,).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from formwright.datasets.cases import Batch, Case
from formwright.datasets.errors import CorpusError

TOLERANCE: Final = 1e-3
"""Of steps that are called equal, relative."""


def field_batch(
    values: Float[Tensor, "cases frames channels *space"],
    spacing: Float[Tensor, "cases axes"],
    interval: Float[Tensor, " cases"],
    start: Float[Tensor, " cases"],
    periodic: Bool[Tensor, "cases axes"] | None = None,
    **labels: Float[Tensor, " cases"],
) -> Batch:
    """Join runs on one grid into a batch of cases; all axes are periodic where nothing is said."""
    cases, frames, channels, *space = values.shape
    if periodic is None:
        periodic = torch.ones(cases, len(space), dtype=torch.bool, device=values.device)
    points = math.prod(space)
    case = torch.arange(cases, device=values.device)
    grid = torch.tensor(space, device=values.device).expand(cases, -1)
    return Batch(
        field=values.flatten(3).permute(0, 3, 1, 2).reshape(-1, frames, channels),
        grid=grid,
        spacing=spacing,
        interval=interval,
        start=start,
        periodic=periodic,
        batch=case.repeat_interleave(points),
        ptr=torch.arange(cases + 1, device=values.device) * points,
        num_nodes=cases * points,
        **labels,
    )


def grid_values(batch: Case) -> Float[Tensor, "cases frames channels *space"]:
    """Return the fields of a batch on their grid.

    Raises:
        CorpusError: The cases lie on several grids, or there is no field.
    """
    if "field" not in batch or "grid" not in batch:
        raise CorpusError(
            f"a case on a grid has the attributes 'field' and 'grid'; got {batch.keys()}. "
            "datasets.fields.field_batch makes one."
        )
    grid = batch.grid
    if (grid != grid[0]).any():
        raise CorpusError(
            f"the cases of a batch should lie on one grid; got {grid.unique(dim=0).tolist()}. "
            "Batch them by grid, or bring them to one with views.fields.Coarsen."
        )
    space = grid[0].tolist()
    whole = batch.field.reshape(len(grid), math.prod(space), *batch.field.shape[1:])
    return whole.permute(0, 2, 3, 1).unflatten(-1, space)


def on_rings(periodic: Bool[Tensor, "cases axes"], what: str) -> None:
    """Refuse cases that do not go on round the ends of their grid.

    Args:
        periodic: Whether each axis of each case is.
        what: Supposes it, for the error.

    Raises:
        CorpusError: A case has walls, open ends, or does not say what lies at its ends.
    """
    if not periodic.all():
        case, axis = (~periodic).nonzero()[0].tolist()
        raise CorpusError(
            f"{what} goes round the ends of a grid, and axis {axis} of case {case} is not periodic "
            "by its file (boundary_conditions): beyond a wall lies another field than at the "
            "opposite end. Take periodic runs, or an encoder of your own that pads otherwise."
        )


def with_values(
    batch: Case, values: Float[Tensor, "cases frames channels *space"], **changed: Tensor
) -> Batch:
    """Return the batch with other fields, and other attributes where named.

    Attributes of cases stay; those of points do not, since the points are others.
    """
    own, cases = ("field", "grid", "batch", "ptr", "num_nodes"), len(batch.grid)
    rest = {
        k: v
        for k, v in batch.to_dict().items()
        if k not in own and isinstance(v, Tensor) and len(v) == cases
    }
    return field_batch(values, **{**rest, **changed})


@dataclass(frozen=True, kw_only=True, slots=True)
class FieldRuns:
    """Runs in memory.

    Attributes:
        values: Fields of all runs on one grid.
        spacing: Distance of neighbours along each axis.
        interval: Time between two frames.
        start: Time of the first frame.
        periodic: Whether each axis is.
        labels: By name, one value a run.
        names: Of the channels.
        failures: Reasons of the runs that are not there.
    """

    values: Float[Tensor, "runs frames channels *space"]
    spacing: Float[Tensor, "runs axes"]
    interval: Float[Tensor, " runs"]
    start: Float[Tensor, " runs"]
    periodic: Bool[Tensor, "runs axes"]
    labels: Mapping[str, Float[Tensor, " runs"]]
    names: tuple[str, ...]
    failures: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse fields that hold NaN, and labels of another length."""
        finite = torch.isfinite(self.values).flatten(1).all(1)
        if not finite.all():
            bad = (~finite).nonzero()[:, 0].tolist()
            raise CorpusError(
                f"{len(bad)} of {len(self.values)} runs hold values that are not finite (the "
                f"first: {bad[:5]}): leave them out, and say why."
            )
        for name, value in self.labels.items():
            if value.shape != (len(self.values),):
                raise CorpusError(
                    f"label {name!r} should hold one value for each of {len(self.values)} runs; "
                    f"got shape {tuple(value.shape)}."
                )

    def __len__(self) -> int:
        """Return the number of runs."""
        return len(self.values)

    def batch(self, rows: Int[Tensor, " cases"]) -> Batch:
        """Return some runs, all their frames, as one batch of cases."""
        values = self.values[rows]
        return field_batch(
            values,
            self.spacing[rows].to(values.dtype),
            self.interval[rows].to(values.dtype),
            self.start[rows].to(values.dtype),
            self.periodic[rows],
            **{name: value[rows] for name, value in self.labels.items()},
        )

    def select(self, rows: Int[Tensor, " cases"]) -> FieldRuns:
        """Return some of the runs."""
        return FieldRuns(
            values=self.values[rows],
            spacing=self.spacing[rows],
            interval=self.interval[rows],
            start=self.start[rows],
            periodic=self.periodic[rows],
            labels={name: value[rows] for name, value in self.labels.items()},
            names=self.names,
        )


def alike_runs(
    *,
    values: Float[Tensor, "runs frames channels *space"],
    spacing: Sequence[float],
    interval: float,
    start: float,
    labels: Mapping[str, Float[Tensor, " runs"]],
    names: tuple[str, ...],
    failures: tuple[str, ...] = (),
) -> FieldRuns:
    """Return runs on periodic grids that have spacing, interval and start in common."""
    count = len(values)
    return FieldRuns(
        values=values,
        spacing=torch.tensor([*spacing], dtype=torch.float64).repeat(count, 1),
        interval=torch.full((count,), interval, dtype=torch.float64),
        start=torch.full((count,), start, dtype=torch.float64),
        periodic=torch.ones(count, len(spacing), dtype=torch.bool),
        labels=labels,
        names=names,
        failures=failures,
    )


def check_alike(runs: FieldRuns) -> FieldRuns:
    """Return the runs if one network that sees neither steps nor boundaries can read all of them.

    Raises:
        CorpusError: Two runs differ in spacing or in the time between frames, or an axis is not
            periodic.
    """
    for what, steps in (("time between frames", runs.interval[:, None]), ("spacing", runs.spacing)):
        away = ((steps - steps[0]).abs() > TOLERANCE * steps[0].abs()).any(1)
        if away.any():
            run = int(away.nonzero()[0, 0])
            raise CorpusError(
                f"the {what} differs between runs: {steps[0].tolist()} in the first, "
                f"{steps[run].tolist()} in run {run}. An encoder sees frames and points, not their "
                "distance, and would take one for the other: keep such runs in folders of their "
                "own, or bring them to one step."
            )
    on_rings(runs.periodic, "the encoder of runs")
    return runs


def join_runs(parts: Sequence[FieldRuns]) -> FieldRuns:
    """Return the runs of several sets as one.

    Raises:
        CorpusError: There are none, or they are not of one form.
    """
    if not parts:
        raise CorpusError("there are no runs to join.")
    first = parts[0]
    for part in parts[1:]:
        same = part.values.shape[1:] == first.values.shape[1:] and part.names == first.names
        if not same or set(part.labels) != set(first.labels):
            raise CorpusError(
                f"runs of two forms: {first.names} {tuple(first.values.shape[1:])} with labels "
                f"{sorted(first.labels)}, and {part.names} {tuple(part.values.shape[1:])} with "
                f"{sorted(part.labels)}. Read them apart."
            )
    return FieldRuns(
        values=torch.cat([part.values for part in parts]),
        spacing=torch.cat([part.spacing for part in parts]),
        interval=torch.cat([part.interval for part in parts]),
        start=torch.cat([part.start for part in parts]),
        periodic=torch.cat([part.periodic for part in parts]),
        labels={k: torch.cat([part.labels[k] for part in parts]) for k in first.labels},
        names=first.names,
        failures=tuple(reason for part in parts for reason in part.failures),
    )
