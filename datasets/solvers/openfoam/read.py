"""What a ``simpleFoam`` case says: coefficients on the way, fields at the end, mesh checks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float

from formwright.datasets.errors import FlowFileError
from formwright.datasets.rans.flow_field import FlowField, Wall
from formwright.datasets.rans.mesh.cmesh import Hexahedra
from formwright.datasets.solvers.openfoam.case import FIELDS, FORCES, PARTS, SHEAR, Flow
from formwright.datasets.solvers.openfoam.files import read_field
from formwright.datasets.solvers.openfoam.poly_mesh import PolyMesh

RESIDUALS: Final = ("Ux", "Uy", "p", "k", "omega")
MAX_NON_ORTHOGONALITY_DEG: Final = 85.0
MAX_SKEWNESS: Final = 4.0
_NUMBER: Final = r"([-+.\deE]+)"
_RESIDUAL: Final = re.compile(rf"Solving for (\w+), Initial residual = {_NUMBER}")
_QUALITY: Final = {
    "cells": rf"^\s+cells:\s+{_NUMBER}",
    "aspect_ratio": rf"[Aa]spect ratio[:=\s]+{_NUMBER}",
    "non_orthogonality_deg": rf"non-orthogonality Max: {_NUMBER}",
    "skewness": rf"Max skewness = {_NUMBER}",
}
_ACCEPTED: Final = "aspect ratio"
"""``checkMesh`` complains above 1,000; cells at a wall with y+ below 1 are flatter than that."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Solved:
    """A case folder and its mesh.

    Attributes:
        folder: Of the case.
        mesh: Its mesh.
        faces: The same by faces.
        sides: Faces of the wall on both sides of the section, without the base.
    """

    folder: Path
    mesh: Hexahedra
    faces: PolyMesh
    sides: int


def mesh_quality(log: str) -> tuple[dict[str, float], str]:
    """Return the numbers of ``checkMesh``, and why the mesh is refused (empty if it is not)."""
    quality = {}
    for name, pattern in _QUALITY.items():
        match = re.search(pattern, log, re.M)
        if match is None:
            return quality, f"checkMesh: no {name.replace('_', ' ')} in its report"
        quality[name] = float(match.group(1))
    complaints = [line.strip(" *") for line in log.splitlines() if "***" in line]
    refused = [line for line in complaints if _ACCEPTED not in line]
    if quality["skewness"] > MAX_SKEWNESS:
        refused.append(f"skewness {quality['skewness']:.1f}")
    if quality["non_orthogonality_deg"] > MAX_NON_ORTHOGONALITY_DEG:
        refused.append(f"cells {quality['non_orthogonality_deg']:.0f} deg off orthogonal")
    return quality, f"bad mesh: {'; '.join(refused)}" if refused else ""


def read_coefficients(folder: Path) -> Float[np.ndarray, "samples 4"]:
    """Return iteration, cl, cd, cm so far; no rows before the first. Whole lines only."""
    path = folder / "postProcessing" / FORCES / "0" / "coefficient.dat"
    try:
        lines = path.read_text(encoding="ascii").split("\n")[:-1]
    except FileNotFoundError:
        return np.empty((0, 4))
    names = next((line[1:].split() for line in lines if re.match(r"#\s*Time", line)), None)
    rows = [line.split() for line in lines if line and not line.startswith("#")]
    if not rows:
        return np.empty((0, 4))
    try:
        columns = [(names or []).index(name) for name in ("Time", "Cl", "Cd", "CmPitch")]
        return np.array([[float(row[i]) for i in columns] for row in rows])
    except (ValueError, IndexError) as error:
        raise FlowFileError(f"{str(path)!r} is no table of coefficients ({error}).") from error


def read_forces(folder: Path, flow: Flow) -> dict[str, float]:
    """Return the coefficients of the last iteration, and the parts of pressure and friction."""
    scale = 1.0 / (0.5 * flow.span)
    pressure, friction = _last_vectors(folder, "force")[1:] * scale
    across = np.array([-flow.direction[1], flow.direction[0], 0.0])
    parts = {}
    for name, force in (("pressure", pressure), ("friction", friction)):
        parts[f"cl_{name}"] = float(force @ across)
        parts[f"cd_{name}"] = float(force @ flow.direction)
    total = {c: parts[f"{c}_pressure"] + parts[f"{c}_friction"] for c in ("cl", "cd")}
    moment = _last_vectors(folder, "moment")[1:].sum(0) * scale
    return total | {"cm": -float(moment[2])} | parts


def _last_vectors(folder: Path, name: str) -> Float[np.ndarray, "3 3"]:
    """Return total, pressure and friction from the last line of a table of forces."""
    path = folder / "postProcessing" / PARTS / "0" / f"{name}.dat"
    try:
        last = path.read_text(encoding="ascii").rstrip().splitlines()[-1]
        numbers = [float(word) for word in re.sub(r"[()]", " ", last).split()]
        return np.array(numbers[1:10]).reshape(3, 3)
    except (OSError, IndexError, ValueError) as error:
        raise FlowFileError(f"{str(path)!r} holds no forces ({error}).") from error


