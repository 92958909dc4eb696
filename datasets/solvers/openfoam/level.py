"""One mesh of a point: write the case, run ``simpleFoam`` until the forces have settled, read it.

The coarsest mesh, which starts from nothing, is solved in first order, and so is the start of a
mesh on which second order diverges.
"""

from __future__ import annotations

import dataclasses
import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float
from torch import Tensor

from formwright.datasets.rans.flow_field import FlowField
from formwright.datasets.rans.mesh.cmesh import CMesh, c_mesh
from formwright.datasets.solvers.openfoam import process as foam_process
from formwright.datasets.solvers.openfoam.case import FIRST_ORDER, STOP, Flow, Numerics, write_case
from formwright.datasets.solvers.openfoam.levels import carried
from formwright.datasets.solvers.openfoam.poly_mesh import poly_mesh, write_poly_mesh
from formwright.datasets.solvers.openfoam.process import Diverged, FoamFailure
from formwright.datasets.solvers.openfoam.read import (
    Solved,
    flow_field,
    mesh_quality,
    read_coefficients,
    read_fields,
)

COARSE_SHARE: Final = 5
EARLY: Final = 60
BEYOND: Final = 20.0
_SMALLEST_LIFT: Final = 0.1


@dataclass(frozen=True, kw_only=True, slots=True)
class Effort:
    """What is spent on a mesh; the attributes are those of ``solver.OpenFOAM``."""

    iterations: int
    window: int
    tolerance: float
    timeout_s: float
    numerics: Numerics


@dataclass(frozen=True, kw_only=True, slots=True)
class Start:
    """What a coarse mesh gives the next one.

    Attributes:
        settings: Of the coarse mesh.
        fields: On its cells, by name.
        cl: Lift coefficient.
    """

    settings: CMesh
    fields: dict[str, np.ndarray]
    cl: float


@dataclass(frozen=True, slots=True)
class Level:
    """One mesh of a point.

    Attributes:
        effort: What is spent on it.
        settings: Of the mesh.
        folder: Of the case.
        alpha_deg: Incidence, degrees.
        reynolds: On the chord.
        level: How often the finest mesh was halved; 0 is the finest.
    """

    effort: Effort
    settings: CMesh
    folder: Path
    alpha_deg: float
    reynolds: float
    level: int

    def solve(self, pos: Float[Tensor, "points 2"], start: Start | None) -> FlowField | Start:
        """Run; return the fields of a coarse mesh, the whole record of the finest."""
        effort, settings = self.effort, self.settings
        mesh = c_mesh(pos, settings)
        faces = poly_mesh(mesh)
        flow = Flow(
            alpha_deg=self.alpha_deg,
            reynolds=self.reynolds,
            iterations=effort.iterations,
            span=settings.span,
            far=mesh.points[mesh.patches["farfield"]].mean(1),
            start=start and carried(start.fields, start.settings, settings, len(mesh.cells)),
            circulation_cl=start.cl if start else 0.0,
        )
        write_poly_mesh(self.folder / "constant" / "polyMesh", faces)
        write_case(self.folder, flow, effort.numerics)
        quality = self._check_mesh() if not self.level else {}
        log = self._converge(flow, len(mesh.cells))
        samples = read_coefficients(self.folder)
        if self.level:
            fields = read_fields(self.folder, len(mesh.cells))
            return Start(settings=settings, fields=fields, cl=float(samples[-1, 1]))
        if not settled(samples, effort.window, effort.tolerance):
            raise FoamFailure(_unsettled(samples, effort))
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
            return self._run(flow, self.effort.numerics.convection)
        except Diverged:
            log = self._run(flow, FIRST_ORDER)
        if self.level:
            return log
        again = dataclasses.replace(flow, start=read_fields(self.folder, cells))
        return self._run(again, self.effort.numerics.convection)

    def _run(self, flow: Flow, convection: str) -> str:
        """Run the solver from the start of ``flow`` with one convection scheme."""
        for old in [*self.folder.glob("[1-9]*"), self.folder / "postProcessing"]:
            shutil.rmtree(old, ignore_errors=True)
        (self.folder / STOP).unlink(missing_ok=True)
        effort = self.effort
        numerics = dataclasses.replace(effort.numerics, convection=convection)
        rough = self.level or convection != effort.numerics.convection
        iterations = max(effort.iterations // COARSE_SHARE, 1) if rough else effort.iterations
        write_case(self.folder, dataclasses.replace(flow, iterations=iterations), numerics)
        watch = partial(self._watch, bool(rough))
        log = foam_process.run("simpleFoam", self.folder, timeout_s=effort.timeout_s, watch=watch)
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
        log = foam_process.run("checkMesh", self.folder, timeout_s=self.effort.timeout_s)
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
        window, tolerance = self.effort.window, self.effort.tolerance
        if rough:
            window, tolerance = window // 2, 5.0 * tolerance
        _check_bounds(samples[EARLY // self.effort.numerics.forces_every :])
        if not stop.exists() and settled(samples, window, tolerance):
            stop.touch()


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


def _check_bounds(samples: Float[np.ndarray, "samples 4"]) -> None:
    """Raise Diverged where the last coefficients are those of no section."""
    if len(samples) and not np.abs(samples[-1, 1:3]).max() < BEYOND:
        cl, cd = samples[-1, 1:3]
        raise Diverged(f"diverged; cl = {cl:.3g}, cd = {cd:.3g} in iteration {samples[-1, 0]:.0f}")


def _unsettled(samples: np.ndarray, effort: Effort) -> str:
    """Return how far the coefficients still moved."""
    last = samples[samples[:, 0] >= samples[-1, 0] - effort.window, 1:3]
    (cl, cd), (cl_range, cd_range) = last.mean(0), np.ptp(last, axis=0)
    return (
        f"not settled; after {int(samples[-1, 0])} iterations, over the last {effort.window}, cl = "
        f"{cl:.4f} within {cl_range:.4f}, cd = {cd:.5f} within {cd_range:.5f}"
    )
