"""Sections from surfaces of other tools: an extruded STL, OBJ, PLY, VTK, VTP or VTU, cut mid-span.

The direction of the span is the axis that every face holds or is square to. Where the sides are
ruled along it, the points of the cut are those of the contour itself; diagonals of triangles add
none.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Float, Int

from formwright.datasets.airfoils.contour import MIN_POINTS
from formwright.datasets.airfoils.section import Section, section_from_points, tell_odd
from formwright.datasets.errors import FlowFileError, SectionError, UnknownNameError, did_you_mean
from formwright.datasets.rans.plane_flow import upper_corner
from formwright.datasets.vtk.vtp import PolyData, read_vtp
from formwright.datasets.vtk.vtu import (
    LINE,
    POLYGON,
    POLYLINE,
    QUAD,
    THIN,
    TRIANGLE,
    Mesh,
    read_vtu,
)

SUFFIXES: Final = (".stl", ".obj", ".ply", ".vtk", ".vtp", ".vtu")
_SAME: Final = 1e-6
_STRAIGHT: Final = 1e-3
_UNITS: Final = ((0.9, 1.1, "chords or metres"), (90.0, 110.0, "percent or centimetres"))
_MILLIMETRES: Final = 900.0
_FACES: Final = (TRIANGLE, POLYGON, QUAD)
_TRIANGLES: Final = {"triangle": [[0, 1, 2]], "quad": [[0, 1, 2], [0, 2, 3]]}


def read_section(path: str | os.PathLike[str], name: str | None = None) -> Section:
    """Read the section of an extruded surface, or a closed line in a plane.

    The file's chord and incidence are in ``placement``; its size is remarked in ``description``.

    Args:
        path: ``.stl``, ``.obj``, ``.ply``, ``.vtk``, ``.vtp`` or ``.vtu``.
        name: Of the section; the file's stem by default.

    Raises:
        UnknownNameError: Another suffix.
        FlowFileError: The file is absent, cut off, or holds no surface.
        SectionError: The surface is no extrusion, has no closed contour, or one that is no section.
    """
    name = name or Path(path).stem
    points, lines, triangles = _read(path)
    if len(triangles):
        contour = _cut(points, triangles, str(path))
    else:
        flat = _plane_axes(points[np.unique(lines)])
        contour = _ring(lines, points[:, flat], str(path))
    section = section_from_points(_opened(contour), name, source=str(path))
    tell_odd(section, stacklevel=2)
    return dataclasses.replace(section, description=_size(section.placement.chord))


def _read(path: str | os.PathLike[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return points (N, 3) without duplicates, lines and triangles of a file."""
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise UnknownNameError(
            f"cannot read a section from {str(path)!r}: the suffix {suffix!r} is none of "
            f"{', '.join(SUFFIXES)}.{did_you_mean(suffix, SUFFIXES)}"
        )
    if suffix in (".vtp", ".vtu"):
        data = read_vtp(path) if suffix == ".vtp" else _poly_data(read_vtu(path), path)
        points, lines, triangles = data.points, data.segments(), data.triangles()
    else:
        points, lines, triangles = _of_mesh(_meshio(path, suffix), path)
    if not np.isfinite(points).all():
        raise FlowFileError(f"{str(path)!r} holds a point that is not finite. Export it again.")
    points, place = _merged(points.astype(np.float64))
    lines, triangles = place[lines], place[triangles]
    lines = lines[lines[:, 0] != lines[:, 1]]
    triangles = triangles[(triangles != np.roll(triangles, 1, axis=1)).all(1)]
    if not len(lines) and not len(triangles):
        raise FlowFileError(f"{str(path)!r} holds neither lines nor faces: no surface to cut.")
    return points, lines, triangles


def _meshio(path: str | os.PathLike[str], suffix: str) -> Any:
    """Read through meshio."""
    import meshio

    if not Path(path).is_file():
        raise FlowFileError(f"cannot read {str(path)!r}: there is no such file. Check the path.")
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            return meshio.read(path, file_format=suffix[1:])
    except (Exception, SystemExit) as error:
        raise FlowFileError(
            f"{str(path)!r} is no whole {suffix} file ({type(error).__name__}: {error}): it was "
            "cut off, or is of another format. Export it again."
        ) from error


