"""Converged RANS cases as samples for networks of fields, on every second cell or on every one.

===================  ===========  ==================================================================
attribute            shape        meaning
===================  ===========  ==================================================================
``features``         (C, F)       ``inputs.FEATURES``, mean over the cells joined
``grid``             (1, 3)       columns, lines, columns of half a wake
``target``           (C, 4)       ``inputs.CHANNELS``, mean over the cells joined
``wall_index``       (V,)         the joined cells at the wall
``wall_prior``       (W, 4)       speed, turning, friction, scale at the faces of the wall
``wall_geometry``    (W, 5)       middles, normals, lengths of the faces
``wall_truth``       (W, 2)       pressure and friction coefficient, the latter along the faces
``decambering``      (1,)         radians of incidence
``alpha_deg``        (1,)         degrees
``reynolds``         (1,)         on the chord
===================  ===========  ==================================================================
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from formwright.datasets.cases import Batch, Case
from formwright.datasets.rans.flow_field import FlowField, Wall
from formwright.datasets.rans.forces import wall_geometry
from formwright.datasets.rans.mesh.c_grid import CGrid, coarse_edges, grid_of
from formwright.datasets.rans.mesh.graph import (
    GraphLevel,
    coarse_centres,
    edge_geometry,
    hierarchy,
)
from formwright.datasets.rans.mesh.grid_knots import grid_knots
from formwright.surrogate.rans.fields.inputs import (
    CaseInputs,
    case_inputs,
    corrections,
    decambering,
)

FACTOR: Final = 2
_LARGEST: Final = 4.0


def sample(flow: FlowField, factor: int = FACTOR) -> Batch:
    """Return the sample of a record on a C-mesh of one block.

    Args:
        flow: Converged.
        factor: Cells joined along the section and away from it; it divides columns and lines.

    Raises:
        FlowFileError: The mesh is another one.
    """
    grid = grid_of(flow)
    alpha, reynolds = (_number(value) for value in (flow.alpha_deg, flow.reynolds))
    nodes = torch.from_numpy(grid.points[grid.wall_corners])
    with torch.no_grad():
        cells = torch.from_numpy(grid.centres)
        inputs = case_inputs(nodes, cells, alpha, reynolds, knots=grid_knots(grid))
    prior = wall_prior(inputs)
    cp = torch.from_numpy(np.asarray(flow.wall.cp, dtype=np.float64))
    found = decambering(prior, cp)
    fields = (torch.from_numpy(getattr(flow, n)).double() for n in ("velocity", "pressure", "nut"))
    target = corrections(inputs, found, *fields, reynolds=reynolds)
    target[:, :3] = target[:, :3].clamp(-_LARGEST, _LARGEST)
    whole = question(grid, inputs, alpha, reynolds, nodes, factor)
    whole.target = joined(target, grid, factor).float()
    whole.wall_truth = torch.stack([cp, along_wall(flow.wall)], -1).float()
    whole.decambering = found[None].float()
    return whole


def question(
    grid: CGrid,
    inputs: CaseInputs,
    alpha_deg: Tensor,
    reynolds: Tensor,
    nodes: Tensor,
    factor: int = FACTOR,
    dtype: torch.dtype = torch.float32,
) -> Batch:
    """Return what a network sees of a case: a sample without answers.

    Args:
        grid: Of the case.
        inputs: At its cells.
        alpha_deg: Incidence, degrees.
        reynolds: On the chord.
        nodes: Corners of the wall.
        factor: Cells joined in both directions.
        dtype: Of what the network sees.
    """
    size = torch.tensor([grid.columns, grid.lines, grid.wake]) // factor
    columns, lines, wake = size.tolist()
    case = Batch(
        features=joined(inputs.features, grid, factor).contiguous().to(dtype),
        grid=size[None],
        wall_index=torch.arange(wake, columns - wake) * lines,
        wall_prior=wall_prior(inputs).to(dtype),
        wall_geometry=torch.cat(
            [part.reshape(len(nodes) - 1, -1) for part in wall_geometry(nodes)], -1
        ).to(dtype),
        alpha_deg=alpha_deg[None].to(dtype),
        reynolds=reynolds[None].to(dtype),
    )
    case.num_nodes = columns * lines
    return case


def joined(
    values: Float[Tensor, "cells channels"], grid: CGrid, factor: int
) -> Float[Tensor, "joined channels"]:
    """Return means over ``factor`` x ``factor`` cells of a grid."""
    pictures = values.T.reshape(-1, grid.columns, grid.lines)
    return torch.nn.functional.avg_pool2d(pictures, factor).flatten(1).T


def coarser(case: Case, by: int) -> Case:
    """Return a sample whose cells are ``by`` x ``by`` of those of another, joined.

    Args:
        case: A sample.
        by: It divides columns, lines and the columns of half a wake.
    """
    columns, lines, wake = (case.grid[0] // by).tolist()
    result = case.clone()
    for name in ("features", "target"):
        if name in case:
            blocks = case[name].reshape(columns, by, lines, by, -1)
            result[name] = blocks.mean((1, 3)).flatten(0, 1)
    result.grid = case.grid // by
    result.wall_index = torch.arange(wake, columns - wake) * lines
    result.num_nodes = columns * lines
    return result


def spread(
    values: Float[Tensor, "joined channels"], grid: CGrid, factor: int
) -> Float[Tensor, "cells channels"]:
    """Return values of joined cells at the cells themselves, linear between their middles."""
    picture = values.unflatten(0, (grid.columns // factor, grid.lines // factor)).permute(2, 0, 1)
    size = (grid.columns, grid.lines)
    whole = torch.nn.functional.interpolate(picture[None], size=size, mode="bilinear")[0]
    return whole.permute(1, 2, 0).flatten(0, 1)


def wall_prior(inputs: CaseInputs) -> Float[Tensor, "faces 4"]:
    """Return what ``inputs.apply_at_wall`` corrects."""
    parts = inputs.wall_speed, inputs.wall_turning, inputs.wall_cf, inputs.wall_scale
    return torch.stack(parts, -1)


def along_wall(wall: Wall) -> Float[Tensor, " faces"]:
    """Return the friction along the faces, signed in their order."""
    tangents = np.stack([-wall.normals[:, 1], wall.normals[:, 0]], -1)
    return torch.from_numpy((wall.cf * tangents).sum(1))


def grid_graphs(case: Case, levels: int, seed: int = 0) -> list[GraphLevel]:
    """Return the hierarchy of graphs of the joined cells of a sample; that of all of its size."""
    columns, lines, wake = (int(n) for n in case.grid[0])
    return hierarchy(coarse_edges(columns, lines, wake), columns * lines, levels, seed)


def batched(cases: Sequence[Case]) -> Batch:
    """Join samples of one size; indices of cells and of nodes of graphs count through all cases."""
    names = [name for name in cases[0].keys() if isinstance(cases[0][name], Tensor)]
    cells = torch.tensor([len(case["features"]) for case in cases])
    counted = {"wall_index": cells}
    for name in names:
        kind, _, level = name.rpartition("_")
        if kind in ("edges", "parent"):
            size = f"size_{int(level) + (kind == 'parent')}"
            counted[name] = torch.cat([case[size] for case in cases])
    result = {}
    for name in names:
        values = [case[name] for case in cases]
        if name in counted:
            starts = counted[name].cumsum(0) - counted[name]
            values = [value + start for value, start in zip(values, starts, strict=True)]
        result[name] = torch.cat(values, 1 if name.startswith("edges_") else 0)
    device = result["features"].device
    return Batch(
        **result,
        num_nodes=int(cells.sum()),
        batch=torch.arange(len(cases)).repeat_interleave(cells).to(device),
        ptr=torch.cat([cells.new_zeros(1), cells.cumsum(0)]).to(device),
    )


def with_graphs(case: Case, centres: Float[Tensor, "cells 2"], levels: list[GraphLevel]) -> Batch:
    """Return a case that a ``MeshGNN`` can read.

    It has ``edges_K``, ``offsets_K``, ``size_K`` and ``parent_K`` of each graph K.

    Args:
        case: With ``features`` of its cells.
        centres: Of the cells, chords.
        levels: From ``hierarchy``.
    """
    whole = Batch.from_dict(case.to_dict())
    for k, level in enumerate(levels):
        whole[f"edges_{k}"] = level.edges
        whole[f"offsets_{k}"] = edge_geometry(centres, level.edges).to(case.features)
        whole[f"size_{k}"] = torch.tensor([level.size])
        if k + 1 < len(levels):
            whole[f"parent_{k}"] = level.parent
            centres = coarse_centres(centres, level.parent)
    return whole


def prepared(cases: Sequence[Case], graphs: list[GraphLevel] | None) -> list[Case]:
    """Return samples of one size with the graphs of their cells, where a network needs them."""
    if not graphs:
        return list(cases)
    return [with_graphs(case, positions(case.features), graphs) for case in cases]


def positions(features: Float[Tensor, "cells features"]) -> Float[Tensor, "cells 2"]:
    """Return the middles of cells in chords, from the features."""
    x = torch.sinh(features[:, :2].double()) / 2.0
    return torch.stack([x[:, 0] + 0.5, x[:, 1]], -1)


def _number(value: float) -> Float[Tensor, ""]:
    return torch.tensor(value, dtype=torch.float64)
