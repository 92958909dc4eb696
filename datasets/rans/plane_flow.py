"""A flow record from what files of meshes hold: points, quadrilaterals and fields, no wall.

The wall is the boundary inside the mesh. Its friction is the gradient in the first cell, as a
solver takes it on a wall that it resolves: ``nu (u - (u . n) n) / h``.
"""

from __future__ import annotations

import dataclasses
from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Int

from formwright.datasets.airfoils.contour import points_backward
from formwright.datasets.errors import FlowFileError
from formwright.datasets.rans.flow_field import FlowField, Wall, cell_centres
from formwright.datasets.rans.forces import REFERENCE, integrate_flow

_BASE_NORMAL: Final = 0.8
_BASE_SHARE: Final = 0.02
_CHORDS: Final = (0.9, 1.1)
_STREAMS: Final = (0.8, 1.25)
_PRESSURES: Final = (0.05, 1.12)
_EDDIES: Final = (0.0, 1e5)
_NOSE: Final = (0.03, 0.1)
_FRICTION: Final = 20.0
_LEAST_FRICTION: Final = 0.02


def flow_from_plane(
    points: Float[np.ndarray, "points 2"],
    quads: Int[np.ndarray, "cells 4"],
    *,
    velocity: Float[np.ndarray, "cells 2"],
    pressure: Float[np.ndarray, " cells"],
    nut: Float[np.ndarray, " cells"],
    alpha_deg: float,
    reynolds: float,
) -> FlowField:
    """Return the record of a flow around a section, its wall found and its forces integrated.

    Args:
        points: In chords.
        quads: Corners of each cell, either way around; the last comes twice in a triangle.
        velocity: At the cells, in units of the free stream.
        pressure: At the cells, over density and squared free stream.
        nut: Eddy viscosity at the cells, over free stream and chord.
        alpha_deg: Incidence, degrees.
        reynolds: On the chord.

    Raises:
        FlowFileError: The mesh has no hole or several, its edge is no closed line, or the section
            in it has its nose at the larger x.
    """
    quads = counterclockwise(points, quads)
    ring, cells = wall_ring(points, quads)
    wall = wall_from_cells(points, quads, ring, cells, velocity, pressure, reynolds)
    flow = FlowField(
        points=points,
        quads=quads.astype(np.int32),
        velocity=velocity.astype(np.float32),
        pressure=pressure.astype(np.float32),
        nut=nut.astype(np.float32),
        wall=wall,
        alpha_deg=alpha_deg,
        reynolds=reynolds,
        forces={},
        iterations=0,
        residuals=np.empty((0, 5), dtype=np.float32),
        quality={"cells": float(len(quads))},
    )
    return with_forces(flow)


def wall_from_cells(
    points: Float[np.ndarray, "points 2"],
    quads: Int[np.ndarray, "cells 4"],
    ring: Int[np.ndarray, " faces"],
    cells: Int[np.ndarray, " faces"],
    velocity: Float[np.ndarray, "cells 2"],
    pressure: Float[np.ndarray, " cells"],
    reynolds: float,
) -> Wall:
    """Return the wall with the pressure of the cells at it, and friction from their velocity.

    Args:
        points: Of the mesh.
        quads: Its cells.
        ring: From ``wall_ring``.
        cells: From ``wall_ring``.
        velocity: At all cells.
        pressure: At all cells.
        reynolds: On the chord.
    """
    start, end = points[ring], points[np.roll(ring, -1)]
    lengths = np.hypot(*(end - start).T)
    normals = np.stack([(end - start)[:, 1], (start - end)[:, 0]], -1) / lengths[:, None]
    centres = 0.5 * (start + end)
    height = ((cell_centres(points, quads[cells]) - centres) * normals).sum(1)
    near = velocity[cells].astype(np.float64)
    along = near - (near * normals).sum(1, keepdims=True) * normals
    shear = along / (reynolds * height[:, None])
    return Wall(
        centres=centres,
        normals=normals,
        lengths=lengths,
        cp=2.0 * pressure[cells].astype(np.float64),
        cf=2.0 * shear,
        y_plus=height * reynolds * np.sqrt(np.hypot(*shear.T)),
        cells=cells,
    )