def _poly_data(mesh: Mesh, path: str | os.PathLike[str]) -> PolyData:
    """Return the lines and faces of a ``.vtu`` file."""
    others = np.flatnonzero(~np.isin(mesh.kinds, (*THIN, *_FACES)))
    if len(others):
        raise _no_surface(path, mesh.names(others))
    cells = np.split(mesh.corners, mesh.ends[:-1])
    lines = np.flatnonzero(np.isin(mesh.kinds, (LINE, POLYLINE)))
    faces = np.flatnonzero(np.isin(mesh.kinds, _FACES))
    return PolyData(
        points=mesh.points,
        lines=tuple(cells[i] for i in lines),
        polygons=tuple(cells[i] for i in faces),
    )


def _no_surface(path: str | os.PathLike[str], kinds: str) -> FlowFileError:
    return FlowFileError(
        f"{str(path)!r} holds cells of the kind {kinds}; a section is cut from a surface of "
        "triangles or quadrilaterals. Extract the surface of the body first."
    )


def _of_mesh(mesh: Any, path: str | os.PathLike[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return points, lines and triangles of a mesh of meshio."""
    kinds = {block.type for block in mesh.cells}
    others = sorted(kinds - {"line", "vertex", *_TRIANGLES})
    if others:
        raise _no_surface(path, ", ".join(others))
    lines, triangles = [np.empty((0, 2), int)], [np.empty((0, 3), int)]
    for block in mesh.cells:
        corners = np.asarray(block.data, dtype=int)
        if block.type == "line":
            lines.append(corners)
        elif block.type in _TRIANGLES:
            triangles += [corners[:, pick] for pick in _TRIANGLES[block.type]]
    points = np.asarray(mesh.points, dtype=np.float64)
    faces = [c for c in (*lines, *triangles) if len(c)]
    if any(c.min() < 0 for c in faces):
        raise FlowFileError(
            f"{str(path)!r} counts the points of a face from the end (numbers below 1): export it "
            "with points counted from the first."
        )
    if points.ndim != 2 or any(c.max() >= len(points) for c in faces):
        raise FlowFileError(f"{str(path)!r} was cut off: faces without points. Export it again.")
    flat = np.zeros((len(points), 3))
    flat[:, : points.shape[1]] = points
    return flat, np.concatenate(lines), np.concatenate(triangles)


def _merged(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the different points (STL repeats each in every face), and the new number of each."""
    size = float(np.ptp(points, axis=0).max()) or 1.0
    keys = np.round(points / (_SAME * size)).astype(np.int64)
    _, first, place = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    return points[first], place.reshape(-1)


def _cut(
    points: Float[np.ndarray, "points 3"], triangles: Int[np.ndarray, "triangles 3"], path: str
) -> Float[np.ndarray, "contour 2"]:
    """Return the contour at mid-span."""
    span = _span_axis(points, triangles, path)
    flat = [axis for axis in range(3) if axis != span]
    height = points[:, span]
    middle = 0.5 * (height.min() + height.max())
    middle += 1e-7 * np.ptp(height) * bool((np.abs(height - middle) < _SAME).any())
    above = height > middle
    edges = np.sort(np.stack([triangles, np.roll(triangles, -1, axis=1)], -1), axis=-1)
    crossed = above[edges[..., 0]] != above[edges[..., 1]]
    hit = crossed.sum(1) == 2
    found, nodes = np.unique(edges[hit][crossed[hit]], axis=0, return_inverse=True)
    low, high = points[found[:, 0]], points[found[:, 1]]
    share = ((middle - low[:, span]) / (high[:, span] - low[:, span]))[:, None]
    place = (low + share * (high - low))[:, flat]
    leaning = np.hypot(*(high - low)[:, flat].T) > _SAME * np.ptp(points[:, flat], axis=0).max()
    ring = _ring_nodes(nodes.reshape(-1, 2), len(found), path)
    ruled = ring[~leaning[ring]]
    return place[ruled if len(ruled) >= MIN_POINTS else ring]


def _span_axis(points: np.ndarray, triangles: np.ndarray, path: str) -> int:
    """Return the axis that the surface is extruded along."""
    corner = points[triangles]
    area = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    size = np.linalg.norm(area, axis=1)
    area, size = area[size > 0.0], size[size > 0.0]
    if not len(size) or np.ptp(points, axis=0).min() == 0.0:
        raise SectionError(
            f"{path!r} lies in a plane: a section is cut from a body with a span. For a contour in "
            "a plane give its line, not faces."
        )
    share = np.abs(area) / size[:, None]
    off = np.minimum(share, np.abs(1.0 - share))
    worst = [float((off[:, k] * size).sum() / size.sum()) for k in range(3)]
    sides = [float(size[share[:, k] < 0.5].sum()) for k in range(3)]
    axes = [k for k in range(3) if worst[k] < _STRAIGHT and sides[k] > 0.0]
    if not axes:
        raise SectionError(
            f"{path!r} is no extrusion: along no axis are its sides straight (off by "
            f"{', '.join(f'{w:.3f}' for w in worst)} in the mean along x, y, z). Taper, twist and "
            "sweep have to be taken out; cut the wing where you want its section and extrude that."
        )
    return min(axes, key=lambda k: worst[k])


def _ring(lines: np.ndarray, places: np.ndarray, path: str) -> np.ndarray:
    """Return the points of a closed line, in order."""
    used, numbers = np.unique(lines, return_inverse=True)
    return places[used][_ring_nodes(numbers.reshape(-1, 2), len(used), path)]


def _ring_nodes(segments: np.ndarray, nodes: int, path: str) -> np.ndarray:
    """Return the nodes of one closed ring of segments, in order.

    Raises:
        SectionError: An end is loose, a node has three segments, or there are several rings.
    """
    neighbours: list[list[int]] = [[] for _ in range(nodes)]
    for first, second in segments.tolist():
        neighbours[first].append(second)
        neighbours[second].append(first)
    loose = [i for i, near in enumerate(neighbours) if len(near) != 2]
    if loose or not nodes:
        raise SectionError(
            f"no closed contour in {path!r}: {len(loose)} of its {nodes} points have not two "
            "neighbours. The surface has holes, or inner walls; close it."
        )
    ring, before = [0], -1
    while True:
        first, second = neighbours[ring[-1]]
        after = second if first == before else first
        if after == 0 or len(ring) > nodes:
            break
        before = ring[-1]
        ring.append(after)
    if len(ring) != nodes:
        raise SectionError(
            f"{path!r} has several closed contours, the first with {len(ring)} of {nodes} points: "
            "a section is one. Give one element at a time."
        )
    return np.array(ring)


def _opened(ring: Float[np.ndarray, "corners 2"]) -> Float[np.ndarray, "points 2"]:
    """Return a closed contour from its upper trailing edge to its lower one, without the base."""
    x, y = ring.T
    if np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)) < 0.0:
        ring = ring[::-1]
    start, base = upper_corner(ring)
    ring, base = np.roll(ring, -start, axis=0), np.roll(base, -start)
    blunt = int(np.argmax(base)) if base.any() else 0
    return ring[: blunt + 1] if blunt else np.concatenate([ring, ring[:1]])


def _plane_axes(points: np.ndarray) -> list[int]:
    """Return the two axes that a plane line extends along."""
    thinnest = int(np.ptp(points, axis=0).argmin())
    return [axis for axis in range(3) if axis != thinnest]


def _size(chord: float) -> str:
    """Return a remark on the chord in the file's units."""
    unit = next((unit for low, high, unit in _UNITS if low <= chord <= high), "")
    unit = unit or ("millimetres" if chord >= _MILLIMETRES else "units of the file")
    return f"chord {chord:.6g} ({unit}), normalised"
