"""The flow around one section as a record: cells of a plane mesh, the wall, forces, how it went.

Chord 1, free stream 1, pressure divided by the density: pressure coefficients are 2 p, stress
coefficients 2 tau. One compressed file a case, written whole or not at all.
"""

from __future__ import annotations

import dataclasses
import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from jaxtyping import Bool, Float, Int

from formwright.datasets import integrity
from formwright.datasets.errors import FlowFileError
from formwright.datasets.files import from_json, read_npz, replacing

FORMAT_VERSION: Final = 1
_BASE: Final = 0.999
_NOTES: Final = "notes"
_VERSION: Final = "format_version"


@dataclass(frozen=True, kw_only=True, slots=True)
class Wall:
    """The faces of the wall: upper trailing edge -> nose -> lower trailing edge -> blunt base.

    Attributes:
        centres: Middles of the faces, (W, 2), chords.
        normals: Unit normals out of the section, (W, 2).
        lengths: Of the faces, (W,), chords.
        cp: Pressure coefficient, (W,).
        cf: Coefficient of the friction that the fluid exerts on the wall, (W, 2).
        y_plus: Height of the middle of the first cell in viscous lengths, (W,).
        cells: The cell at each face, (W,).
    """

    centres: Float[np.ndarray, "faces 2"]
    normals: Float[np.ndarray, "faces 2"]
    lengths: Float[np.ndarray, " faces"]
    cp: Float[np.ndarray, " faces"]
    cf: Float[np.ndarray, "faces 2"]
    y_plus: Float[np.ndarray, " faces"]
    cells: Int[np.ndarray, " faces"]

    @property
    def sides(self) -> Bool[np.ndarray, " faces"]:
        """Which faces belong to the upper and lower side, not to a blunt base, (W,)."""
        return self.normals[:, 0] < _BASE


@dataclass(frozen=True, kw_only=True, slots=True)
class FlowField:
    """One converged case.

    Attributes:
        points: Of the plane mesh, (N, 2), chords.
        quads: Corners of each cell, counterclockwise, (C, 4); the last comes twice in a triangle.
        velocity: At the cells, (C, 2), in units of the free stream, float32.
        pressure: At the cells over density and squared free stream, (C,), float32.
        nut: Eddy viscosity at the cells over free stream and chord, (C,), float32.
        wall: See ``Wall``.
        alpha_deg: Incidence, degrees.
        reynolds: On the chord.
        forces: ``cl cd cm`` by the solver, and the parts of pressure and friction (``cl_pressure``,
            ``cl_friction``, ``cd_pressure``, ``cd_friction``).
        iterations: On the mesh itself; those on coarser ones before it not counted.
        residuals: First residuals of the last iterations: columns Ux Uy p k omega, (R, 5).
        quality: Numbers about the mesh (``cells``, ``non_orthogonality_deg``, ``skewness``,
            ``aspect_ratio``).
        seconds: Wall time.

    Example:
        >>> import formwright
        >>> flow = formwright.predict_in_file(formwright.load("rans-fields"), "e387", 4.0, 3e6)
        >>> flow.velocity.shape, flow.centres.shape
        ((39200, 2), (39200, 2))
    """

    points: Float[np.ndarray, "points 2"]
    quads: Int[np.ndarray, "cells 4"]
    velocity: Float[np.ndarray, "cells 2"]
    pressure: Float[np.ndarray, " cells"]
    nut: Float[np.ndarray, " cells"]
    wall: Wall
    alpha_deg: float
    reynolds: float
    forces: Mapping[str, float]
    iterations: int
    residuals: Float[np.ndarray, "iterations 5"]
    quality: Mapping[str, float]
    seconds: float = 0.0

    @property
    def centres(self) -> Float[np.ndarray, "cells 2"]:
        """Middles of the cells, chords."""
        return cell_centres(self.points, self.quads)


_ARRAYS: Final = ("points", "quads", "velocity", "pressure", "nut", "residuals")
_WALL: Final = tuple(f.name for f in dataclasses.fields(Wall))
_REST: Final = ("alpha_deg", "reynolds", "forces", "iterations", "quality", "seconds")


def cell_centres(
    points: Float[np.ndarray, "points 2"], quads: Int[np.ndarray, "cells 4"]
) -> Float[np.ndarray, "cells 2"]:
    """Return the means of the corners of cells, one that comes twice counted once."""
    corners = points[quads]
    centres, three = corners.mean(1), quads[:, 2] == quads[:, 3]
    centres[three] = corners[three, :3].mean(1)
    return centres


def save_flow(path: str | os.PathLike[str], flow: FlowField) -> None:
    """Write a record to one ``.npz``, atomically.

    Raises:
        StorageError: The disk is full; what was there before is intact.
    """
    arrays: dict[str, Any] = {name: getattr(flow, name) for name in _ARRAYS}
    arrays |= {f"wall_{name}": getattr(flow.wall, name) for name in _WALL}
    notes: dict[str, Any] = {_VERSION: FORMAT_VERSION}
    notes |= {name: getattr(flow, name) for name in _REST}
    arrays[_NOTES] = np.array(json.dumps(notes))
    with replacing(path) as temporary, open(temporary, "wb") as handle:
        np.savez_compressed(handle, **arrays)
        handle.flush()
        with zipfile.ZipFile(temporary, "a") as whole:
            whole.comment = integrity.BLANK.encode()


def load_flow(path: str | os.PathLike[str]) -> FlowField:
    """Read a record.

    Raises:
        FlowFileError: It is absent, cut off, lacks an array, or a newer formwright wrote it.

    Example:
        >>> import formwright
        >>> flow = formwright.load_flow("corpora/rans/flows/case.npz")
        >>> {"cl", "cd", "cm"} <= set(flow.forces)
        True
    """
    remedy = "Compute the case again."
    try:
        sealed = integrity.check(path, FlowFileError, remedy, ours=False)
        arrays = read_npz(path, FlowFileError, remedy)
        notes = from_json(str(arrays[_NOTES]))
        if notes.pop(_VERSION) > FORMAT_VERSION:
            raise FlowFileError(
                f"{str(path)!r} was written by a newer formwright; this one reads up to format "
                f"{FORMAT_VERSION}. Update formwright."
            )
        wall = Wall(**{name: arrays[f"wall_{name}"] for name in _WALL})
        flow = FlowField(**{name: arrays[name] for name in _ARRAYS}, wall=wall, **notes)
    except FlowFileError:
        raise
    except (OSError, LookupError, ValueError, TypeError, AttributeError) as error:
        raise FlowFileError(
            f"{str(path)!r} is no whole record of a flow ({type(error).__name__}: {error}). "
            f"{remedy}"
        ) from error
    if not sealed:
        integrity.tell(path)
    return flow
