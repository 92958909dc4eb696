"""Which solver verifies: XFoil where it is installed, the embedded panel method otherwise.

OpenFOAM verifies where a study asks for it: what a surrogate of RANS claims, only RANS can judge.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from formwright.datasets.errors import MissingSolverError
from formwright.design.airfoils.sweeps import SweepRange
from formwright.design.airfoils.verify import Solver

PANEL_STEP_DEG: Final = 0.5
FOAM_STEP_DEG: Final = 1.0
"""Four flows or so around what is claimed: each takes half a minute or more."""


class SolverName(StrEnum):
    """Solvers that a study may name."""

    AUTO = "auto"
    XFOIL = "xfoil"
    PANEL = "panel"
    OPENFOAM = "openfoam"


@dataclass(frozen=True, slots=True)
class Chosen:
    """A solver, and why it was taken.

    Attributes:
        name: Which one.
        solver: Ready to solve.
        why: One sentence for the report.
        least_step_deg: Sweeps are asked no finer than this: XFoil needs near neighbours to
            converge, the embedded solver takes every point by itself.
        reach_deg: Sweeps reach no further from the claimed incidences; None leaves them as they
            are, from zero on.
    """

    name: SolverName
    solver: Solver
    why: str
    least_step_deg: float = 0.0
    reach_deg: float | None = None

    def fitted(self, sweep: SweepRange) -> SweepRange:
        """Return a sweep as this solver is asked it."""
        step = max(sweep.step_deg, self.least_step_deg)
        if self.reach_deg is None:
            return replace(sweep, step_deg=step)
        return replace(
            sweep,
            step_deg=step,
            near_deg=self.reach_deg + step,
            below_deg=min(sweep.below_deg, self.reach_deg),
            above_deg=min(sweep.above_deg, self.reach_deg),
            from_zero=False,
        )


def choose(name: SolverName = SolverName.AUTO) -> Chosen:
    """Return the solver of that name; ``auto`` prefers XFoil.

    Raises:
        MissingSolverError: XFoil or OpenFOAM was asked for and is not installed.
    """
    from formwright.datasets.solvers.openfoam.solver import OpenFOAM
    from formwright.datasets.solvers.panel.solver import Panel
    from formwright.datasets.solvers.xfoil.solver import XFoil

    if name is SolverName.OPENFOAM:
        foam = OpenFOAM()
        foam.require()
        return Chosen(name, foam, "the study asks for OpenFOAM.", FOAM_STEP_DEG, FOAM_STEP_DEG)
    xfoil = XFoil(retries=1)
    if name is SolverName.PANEL:
        why = "the study asks for the embedded panel method."
        return Chosen(name, Panel(), why, PANEL_STEP_DEG)
    if xfoil.available():
        requested = (
            "the study asks for XFoil." if name is SolverName.XFOIL else "XFoil is installed."
        )
        return Chosen(SolverName.XFOIL, xfoil, requested)
    if name is SolverName.XFOIL:
        raise MissingSolverError(
            "the study asks for XFoil, whose program 'xfoil' is not on the PATH. Install it "
            '(Debian and Ubuntu: apt-get install xfoil), or set solver = "auto" or "panel".'
        )
    why = "XFoil is not installed, so the embedded panel method verified."
    return Chosen(SolverName.PANEL, Panel(), why, PANEL_STEP_DEG)
