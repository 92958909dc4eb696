"""Which solver verifies: XFoil where it is installed, the embedded panel method otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from formwright.datasets.errors import MissingSolverError
from formwright.design.verify import Solver

PANEL_STEP_DEG: Final = 0.5


class SolverName(StrEnum):
    """Solvers that a study may name."""

    AUTO = "auto"
    XFOIL = "xfoil"
    PANEL = "panel"


@dataclass(frozen=True, slots=True)
class Chosen:
    """A solver, and why it was taken.

    Attributes:
        name: Which one.
        solver: Ready to solve.
        why: One sentence for the report.
        least_step_deg: Sweeps are asked no finer than this: XFoil needs near neighbours to
            converge, the embedded solver takes every point by itself.
    """

    name: SolverName
    solver: Solver
    why: str
    least_step_deg: float = 0.0


def choose(name: SolverName = SolverName.AUTO) -> Chosen:
    """Return the solver of that name; ``auto`` prefers XFoil.

    Raises:
        MissingSolverError: XFoil was asked for and is not installed.
    """
    from formwright.datasets.solvers.panel import Panel
    from formwright.datasets.solvers.xfoil import XFoil

    xfoil = XFoil(retries=1)
    if name is SolverName.PANEL:
        why = "the study asks for the embedded panel method."
        return Chosen(name, Panel(), why, PANEL_STEP_DEG)
    if xfoil.available():
        asked = "the study asks for XFoil." if name is SolverName.XFOIL else "XFoil is installed."
        return Chosen(SolverName.XFOIL, xfoil, asked)
    if name is SolverName.XFOIL:
        raise MissingSolverError(
            "the study asks for XFoil, whose program 'xfoil' is not on the PATH. Install it "
            '(Debian and Ubuntu: apt-get install xfoil), or set solver = "auto" or "panel".'
        )
    why = "XFoil is not installed, so the embedded panel method verified."
    return Chosen(SolverName.PANEL, Panel(), why, PANEL_STEP_DEG)
