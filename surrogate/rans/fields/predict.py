"""Fields, wall and forces that a surrogate of RANS fields predicts, differentiable in the shape.

A section is meshed once; when its contour moves the mesh follows (``mesh.motion``), so that forces
have gradients with respect to contour, incidence and Reynolds number.
"""

from __future__ import annotations

import dataclasses
import math
import time
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from formwright.datasets.airfoils.contour import validate
from formwright.datasets.airfoils.sections import SectionLike, load_section
from formwright.datasets.errors import ConditionError
from formwright.datasets.rans.flow_axes import in_file_directions
from formwright.datasets.rans.flow_field import FlowField, Wall
from formwright.datasets.rans.forces import Forces, integrate, wall_geometry
from formwright.datasets.rans.mesh.c_grid import CGrid, section_grid
from formwright.datasets.rans.mesh.cmesh import CMesh
from formwright.datasets.rans.mesh.grid_knots import grid_knots
from formwright.datasets.rans.mesh.motion import moved_points, wall_displacement
from formwright.surrogate.rans.fields.inputs import CaseInputs, apply, case_inputs, joined_to_wall
from formwright.surrogate.rans.fields.network import FieldNet, graphs_for, wall_answer
from formwright.surrogate.rans.fields.samples import batched, prepared, question, spread

MAX_ALPHA_DEG: Final = 30.0


@dataclass(frozen=True, kw_only=True, slots=True)
class FieldPrediction:
    """What a surrogate says of one case, in chords and units of the free stream.

    Attributes:
        points: Of the mesh.
        velocity: At the cells.
        pressure: At the cells, over the density.
        nut: Eddy viscosity at the cells.
        centres: Middles of the faces of the wall.
        normals: Of the faces, out of the section.
        lengths: Of the faces.
        cp: Pressure coefficient at the faces.
        cf: Coefficient of the friction on the wall at the faces.
        forces: That pressure and friction integrate to.
    """

    points: Float[Tensor, "points 2"]
    velocity: Float[Tensor, "cells 2"]
    pressure: Float[Tensor, " cells"]
    nut: Float[Tensor, " cells"]
    centres: Float[Tensor, "faces 2"]
    normals: Float[Tensor, "faces 2"]
    lengths: Float[Tensor, " faces"]
    cp: Float[Tensor, " faces"]
    cf: Float[Tensor, "faces 2"]
    forces: Forces


def predict_grid(
    surrogate: FieldNet,
    grid: CGrid,
    alpha_deg: Float[Tensor, ""],
    reynolds: Float[Tensor, ""],
    points: Float[Tensor, "points 2"] | None = None,
    *,
    inputs: CaseInputs | None = None,
    dtype: torch.dtype = torch.float32,
) -> FieldPrediction:
    """Return the prediction on a mesh; differentiable in its points and the conditions.

    Args:
        surrogate: Trained.
        grid: The mesh.
        alpha_deg: Incidence, degrees.
        reynolds: On the chord.
        points: Of the mesh, where they have moved.
        inputs: From ``grid_inputs``, where they are known already.
        dtype: Of the influence of panels on cells.
    """
    points = torch.from_numpy(grid.points) if points is None else points
    nodes, cells = _wall_and_cells(grid, points)
    inputs = inputs or case_inputs(
        nodes, cells, alpha_deg, reynolds, knots=grid_knots(grid), dtype=dtype
    )
    factor = surrogate.config.factor
    precision = next(surrogate.buffers()).dtype
    case = question(grid, inputs, alpha_deg, reynolds, nodes, factor, precision)
    graphs = graphs_for(surrogate, case)
    batch = batched(prepared([case], graphs)) if graphs else case
    answer = surrogate(batch)
    cp, along = (part[0].double() for part in wall_answer(batch, answer))
    fields = apply(
        inputs,
        answer.decambering[0].double(),
        spread(answer.cells.double(), grid, factor),
        reynolds.double(),
    )
    centres, normals, lengths = wall_geometry(nodes)
    tangents = torch.stack([-normals[:, 1], normals[:, 0]], -1)
    cf = along[:, None] * tangents
    at_wall = torch.from_numpy(grid.wall_cells)
    height = ((cells[at_wall] - centres) * normals).sum(-1)
    velocity, pressure = joined_to_wall(
        inputs, fields[0], fields[1], at_wall, 0.5 * cp, 0.5 * cf * reynolds * height[:, None]
    )
    return FieldPrediction(
        points=points,
        velocity=velocity,
        pressure=pressure,
        nut=fields[2],
        centres=centres,
        normals=normals,
        lengths=lengths,
        cp=cp,
        cf=cf,
        forces=integrate(centres, normals, lengths, cp, cf, alpha_deg.double()),
    )


