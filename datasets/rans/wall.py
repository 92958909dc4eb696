"""Potential flow at the stations of a section's wall: what is known there before any label.

Stations are those of ``solvers.result.stations()``, in the order of a contour: upper trailing edge
-> nose -> lower trailing edge. The panels' ends lie at the stations and halfway between them, so
that nothing is interpolated. Everything is differentiable in the contour.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from formwright.datasets.airfoils.surface import surface_y
from formwright.datasets.solvers.panel.vortex_panels import sheet
from formwright.datasets.solvers.result import N_STATIONS

RING: Final = 2 * N_STATIONS
_CHUNK: Final = 256


@dataclass(frozen=True, kw_only=True, slots=True)
class PotentialWall:
    """Sections at the stations, with their potential flow at incidence 0 (first) and 90 degrees.

    Attributes:
        places: Stations, chords.
        normals: Unit normals out of the section.
        speed: Surface speed over the free stream, positive toward the upper trailing edge.
        lift: Lift coefficient.
    """

    places: Float[Tensor, "sections ring 2"]
    normals: Float[Tensor, "sections ring 2"]
    speed: Float[Tensor, "sections ring 2"]
    lift: Float[Tensor, "sections 2"]

    def take(self, rows: Tensor) -> PotentialWall:
        """Return the sections ``rows``, in this order, repeated or not."""
        return PotentialWall(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})

    def speed_at(self, alpha: Float[Tensor, " sections"]) -> Float[Tensor, "sections ring"]:
        """Return the surface speed at an incidence in radians, one a section."""
        cosine, sine = alpha.cos()[:, None], alpha.sin()[:, None]
        return self.speed[..., 0] * cosine + self.speed[..., 1] * sine

    def lift_at(self, alpha: Float[Tensor, " sections"]) -> Float[Tensor, " sections"]:
        """Return the lift coefficient at an incidence in radians (Kutta and Joukowski)."""
        return self.lift[:, 0] * alpha.cos() + self.lift[:, 1] * alpha.sin()

    def incidence_of(self, cl: Float[Tensor, " sections"]) -> Float[Tensor, " sections"]:
        """Return the incidence, radians, at which the potential flow has a lift coefficient."""
        size = self.lift.norm(dim=-1)
        reach = (cl / size).clamp(-0.99, 0.99)
        return reach.asin() - torch.atan2(self.lift[:, 0], self.lift[:, 1])


def potential_wall(pos: Float[Tensor, "sections points 2"]) -> PotentialWall:
    """Solve the panel method for sections.

    Args:
        pos: Contours, normalised, upper trailing edge first, chords; shorter ones may repeat their
            last point.
    """
    parts = [_solved(part) for part in pos.double().split(_CHUNK)]
    names = [f.name for f in fields(PotentialWall)]
    return PotentialWall(**{n: torch.cat([getattr(p, n) for p in parts]) for n in names})


def wall_nodes(pos: Float[Tensor, "sections points 2"]) -> Float[Tensor, "sections nodes 2"]:
    """Return the panels' ends, ``2 * RING + 1`` a section; those of odd number are the stations."""
    steps = RING
    angle = torch.pi * torch.arange(steps + 1, dtype=pos.dtype, device=pos.device) / steps
    x = 0.5 * (1.0 - angle.cos())
    upper, lower = surface_y(pos, x)
    above = torch.stack([x.expand_as(upper), upper], -1).flip(1)
    below = torch.stack([x.expand_as(lower), lower], -1)
    return torch.cat([above, below[:, 1:]], 1)


def _solved(pos: Tensor) -> PotentialWall:
    """Return the potential flow of some sections."""
    nodes = wall_nodes(pos)
    vortex = sheet(nodes).vortex
    lengths = nodes.diff(dim=1).norm(dim=-1)
    middle = 0.5 * (vortex[:, 1:] + vortex[:, :-1])
    along = functional.normalize(nodes[:, 2::2] - nodes[:, :-2:2], dim=-1)
    return PotentialWall(
        places=nodes[:, 1::2],
        normals=torch.stack([along[..., 1], -along[..., 0]], -1),
        speed=vortex[:, 1::2],
        lift=2.0 * (middle * lengths[..., None]).sum(1),
    )
