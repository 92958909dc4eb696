"""OpenFOAM's ``simpleFoam`` as a solver: RANS with k-omega SST on a C-mesh, resolved to the wall.

A point is solved on a few meshes, each twice as fine as the one before and started from it: the
circulation settles where an iteration is cheap. It has converged when lift and drag stay within
``tolerance`` over ``window`` iterations on the finest mesh; what does not settle (massive
separation, shedding) is no result, and says so. Works with Debian's ``openfoam`` 1912.

Good values: 148 cells a side, 48 in the wake and 100 to the far field at 100 chords make 39,200.
"""

from __future__ import annotations

import dataclasses
import shutil
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch_geometric.data import Data

from formwright.datasets.cmesh import CMesh, c_mesh
from formwright.datasets.errors import ConditionError, FlowFileError, SectionError
from formwright.datasets.flow_field import FlowField
from formwright.datasets.solvers import foam_process
from formwright.datasets.solvers.foam_case import FIRST_ORDER, STOP, Flow, Numerics, write_case
from formwright.datasets.solvers.foam_levels import carried, coarsened
from formwright.datasets.solvers.foam_process import Diverged, FoamFailure, case_folder
from formwright.datasets.solvers.foam_read import (
    Solved,
    flow_field,
    mesh_quality,
    read_coefficients,
    read_fields,
)
from formwright.datasets.solvers.poly_mesh import poly_mesh, write_poly_mesh
from formwright.datasets.solvers.result import POLAR_FIELDS, POLAR_LABELS, Result, stations

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
COARSE_SHARE: Final = 5
EARLY: Final = 60
BEYOND: Final = 20.0
_SMALLEST_LIFT: Final = 0.1


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

    def solve(self, cases: Iterable[Data]) -> Iterator[Result]:
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
        _check(alpha_deg, reynolds)
        begin = time.perf_counter()
        finest = dataclasses.replace(self.mesh, first_cell=first_cell(reynolds, self.y_plus))
        with case_folder(keep) as folder:
            start: _Start | None = None
            for level in reversed(range(self.levels)):
                settings = coarsened(finest, 2**level) if level else finest
                run = _Level(self, settings, folder / f"level{level}", alpha_deg, reynolds, level)
                found = run.solve(pos, start)
                if isinstance(found, FlowField):
                    return dataclasses.replace(found, seconds=time.perf_counter() - begin)
                start = found
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

    def _solve_case(self, case: Data) -> Result:
        """Solve the points of one section."""
        begin = time.perf_counter()
        n = len(case["alpha_deg"])
        labels = {label.name: np.full(n, np.nan) for label in POLAR_LABELS}
        fields = {f.name: np.full((n, len(stations())), np.nan) for f in POLAR_FIELDS}
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
    sides = flow.wall.normals[:, 0] < 0.999
    nose = int(np.argmin(np.where(sides, x, np.inf)))
    end = len(x) - int((~sides).sum())
    upper, lower = slice(nose, None, -1), slice(nose, end)
    return {
        "cp_top": np.interp(stations(), x[upper], flow.wall.cp[upper]),
        "cp_bottom": np.interp(stations(), x[lower], flow.wall.cp[lower]),
    }


def settled(samples: Float[np.ndarray, "samples 4"], window: int, tolerance: float) -> bool:
    """Return whether lift and drag stayed within the tolerance over the last iterations.

    Args:
        samples: Iteration, cl, cd, cm.
        window: In iterations.
        tolerance: Largest less smallest value, over the size.
    """
    if not len(samples) or samples[-1, 0] < window + samples[0, 0]:
        return False
    last = samples[samples[:, 0] >= samples[-1, 0] - window, 1:3]
    size = np.maximum(np.abs(last[-1]), [_SMALLEST_LIFT, 0.0])
    return bool((np.ptp(last, axis=0) <= tolerance * size).all())


@dataclass(frozen=True, kw_only=True, slots=True)
class _Start:
    """What a coarse mesh gives the next one: its settings, its fields, its lift coefficient."""

    settings: CMesh
    fields: dict[str, np.ndarray]
    cl: float


