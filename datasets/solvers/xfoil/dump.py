"""XFoil's binary polar file: every converged point in full precision, with its boundary layer.

Fortran records of a double-precision build: a header of five (name and code, Mach and e^N,
flags, sizes, panel coordinates), then four a point: seven scalars, four counts, one table a side.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float

from formwright.datasets.solvers.result import stations

HEADER_RECORDS: Final = 5
RECORDS_A_POINT: Final = 4
SIDE_COLUMNS: Final = 6


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """One converged operating point of a polar file.

    Attributes:
        alpha_deg: Incidence, degrees.
        labels: ``POLAR_LABELS`` by name.
        top: x, Cp, momentum thickness, displacement thickness, wall shear and shear coefficient
            from the stagnation point to the upper trailing edge, (n, 6), in chords.
        bottom: The same to the lower trailing edge, (m, 6).
    """

    alpha_deg: float
    labels: dict[str, float]
    top: Float[np.ndarray, "n 6"]
    bottom: Float[np.ndarray, "m 6"]

    def pressure(self) -> dict[str, Float[np.ndarray, " stations"]]:
        """Return ``cp_top`` and ``cp_bottom`` at the stations, linear in sqrt(x) between nodes."""
        ring = np.concatenate([self.top[::-1, :2], self.bottom[:, :2]])
        nose = int(ring[:, 0].argmin())
        sides = {"cp_top": ring[: nose + 1], "cp_bottom": ring[nose:]}
        return {name: _at_stations(side) for name, side in sides.items()}


def read_points(path: Path) -> list[Point]:
    """Read the whole points of a polar file; a last one cut short is left out."""
    records = _records(path.read_bytes() if path.exists() else b"")[HEADER_RECORDS:]
    whole = len(records) - len(records) % RECORDS_A_POINT
    groups = (records[i : i + RECORDS_A_POINT] for i in range(0, whole, RECORDS_A_POINT))
    return [_point(*group) for group in groups]


def _point(scalars: bytes, counts: bytes, first: bytes, second: bytes) -> Point:
    """Return the point of its four records."""
    alpha, cl, cd, _, cm, xtr_top, xtr_bottom = struct.unpack("<7d", scalars)
    _, _, n_top, n_bottom = struct.unpack("<4i", counts)
    labels = {"cl": cl, "cd": cd, "cm": cm}
    labels |= {"xtr_top": min(xtr_top, 1.0), "xtr_bottom": min(xtr_bottom, 1.0)}
    return Point(
        alpha_deg=alpha, labels=labels, top=_side(first, n_top), bottom=_side(second, n_bottom)
    )


def _side(record: bytes, n_surface: int) -> Float[np.ndarray, "n 6"]:
    """Return a side's columns without its wake."""
    return np.frombuffer(record, dtype="<f8").reshape(-1, SIDE_COLUMNS)[:n_surface]


def _at_stations(side: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, " stations"]:
    """Interpolate (x, value) pairs of one surface to the stations."""
    order = np.argsort(side[:, 0], kind="stable")
    root = np.sqrt(np.maximum(side[order, 0], 0.0))
    return np.interp(np.sqrt(stations()), root, side[order, 1])


def _records(data: bytes) -> list[bytes]:
    """Split Fortran's unformatted sequential records; a truncated last one is left out."""
    records, at = [], 0
    while at + 4 <= len(data):
        (size,) = struct.unpack_from("<i", data, at)
        if size < 0 or at + 8 + size > len(data):
            break
        records.append(data[at + 4 : at + 4 + size])
        at += 8 + size
    return records