def counterclockwise(
    points: Float[np.ndarray, "points 2"], quads: Int[np.ndarray, "cells 4"]
) -> Int[np.ndarray, "cells 4"]:
    """Return the cells with their corners counterclockwise, the first staying first.

    In a triangle the corner that comes twice stays the last.
    """
    first, second = (
        points[quads[:, 2]] - points[quads[:, 0]],
        points[quads[:, 3]] - points[quads[:, 1]],
    )
    clockwise = first[:, 0] * second[:, 1] < first[:, 1] * second[:, 0]
    three = quads[:, 2] == quads[:, 3]
    turned = np.where(three[:, None], quads[:, [0, 2, 1, 1]], quads[:, [0, 3, 2, 1]])
    return np.where(clockwise[:, None], turned, quads)


def wall_ring(
    points: Float[np.ndarray, "points 2"], quads: Int[np.ndarray, "cells 4"]
) -> tuple[Int[np.ndarray, " faces"], Int[np.ndarray, " faces"]]:
    """Return the first point of each wall face and the cell at it, in the order of ``Wall``.

    Args:
        points: Of the mesh; those of a cut (wake) may come twice.
        quads: Cells, counterclockwise.

    Raises:
        FlowFileError: There is no hole or several, its edge is no closed line, or the section in
            it has its nose at the larger x.
    """
    first, edges, cells, inside = _boundary(points, quads)
    ring, cells = _chained(edges[inside, ::-1], cells[inside])
    corners = points[first[ring]]
    if points_backward(corners):
        raise FlowFileError(
            "the section has its nose at the larger x: the flow comes from the other side. Mirror "
            "points and velocities (x -> -x)."
        )
    start, _ = upper_corner(corners)
    return first[np.roll(ring, -start)], np.roll(cells, -start)


def outer_stream(flow: FlowField) -> Float[np.ndarray, " 2"]:
    """Return the mean velocity along the outer boundary, in units of the free stream."""
    first, edges, cells, inside = _boundary(flow.points, flow.quads)
    ends = flow.points[first[edges[~inside]]]
    length = np.hypot(*(ends[:, 1] - ends[:, 0]).T)
    return np.average(flow.velocity[cells[~inside]].astype(np.float64), axis=0, weights=length)


def check_units(flow: FlowField) -> None:
    """Refuse a record that is not in chords and units of the free stream.

    Raises:
        FlowFileError: With the field, what was found, and what was expected.
    """
    alpha = np.deg2rad(flow.alpha_deg)
    stream = float(outer_stream(flow) @ [np.cos(alpha), np.sin(alpha)])
    checks = (
        ("points", "the chord is {:.4g}", float(np.ptp(flow.wall.centres[:, 0])), _CHORDS),
        ("U", "the stream at the outer boundary is {:.4g} along the incidence", stream, _STREAMS),
        ("p", "the largest 2 p at the wall is {:.4g}", float(flow.wall.cp.max()), _PRESSURES),
        ("nut", "the largest nut is {:.4g} / Re", float(flow.nut.max()) * flow.reynolds, _EDDIES),
    )
    for field, what, value, (low, high) in checks:
        if not low <= value <= high:
            raise FlowFileError(
                f"{field!r} is not in chords and units of the free stream: {what.format(value)}, "
                f"where {low:g} to {high:g} is possible. Divide points by the chord c, U by the "
                "free stream V, p by density and V^2, nut by V c, and check the incidence."
            )


