"""Sections for other tools: surfaces (STL, OBJ, VTK) and C-meshes (Gmsh, SU2, VTK, VTU).

Surfaces and VTK go through meshio. Gmsh's format 2.2 in text is written here: OpenFOAM's
``gmshToFoam`` reads it with the names of the patches, and meshio cannot read back what it writes
in that form.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from formwright.datasets.errors import UnknownNameError, did_you_mean
from formwright.datasets.files import replacing
from formwright.datasets.rans.mesh.cmesh import PATCHES, CMesh, Hexahedra, c_mesh
from formwright.datasets.rans.mesh.su2 import su2_text

if TYPE_CHECKING:
    import meshio

__all__ = ["CMesh", "Hexahedra", "c_mesh", "read_mesh", "surface", "write_mesh", "write_surface"]

SURFACE_FORMATS: Final = (".stl", ".obj", ".vtk", ".ply")
MESH_FORMATS: Final = (".msh", ".su2", ".vtk", ".vtu")
_VOLUME: Final = "fluid"
_QUAD: Final = 3
_HEXAHEDRON: Final = 5


def write_surface(
    path: str | os.PathLike[str], pos: Float[Tensor, "points 2"], *, span: float = 1.0
) -> None:
    """Write a section as a closed surface: the contour extruded, both ends covered.

    Args:
        path: ``.stl``, ``.obj``, ``.vtk`` or ``.ply``.
        pos: Contour, upper trailing edge first.
        span: Length of the extrusion along z, in chords.

    Raises:
        UnknownNameError: Another suffix.
        StorageError: The file cannot be written.
    """
    import meshio

    suffix = _suffix(path, SURFACE_FORMATS)
    points, triangles = surface(pos, span=span)
    _write_meshio(meshio.Mesh(points, [("triangle", triangles)]), path, suffix)


def surface(
    pos: Float[Tensor, "points 2"], *, span: float = 1.0
) -> tuple[Float[np.ndarray, "vertices 3"], Int[np.ndarray, "triangles 3"]]:
    """Return vertices and triangles of the extruded contour, normals outward, without a gap."""
    ring = pos.detach().cpu().numpy().astype(np.float64)
    if np.hypot(*(ring[0] - ring[-1])) < 1e-9:
        ring = ring[:-1]
    n = len(ring)
    here = np.arange(n)
    ahead = np.roll(here, -1)
    sides = [np.stack([here, ahead, ahead + n], -1), np.stack([here, ahead + n, here + n], -1)]
    cap = _cap(ring)
    vertices = np.zeros((2 * n, 3))
    vertices[:, :2] = np.concatenate([ring, ring])
    vertices[n:, 2] = span
    return vertices, np.concatenate([*sides, cap[:, ::-1], cap + n])


def write_mesh(path: str | os.PathLike[str], mesh: Hexahedra) -> None:
    """Write a C-mesh.

    Args:
        path: ``.msh`` (Gmsh 2.2 text, with the patches ``airfoil``, ``farfield``, ``front`` and
            ``back``: ``gmshToFoam`` takes it; make front and back ``empty`` in
            ``constant/polyMesh/boundary``), ``.su2`` (the plane, with the markers ``airfoil`` and
            ``farfield``), ``.vtk`` or ``.vtu`` (cells only).
        mesh: From ``c_mesh``.

    Raises:
        UnknownNameError: Another suffix.
        StorageError: The file cannot be written.
    """
    import meshio

    suffix = _suffix(path, MESH_FORMATS)
    if suffix in (".msh", ".su2"):
        text = _gmsh_text(mesh) if suffix == ".msh" else su2_text(mesh)
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="ascii")
        return
    _write_meshio(meshio.Mesh(mesh.points, [("hexahedron", mesh.cells)]), path, suffix)


def read_mesh(path: str | os.PathLike[str]) -> Hexahedra:
    """Read a C-mesh that ``write_mesh`` wrote as ``.msh``."""
    import meshio

    mesh = meshio.read(path)
    names = {int(tag): name for name, (tag, _) in mesh.field_data.items()}
    tags = mesh.cell_data["gmsh:physical"]
    cells, patches = np.empty((0, 8), dtype=int), {}
    for block, tag in zip(mesh.cells, tags, strict=True):
        for number in np.unique(tag):
            if block.type == "hexahedron":
                cells = block.data[tag == number]
            else:
                patches[names[int(number)]] = block.data[tag == number]
    return Hexahedra(points=mesh.points, cells=cells, patches=patches)


def _write_meshio(mesh: meshio.Mesh, path: str | os.PathLike[str], suffix: str) -> None:
    """Write through meshio beside the target, then rename."""
    import meshio

    kind = {".vtk": "vtk42"}.get(suffix, suffix[1:])
    options = {"binary": True} if suffix == ".stl" else {}
    with replacing(path) as temporary:
        meshio.write(temporary, mesh, file_format=kind, **options)


def _suffix(path: str | os.PathLike[str], known: tuple[str, ...]) -> str:
    suffix = Path(path).suffix.lower()
    if suffix not in known:
        raise UnknownNameError(
            f"cannot write {str(path)!r}: the suffix {suffix!r} is none of {', '.join(known)}."
            f"{did_you_mean(suffix, known)}"
        )
    return suffix


def _gmsh_text(mesh: Hexahedra) -> str:
    """Return the mesh in Gmsh's format 2.2, text."""
    names = [f'2 {tag} "{name}"' for tag, name in enumerate(PATCHES, 1)]
    names.append(f'3 {len(PATCHES) + 1} "{_VOLUME}"')
    blocks = [(tag, _QUAD, mesh.patches[name]) for tag, name in enumerate(PATCHES, 1)] + [
        (len(PATCHES) + 1, _HEXAHEDRON, mesh.cells)
    ]
    nodes = [f"{i} {x!r} {y!r} {z!r}" for i, (x, y, z) in enumerate(mesh.points.tolist(), 1)]
    elements = []
    for tag, kind, block in blocks:
        for corners in (block + 1).tolist():
            ids = " ".join(map(str, corners))
            elements.append(f"{len(elements) + 1} {kind} 2 {tag} {tag} {ids}")
    sections = {
        "MeshFormat": ["2.2 0 8"],
        "PhysicalNames": [str(len(names)), *names],
        "Nodes": [str(len(nodes)), *nodes],
        "Elements": [str(len(elements)), *elements],
    }
    return "".join(
        f"${title}\n" + "\n".join(lines) + f"\n$End{title}\n" for title, lines in sections.items()
    )


def _cap(ring: np.ndarray) -> np.ndarray:
    """Return triangles that cover a contour, counterclockwise: both sides zipped by x."""
    nose = int(ring[:, 0].argmin())
    upper = list(range(nose, -1, -1))
    lower = list(range(nose, len(ring)))
    triangles, i, j = [], 0, 0
    while i < len(upper) - 1 or j < len(lower) - 1:
        advance_upper = j == len(lower) - 1 or (
            i < len(upper) - 1 and ring[upper[i + 1], 0] <= ring[lower[j + 1], 0]
        )
        step = upper[i + 1] if advance_upper else lower[j + 1]
        triangles.append([upper[i], lower[j], step])
        i, j = (i + 1, j) if advance_upper else (i, j + 1)
    result = np.array(triangles)
    return result[result[:, 0] != result[:, 1]]
