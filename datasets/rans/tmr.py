"""NASA's NACA 0012 case: its section, what CFL3D found with the same model, and the comparison.

The section is the one of the Turbulence Modeling Resource: the original thickness law carried on to
where it closes, then scaled to a chord of 1 (11.894 % thick, sharp). The coefficients are those of
CFL3D on 897 x 257 points with k-omega SST and a vortex at the far field. For validation only.

Source: NASA Langley Research Center, Turbulence Modeling Resource, "2D NACA 0012 Airfoil Validation
Case, SST Model Results", https://turbmodels.larc.nasa.gov/naca0012_val_sst.html (a work of the US
government).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from formwright.datasets import campaign
from formwright.datasets.airfoils.cst import cosine_spacing
from formwright.datasets.solvers.openfoam.solver import OpenFOAM

REYNOLDS: Final = 6e6
CFL3D_SST: Final = {
    0.0: (0.0, 0.0080937),
    10.0: (1.0778, 0.0123621),
    15.0: (1.5068, 0.0221862),
}
"""Lift and drag coefficient by incidence in degrees."""
CL_BAR: Final = 0.02
CD_BAR: Final = 0.04
_HALF: Final = (0.298222773, -0.127125232, -0.357907906, 0.291984971, -0.105174606)
_SCALE: Final = 0.594689181


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """One incidence: ours, and CFL3D's where there is one.

    Attributes:
        alpha_deg: Incidence, degrees.
        cl: Lift coefficient; NaN where not converged.
        cd: Drag coefficient.
        reference: CFL3D's lift and drag coefficient; None where it has none.
        iterations: On the finest mesh.
        seconds: Wall time.
        reason: Why there is no answer, else empty.
    """

    alpha_deg: float
    cl: float
    cd: float
    reference: tuple[float, float] | None
    iterations: int = 0
    seconds: float = 0.0
    reason: str = ""

    @property
    def cl_error(self) -> float:
        """Relative to CFL3D's lift, and to 1 where that is nothing."""
        if self.reference is None:
            return float("nan")
        return abs(self.cl - self.reference[0]) / (self.reference[0] or 1.0)

    @property
    def cd_error(self) -> float:
        """Relative to CFL3D's drag."""
        if self.reference is None:
            return float("nan")
        return abs(self.cd - self.reference[1]) / self.reference[1]

    @property
    def good(self) -> bool:
        """Whether it converged, and is within the bars where there is a reference."""
        far = self.reference is not None and (self.cl_error > CL_BAR or self.cd_error > CD_BAR)
        return not self.reason and not far


def naca0012(points_per_side: int = 300) -> Float[Tensor, "points 2"]:
    """Return the section, upper trailing edge first, chords."""
    x = cosine_spacing(points_per_side)
    a0, a1, a2, a3, a4 = _HALF
    half = _SCALE * (a0 * x.sqrt() + x * (a1 + x * (a2 + x * (a3 + x * a4))))
    half[-1] = 0.0
    upper, lower = torch.stack([x, half], -1), torch.stack([x, -half], -1)
    return torch.cat([upper.flip(0), lower[1:]])


def compare(solver: OpenFOAM, alpha_deg: float) -> Comparison:
    """Solve one incidence and set it beside CFL3D's."""
    reference = CFL3D_SST.get(alpha_deg)
    result = solver.point(naca0012(), alpha_deg, REYNOLDS)
    if isinstance(result, str):
        return Comparison(
            alpha_deg=alpha_deg, cl=np.nan, cd=np.nan, reference=reference, reason=result
        )
    return Comparison(
        alpha_deg=alpha_deg,
        cl=result.forces["cl"],
        cd=result.forces["cd"],
        reference=reference,
        iterations=result.iterations,
        seconds=result.seconds,
    )


def validate(
    solver: OpenFOAM,
    alphas_deg: Sequence[float] = tuple(CFL3D_SST),
    *,
    workers: int | None = None,
    progress: bool = True,
) -> list[Comparison]:
    """Solve the section at several incidences, on all cores.

    Raises:
        MissingSolverError: OpenFOAM is not installed.
    """
    solver.require()
    result: dict[float, Comparison] = {}

    def failed(alpha: float, error: Exception) -> None:
        raise error

    campaign.run(
        list(alphas_deg),
        partial(compare, solver),
        on_result=result.__setitem__,
        on_failure=failed,
        workers=workers,
        title="incidences",
        total=len(alphas_deg),
        progress=progress,
    )
    return [result[alpha] for alpha in alphas_deg]
