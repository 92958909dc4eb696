"""Flow records for viewers: ``.vtu`` of the cells and ``.vtp`` of the wall (ParaView, PyVista).

Everything is in chords and units of the free stream, as in the record. Field data say at which
incidence and Reynolds number, in which axes, and with which coefficients.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float, Int

from formwright.datasets.airfoils.contour import Placement
from formwright.datasets.errors import FlowFileError, FlowWarning
from formwright.datasets.rans.flow_axes import file_reference
from formwright.datasets.rans.flow_field import FlowField, Wall
from formwright.datasets.rans.forces import REFERENCE
from formwright.datasets.rans.mesh.plane import check_plane, joined_triangles, quads_of
from formwright.datasets.rans.plane_flow import (
    check_place,
    check_units,
    flow_from_plane,
    outer_stream,
)
from formwright.datasets.vtk.document import Note, Notes
from formwright.datasets.vtk.vtp import PolyData, read_vtp, write_vtp
from formwright.datasets.vtk.vtu import of_poly_data, of_quads, read_vtu, write_vtu

FIELDS: Final = {"U": 3, "p": 1, "nut": 1}
"""Numbers a cell."""
CONDITIONS: Final = ("alpha_deg", "reynolds")
COEFFICIENTS: Final = ("cl", "cd", "cm")
PLACE: Final = "moment_reference"
AXES: Final = "axes"
_SAME: Final = 1e-3
_LINEAR: Final = 5.0
_ASTRAY_DEG: Final = 2.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Plane:
    """A plane mesh with its fields, as they are in its file.

    Attributes:
        points: (N, 2).
        quads: Corners of the cells; the last comes twice in a triangle.
        cell_data: ``U`` (C, 2 or 3), ``p`` (C,), ``nut`` (C,): means of the corners where the file
            has them at points only.
        notes: Field data.
    """

    points: Float[np.ndarray, "points 2"]
    quads: Int[np.ndarray, "cells 4"]
    cell_data: Mapping[str, np.ndarray]
    notes: Notes


def write_flow(
    path: str | os.PathLike[str],
    flow: FlowField,
    *,
    axes: str = "",
    reference: tuple[float, float] = REFERENCE,
) -> None:
    """Write the cells of a record: ``U`` (3), ``p`` and ``nut`` at the cells, in the plane z = 0.

    Field data are ``alpha_deg``, ``reynolds``, ``cl``, ``cd``, ``cm`` and ``moment_reference``.

    Args:
        path: ``.vtu``.
        flow: What to write.
        axes: Which axes points and velocities stand in, in words; field data as well.
        reference: Where these axes have the point about which the moment is taken; points are
            moved there from (0.25, 0).

    Raises:
        StorageError: It cannot be written.

    Example:
        >>> import formwright
        >>> flow = formwright.predict_in_file(formwright.load("rans-fields"), "e387", 4.0, 3e6)
        >>> formwright.write_flow("flow.vtu", flow)
        >>> formwright.read_flow_vtu("flow.vtu").alpha_deg
        4.0
    """
    velocity = np.zeros((len(flow.quads), 3), dtype=np.float32)
    velocity[:, :2] = flow.velocity
    mesh = of_quads(
        _in_space(flow.points, reference),
        flow.quads,
        cell_data={"U": velocity, "p": flow.pressure, "nut": flow.nut},
        notes=notes_of(flow, axes, reference),
    )
    write_vtu(path, mesh)


def write_in_file_axes(stem: str | os.PathLike[str], flow: FlowField, placement: Placement) -> None:
    """Write cells (``.vtu``) and wall (``.vtp``) of a record where the section's file has them.

    Args:
        stem: Path without the suffix.
        flow: In the directions of the section's file.
        placement: Of the section.

    Raises:
        StorageError: It cannot be written.

    Example:
        >>> import formwright
        >>> section = formwright.load_section("e387")
        >>> flow = formwright.predict_in_file(formwright.load("rans-fields"), section, 4.0, 3e6)
        >>> formwright.write_in_file_axes("e387", flow, section.placement)  # e387.vtu and e387.vtp
    """
    unit = "" if placement.chord == 1.0 else f" (one is {placement.chord:.9g} of the file's units)"
    axes = (
        "x and y of the section's file, directions and origin; lengths in chords"
        f"{unit}, velocities in units of the free stream, which comes at alpha_deg to x"
    )
    reference = file_reference(placement)
    notes = notes_of(flow, axes, reference)
    write_flow(f"{os.fspath(stem)}.vtu", flow, axes=axes, reference=reference)
    write_wall(f"{os.fspath(stem)}.vtp", flow.wall, notes=notes, reference=reference)


def notes_of(
    flow: FlowField, axes: str = "", reference: tuple[float, float] = REFERENCE
) -> dict[str, Note]:
    """Return the field data of a record; see ``write_flow``."""
    numbers = {name: getattr(flow, name) for name in CONDITIONS}
    numbers |= {name: flow.forces[name] for name in COEFFICIENTS if name in flow.forces}
    notes: dict[str, Note] = {name: np.array([float(number)]) for name, number in numbers.items()}
    notes[PLACE] = np.array([[*reference, 0.0]])
    return notes | ({AXES: axes} if axes else {})


def read_flow_vtu(
    path: str | os.PathLike[str],
    *,
    alpha_deg: float | None = None,
    reynolds: float | None = None,
    names: Mapping[str, str] | None = None,
) -> FlowField:
    """Read what ``write_flow`` wrote, or cells and fields of another source in the same units.

    The wall is found as the hole of the mesh, its friction from the cells at it, and the forces
    from both. Points are moved so that the file's ``moment_reference`` is at (0.25, 0).

    Args:
        path: ``.vtu``, or ``.vtp`` of a slice: triangles and quadrilaterals in a plane
            z = constant, with ``U``, ``p`` and ``nut`` at the cells or points.
        alpha_deg: Incidence in the axes of the file, degrees; the file's own where None.
        reynolds: On the chord; the file's own where None.
        names: What the file calls a field, e.g. ``{"U": "Velocity"}``, where it is another name.

    Raises:
        FlowFileError: It is absent or cut off, has other cells, several holes or none, a nose at
            the larger x or away from the origin, or other units; it lacks a field or a condition,
            or contradicts one.

    Example:
        >>> import formwright
        >>> flow = formwright.predict_in_file(formwright.load("rans-fields"), "e387", 2.0, 3e6)
        >>> formwright.write_flow("flow.vtu", flow)
        >>> formwright.read_flow_vtu("flow.vtu").reynolds
        3000000.0
    """
    plane = read_plane(path, names)
    conditions = {"alpha_deg": alpha_deg, "reynolds": reynolds}
    known = {name: _condition(path, plane.notes, name, v) for name, v in conditions.items()}
    try:
        flow = flow_from_plane(
            plane.points - _offset(plane.notes),
            plane.quads,
            velocity=plane.cell_data["U"][:, :2],
            pressure=plane.cell_data["p"],
            nut=plane.cell_data["nut"],
            **known,
        )
        check_units(flow)
        if PLACE not in plane.notes:
            check_place(flow)
    except FlowFileError as error:
        raise FlowFileError(f"{str(path)!r}: {error}") from error
    _warn_of_oddities(flow, path)
    return flow


def _warn_of_oddities(flow: FlowField, path: str | os.PathLike[str]) -> None:
    """Warn of an incidence that the stream has not, and of friction that the cells do not tell."""
    came = float(np.degrees(np.arctan2(*outer_stream(flow)[::-1])))
    oddities = []
    if abs(came - flow.alpha_deg) > _ASTRAY_DEG:
        oddities.append(
            f"the stream at the outer boundary comes at {came:.2f} degrees, and the incidence is "
            f"said to be {flow.alpha_deg:g}: lift and drag are split by the latter"
        )
    height = float(np.median(flow.wall.y_plus))
    if height > _LINEAR:
        oddities.append(
            f"the cells at the wall are {height:.3g} viscous lengths high, and above {_LINEAR:g} "
            "their velocity does not tell the friction (on meshes for wall functions the solver's "
            "wallShearStress does): it is missing in cd, cl and cf; take cd_pressure, cl_pressure"
        )
    if oddities:
        warnings.warn(f"{str(path)!r}: {'; '.join(oddities)}.", FlowWarning, stacklevel=3)


def read_plane(path: str | os.PathLike[str], names: Mapping[str, str] | None = None) -> Plane:
    """Read triangles and quadrilaterals in a plane z = constant, and their fields.

    Lines and vertices are left out.

    Args:
        path: ``.vtu`` or ``.vtp``.
        names: What the file calls a field, where it is another name.

    Raises:
        FlowFileError: It is absent or cut off, has other cells, or lacks a field; the message
            names it.
    """
    vtp = Path(path).suffix.lower() == ".vtp"
    mesh = of_poly_data(read_vtp(path)) if vtp else read_vtu(path)
    try:
        check_plane(mesh.points)
        corners, cells = quads_of(mesh)
    except FlowFileError as error:
        raise FlowFileError(f"{str(path)!r}: {error}") from error
    fields = {}
    for name, components in FIELDS.items():
        there = (names or {}).get(name, name)
        if there in mesh.cell_data:
            values = mesh.cell_data[there][cells]
        elif there in mesh.point_data:
            values = _means(mesh.point_data[there], corners)
        else:
            raise missing_field(path, there, [*mesh.point_data, *mesh.cell_data])
        fields[name] = _checked(path, there, values, components)
    points = mesh.points[:, :2].astype(np.float64)
    corners, fields = joined_triangles(points, corners, fields)
    return Plane(points=points, quads=corners, cell_data=fields, notes=mesh.notes)


def write_wall(
    path: str | os.PathLike[str],
    wall: Wall,
    *,
    notes: Notes | None = None,
    reference: tuple[float, float] = REFERENCE,
) -> None:
    """Write the wall as lines: ``cp``, ``cf`` (3), ``y_plus`` and ``Normals`` (outward) at them.

    Args:
        path: ``.vtp``.
        wall: What to write.
        notes: Field data, from ``notes_of``.
        reference: As in ``write_flow``.

    Raises:
        StorageError: It cannot be written.

    Example:
        >>> import formwright
        >>> flow = formwright.predict_in_file(formwright.load("rans-fields"), "e387", 4.0, 3e6)
        >>> formwright.write_wall("wall.vtp", flow.wall)
    """
    n = len(wall.centres)
    half = 0.5 * wall.lengths[:, None] * np.stack([-wall.normals[:, 1], wall.normals[:, 0]], -1)
    ends = np.stack([wall.centres - half, wall.centres + half], 1).reshape(-1, 2)
    none = np.zeros(n)
    data = PolyData(
        points=_in_space(ends, reference),
        lines=tuple(np.arange(2 * n).reshape(n, 2)),
        cell_data={
            "cp": wall.cp,
            "cf": np.column_stack([wall.cf, none]),
            "y_plus": wall.y_plus,
            "Normals": np.column_stack([wall.normals, none]),
        },
        notes=notes or {},
    )
    write_vtp(path, data)


def missing_field(path: str | os.PathLike[str], field: str, there: Iterable[str]) -> FlowFileError:
    """Return the error of a file that lacks a field."""
    return FlowFileError(
        f"{str(path)!r} lacks the field {field!r}; it has "
        f"{', '.join(sorted(set(there))) or 'none'}. Wanted are {', '.join(FIELDS)} at the cells "
        "or points of a mesh, p and Normals at the points of a surface. Export it again with them; "
        "read_flow_vtu takes other names: names={'U': 'Velocity'}."
    )


def _in_space(points: np.ndarray, reference: tuple[float, float]) -> np.ndarray:
    """Return points in the plane z = 0, moved to where the moment's reference is."""
    place = points + (np.array(reference) - REFERENCE)
    return np.column_stack([place, np.zeros(len(points))])


