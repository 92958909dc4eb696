"""Surfaces are closed, meshes are valid, files read back, and OpenFOAM takes them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from formwright.datasets.airfoils import geometry
from formwright.datasets.airfoils.sections import database, naca
from formwright.datasets.errors import SectionError, UnknownNameError
from formwright.datasets.rans.mesh.cmesh import PATCHES, CMesh, Hexahedra, c_mesh
from formwright.datasets.rans.mesh.export import read_mesh, surface, write_mesh, write_surface

SMALL = CMesh(cells_side=30, cells_wake=16, cells_normal=24, first_cell=1e-3)
OPENFOAM = Path("/usr/share/openfoam")
SCHEMES = "ddtSchemes{} gradSchemes{} divSchemes{} laplacianSchemes{}\n"


def section(name: str) -> torch.Tensor:
    return naca(name).pos if name.isdigit() else database()[name].pos


def flux(mesh: Hexahedra) -> tuple[float, np.ndarray]:
    """Return the volume by Gauss' theorem over the patches, and the sum of their area vectors."""
    faces = np.concatenate([mesh.patches[name] for name in PATCHES])
    corner = mesh.points[faces]
    area = 0.5 * np.cross(corner[:, 2] - corner[:, 0], corner[:, 3] - corner[:, 1])
    return float((corner.mean(1) * area).sum() / 3.0), area.sum(0)


@pytest.mark.parametrize(
    "name", ["0012", "2412", "23012", "e423", "s1223", "goe462", "fx77w343", "naca0050", "mh32"]
)
def test_mesh_is_valid_and_closed(name):
    mesh = c_mesh(section(name), SMALL)
    base = mesh.points[mesh.cells[:, :4], :2]
    ahead, back = np.roll(base, -1, axis=1) - base, np.roll(base, 1, axis=1) - base
    corners = ahead[..., 0] * back[..., 1] - ahead[..., 1] * back[..., 0]
    assert corners.min() > 0.0
    x, y = base[..., 0], base[..., 1]
    volume = 0.5 * SMALL.span * (x * np.roll(y, -1, 1) - y * np.roll(x, -1, 1)).sum()
    outward, closed = flux(mesh)
    assert outward == pytest.approx(volume, rel=1e-10)
    assert np.abs(closed).max() < 1e-10
    assert tuple(mesh.patches) == PATCHES
    assert len(np.unique(mesh.cells)) == len(mesh.points)


@pytest.mark.parametrize("name", ["2412", "fx77w343"])
def test_every_face_is_inside_or_on_one_patch(name):
    mesh = c_mesh(section(name), SMALL)
    sides = [[0, 1, 2, 3], [4, 5, 6, 7], [0, 1, 5, 4], [1, 2, 6, 5], [2, 3, 7, 6], [3, 0, 4, 7]]
    faces = np.sort(mesh.cells[:, sides].reshape(-1, 4), axis=1)
    unique, count = np.unique(faces, axis=0, return_counts=True)
    patches = np.sort(np.concatenate(list(mesh.patches.values())), axis=1)
    assert set(map(tuple, unique[count == 1])) == set(map(tuple, patches))
    assert count.max() == 2 and len(np.unique(patches, axis=0)) == len(patches)


def test_airfoil_patch_lies_on_the_section():
    pos = section("2412")
    mesh = c_mesh(pos, SMALL)
    wall = mesh.points[np.unique(mesh.patches["airfoil"])]
    order = torch.from_numpy(wall[:, :2].copy())
    upper, lower = geometry.surface_y(pos, order[:, 0])
    apart = torch.minimum((upper - order[:, 1]).abs(), (lower - order[:, 1]).abs())
    assert float(apart.max()) < 3e-4
    assert set(np.unique(mesh.points[:, 2])) == {0.0, SMALL.span}


def test_first_cell_has_the_height_asked_for():
    settings = CMesh(cells_side=40, cells_wake=16, cells_normal=60, first_cell=1e-4)
    mesh = c_mesh(section("0012"), settings)
    wall = set(np.unique(mesh.patches["airfoil"]).tolist())
    first = [c for c in mesh.cells[:, :4] if len(wall.intersection(c.tolist())) == 2]
    heights = []
    for cell in first:
        base, top = (mesh.points[[i for i in cell if (i in wall) is on]] for on in (True, False))
        middle, direction = base.mean(0), base[1] - base[0]
        offset = top.mean(0) - middle
        heights.append(
            abs(offset[0] * direction[1] - offset[1] * direction[0]) / np.hypot(*direction[:2])
        )
    assert np.median(heights) == pytest.approx(1e-4, rel=0.1)


