"""Which solver verifies: XFoil where it is installed, the embedded panel method otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from formwright.datasets.errors import MissingSolverError
from formwright.design.verify import Solver


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
    """

    name: SolverName
    solver: Solver
    why: str


def choose(name: SolverName = SolverName.AUTO) -> Chosen:
    """Return the solver of that name; ``auto`` prefers XFoil.

    Raises:
        MissingSolverError: XFoil was asked for and is not installed.
    """
    from formwright.datasets.solvers.panel import Panel
    from formwright.datasets.solvers.xfoil import XFoil

    xfoil = XFoil(retries=1)
    if name is SolverName.PANEL:
        return Chosen(name, Panel(), "the study asks for the embedded panel method.")
    if xfoil.available():
        asked = "the study asks for XFoil." if name is SolverName.XFOIL else "XFoil is installed."
        return Chosen(SolverName.XFOIL, xfoil, asked)
    if name is SolverName.XFOIL:
        raise MissingSolverError(
            "the study asks for XFoil, whose program 'xfoil' is not on the PATH. Install it "
            '(Debian and Ubuntu: apt-get install xfoil), or set solver = "auto" or "panel".'
        )
    return Chosen(
        SolverName.PANEL, Panel(), "XFoil is not installed, so the embedded panel method verified."
    )
