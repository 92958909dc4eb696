"""Runs of fields on periodic grids as cases: points of the grid, frames in time, labels a run.

===================  =================  ==========================================================
attribute            shape              meaning
===================  =================  ==========================================================
``field``            (P, T, C)          C fields at T times, at every point, the last axis fastest
``grid``             (cases, D)         points along each axis
``spacing``          (cases, D)         distance of neighbours along each axis
``interval``         (cases,)           time between two frames
``start``            (cases,)           time of the first frame
``batch``, ``ptr``   (P,), (cases + 1,) the case of each point, as PyG's collation has them
===================  =================  ==========================================================

Labels and parameters are attributes of shape (cases,).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from formwright.datasets.cases import Batch, Case
from formwright.datasets.errors import CorpusError


def field_batch(
    values: Float[Tensor, "cases frames channels *space"],
    spacing: Float[Tensor, "cases axes"],
    interval: Float[Tensor, " cases"],
    start: Float[Tensor, " cases"],
    **labels: Float[Tensor, " cases"],
) -> Batch:
    """Join runs on one grid into a batch of cases."""
    cases, frames, channels, *space = values.shape
    points = math.prod(space)
    case = torch.arange(cases, device=values.device)
    grid = torch.tensor(space, device=values.device).expand(cases, -1)
    return Batch(
        field=values.flatten(3).permute(0, 3, 1, 2).reshape(-1, frames, channels),
        grid=grid,
        spacing=spacing,
        interval=interval,
        start=start,
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
        labels: By name, one value a run.
        names: Of the channels.
        failures: Reasons of the runs that are not there.
    """

    values: Float[Tensor, "runs frames channels *space"]
    spacing: tuple[float, ...]
    interval: float
    start: float
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
        whole = torch.ones(len(rows), dtype=values.dtype)
        return field_batch(
            values,
            torch.tensor(self.spacing, dtype=values.dtype).expand(len(rows), -1),
            self.interval * whole,
            self.start * whole,
            **{name: value[rows] for name, value in self.labels.items()},
        )

    def select(self, rows: Int[Tensor, " cases"]) -> FieldRuns:
        """Return some of the runs."""
        return FieldRuns(
            values=self.values[rows],
            spacing=self.spacing,
            interval=self.interval,
            start=self.start,
            labels={name: value[rows] for name, value in self.labels.items()},
            names=self.names,
        )


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
        spacing=first.spacing,
        interval=first.interval,
        start=first.start,
        labels={k: torch.cat([part.labels[k] for part in parts]) for k in first.labels},
        names=first.names,
        failures=tuple(reason for part in parts for reason in part.failures),
    )