def grid_inputs(
    grid: CGrid, alpha_deg: Float[Tensor, ""], reynolds: Float[Tensor, ""]
) -> CaseInputs:
    """Return the inputs of a case on a mesh at rest, for several surrogates of the same case."""
    nodes, cells = _wall_and_cells(grid, torch.from_numpy(grid.points))
    return case_inputs(nodes, cells, alpha_deg, reynolds, knots=grid_knots(grid))


def _wall_and_cells(grid: CGrid, points: Tensor) -> tuple[Tensor, Tensor]:
    """Return the corners of the wall and the middles of the cells."""
    quads = torch.from_numpy(grid.quads)
    first, *others = (points.index_select(0, quads[:, k]) for k in range(4))
    return points[torch.from_numpy(grid.wall_corners)], 0.25 * sum(others, start=first)


def predict_section(
    surrogate: FieldNet,
    pos: Float[Tensor, "points 2"],
    alpha_deg: Float[Tensor, ""] | float,
    reynolds: Float[Tensor, ""] | float,
    *,
    grid: CGrid | None = None,
    base: Float[Tensor, "points 2"] | None = None,
    settings: CMesh | None = None,
    dtype: torch.dtype = torch.float32,
) -> FieldPrediction:
    """Return the prediction for a section; differentiable in contour and conditions.

    Args:
        surrogate: Trained.
        pos: Contour, normalised, upper trailing edge first.
        alpha_deg: Incidence, degrees.
        reynolds: On the chord.
        grid: A mesh to move; one is made where None.
        base: The contour that ``grid`` was made of.
        settings: Size of the mesh that is made; that of the corpus by default.
        dtype: Of the influence of panels on cells.

    Raises:
        SectionError: The contour is no section, or its trailing edge is blunt.
        ConditionError: A condition without meaning.
    """
    alpha = torch.as_tensor(alpha_deg, dtype=torch.float64)
    number = torch.as_tensor(reynolds, dtype=torch.float64)
    _check(float(alpha.detach()), float(number.detach()))
    pos = pos.double()
    if grid is None or base is None:
        base = pos.detach()
        validate(base)
        grid = section_grid(base, float(number.detach()), settings)
    points = torch.from_numpy(grid.points)
    if pos.requires_grad or not torch.equal(pos, base):
        corners = points[torch.from_numpy(grid.wall_corners)]
        points = moved_points(points, corners, wall_displacement(corners, base, pos))
    return predict_grid(surrogate, grid, alpha, number, points, dtype=dtype)


@torch.no_grad()
def predict_fields(
    surrogate: FieldNet,
    pos: Float[Tensor, "points 2"],
    alpha_deg: float,
    reynolds: float,
    *,
    settings: CMesh | None = None,
) -> FlowField:
    """Return the prediction as a record, for ``flow_files`` and ``rans.forces``.

    Args:
        surrogate: Trained.
        pos: Contour, normalised, upper trailing edge first; thin trailing edges are closed.
        alpha_deg: Incidence in the axes of the contour, degrees; ``predict_in_file`` takes that of
            a section's file.
        reynolds: On the chord.
        settings: Size of the mesh; that of the corpus by default.

    Raises:
        SectionError: The contour is no section, or its trailing edge is blunt.
        ConditionError: A condition without meaning.
    """
    begin = time.perf_counter()
    _check(alpha_deg, reynolds)
    pos = pos.detach().double()
    validate(pos)
    grid = section_grid(pos, reynolds, settings)
    found = predict_section(surrogate, pos, alpha_deg, reynolds, grid=grid, base=pos)
    record = as_record(found, grid, alpha_deg, reynolds)
    return dataclasses.replace(record, seconds=time.perf_counter() - begin)


