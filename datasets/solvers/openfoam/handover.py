"""A section as a case for others: OpenFOAM's folder, ready to run, and the mesh for others."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from jaxtyping import Float
from torch import Tensor

from formwright.datasets.errors import ConfigError
from formwright.datasets.rans.mesh.cmesh import CMesh, Hexahedra, c_mesh
from formwright.datasets.rans.mesh.export import write_mesh
from formwright.datasets.solvers.openfoam.case import Flow, Numerics, write_case
from formwright.datasets.solvers.openfoam.levels import coarsened
from formwright.datasets.solvers.openfoam.poly_mesh import poly_mesh, write_poly_mesh
from formwright.datasets.solvers.openfoam.solver import MESH, check_conditions, first_cell

OTHER_FORMATS: Final = (".msh", ".su2", ".vtu")
_MOST_COARSE: Final = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class HandedCase:
    """What is asked for.

    Attributes:
        alpha_deg: Incidence, degrees; the free stream turns, the section stays.
        reynolds: On the chord.
        chord: Metres; the free stream has 1 m/s.
        y_plus: Height of the middle of the first cell, in viscous lengths of a flat plate.
        first_cell: Height of the first cell, chords, in place of ``y_plus``.
        coarser: How often every second line of the mesh is left out.
        iterations: Of ``simpleFoam``.
    """

    alpha_deg: float = 0.0
    reynolds: float = 1e6
    chord: float = 1.0
    y_plus: float = 1.0
    first_cell: float | None = None
    coarser: int = 1
    iterations: int = 3000

    def __post_init__(self) -> None:
        """Refuse what makes no mesh."""
        check_conditions(self.alpha_deg, self.reynolds)
        sizes = {"chord": self.chord, "y_plus": self.y_plus, "first_cell": self.first_cell or 1e-5}
        for name, value in sizes.items():
            if not 0.0 < value < float("inf"):
                raise ConfigError(f"{name} = {value!r} must be a positive number.")
        if not 0 <= self.coarser <= _MOST_COARSE or self.iterations < 1:
            raise ConfigError(
                f"coarser = {self.coarser} must be 0 to {_MOST_COARSE} and iterations = "
                f"{self.iterations} positive."
            )

    @property
    def mesh(self) -> CMesh:
        """The size of the mesh, its first cell where it is asked for."""
        height = self.first_cell or first_cell(self.reynolds, self.y_plus)
        size = coarsened(MESH, 2**self.coarser) if self.coarser else MESH
        return dataclasses.replace(size, first_cell=height)


def write_openfoam(
    folder: str | os.PathLike[str], pos: Float[Tensor, "points 2"], case: HandedCase | None = None
) -> Hexahedra:
    """Write a case of ``simpleFoam`` around a section, and its mesh as Gmsh, SU2 and VTU files.

    The folder then has ``0``, ``constant`` (with ``polyMesh``), ``system``, ``mesh.msh``,
    ``mesh.su2`` and ``mesh.vtu``: ``simpleFoam`` runs in it as it is.

    Args:
        folder: Of the case; it is made, and must be empty.
        pos: Contour, normalised, upper trailing edge first.
        case: Conditions and size; 1e6 at no incidence where None.

    Returns:
        The mesh, in metres.

    Raises:
        ConfigError: The folder has something in it.
        SectionError: The contour is no section, or one that no C-mesh fits.
        StorageError: It cannot be written.

    Example:
        >>> from formwright import load_section
        >>> from formwright.datasets.solvers.openfoam.handover import HandedCase, write_openfoam
        >>> case = HandedCase(alpha_deg=4.0, reynolds=1e6, coarser=3)
        >>> mesh = write_openfoam("naca2412-case", load_section("naca2412").pos, case)
        >>> sorted(mesh.patches)
        ['airfoil', 'back', 'farfield', 'front']
    """
    case, target = case or HandedCase(), Path(folder)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ConfigError(f"{str(folder)!r} is not empty: give a folder of its own for the case.")
    chords = c_mesh(pos, case.mesh)
    flow = Flow(
        alpha_deg=case.alpha_deg,
        reynolds=case.reynolds,
        iterations=case.iterations,
        span=case.mesh.span,
        far=chords.points[chords.patches["farfield"]].mean(1),
        chord=case.chord,
    )
    mesh = dataclasses.replace(chords, points=case.chord * chords.points)
    write_poly_mesh(target / "constant" / "polyMesh", poly_mesh(mesh))
    write_case(target, flow, Numerics())
    for suffix in OTHER_FORMATS:
        write_mesh(target / f"mesh{suffix}", mesh)
    return mesh
