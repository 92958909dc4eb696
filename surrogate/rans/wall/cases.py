"""Labelled walls from corpora: cheap ones of XFoil's polars, expensive ones of RANS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from formwright.datasets.airfoils.polar_data import Polars
from formwright.datasets.rans.data import FORCES, RansData
from formwright.datasets.rans.wall import potential_wall
from formwright.surrogate.airfoils.polar import PolarSurrogate
from formwright.surrogate.rans.wall.flow import WallFlow, joined, wall_flow

_POINTS_AT_ONCE: Final = 4096


@dataclass(frozen=True, kw_only=True, slots=True)
class WallCases:
    """Operating points with their labels.

    Attributes:
        flow: What is known before the correction.
        cp: Pressure coefficient at the stations, in the order of the ring.
        forces: Lift, logarithm of drag, and moment.
    """

    flow: WallFlow
    cp: Float[Tensor, "points ring"]
    forces: Float[Tensor, "points 3"]

    def __len__(self) -> int:
        """Return the number of points."""
        return len(self.flow)

    def take(self, rows: Int[Tensor, " rows"]) -> WallCases:
        """Return some of the points."""
        return WallCases(flow=self.flow.take(rows), cp=self.cp[rows], forces=self.forces[rows])


def polar_walls(polar: PolarSurrogate, polars: Polars, ncrit: float | None = None) -> WallCases:
    """Return the points of polars that have a pressure distribution.

    Args:
        polar: Of natural transition.
        polars: Read with ``fields=True``.
        ncrit: What the polar is asked at; each point's own exponent where None.
    """
    known = np.isfinite(polars.fields["cp_top"]).all(1)
    known &= np.isfinite(polars.fields["cp_bottom"]).all(1)
    kept = polars.where(known & (np.abs(polars.labels["cl"]) < 3.0) & (polars.labels["cd"] < 0.3))
    alpha, reynolds = kept.conditions["alpha_deg"], kept.conditions["reynolds"]
    own = kept.conditions["ncrit"]
    exponents = own if ncrit is None else np.full_like(own, ncrit)
    rows = (kept.section, alpha, reynolds, exponents)
    predicted = polar.predict_rows(list(kept.cst), *rows, spread=False)
    forces = torch.from_numpy(_regressed([predicted[name] for name in FORCES]))
    walls = potential_wall(kept.contours())
    section = torch.from_numpy(kept.section)
    radians, speed = torch.deg2rad(torch.from_numpy(alpha)), torch.from_numpy(reynolds).log()
    parts = [
        joined(walls.take(section[part]), radians[part], speed[part], forces[part]).float()
        for part in torch.arange(len(section)).split(_POINTS_AT_ONCE)
    ]
    return WallCases(
        flow=WallFlow.concatenated(parts),
        cp=ring(kept.fields["cp_top"], kept.fields["cp_bottom"]).float(),
        forces=torch.from_numpy(_regressed([kept.labels[name] for name in FORCES])).float(),
    )


def rans_walls(polar: PolarSurrogate, data: RansData) -> WallCases:
    """Return RANS cases as walls."""
    with torch.no_grad():
        flow = wall_flow(polar, data.batch()).float()
    return WallCases(
        flow=flow,
        cp=ring(data.cp[:, 0], data.cp[:, 1]).float(),
        forces=torch.from_numpy(_regressed(list(data.forces.T))).float(),
    )


def ring(
    top: Float[np.ndarray, "cases stations"], bottom: Float[np.ndarray, "cases stations"]
) -> Float[Tensor, "cases ring"]:
    """Return values of both sides in the order of a contour."""
    return torch.from_numpy(np.concatenate([top[:, ::-1], bottom], 1))


def _regressed(forces: list[np.ndarray]) -> Float[np.ndarray, "cases 3"]:
    """Return lift, logarithm of drag, and moment."""
    cl, cd, cm = forces
    return np.stack([cl, np.log(cd), cm], 1)