def test_impossible_mesh_is_a_named_error():
    saw = section("0024").clone()
    saw[20:80:4, 1] -= 0.05
    with pytest.raises(SectionError, match="grid lines cross"):
        c_mesh(saw, CMesh())
    with pytest.raises(SectionError, match="open"):
        c_mesh(section("2412")[:60], SMALL)


def test_gmsh_file_reads_back(tmp_path):
    mesh = c_mesh(section("2412"), SMALL)
    write_mesh(tmp_path / "it.msh", mesh)
    again = read_mesh(tmp_path / "it.msh")
    assert np.array_equal(again.points, mesh.points)
    assert np.array_equal(again.cells, mesh.cells)
    for name in PATCHES:
        assert np.array_equal(again.patches[name], mesh.patches[name])


@pytest.mark.parametrize("suffix", [".vtk", ".vtu"])
def test_cells_read_back_through_meshio(suffix, tmp_path):
    import meshio

    mesh = c_mesh(section("0012"), SMALL)
    write_mesh(tmp_path / f"it{suffix}", mesh)
    again = meshio.read(tmp_path / f"it{suffix}")
    assert np.allclose(again.points, mesh.points)
    assert np.array_equal(again.cells_dict["hexahedron"], mesh.cells)


@pytest.mark.parametrize("name", ["0012", "2412", "s1223", "fx77w343", "goe462"])
def test_surface_is_closed_and_encloses_the_volume(name):
    pos = section(name)
    vertices, triangles = surface(pos, span=2.0)
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    assert {tuple(e) for e in edges.tolist()} == {tuple(e) for e in edges[:, ::-1].tolist()}
    assert len(np.unique(edges, axis=0)) == len(edges)
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    volume = float((a * np.cross(b, c)).sum() / 6.0)
    assert volume == pytest.approx(2.0 * float(geometry.area(pos)), rel=1e-9)


@pytest.mark.parametrize("suffix", [".stl", ".obj", ".vtk", ".ply"])
def test_surfaces_read_back_through_meshio(suffix, tmp_path):
    import meshio

    pos = section("2412")
    vertices, triangles = surface(pos)
    write_surface(tmp_path / f"it{suffix}", pos)
    again = meshio.read(tmp_path / f"it{suffix}")
    found = again.points[again.cells_dict["triangle"]]
    assert np.allclose(found, vertices[triangles], atol=1e-6)


def test_unknown_suffix_suggests(tmp_path):
    with pytest.raises(UnknownNameError, match="Did you mean '.vtk'"):
        write_surface(tmp_path / "it.vtkk", section("0012"))
    with pytest.raises(UnknownNameError, match=r"\.msh, \.su2, \.vtk, \.vtu"):
        write_mesh(tmp_path / "it.cgns", c_mesh(section("0012"), SMALL))


@pytest.mark.skipif(
    shutil.which("gmshToFoam") is None or not OPENFOAM.is_dir(), reason="no OpenFOAM here"
)
@pytest.mark.parametrize("name", ["2412", "fx77w343"])
def test_openfoam_imports_the_mesh(name, tmp_path):
    head = "FoamFile {{ version 2.0; format ascii; class dictionary; object {}; }}\n"
    control = (
        "application simpleFoam; startFrom startTime; startTime 0; stopAt endTime; endTime 1;"
        "deltaT 1; writeControl timeStep; writeInterval 1;\n"
    )
    (tmp_path / "system").mkdir()
    for title, body in (("controlDict", control), ("fvSchemes", SCHEMES), ("fvSolution", "")):
        (tmp_path / "system" / title).write_text(head.format(title) + body)
    write_mesh(
        tmp_path / "it.msh",
        c_mesh(section(name), CMesh(cells_side=40, cells_wake=24, cells_normal=48)),
    )
    foam(tmp_path, "gmshToFoam", "it.msh")
    boundary = tmp_path / "constant" / "polyMesh" / "boundary"
    text = boundary.read_text()
    assert set(re.findall(r"^    (\w+)\n    \{", text, re.M)) == set(PATCHES)
    boundary.write_text(re.sub(r"((front|back)\s*\{\s*type\s+)patch", r"\1empty", text))
    report = foam(tmp_path, "checkMesh")
    complaints = [line for line in report.splitlines() if "***" in line]
    assert all("aspect ratio" in line for line in complaints), complaints
    skewed = re.search(r"non-orthogonality Max: ([\d.]+)", report)
    assert skewed is not None and float(skewed.group(1)) < 70.0


def foam(folder: Path, *command: str) -> str:
    environment = {**os.environ, "WM_PROJECT_DIR": str(OPENFOAM)}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout
