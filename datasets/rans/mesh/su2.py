"""SU2's native mesh format, text: the plane of a C-mesh with its markers, written and read."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float, Int

from formwright.datasets.errors import FlowFileError
from formwright.datasets.rans.mesh.cmesh import Hexahedra

MARKERS: Final = ("airfoil", "farfield")
_LINE: Final = 3
_CORNERS: Final = {5: 3, 9: 4}


@dataclass(frozen=True, kw_only=True, slots=True)
class PlaneMesh:
    """A plane mesh of SU2.

    Attributes:
        points: (N, 2).
        quads: Corners of the cells; the last comes twice in a triangle.
        markers: Edges of the boundary by name, (E, 2).
    """

    points: Float[np.ndarray, "points 2"]
    quads: Int[np.ndarray, "cells 4"]
    markers: Mapping[str, Int[np.ndarray, "edges 2"]]


def su2_text(mesh: Hexahedra) -> str:
    """Return the plane z = 0 of a C-mesh in SU2's format."""
    points, cells = mesh.points[: len(mesh.points) // 2, :2], mesh.cells[:, :4]
    lines = ["NDIME= 2", f"NELEM= {len(cells)}"]
    lines += [f"9 {a} {b} {c} {d} {i}" for i, (a, b, c, d) in enumerate(cells.tolist())]
    lines.append(f"NPOIN= {len(points)}")
    lines += [f"{x!r} {y!r} {i}" for i, (x, y) in enumerate(points.tolist())]
    lines.append(f"NMARK= {len(MARKERS)}")
    for name in MARKERS:
        edges = mesh.patches[name][:, :2].tolist()
        lines += [f"MARKER_TAG= {name}", f"MARKER_ELEMS= {len(edges)}"]
        lines += [f"{_LINE} {a} {b}" for a, b in edges]
    return "\n".join(lines) + "\n"


def read_su2(path: str | os.PathLike[str]) -> PlaneMesh:
    """Read a plane mesh of triangles and quadrilaterals.

    Args:
        path: ``.su2``.

    Raises:
        FlowFileError: It is absent, cut off, not plane, or has cells of another kind.
    """
    try:
        text = Path(path).read_text(encoding="ascii")
        return _parsed(iter(line for raw in text.splitlines() if (line := _bare(raw))))
    except (OSError, UnicodeDecodeError, ValueError, IndexError, StopIteration) as error:
        why = "it is cut off" if isinstance(error, StopIteration) else str(error)
        raise FlowFileError(
            f"{str(path)!r} is no plane mesh of SU2: {why}. Write it again."
        ) from error


def _bare(line: str) -> str:
    return line.partition("%")[0].strip()


def _parsed(lines: Iterator[str]) -> PlaneMesh:
    """Return the mesh in the lines.

    Raises:
        ValueError: They are none.
        StopIteration: A list is shorter than announced.
    """
    points, quads, markers, tag = np.empty((0, 2)), np.empty((0, 4), dtype=np.int64), {}, ""
    for line in lines:
        key, _, value = (part.strip() for part in line.partition("="))
        if key == "NDIME" and value != "2":
            raise ValueError(f"it has {value} dimensions")
        if key == "MARKER_TAG":
            tag = value
        elif key == "NPOIN":
            rows = _taken(lines, value)
            points = np.array([[float(word) for word in row[:2]] for row in rows]).reshape(-1, 2)
        elif key == "NELEM":
            quads = np.array([_corners(row) for row in _taken(lines, value)]).reshape(-1, 4)
        elif key == "MARKER_ELEMS":
            rows = _taken(lines, value)
            markers[tag] = np.array([[int(w) for w in row[1:3]] for row in rows]).reshape(-1, 2)
    if not len(quads) or not len(points):
        raise ValueError("it has no cells or no points")
    named = [quads, *(edges for edges in markers.values() if len(edges))]
    if any(ids.min() < 0 or ids.max() >= len(points) for ids in named):
        raise ValueError(f"a cell or an edge names a point beyond the {len(points)} there are")
    return PlaneMesh(points=points, quads=quads, markers=markers)


def _taken(lines: Iterator[str], count: str) -> list[list[str]]:
    """Return the words of the next lines, as many as announced."""
    rows = []
    for _ in range(int(count.split()[0])):
        row = next(lines)
        if "=" in row:
            raise ValueError(f"a list of {count} ends before {row!r}")
        rows.append(row.split())
    return rows


def _corners(row: list[str]) -> list[int]:
    """Return the four corners of a cell, the last twice in a triangle."""
    kind = int(row[0])
    if kind not in _CORNERS:
        raise ValueError(f"a cell of kind {kind} is no triangle (5) and no quadrilateral (9)")
    corners = [int(word) for word in row[1 : 1 + _CORNERS[kind]]]
    return [*corners, corners[-1]][:4]
