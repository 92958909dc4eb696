"""A first guess of a turbulent boundary layer under a given outer speed: no iteration, no switch.

Momentum thickness by Buri's quadrature, friction by Blasius' quarter power, and the profile by
Reichardt's law of the wall up to the outer speed and the height of ten momentum thicknesses::

    theta (U theta / nu)^(1/4) U^4 = 0.016 int U^4 ds
    tau / (rho U^2) = 0.0128 (U theta / nu)^(-1/4)

Turbulent from the stagnation point on, attached everywhere: what is learned corrects it.

Sources: H. Schlichting and K. Gersten, Boundary-Layer Theory (2017), section 18.4; H. Reichardt,
ZAMM 31 (1951).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

KAPPA: Final = 0.41
_LEAST_SPEED: Final = 0.3
_LEAST_OUTER: Final = 0.15
_LEAST_RE_THETA: Final = 30.0
_HEIGHT: Final = 10.0
_TINY: Final = 1e-12


@dataclass(frozen=True, kw_only=True, slots=True)
class BoundaryLayer:
    """At the faces of the wall, upper trailing edge first.

    Attributes:
        speed: Of the outer flow along the wall, signed along the order of the faces.
        outer: The same without sign, and nowhere quite zero.
        run: Arc from the stagnation point, chords.
        thickness: Of momentum, chords.
        friction: Of the wall over the dynamic pressure of the free stream, not signed.
        gradient: ``theta dU/ds / U`` in the direction of the flow.
    """

    speed: Float[Tensor, " faces"]
    outer: Float[Tensor, " faces"]
    run: Float[Tensor, " faces"]
    thickness: Float[Tensor, " faces"]
    friction: Float[Tensor, " faces"]
    gradient: Float[Tensor, " faces"]


def boundary_layer(
    nodes: Float[Tensor, "nodes 2"],
    speed: Float[Tensor, " nodes"],
    reynolds: Float[Tensor, ""],
) -> BoundaryLayer:
    """Return the boundary layer of a section.

    Args:
        nodes: Corners of the wall.
        speed: Along the wall at them, signed; it changes sign once, at the stagnation point.
        reynolds: On the chord.
    """
    length = (nodes[1:] - nodes[:-1]).square().sum(-1).clamp_min(_TINY).sqrt()
    at_face = 0.5 * (speed[1:] + speed[:-1])
    arc = length.cumsum(0) - 0.5 * length
    fourth = at_face.square().square() * length
    integral = fourth.cumsum(0) - 0.5 * fourth
    start = int((at_face.sign().cumsum(0).abs()).argmax())
    start = min(max(start, 0), len(arc) - 2)
    ends = at_face[start], at_face[start + 1]
    share = (ends[0] / (ends[0] - ends[1] + _TINY)).clamp(0.0, 1.0)
    run = (arc - torch.lerp(arc[start], arc[start + 1], share)).abs() + _TINY
    work = (integral - torch.lerp(integral[start], integral[start + 1], share)).abs()
    outer = (at_face.square() + _LEAST_OUTER**2).sqrt()
    slow = (at_face.square().square() + _LEAST_SPEED**4) ** 0.25
    thickness = (0.016 * (work + _TINY) * reynolds**-0.25 * slow**-4.25) ** 0.8
    re_theta = (reynolds * outer * thickness).square().add(_LEAST_RE_THETA**2).sqrt()
    friction = 2.0 * 0.0128 * re_theta**-0.25 * outer.square()
    slope = torch.gradient(at_face.abs(), spacing=(arc,))[0] * at_face.sign()
    return BoundaryLayer(
        speed=at_face,
        outer=outer,
        run=run,
        thickness=thickness,
        friction=friction,
        gradient=thickness * slope / slow,
    )


def profile(
    height: Float[Tensor, " points"],
    speed: Float[Tensor, " points"],
    friction: Float[Tensor, " points"],
    thickness: Float[Tensor, " points"],
    reynolds: Float[Tensor, ""],
) -> Float[Tensor, " points"]:
    """Return the speed in a boundary layer over the outer speed: 0 at the wall, 1 far from it.

    Args:
        height: Above the wall, chords.
        speed: Of the outer flow, not signed and not zero.
        friction: Of the wall over the dynamic pressure of the free stream.
        thickness: Of momentum, chords; a layer is about ten times as high.
        reynolds: On the chord.
    """
    shear = (0.5 * friction + _TINY).sqrt()
    y = height * shear * reynolds
    law = torch.log1p(KAPPA * y) / KAPPA
    law = law + 7.8 * (1.0 - torch.exp(-y / 11.0) - y / 11.0 * torch.exp(-0.33 * y))
    ratio = law * shear / speed
    eighth = ratio.square().square().square()
    inside = ratio / (1.0 + eighth).sqrt().sqrt().sqrt()
    return 1.0 - (1.0 - inside) * torch.exp(-(height / (_HEIGHT * thickness)).square())
