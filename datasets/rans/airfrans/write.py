"""AirfRANS out: a flow record as a case of the dataset's folder, which PyPI's ``airfrans`` reads.

Readers of the dataset integrate forces from values at points. So those are means of the cells
around a point by the inverse of their area, exact for a velocity linear in the distance from the
wall whatever the stretching (by inverse distances there was 4 % more friction); on the wall,
pressure and normals are such that the means over the ends of a face are the face's.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float, Int

from formwright.datasets.errors import CorpusError
from formwright.datasets.rans.airfrans.cases import CHORD, CaseName, parse_name
from formwright.datasets.rans.airfrans.read import AEROFOIL, FREESTREAM, INTERNAL
from formwright.datasets.rans.flow_field import FlowField
from formwright.datasets.rans.plane_flow import boundary_edges, wall_ring
from formwright.datasets.vtk.vtp import PolyData, write_vtp
from formwright.datasets.vtk.vtu import of_quads, write_vtu

_SLICE: Final = 0.5
_NAME_REYNOLDS: Final = 1e-3
_NAME_ALPHA_DEG: Final = 1e-3
_ROWS: Final = 2048

Fields = Mapping[str, np.ndarray]


def write_case(folder: str | os.PathLike[str], name: str, flow: FlowField) -> Path:
    """Write a case: the internal mesh, the aerofoil and the free stream, in m and s.

    Args:
        folder: Of the dataset; the case gets a folder of its name in it.
        name: See ``airfrans.cases.case_name``; its speed gives the fields their size.
        flow: What to write.

    Returns:
        The folder of the case.

    Raises:
        CorpusError: The name is none, or says another Reynolds number or incidence than the flow.
        StorageError: It cannot be written.
    """
    case = parse_name(name)
    _check_name(case, flow)
    ring, _ = wall_ring(flow.points, flow.quads)
    cells = _dimensional(flow, case)
    wall = _wall_fields(flow, ring, case)
    points = _point_fields(flow, cells, ring, wall)
    distance = -wall_distance(flow.points, flow.points[ring]) * CHORD
    place = np.column_stack([flow.points * CHORD, np.full(len(flow.points), _SLICE)])
    target = Path(folder) / name
    internal = of_quads(
        place,
        flow.quads,
        point_data={**points, "implicit_distance": distance},
        cell_data=cells,
    )
    write_vtu(target / f"{name}{INTERNAL}", internal)
    write_vtp(target / f"{name}{AEROFOIL}", _aerofoil(place, ring, wall, points))
    write_vtp(target / f"{name}{FREESTREAM}", _freestream(flow, ring, place, cells, points))
    return target


def wall_distance(
    points: Float[np.ndarray, "points 2"], ring: Float[np.ndarray, "corners 2"]
) -> Float[np.ndarray, " points"]:
    """Return how far each point is from a closed line."""
    start, step = ring, np.roll(ring, -1, axis=0) - ring
    square = (step**2).sum(1)
    result = np.empty(len(points))
    for top in range(0, len(points), _ROWS):
        away = points[top : top + _ROWS, None] - start
        along = np.clip((away * step).sum(2) / square, 0.0, 1.0)
        result[top : top + _ROWS] = np.hypot(
            *np.moveaxis(away - along[..., None] * step, 2, 0)
        ).min(1)
    return result


def cells_to_points(
    points: Float[np.ndarray, "points 2"],
    corners: Int[np.ndarray, "cells 4"],
    values: Float[np.ndarray, "cells ..."],
) -> Float[np.ndarray, "points ..."]:
    """Return the means of the cells around each point, weighted by the inverse of their area.

    Args:
        points: Of the mesh; those that no cell has get zero.
        corners: Points of each cell; the last comes twice in a triangle.
        values: At the cells.
    """
    across = points[corners[:, 2:]] - points[corners[:, :2]]
    area = across[:, 0, 0] * across[:, 1, 1] - across[:, 0, 1] * across[:, 1, 0]
    weight = np.repeat(1.0 / np.abs(area), 4).reshape(-1, 4)
    weight[corners[:, 2] == corners[:, 3], 3] = 0.0
    total = np.bincount(corners.ravel(), weight.ravel(), len(points))
    flat = values.reshape(len(values), -1).astype(np.float64)
    sums = [
        np.bincount(corners.ravel(), (weight * column[:, None]).ravel(), len(points))
        for column in flat.T
    ]
    means = np.stack(sums, -1) / np.where(total > 0.0, total, 1.0)[:, None]
    return means.reshape(len(points), *values.shape[1:])


def faces_to_corners(values: Float[np.ndarray, "faces ..."]) -> Float[np.ndarray, "faces ..."]:
    """Return values at the first point of each face of a ring, whose means are the faces' values.

    Means of neighbours alone would round off the suction peak twice; one step puts that right, and
    no more than one, or values would swing at a sharp trailing edge.

    Args:
        values: At the faces, in order.
    """
    first = 0.5 * (values + np.roll(values, 1, axis=0))
    missing = values - 0.5 * (first + np.roll(first, -1, axis=0))
    return first + 0.5 * (missing + np.roll(missing, 1, axis=0))


def _check_name(case: CaseName, flow: FlowField) -> None:
    same = abs(case.reynolds - flow.reynolds) <= _NAME_REYNOLDS * flow.reynolds
    if not same or abs(case.alpha_deg - flow.alpha_deg) > _NAME_ALPHA_DEG:
        raise CorpusError(
            f"the name {case.name!r} says Re = {case.reynolds:.6g} at {case.alpha_deg:g} deg; the "
            f"flow has Re = {flow.reynolds:.6g} at {flow.alpha_deg:g} deg. Take the name from "
            "airfrans.cases.case_name."
        )


def _dimensional(flow: FlowField, case: CaseName) -> dict[str, np.ndarray]:
    """Return the fields at the cells in m and s."""
    velocity = np.zeros((len(flow.quads), 3), dtype=np.float32)
    velocity[:, :2] = flow.velocity * case.speed
    return {
        "U": velocity,
        "p": (flow.pressure * case.speed**2).astype(np.float32),
        "nut": (flow.nut * case.speed * CHORD).astype(np.float32),
    }


def _wall_fields(flow: FlowField, ring: np.ndarray, case: CaseName) -> dict[str, np.ndarray]:
    """Return pressure and inward normal of each face of the ring."""
    from scipy.spatial import KDTree

    start, end = flow.points[ring], flow.points[np.roll(ring, -1)]
    nearest = KDTree(flow.wall.centres).query(0.5 * (start + end))[1]
    step = end - start
    inward = np.stack([-step[:, 1], step[:, 0], np.zeros(len(step))], -1)
    return {
        "U": np.zeros((len(ring), 3), dtype=np.float32),
        "p": (0.5 * flow.wall.cp[nearest] * case.speed**2).astype(np.float32),
        "nut": np.zeros(len(ring), dtype=np.float32),
        "Normals": (inward / np.hypot(*step.T)[:, None]).astype(np.float32),
    }


def _point_fields(flow: FlowField, cells: Fields, ring: np.ndarray, wall: Fields) -> Fields:
    """Return the fields at the points; zero velocity marks the wall and nothing else."""
    result = {
        name: cells_to_points(flow.points, flow.quads, values).astype(np.float32)
        for name, values in cells.items()
    }
    still = result["U"][:, 0] == 0.0
    result["U"][still, 0] = np.finfo(np.float32).tiny
    result["p"][ring] = faces_to_corners(wall["p"])
    for name in ("U", "nut"):
        result[name][ring] = 0.0
    return result


def _aerofoil(place: np.ndarray, ring: np.ndarray, wall: Fields, points: Fields) -> PolyData:
    """Return the wall as lines, with normals of length one at points and lines."""
    n = len(ring)
    both = faces_to_corners(wall["Normals"])
    normals = both / np.maximum(np.linalg.norm(both, axis=1), 1e-9)[:, None]
    return PolyData(
        points=place[ring],
        lines=tuple(np.stack([np.arange(n), (np.arange(n) + 1) % n], -1)),
        point_data={name: values[ring] for name, values in points.items()} | {"Normals": normals},
        cell_data=dict(wall),
    )


def _freestream(
    flow: FlowField, ring: np.ndarray, place: np.ndarray, cells: Fields, points: Fields
) -> PolyData:
    """Return the outer boundary as lines, with the fields of the cells at it."""
    edges, owners = boundary_edges(flow.quads)
    outside = ~np.isin(edges, ring).all(1)
    edges, owners = edges[outside], owners[outside]
    used, lines = np.unique(edges, return_inverse=True)
    return PolyData(
        points=place[used],
        lines=tuple(lines.reshape(-1, 2)),
        point_data={name: values[used] for name, values in points.items()},
        cell_data={name: values[owners] for name, values in cells.items()},
    )
