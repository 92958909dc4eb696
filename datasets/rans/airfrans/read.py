"""AirfRANS in: a case of the dataset's folder as a flow record, checked field by field.

The files are in metres and seconds, p divided by the density: a record is in chords and units of
the free stream, whose speed and incidence are in the case's name. The air is that of the dataset.

Source: Bonnet, Mazari, Cinnella, Gallinari, "AirfRANS", NeurIPS 2022 Datasets and Benchmarks,
arXiv 2212.07564.
"""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float

from formwright.datasets.errors import FlowFileError
from formwright.datasets.rans.airfrans.cases import CHORD, NU, CaseName, parse_name
from formwright.datasets.rans.flow_field import FlowField, Wall
from formwright.datasets.rans.flow_files import missing_field, read_plane
from formwright.datasets.rans.plane_flow import flow_from_plane, with_forces
from formwright.datasets.vtk.vtp import PolyData, read_vtp

INTERNAL: Final = "_internal.vtu"
AEROFOIL: Final = "_aerofoil.vtp"
FREESTREAM: Final = "_freestream.vtp"
_CHORDS: Final = (0.9, 1.1)
_SPEEDS: Final = (0.5, 6.0)
_STAGNATION: Final = (0.6, 1.12)
_EDDY: Final = (10.0, 1e5)
_SAME_PLACE: Final = 1e-4


def read_case(folder: str | os.PathLike[str], name: str) -> FlowField:
    """Read a case of the dataset, or one that ``write_case`` wrote.

    The pressure on the wall is that of the aerofoil's file, the friction the gradient in the cells
    at it; forces are integrated from both.

    Args:
        folder: Of the dataset, which holds one folder a case.
        name: Of the case.

    Raises:
        CorpusError: The name is none of a case.
        FlowFileError: A file is absent or cut off, a field is missing, not finite, or of a size
            that no flow of the name's speed has; the message names file and field.
    """
    case = parse_name(name)
    start = Path(folder) / name / name
    path = Path(f"{start}{INTERNAL}")
    plane = read_plane(path)
    surface_path = Path(f"{start}{AEROFOIL}")
    surface = read_vtp(surface_path)
    for field in ("p", "Normals"):
        if field not in surface.point_data:
            raise missing_field(surface_path, field, surface.point_data)
    try:
        flow = flow_from_plane(
            plane.points / CHORD,
            plane.quads,
            velocity=plane.cell_data["U"][:, :2] / case.speed,
            pressure=plane.cell_data["p"] / case.speed**2,
            nut=plane.cell_data["nut"] / (case.speed * CHORD),
            alpha_deg=case.alpha_deg,
            reynolds=case.reynolds,
        )
    except FlowFileError as error:
        raise FlowFileError(f"{str(path)!r}: {error}") from error
    check_units(flow, case, path)
    wall = dataclasses.replace(flow.wall, cp=_surface_cp(flow.wall, surface, case, surface_path))
    return with_forces(dataclasses.replace(flow, wall=wall))


def check_units(flow: FlowField, case: CaseName, path: str | os.PathLike[str]) -> None:
    """Refuse fields whose size belongs to other units than the dataset's.

    Args:
        flow: Nondimensional by the units that the files should have.
        case: What the name says.
        path: Of the file, for the message.

    Raises:
        FlowFileError: With the field, what was found, and what was expected.
    """
    chord = float(np.ptp(flow.wall.centres[:, 0]))
    speed = float(np.hypot(*flow.velocity.astype(np.float64).T).max())
    eddy = float(flow.nut.max()) * case.speed * CHORD / NU
    checks = (
        ("points", "the chord is {:.4g} m", chord, _CHORDS, "metres and a chord of 1 m"),
        ("U", "the largest speed is {:.4g} times that of the name", speed, _SPEEDS, "m/s"),
        (
            "p",
            "the largest pressure on the wall is {:.4g} times the dynamic one",
            float(flow.wall.cp.max()),
            _STAGNATION,
            "pressure over density, m2/s2",
        ),
        ("nut", "the largest eddy viscosity is {:.4g} times that of air", eddy, _EDDY, "m2/s"),
    )
    for field, what, value, (low, high), unit in checks:
        if not low <= value <= high:
            raise FlowFileError(
                f"{field!r} of {str(path)!r} is not in the dataset's units: {what.format(value)}, "
                f"where {low:g} to {high:g} is possible. Wanted are {unit}; the name says "
                f"{case.speed:g} m/s."
            )


def _surface_cp(
    wall: Wall, surface: PolyData, case: CaseName, path: Path
) -> Float[np.ndarray, " faces"]:
    """Return the pressure coefficient of each face of the wall by the aerofoil's file."""
    from scipy.spatial import KDTree

    segments = surface.segments()
    if len(segments) != len(wall.centres):
        raise FlowFileError(
            f"{str(path)!r} has {len(segments)} lines; the wall of the internal mesh has "
            f"{len(wall.centres)} faces. The files belong to different cases."
        )
    pressure = surface.cell_data.get("p")
    if pressure is None or len(pressure) != len(segments):
        pressure = surface.point_data["p"][segments].mean(1)
    middles = surface.points[segments, :2].astype(np.float64).mean(1) / CHORD
    away, nearest = KDTree(middles).query(wall.centres)
    if float(away.max()) > _SAME_PLACE or not np.isfinite(pressure).all():
        raise FlowFileError(
            f"{str(path)!r}: its lines lie up to {float(away.max()):.2e} m off the wall of the "
            "internal mesh, or its p is not finite. The files belong to different cases."
        )
    return 2.0 * pressure[nearest].astype(np.float64) / case.speed**2
