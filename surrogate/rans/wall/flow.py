"""What a turbulent wall is corrected from: the potential flow, and a surrogate of the free polar.

``airfoil-polar`` says what lift, drag and moment a section has with natural transition; the
potential flow at the incidence that has this lift says where the pressure goes. Both are cheap,
known for every section, and differentiable; ``wall.network`` learns the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from formwright.datasets.cases import Batch, Case
from formwright.datasets.rans.wall import PotentialWall, potential_wall
from formwright.surrogate.airfoils.encoder import contours, rings
from formwright.surrogate.airfoils.polar import PolarSurrogate
from formwright.surrogate.rans.wall.network import WallAnswer, WallView

EVEN: Final = 6
ODD: Final = 5
WHOLE: Final = 7
FORCE_SCALE: Final = (0.1, 0.2, 0.02)
"""What 1 of the network means: lift, logarithm of drag, moment."""
NCRIT: Final = 3.0
_SPEED: Final = 15.0
_DRAG: Final = -4.3


@dataclass(frozen=True, kw_only=True, slots=True)
class WallFlow:
    """Operating points with all that is known of them before the correction.

    Attributes:
        places: Stations, chords.
        normals: Unit normals out of the section.
        speed: Of the potential flow at the point's incidence, positive toward the upper trailing
            edge.
        cp: Pressure coefficient of the potential flow that has the lift of ``forces``.
        forces: Lift, logarithm of drag, and moment of the polar.
        alpha: Incidence, radians.
        log_reynolds: Natural logarithm.
        lift: Coefficient of the potential flow at the point's incidence.
    """

    places: Float[Tensor, "points ring 2"]
    normals: Float[Tensor, "points ring 2"]
    speed: Float[Tensor, "points ring"]
    cp: Float[Tensor, "points ring"]
    forces: Float[Tensor, "points 3"]
    alpha: Float[Tensor, " points"]
    log_reynolds: Float[Tensor, " points"]
    lift: Float[Tensor, " points"]

    def __len__(self) -> int:
        """Return the number of points."""
        return len(self.alpha)

    def take(self, rows: Tensor) -> WallFlow:
        """Return some of the points."""
        return WallFlow(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})

    @classmethod
    def concatenated(cls, parts: Sequence[WallFlow]) -> WallFlow:
        """Return the points of all parts."""
        return cls(**{f.name: torch.cat([getattr(p, f.name) for p in parts]) for f in fields(cls)})

    def float(self) -> WallFlow:
        """Return the points in single precision, to train on."""
        return WallFlow(**{f.name: getattr(self, f.name).float() for f in fields(self)})

    def view(self) -> WallView:
        """Return what the network sees, each of order one."""
        x, y = self.places.unbind(-1)
        size = torch.ones_like(x)
        speed = (self.log_reynolds - _SPEED)[:, None]
        alpha = 6.0 * self.alpha[:, None]
        cl, drag, moment = (part[:, None] for part in self.forces.unbind(-1))
        even = [
            2.0 * x - 1.0,
            self.normals[..., 0],
            torch.asinh(self.cp),
            torch.asinh(1.0 - self.speed.square()),
            speed * size,
            (drag - _DRAG) * size,
        ]
        odd = [10.0 * y, self.normals[..., 1], self.speed, alpha * size, cl * size]
        whole = [speed, drag - _DRAG, alpha.square()]
        turning = [alpha, cl, 10.0 * moment, self.lift[:, None] - cl]
        return WallView(
            torch.stack(even, 1), torch.stack(odd, 1), torch.cat(whole, 1), torch.cat(turning, 1)
        )

    def corrected(
        self, answer: WallAnswer
    ) -> tuple[Float[Tensor, "points ring"], Float[Tensor, "points 3"]]:
        """Return the pressure coefficients and the forces (``ln cd``) after the correction."""
        scale = self.forces.new_tensor(FORCE_SCALE)
        return (
            self.cp + pressure_scale(self.cp) * answer.pressure.to(self.cp),
            self.forces + scale * answer.forces.to(self.forces),
        )


def pressure_scale(cp: Float[Tensor, "points ring"]) -> Float[Tensor, "points ring"]:
    """Return how far a pressure coefficient may be off: more in a suction peak."""
    return 0.05 + 0.05 * cp.abs()


def wall_flow(polar: PolarSurrogate, batch: Case) -> WallFlow:
    """Return the operating points of a batch, in their order; differentiable.

    Args:
        polar: Of natural transition.
        batch: Sections with ``alpha_deg`` and ``reynolds``.
    """
    case = batch.condition_batch
    walls = potential_wall(contours(batch)).take(case)
    alpha = torch.deg2rad(batch.alpha_deg.double())
    case_rings = rings(batch, polar.config.stations)
    points = Batch(
        rings=case_rings,
        condition_batch=case,
        alpha_deg=batch.alpha_deg,
        reynolds=batch.reynolds,
        ncrit=torch.full_like(batch.alpha_deg, NCRIT),
    )
    predicted = polar.means(polar.network(points))[:, :3].double()
    forces = predicted * polar.scale[:3] + polar.centre[:3]
    return joined(walls, alpha, batch.reynolds.double().log(), forces)


def joined(
    walls: PotentialWall,
    alpha: Float[Tensor, " points"],
    log_reynolds: Float[Tensor, " points"],
    forces: Float[Tensor, "points 3"],
) -> WallFlow:
    """Return points from the potential flow of each, its conditions and the forces of the polar."""
    matched = walls.speed_at(walls.incidence_of(forces[:, 0]))
    return WallFlow(
        places=walls.places,
        normals=walls.normals,
        speed=walls.speed_at(alpha),
        cp=1.0 - matched.square(),
        forces=forces,
        alpha=alpha,
        log_reynolds=log_reynolds,
        lift=walls.lift_at(alpha),
    )
