"""Hexahedra as OpenFOAM's ``polyMesh``: faces with an owner and a neighbour, in its order.

Faces inside come first, by owner and then by neighbour, the owner being the cell with the smaller
number (upper-triangular order); then the patches, one after the other, normals outward.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float, Int

from formwright.datasets.rans.mesh.cmesh import Hexahedra
from formwright.datasets.solvers.openfoam.files import block, dictionary, rows

SIDES: Final = np.array(
    [[0, 3, 2, 1], [4, 5, 6, 7], [0, 1, 5, 4], [1, 2, 6, 5], [2, 3, 7, 6], [3, 0, 4, 7]]
)
"""The faces of a hexahedron by its corners, normals outward."""
TYPES: Final = {"airfoil": "wall", "farfield": "patch", "front": "empty", "back": "empty"}


@dataclass(frozen=True, kw_only=True, slots=True)
class PolyMesh:
    """A mesh by its faces.

    Attributes:
        points: (N, 3).
        faces: (F, 4), those inside first.
        owner: The cell that each face's normal points out of, (F,).
        neighbour: The cell behind each face inside, (inside,).
        patches: First face and number of faces of each patch, by name, in order.
    """

    points: Float[np.ndarray, "points 3"]
    faces: Int[np.ndarray, "faces 4"]
    owner: Int[np.ndarray, " faces"]
    neighbour: Int[np.ndarray, " inside"]
    patches: Mapping[str, tuple[int, int]]


def poly_mesh(mesh: Hexahedra) -> PolyMesh:
    """Return the faces of a mesh; those of a patch keep the order that they have there."""
    faces = mesh.cells[:, SIDES].reshape(-1, 4)
    cell = np.repeat(np.arange(len(mesh.cells)), len(SIDES))
    outside = np.concatenate(list(mesh.patches.values()))
    keys = _keys(np.concatenate([faces, outside]), len(mesh.points))
    order = np.argsort(keys, kind="stable")
    same = keys[order[1:]] == keys[order[:-1]]
    first, second = order[:-1][same], order[1:][same]
    inside = second < len(faces)
    low, high = first[inside], second[inside]
    by_cell = np.lexsort([cell[high], cell[low]])
    low, high = low[by_cell], high[by_cell]
    owners = np.empty(len(outside), dtype=np.int64)
    owners[second[~inside] - len(faces)] = cell[first[~inside]]
    patches, start = {}, len(low)
    for name, patch in mesh.patches.items():
        patches[name] = (start, len(patch))
        start += len(patch)
    return PolyMesh(
        points=mesh.points,
        faces=np.concatenate([faces[low], outside]),
        owner=np.concatenate([cell[low], owners]),
        neighbour=cell[high],
        patches=patches,
    )


def write_poly_mesh(folder: str | os.PathLike[str], mesh: PolyMesh) -> None:
    """Write ``points``, ``faces``, ``owner``, ``neighbour`` and ``boundary``.

    Args:
        folder: ``constant/polyMesh`` of a case; it is made.
        mesh: What to write; front and back become ``empty``, the airfoil a ``wall``.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    corners = len(mesh.faces)
    faces = f"{corners}\n(\n" + "4(%d %d %d %d)\n" * corners % tuple(mesh.faces.ravel()) + ")\n"
    patches = {
        name: {"type": TYPES[name], "nFaces": count, "startFace": start}
        for name, (start, count) in mesh.patches.items()
    }
    texts = {
        "points": ("vectorField", rows(mesh.points)),
        "faces": ("faceList", faces),
        "owner": ("labelList", rows(mesh.owner)),
        "neighbour": ("labelList", rows(mesh.neighbour)),
        "boundary": ("polyBoundaryMesh", f"{len(patches)}\n(\n{block(patches)})\n"),
    }
    for name, (kind, text) in texts.items():
        (folder / name).write_text(dictionary(name, {}, kind) + text, encoding="ascii")


def _keys(faces: Int[np.ndarray, "faces 4"], points: int) -> Int[np.ndarray, " faces"]:
    """Return one number a face, the same for equal sets of corners."""
    corner = np.sort(faces, axis=1)
    pairs = corner[:, [0, 2]] * points + corner[:, [1, 3]]
    _, halves = np.unique(pairs, return_inverse=True)
    halves = halves.reshape(pairs.shape)
    return halves[:, 0] * (halves.max() + 1) + halves[:, 1]
