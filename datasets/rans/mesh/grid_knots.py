"""Cells of a C-grid that tell a smooth flow everywhere in it: fewer to compute, the rest follow.

A potential flow changes over distances of the order of that from the wall. Away from the wall it is
so computed on few lines, on every fourth column far from it and in the wake, and interpolated
between them by polynomials of six knots: along lines in the number of the column, on each of wake,
section and wake by itself, and across them in ``asinh(height / 0.003)``, the height in chords.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import torch
from jaxtyping import Float, Int, Real
from torch import Tensor

from formwright.datasets.rans.mesh.c_grid import CGrid

STRIDE: Final = 4
STEP: Final = 0.5
_NEAR: Final = 0.003
_FAR: Final = 1.5
_ORDER: Final = 6


@dataclass(frozen=True, kw_only=True, slots=True)
class Band:
    """Neighbouring lines whose knots are the same columns.

    Attributes:
        columns: The knots' columns.
        lines: The knots' lines.
        across: Weights of the knots' columns at every column.
        away: Weights of the knots' lines at every line of the band.
    """

    columns: Int[Tensor, " knots_1"]
    lines: Int[Tensor, " knots_2"]
    across: Float[Tensor, "columns knots_1"]
    away: Float[Tensor, "lines knots_2"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Knots:
    """Knots of a grid, band by band from the wall to the far field.

    Attributes:
        lines: Of the grid.
        cells: Where to compute, column by column in each band.
        bands: They cover the grid.
    """

    lines: int
    cells: Int[Tensor, " knots"]
    bands: tuple[Band, ...]

    def spread(self, values: Float[Tensor, "channels knots"]) -> Float[Tensor, "channels cells"]:
        """Return values of the knots at every cell of the grid; those of knots stay."""
        sizes = [len(b.columns) * len(b.lines) for b in self.bands]
        parts = [
            band.across.to(part) @ part.unflatten(1, (len(band.columns), -1)) @ band.away.to(part).T
            for band, part in zip(self.bands, values.split(sizes, 1), strict=True)
        ]
        return torch.cat(parts, 2).flatten(1)


def grid_knots(grid: CGrid, stride: int = STRIDE, step: float = STEP) -> Knots:
    """Return knots of a grid.

    Args:
        grid: Around a section.
        stride: Between columns far from the wall.
        step: Between lines, of ``asinh(height / 0.003)``.
    """
    middle = (grid.columns // 2 + np.array([-1, 0]))[:, None] * grid.lines
    nose = grid.points[grid.quads[middle + np.arange(grid.lines)]].mean((0, 2))
    height = np.hypot(*(nose - nose[0]).T)
    faces = grid.columns - 2 * grid.wake
    far = int(np.searchsorted(height, _FAR * stride * 2.0 / faces))
    place = np.arcsinh(height / _NEAR)
    limits = [(0, far, (stride, 1, stride)), (far, grid.lines, (stride, stride, stride))]
    bands = tuple(_band(grid, place, low, high, s, step) for low, high, s in limits if high > low)
    cells = torch.cat([(b.columns[:, None] * grid.lines + b.lines).flatten() for b in bands])
    return Knots(lines=grid.lines, cells=cells, bands=bands)


def _band(
    grid: CGrid, place: np.ndarray, low: int, high: int, strides: tuple[int, ...], step: float
) -> Band:
    """Return the band of lines from ``low`` up to ``high``."""
    here = place[low:high]
    lines = low + _spaced(here, step)
    columns, across = _across(grid.columns, grid.wake, strides)
    return Band(
        columns=columns,
        lines=torch.from_numpy(lines),
        across=across,
        away=_weights(here, place[lines]),
    )


@lru_cache(maxsize=16)
@torch.inference_mode(False)
def _across(columns: int, wake: int, strides: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Return the knots' columns, so far apart on wake, section and wake, and their weights."""
    starts, sizes = (0, wake, columns - wake), (wake, columns - 2 * wake, wake)
    kept, blocks = [], []
    for start, n, stride in zip(starts, sizes, strides, strict=True):
        kept.append(start + _strided(n, stride))
        blocks.append(_weights(start + np.arange(n), kept[-1]))
    return torch.from_numpy(np.concatenate(kept)), torch.block_diag(*blocks)


def _strided(n: int, stride: int) -> np.ndarray:
    """Return about every ``stride``-th of n numbers, first and last too, alike from both ends."""
    half = np.arange(0, (n + 1) // 2, stride)
    return np.unique(np.concatenate([half, n - 1 - half]))


def _spaced(place: np.ndarray, step: float) -> np.ndarray:
    """Return the numbers of places about ``step`` apart, first and last among them."""
    wanted = np.linspace(place[0], place[-1], int(np.ceil(np.ptp(place) / step)) + 1)
    return np.unique(np.abs(place[:, None] - wanted).argmin(0))


def _weights(
    places: Real[np.ndarray, " places"], knots: Real[np.ndarray, " knots"]
) -> Float[Tensor, "places knots"]:
    """Return Lagrange's weights of the nearest knots at places, knots in ascending order."""
    order = min(_ORDER, len(knots))
    first = np.searchsorted(knots, places) - order // 2
    near = first.clip(0, len(knots) - order)[:, None] + np.arange(order)
    x = knots[near].astype(np.float64)
    gaps = x[:, :, None] - x[:, None, :] + np.eye(order)
    away = np.where(np.eye(order, dtype=bool), 1.0, (places[:, None] - x)[:, None, :])
    weights = np.zeros((len(places), len(knots)))
    np.put_along_axis(weights, near, (away / gaps).prod(-1), 1)
    return torch.from_numpy(weights)