def read_residuals(log: str, last: int = 200) -> Float[np.ndarray, "iterations 5"]:
    """Return the first residuals of the last iterations in a log, NaN where one is absent."""
    rows: list[dict[str, float]] = []
    for part in log.split("\nTime = ")[1:][-last:]:
        found: dict[str, float] = {}
        for name, value in _RESIDUAL.findall(part):
            found.setdefault(name, float(value))
        rows.append(found)
    table = [[row.get(name, np.nan) for name in RESIDUALS] for row in rows]
    return np.array(table).reshape(-1, len(RESIDUALS))


def last_time(folder: Path) -> Path:
    """Return the folder of the last iteration that was written.

    Raises:
        FlowFileError: There is none but the start.
    """
    times = [p for p in folder.iterdir() if p.is_dir() and p.name.isdigit() and int(p.name) > 0]
    if not times:
        raise FlowFileError(f"{str(folder)!r} holds no iteration: the run ended before it wrote.")
    return max(times, key=lambda path: int(path.name))


def read_fields(folder: Path, cells: int) -> dict[str, np.ndarray]:
    """Return the fields of the last iteration, each on all cells.

    Raises:
        FlowFileError: One is absent, cut off, or not finite.
    """
    time, result = last_time(folder), {}
    for name in FIELDS:
        values = read_field(time / name).internal
        shape = (cells, 3) if name == "U" else (cells,)
        if values.shape not in (shape, shape[1:]):
            raise FlowFileError(
                f"{str(time / name)!r} holds values of shape {values.shape}; the mesh has {cells} "
                "cells. It belongs to another mesh."
            )
        result[name] = np.broadcast_to(values, shape)
        if not np.isfinite(values).all():
            raise FlowFileError(f"{str(time / name)!r} holds a number that is not finite.")
    return result


def read_wall(case: Solved, fields: Mapping[str, np.ndarray], nu: float) -> Wall:
    """Return the wall with pressure and friction.

    Args:
        case: Where and on which mesh.
        fields: From ``read_fields``.
        nu: Kinematic viscosity.
    """
    mesh = case.mesh
    start, count = case.faces.patches["airfoil"]
    order, ends = _wall_order(mesh, case.sides)
    cell = case.faces.owner[start : start + count][order]
    path = last_time(case.folder) / SHEAR
    shear = read_field(path).patches.get("airfoil")
    if shear is None or shear.shape != (count, 3):
        raise FlowFileError(f"{str(path)!r} lacks the wall's {count} values.")
    shear = -shear[order, :2]
    tangent = ends[:, 1] - ends[:, 0]
    length = np.hypot(*tangent.T)
    normal = np.stack([tangent[:, 1], -tangent[:, 0]], -1) / length[:, None]
    middle = ends.mean(1)
    height = ((mesh.points[mesh.cells[cell, :4], :2].mean(1) - middle) * normal).sum(1)
    along = np.hypot(*shear.T)
    return Wall(
        centres=middle,
        normals=normal,
        lengths=length,
        cp=2.0 * fields["p"][cell],
        cf=2.0 * shear,
        y_plus=height * np.sqrt(along) / nu,
        cells=cell,
    )


def plane(mesh: Hexahedra) -> tuple[np.ndarray, np.ndarray]:
    """Return points and quadrilaterals of the plane z = 0."""
    return mesh.points[: len(mesh.points) // 2, :2], mesh.cells[:, :4]


def _wall_order(mesh: Hexahedra, sides: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the wall's faces from the upper trailing edge on, and both ends of each, (W, 2, 2).

    The mesh lists the two sides from the lower trailing edge on, then the base from its top down.
    """
    edges = mesh.patches["airfoil"][:, :2]
    order = np.concatenate([np.arange(sides)[::-1], np.arange(sides, len(edges))[::-1]])
    return order, mesh.points[edges[order][:, ::-1], :2]


def flow_field(case: Solved, flow: Flow, log: str, quality: Mapping[str, float]) -> FlowField:
    """Return the record of a finished case.

    Args:
        case: Where and on which mesh.
        flow: What was solved.
        log: Of the solver.
        quality: From ``mesh_quality``.

    Raises:
        FlowFileError: A file of the case is cut off or lacks values.
    """
    fields = read_fields(case.folder, len(case.mesh.cells))
    points, quads = plane(case.mesh)
    return FlowField(
        points=points,
        quads=quads.astype(np.int32),
        velocity=fields["U"][:, :2].astype(np.float32),
        pressure=fields["p"].astype(np.float32),
        nut=fields["nut"].astype(np.float32),
        wall=read_wall(case, fields, 1.0 / flow.reynolds),
        alpha_deg=flow.alpha_deg,
        reynolds=flow.reynolds,
        forces=read_forces(case.folder, flow),
        iterations=int(last_time(case.folder).name),
        residuals=read_residuals(log).astype(np.float32),
        quality=dict(quality),
    )
