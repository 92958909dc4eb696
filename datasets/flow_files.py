"""Flow records for viewers: ``.vtu`` of the cells and ``.vtp`` of the wall (ParaView, PyVista).

Everything is in chords and units of the free stream, as in the record.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float, Int

from formwright.datasets.errors import FlowFileError
from formwright.datasets.flow_field import FlowField, Wall
from formwright.datasets.plane_flow import flow_from_plane
from formwright.datasets.vtk_xml import PolyData, write_vtp
from formwright.datasets.vtu import read_vtu, write_vtu

FIELDS: Final = {"U": 3, "p": 1, "nut": 1}
"""Numbers a cell."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Plane:
    """A plane mesh with its fields, as they are in its file.

    Attributes:
        points: (N, 2).
        quads: Corners of the cells.
        cell_data: ``U`` (C, 3), ``p`` (C,), ``nut`` (C,): means of the corners where the file has
            them at points only.
    """

    points: Float[np.ndarray, "points 2"]
    quads: Int[np.ndarray, "cells 4"]
    cell_data: Mapping[str, np.ndarray]


def write_flow(path: str | os.PathLike[str], flow: FlowField) -> None:
    """Write the cells of a record: ``U`` (3), ``p`` and ``nut`` at the cells, in the plane z = 0.

    Args:
        path: ``.vtu``.
        flow: What to write.

    Raises:
        StorageError: It cannot be written.
    """
    import meshio

    velocity = np.zeros((len(flow.quads), 3), dtype=np.float32)
    velocity[:, :2] = flow.velocity
    mesh = meshio.Mesh(
        np.column_stack([flow.points, np.zeros(len(flow.points))]),
        [("quad", flow.quads)],
        cell_data={"U": [velocity], "p": [flow.pressure], "nut": [flow.nut]},
    )
    write_vtu(path, mesh)


def read_flow_vtu(path: str | os.PathLike[str], *, alpha_deg: float, reynolds: float) -> FlowField:
    """Read what ``write_flow`` wrote, or cells and fields of another source in the same units.

    The wall is found as the hole of the mesh, its friction from the cells at it, and the forces
    from both.

    Args:
        path: ``.vtu`` of quadrilaterals in a plane z = constant, with ``U``, ``p`` and ``nut`` at
            the cells.
        alpha_deg: Incidence, degrees; the file does not hold it.
        reynolds: On the chord; the file does not hold it.

    Raises:
        FlowFileError: It is absent or cut off, has other cells, or lacks a field.
    """
    plane = read_plane(path)
    try:
        return flow_from_plane(
            plane.points,
            plane.quads,
            velocity=plane.cell_data["U"][:, :2],
            pressure=plane.cell_data["p"],
            nut=plane.cell_data["nut"],
            alpha_deg=alpha_deg,
            reynolds=reynolds,
        )
    except FlowFileError as error:
        raise FlowFileError(f"{str(path)!r}: {error}") from error


def read_plane(path: str | os.PathLike[str]) -> Plane:
    """Read quadrilaterals in a plane z = constant, and their fields.

    Raises:
        FlowFileError: It is absent or cut off, has other cells than quadrilaterals, or lacks a
            field; the message names it.
    """
    mesh = read_vtu(path)
    quads = [block.data for block in mesh.cells if block.type == "quad"]
    others = sorted({block.type for block in mesh.cells} - {"quad"})
    if others or not quads:
        raise FlowFileError(
            f"{str(path)!r} has cells of the kind {', '.join(others) or 'none'}; quadrilaterals of "
            "a plane are wanted. Slice it first."
        )
    corners = np.concatenate([np.asarray(block, dtype=np.int64) for block in quads])
    if corners.min() < 0 or corners.max() >= len(mesh.points):
        raise FlowFileError(f"{str(path)!r} has corners that are no points: it was damaged.")
    fields = {}
    for name, components in FIELDS.items():
        if name in mesh.cell_data:
            values = np.concatenate([np.asarray(part) for part in mesh.cell_data[name]])
        elif name in mesh.point_data:
            values = np.asarray(mesh.point_data[name])[corners].mean(1)
        else:
            raise missing_field(path, name, [*mesh.point_data, *mesh.cell_data])
        if values.size != len(corners) * components or not np.isfinite(values).all():
            raise FlowFileError(
                f"the field {name!r} of {str(path)!r} is not finite, or not {components} "
                f"number(s) a cell (shape {values.shape}). Compute it again, or copy it again."
            )
        fields[name] = values.reshape(len(corners), -1) if components > 1 else values.ravel()
    return Plane(
        points=np.asarray(mesh.points, dtype=np.float64)[:, :2],
        quads=corners,
        cell_data=fields,
    )


def write_wall(path: str | os.PathLike[str], wall: Wall) -> None:
    """Write the wall as lines: ``cp``, ``cf`` (3), ``y_plus`` and ``Normals`` (outward) at them.

    Args:
        path: ``.vtp``.
        wall: What to write.

    Raises:
        StorageError: It cannot be written.
    """
    n = len(wall.centres)
    half = 0.5 * wall.lengths[:, None] * np.stack([-wall.normals[:, 1], wall.normals[:, 0]], -1)
    ends = np.stack([wall.centres - half, wall.centres + half], 1).reshape(-1, 2)
    none = np.zeros(n)
    data = PolyData(
        points=np.column_stack([ends, np.zeros(2 * n)]),
        lines=tuple(np.arange(2 * n).reshape(n, 2)),
        cell_data={
            "cp": wall.cp,
            "cf": np.column_stack([wall.cf, none]),
            "y_plus": wall.y_plus,
            "Normals": np.column_stack([wall.normals, none]),
        },
    )
    write_vtp(path, data)


def missing_field(path: str | os.PathLike[str], field: str, there: Iterable[str]) -> FlowFileError:
    """Return the error of a file that lacks a field."""
    return FlowFileError(
        f"{str(path)!r} lacks the field {field!r}; it has "
        f"{', '.join(sorted(set(there))) or 'none'}. Wanted are {', '.join(FIELDS)} at the cells "
        "or points of a mesh, p and Normals at the points of a surface. Export it again with them."
    )
