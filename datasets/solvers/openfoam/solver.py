"""OpenFOAM's ``simpleFoam`` as a solver: RANS with k-omega SST on a C-mesh, resolved to the wall.

A point is solved on a few meshes, each twice as fine as the one before and started from it: the
circulation settles where an iteration is cheap. It has converged when lift and drag stay within
``tolerance`` over ``window`` iterations on the finest mesh; what does not settle (massive
separation, shedding) is no result, and says so. Works with Debian's ``openfoam`` 1912.

Good values: 148 cells a side, 48 in the wake and 100 to the far field at 100 chords make 39,200.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from formwright.datasets.cases import Case
from formwright.datasets.errors import ConditionError, FlowFileError, SectionError
from formwright.datasets.rans.flow_field import FlowField
from formwright.datasets.rans.mesh.cmesh import CMesh
from formwright.datasets.solvers.openfoam import process as foam_process
from formwright.datasets.solvers.openfoam.case import Numerics
from formwright.datasets.solvers.openfoam.level import Effort, Level, Start
from formwright.datasets.solvers.openfoam.levels import coarsened
from formwright.datasets.solvers.openfoam.process import FoamFailure, case_folder
from formwright.datasets.solvers.result import Result, stations, unanswered

NAME: Final = "openfoam simpleFoam"
PROGRAMS: Final = ("simpleFoam", "checkMesh")
MESH: Final = CMesh(
    cells_side=148,
    cells_wake=48,
    cells_normal=100,
    far_field=100.0,
    cells_base=40,
    closed_below=2e-3,
    even_share=0.05,
    tail_angle=0.4,
)
MAX_ALPHA_DEG: Final = 30.0


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenFOAM:
    """``simpleFoam`` with k-omega SST.

    Attributes:
        mesh: The finest mesh; its first cell is set by ``y_plus`` and the Reynolds number.
        y_plus: Height of the middle of the first cell, in viscous lengths of a flat plate.
        levels: Meshes, each with half the cells of the next in both directions.
        iterations: At most, on the finest mesh; a fifth of that on the others.
        window: Iterations over which the coefficients must have settled.
        tolerance: Largest change of lift and drag in the window, over their size (lift: at least
            0.1).
        timeout_s: Processor time of one mesh.
        numerics: Relaxation and tolerances.

    Example:
        >>> import formwright
        >>> solver, section = formwright.OpenFOAM(), formwright.load_section("e387")
        >>> flow = solver.flow(section.pos, alpha_deg=4.0, reynolds=3e6)  # doctest: +SKIP
        >>> solver.mesh.cells_side
        148
    """

    mesh: CMesh = MESH
    y_plus: float = 0.4
    levels: int = 3
    iterations: int = 1500
    window: int = 100
    tolerance: float = 1e-3
    timeout_s: float = 600.0
    numerics: Numerics = field(default_factory=Numerics)

    def available(self) -> bool:
        """Return whether the programs are there."""
        return foam_process.available(PROGRAMS)

    def require(self) -> None:
        """Raise MissingSolverError, which says what to install, where the programs are absent."""
        foam_process.require(PROGRAMS)

    def solve(self, cases: Iterable[Case]) -> Iterator[Result]:
        """Solve each section at its operating points; Mach number and Ncrit mean nothing here.

        Raises:
            MissingSolverError: OpenFOAM is not installed.
            ConditionError: A condition without meaning for this solver.
        """
        self.require()
        for case in cases:
            yield self._solve_case(case)

    def flow(
        self,
        pos: Float[Tensor, "points 2"],
        alpha_deg: float,
        reynolds: float,
        *,
        keep: Path | None = None,
    ) -> FlowField:
        """Return the flow around a section at one operating point.

        Args:
            pos: Contour, normalised, upper trailing edge first.
            alpha_deg: Incidence, degrees.
            reynolds: On the chord.
            keep: Folder in which the cases of all meshes stay; none stays where None.

        Raises:
            FoamFailure: No answer: diverged, not settled, a bad mesh, a timeout.
            SectionError: No section, or none that a C-mesh fits.
            FlowFileError: OpenFOAM left files that cannot be read.
        """
        check_conditions(alpha_deg, reynolds)
        begin = time.perf_counter()
        finest = dataclasses.replace(self.mesh, first_cell=first_cell(reynolds, self.y_plus))
        with case_folder(keep) as folder:
            start: Start | None = None
            for i in reversed(range(self.levels)):
                settings = coarsened(finest, 2**i) if i else finest
                level = Level(self._effort, settings, folder / f"level{i}", alpha_deg, reynolds, i)
                result = level.solve(pos, start)
                if isinstance(result, FlowField):
                    return dataclasses.replace(result, seconds=time.perf_counter() - begin)
                start = result
        raise AssertionError("unreachable")

    def point(
        self, pos: Float[Tensor, "points 2"], alpha_deg: float, reynolds: float
    ) -> FlowField | str:
        """Return the flow as ``flow`` does, or the reason why there is none."""
        try:
            return self.flow(pos, alpha_deg, reynolds)
        except FoamFailure as error:
            return str(error)
        except (SectionError, FlowFileError) as error:
            return f"{type(error).__name__}: {error}"

    @property
    def _effort(self) -> Effort:
        """What is spent on a mesh."""
        return Effort(
            iterations=self.iterations,
            window=self.window,
            tolerance=self.tolerance,
            timeout_s=self.timeout_s,
            numerics=self.numerics,
        )

    def _solve_case(self, case: Case) -> Result:
        """Solve the points of one section."""
        begin = time.perf_counter()
        n = len(case["alpha_deg"])
        labels, fields = unanswered(n)
        reasons = []
        pos = torch.as_tensor(case.pos).detach().cpu().double()
        for i, (alpha, reynolds) in enumerate(
            zip(case["alpha_deg"].tolist(), case["reynolds"].tolist(), strict=True)
        ):
            flow = self.point(pos, alpha, reynolds)
            reasons.append(flow if isinstance(flow, str) else "")
            if isinstance(flow, str):
                continue
            for name in ("cl", "cd", "cm"):
                labels[name][i] = flow.forces[name]
            for name, values in pressure_at_stations(flow).items():
                fields[name][i] = values
        return Result(
            labels=labels,
            fields=fields,
            reasons=tuple(reasons),
            solver=NAME,
            settings=dataclasses.asdict(self),
            seconds=time.perf_counter() - begin,
        )


def first_cell(reynolds: float, y_plus: float) -> float:
    """Return the height of the first cell, chords, from the friction of a flat plate.

    Args:
        reynolds: On the chord.
        y_plus: Of the middle of the cell; the friction coefficient is 0.058 Re^-0.2 (Prandtl).
    """
    friction_velocity = np.sqrt(0.5 * 0.058 * reynolds**-0.2)
    return float(2.0 * y_plus / (reynolds * friction_velocity))


def pressure_at_stations(flow: FlowField) -> dict[str, Float[np.ndarray, " stations"]]:
    """Return the pressure coefficient of both sides at the stations."""
    x, y = flow.wall.centres.T
    sides = flow.wall.sides
    nose = int(np.argmin(np.where(sides, x, np.inf)))
    end = len(x) - int((~sides).sum())
    upper, lower = slice(nose, None, -1), slice(nose, end)
    return {
        "cp_top": np.interp(stations(), x[upper], flow.wall.cp[upper]),
        "cp_bottom": np.interp(stations(), x[lower], flow.wall.cp[lower]),
    }


def check_conditions(alpha_deg: float, reynolds: float) -> None:
    """Refuse conditions that make no sense.

    Raises:
        ConditionError: The message quotes them.
    """
    if not (np.isfinite([alpha_deg, reynolds]).all() and reynolds > 0.0):
        raise ConditionError(
            f"OpenFOAM needs finite conditions and a positive Reynolds number; got alpha_deg = "
            f"{alpha_deg:g}, reynolds = {reynolds:g}."
        )
    if abs(alpha_deg) > MAX_ALPHA_DEG:
        raise ConditionError(
            f"a steady solution is for |alpha_deg| <= {MAX_ALPHA_DEG:g}; got {alpha_deg:g}."
        )