def check_place(flow: FlowField) -> None:
    """Refuse a record whose section is not where the moment is taken, or at no Reynolds number.

    Raises:
        FlowFileError: The nose is not at the origin, or the friction is none of that Reynolds
            number.
    """
    nose = flow.wall.centres[flow.wall.centres[:, 0].argmin()]
    if abs(nose[0]) > _NOSE[0] or abs(nose[1]) > _NOSE[1]:
        raise FlowFileError(
            f"the nose of the section is at ({nose[0]:.4g}, {nose[1]:.4g}), and moments are taken "
            f"about ({REFERENCE[0]:g}, {REFERENCE[1]:g}): move the points until the nose is at "
            "(0, 0)."
        )
    friction = float(np.median(np.hypot(*flow.wall.cf.T)))
    if friction > max(_FRICTION / np.sqrt(flow.reynolds), _LEAST_FRICTION):
        raise FlowFileError(
            f"the friction at the wall is {friction:.4g} of the dynamic pressure, which no flow at "
            f"a Reynolds number of {flow.reynolds:g} has: give that of the chord and the stream."
        )


def _boundary(
    points: np.ndarray, quads: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the different points, the edges between them, their cells, and which are the wall's.

    Raises:
        FlowFileError: There is no hole, or there are several.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    once, first, place = np.unique(points, axis=0, return_index=True, return_inverse=True)
    edges, cells = boundary_edges(place.reshape(-1)[quads])
    shape = (len(once), len(once))
    links = coo_array((np.ones(len(edges), bool), (edges[:, 0], edges[:, 1])), shape=shape)
    label = connected_components(links, directed=False)[1][edges[:, 0]]
    names, inverse = np.unique(label, return_inverse=True)
    if len(names) < 2:
        raise FlowFileError("the mesh has no hole: without a wall it is no flow around a section.")
    widths = np.array([np.ptp(once[edges[inverse == i, 0], 0]) for i in range(len(names))])
    if len(names) > 2:
        holes = ", ".join(f"{width:.4g}" for width in np.delete(widths, widths.argmax()))
        raise FlowFileError(
            f"the mesh has {len(names) - 1} holes, {holes} long: a flow around several elements. "
            "Forces are those of one section; give a flow around one."
        )
    return first, edges, cells, inverse == int(np.argmin(widths))


def upper_corner(
    corners: Float[np.ndarray, "corners 2"],
) -> tuple[int, Bool[np.ndarray, " corners"]]:
    """Return where the upper side of a section starts, and which steps are the blunt base.

    Args:
        corners: Of a closed contour, counterclockwise, the trailing edge at the larger x.
    """
    x = corners[:, 0]
    step = np.roll(corners, -1, axis=0) - corners
    upright = step[:, 1] > _BASE_NORMAL * np.hypot(*step.T)
    base = upright & (x > x.max() - _BASE_SHARE * np.ptp(x))
    start = int(x.argmax())
    while base[start]:
        start = (start + 1) % len(corners)
    return start, base


def boundary_edges(
    quads: Int[np.ndarray, "cells 4"],
) -> tuple[Int[np.ndarray, "edges 2"], Int[np.ndarray, " edges"]]:
    """Return the edges that one cell has, that cell on their left, and the cell of each."""
    edges = np.stack([quads, np.roll(quads, -1, axis=1)], -1).reshape(-1, 2)
    keys = edges.min(1).astype(np.int64) * (int(quads.max()) + 1) + edges.max(1)
    _, first, counts = np.unique(keys, return_index=True, return_counts=True)
    alone = np.sort(first[counts == 1])
    alone = alone[np.not_equal(*edges[alone].T)]
    return edges[alone], alone // 4


def with_forces(flow: FlowField) -> FlowField:
    """Return the record with the forces that its wall integrates to."""
    result = dataclasses.asdict(integrate_flow(flow))
    return dataclasses.replace(flow, forces={name: float(value) for name, value in result.items()})


def _chained(edges: np.ndarray, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the starts of directed edges and their cells, one edge after the other."""
    by_start = {int(start): i for i, start in enumerate(edges[:, 0])}
    order, at = [0], int(edges[0, 1])
    while at in by_start and len(order) <= len(edges) and at != int(edges[0, 0]):
        order.append(by_start[at])
        at = int(edges[order[-1], 1])
    if len(by_start) < len(edges) or len(order) != len(edges):
        raise FlowFileError(
            f"the wall is no closed line: {len(order)} of its {len(edges)} faces follow each other."
        )
    return edges[order, 0], cells[order]