def _offset(notes: Notes) -> np.ndarray:
    """Return how far the moment's reference of a file is from that of records."""
    place = notes.get(PLACE)
    if not isinstance(place, np.ndarray) or place.size < 2:
        return np.zeros(2)
    return place.ravel()[:2].astype(np.float64) - REFERENCE


def _condition(path: str | os.PathLike[str], notes: Notes, name: str, given: float | None) -> float:
    """Return a condition that is given, or that of the file.

    Raises:
        FlowFileError: There is neither, or they contradict each other.
    """
    note = notes.get(name)
    own = float(note.ravel()[0]) if isinstance(note, np.ndarray) and note.size == 1 else None
    if given is None and own is None:
        raise FlowFileError(
            f"{str(path)!r} says no {name} in its field data: give it, {name}=..., as a number."
        )
    if given is None or own is None:
        return float(own if given is None else given)  # pyright: ignore
    if abs(given - own) > _SAME * max(1.0, abs(own)):
        raise FlowFileError(
            f"{str(path)!r} was computed at {name} = {own:g}, and {given:g} was given: leave it "
            "out, or give the file's own."
        )
    return given


def _means(values: np.ndarray, corners: Int[np.ndarray, "cells 4"]) -> np.ndarray:
    """Return the means of values at the corners of cells, one that comes twice counted once."""
    result, three = values[corners].mean(1), corners[:, 2] == corners[:, 3]
    result[three] = values[corners[three, :3]].mean(1)
    return result


def _checked(
    path: str | os.PathLike[str], name: str, values: np.ndarray, components: int
) -> np.ndarray:
    """Return a field that is finite and has its components; a plane vector may lack its third."""
    width = 1 if values.ndim == 1 else values.shape[1]
    if width not in (components, max(components - 1, 1)) or not np.isfinite(values).all():
        raise FlowFileError(
            f"the field {name!r} of {str(path)!r} is not finite, or not {components} number(s) a "
            f"cell (shape {values.shape}). Compute it again, or copy it again."
        )
    return values if components > 1 else values.ravel()