def predict_in_file(
    surrogate: FieldNet,
    section: SectionLike,
    alpha_deg: float,
    reynolds: float,
    *,
    settings: CMesh | None = None,
) -> FlowField:
    """Return the prediction as a record in the directions of the section's file.

    The quarter chord is at (0.25, 0); ``flow_files.write_in_file_axes`` puts it where the file has
    it.

    Args:
        surrogate: Trained.
        section: As for ``load_section``.
        alpha_deg: Incidence in the axes of the section's file, degrees.
        reynolds: On the chord.
        settings: Size of the mesh; that of the corpus by default.

    Raises:
        SectionError: No section, or its trailing edge is blunt.
        ConditionError: A condition without meaning.

    Example:
        >>> import formwright
        >>> flow = formwright.predict_in_file(formwright.load("rans-fields"), "e387", 4.0, 3e6)
        >>> bool(flow.forces["cl"] > 0.5)
        True
    """
    loaded = load_section(section)
    own = alpha_deg + loaded.placement.rotation_deg
    flow = predict_fields(surrogate, loaded.pos, own, reynolds, settings=settings)
    turned = in_file_directions(flow, loaded.placement)
    return dataclasses.replace(turned, alpha_deg=alpha_deg)


def as_record(found: FieldPrediction, grid: CGrid, alpha_deg: float, reynolds: float) -> FlowField:
    """Return a prediction as a record without iterations."""
    points = found.points.detach().numpy()
    wall = _wall(found, grid, points, reynolds)
    return FlowField(
        points=points,
        quads=grid.quads.astype(np.int32),
        velocity=found.velocity.detach().numpy().astype(np.float32),
        pressure=found.pressure.detach().numpy().astype(np.float32),
        nut=found.nut.detach().numpy().astype(np.float32),
        wall=wall,
        alpha_deg=alpha_deg,
        reynolds=reynolds,
        forces={k: float(v.detach()) for k, v in _parts(found.forces).items()},
        iterations=0,
        residuals=np.empty((0, 5), dtype=np.float32),
        quality={"cells": float(len(grid.quads))},
    )


def _wall(found: FieldPrediction, grid: CGrid, points: np.ndarray, reynolds: float) -> Wall:
    centres, normals = found.centres.detach().numpy(), found.normals.detach().numpy()
    cf = found.cf.detach().numpy()
    middles = points[grid.quads[grid.wall_cells]].mean(1)
    height = ((middles - centres) * normals).sum(1)
    return Wall(
        centres=centres,
        normals=normals,
        lengths=found.lengths.detach().numpy(),
        cp=found.cp.detach().numpy(),
        cf=cf,
        y_plus=height * reynolds * np.sqrt(0.5 * np.hypot(*cf.T)),
        cells=grid.wall_cells,
    )


def _parts(forces: Forces) -> dict[str, Tensor]:
    return {f.name: getattr(forces, f.name) for f in dataclasses.fields(forces)}


def _check(alpha_deg: float, reynolds: float) -> None:
    """Refuse conditions that make no sense."""
    if not (math.isfinite(alpha_deg) and math.isfinite(reynolds) and reynolds > 0.0):
        raise ConditionError(
            f"fields need finite conditions and a positive Reynolds number; got alpha_deg = "
            f"{alpha_deg:g}, reynolds = {reynolds:g}."
        )
    if abs(alpha_deg) > MAX_ALPHA_DEG:
        raise ConditionError(
            f"a steady flow is predicted for |alpha_deg| <= {MAX_ALPHA_DEG:g}; got {alpha_deg:g}."
        )