@dataclass(frozen=True, slots=True)
class _Level:
    """One mesh of a point."""

    solver: OpenFOAM
    settings: CMesh
    folder: Path
    alpha_deg: float
    reynolds: float
    level: int

    def solve(self, pos: Float[Tensor, "points 2"], start: _Start | None) -> FlowField | _Start:
        """Run; return the fields of a coarse mesh, the whole record of the finest."""
        solver, settings = self.solver, self.settings
        mesh = c_mesh(pos, settings)
        faces = poly_mesh(mesh)
        flow = Flow(
            alpha_deg=self.alpha_deg,
            reynolds=self.reynolds,
            iterations=solver.iterations,
            span=settings.span,
            far=mesh.points[mesh.patches["farfield"]].mean(1),
            start=start and carried(start.fields, start.settings, settings, len(mesh.cells)),
            circulation_cl=start.cl if start else 0.0,
        )
        write_poly_mesh(self.folder / "constant" / "polyMesh", faces)
        write_case(self.folder, flow, solver.numerics)
        quality = self._check_mesh() if not self.level else {}
        log = self._converge(flow, len(mesh.cells))
        samples = read_coefficients(self.folder)
        if self.level:
            fields = read_fields(self.folder, len(mesh.cells))
            return _Start(settings=settings, fields=fields, cl=float(samples[-1, 1]))
        if not settled(samples, solver.window, solver.tolerance):
            raise FoamFailure(_unsettled(samples, solver))
        case = Solved(folder=self.folder, mesh=mesh, faces=faces, sides=2 * settings.cells_side)
        return flow_field(case, flow, log, quality)

    def _converge(self, flow: Flow, cells: int) -> str:
        """Run until settled and return the log: first order where second order fails.

        The coarsest mesh, which starts from nothing, is of first order; on the finest one first
        order is only a better start.
        """
        if self.level and flow.start is None:
            return self._run(flow, FIRST_ORDER)
        try:
            return self._run(flow, self.solver.numerics.convection)
        except Diverged:
            log = self._run(flow, FIRST_ORDER)
        if self.level:
            return log
        again = dataclasses.replace(flow, start=read_fields(self.folder, cells))
        return self._run(again, self.solver.numerics.convection)

    def _run(self, flow: Flow, convection: str) -> str:
        """Run the solver from the start of ``flow`` with one convection scheme."""
        for old in [*self.folder.glob("[1-9]*"), self.folder / "postProcessing"]:
            shutil.rmtree(old, ignore_errors=True)
        (self.folder / STOP).unlink(missing_ok=True)
        solver = self.solver
        numerics = dataclasses.replace(solver.numerics, convection=convection)
        rough = self.level or convection != solver.numerics.convection
        iterations = max(solver.iterations // COARSE_SHARE, 1) if rough else solver.iterations
        write_case(self.folder, dataclasses.replace(flow, iterations=iterations), numerics)
        watch = partial(self._watch, bool(rough))
        log = foam_process.run("simpleFoam", self.folder, timeout_s=solver.timeout_s, watch=watch)
        samples = read_coefficients(self.folder)
        if not len(samples):
            raise FoamFailure("no coefficients: the run ended before its first ones")
        _check_bounds(samples)
        return log

    def _check_mesh(self) -> dict[str, float]:
        """Return the mesh's numbers.

        Raises:
            FoamFailure: ``checkMesh`` refuses it.
        """
        log = foam_process.run("checkMesh", self.folder, timeout_s=self.solver.timeout_s)
        quality, reason = mesh_quality(log)
        if reason:
            raise FoamFailure(reason)
        return quality

    def _watch(self, rough: bool) -> None:
        """Ask the solver to write and stop once the coefficients have settled.

        Raises:
            Diverged: They are beyond all bounds.
        """
        stop, samples = self.folder / STOP, read_coefficients(self.folder)
        window, tolerance = self.solver.window, self.solver.tolerance
        if rough:
            window, tolerance = window // 2, 5.0 * tolerance
        _check_bounds(samples[EARLY // self.solver.numerics.forces_every :])
        if not stop.exists() and settled(samples, window, tolerance):
            stop.touch()


def _check_bounds(samples: Float[np.ndarray, "samples 4"]) -> None:
    """Raise Diverged where the last coefficients are those of no section."""
    if len(samples) and not np.abs(samples[-1, 1:3]).max() < BEYOND:
        cl, cd = samples[-1, 1:3]
        raise Diverged(f"diverged; cl = {cl:.3g}, cd = {cd:.3g} in iteration {samples[-1, 0]:.0f}")


def _unsettled(samples: np.ndarray, solver: OpenFOAM) -> str:
    """Return how far the coefficients still moved."""
    last = samples[samples[:, 0] >= samples[-1, 0] - solver.window, 1:3]
    (cl, cd), (cl_range, cd_range) = last.mean(0), np.ptp(last, axis=0)
    return (
        f"not settled; after {int(samples[-1, 0])} iterations, over the last {solver.window}, cl = "
        f"{cl:.4f} within {cl_range:.4f}, cd = {cd:.5f} within {cd_range:.5f}"
    )


def _check(alpha_deg: float, reynolds: float) -> None:
    """Refuse conditions that make no sense."""
    if not (np.isfinite([alpha_deg, reynolds]).all() and reynolds > 0.0):
        raise ConditionError(
            f"OpenFOAM needs finite conditions and a positive Reynolds number; got alpha_deg = "
            f"{alpha_deg:g}, reynolds = {reynolds:g}."
        )
    if abs(alpha_deg) > MAX_ALPHA_DEG:
        raise ConditionError(
            f"a steady solution is for |alpha_deg| <= {MAX_ALPHA_DEG:g}; got {alpha_deg:g}."
        )
