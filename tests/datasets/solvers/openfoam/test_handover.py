from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from formwright.cli import main
from formwright.datasets.airfoils.sections import load_section
from formwright.datasets.errors import ConfigError, FlowFileError
from formwright.datasets.rans.mesh.su2 import read_su2
from formwright.datasets.solvers.openfoam import process
from formwright.datasets.solvers.openfoam.handover import HandedCase, write_openfoam

PROGRAMS = ("simpleFoam", "checkMesh", "gmshToFoam")
installed = pytest.mark.skipif(not process.available(PROGRAMS), reason="no OpenFOAM here")
SMALL = HandedCase(alpha_deg=4.0, reynolds=2e5, chord=0.5, coarser=3, iterations=20)


def run(folder: Path, *command: str) -> str:
    environment = {**os.environ, "WM_PROJECT_DIR": str(process._project())}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120
    )
    assert not done.returncode, done.stdout[-2000:] + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("handed") / "case"
    flags = "--alpha-deg 4 --reynolds 2e5 --chord 0.5 --coarser 3 --iterations 20".split()
    assert main(["mesh", "naca2412", "--out", str(folder), *flags]) == 0
    return folder


def test_the_same_mesh_in_su2(case: Path) -> None:
    mesh = read_su2(case / "mesh.su2")
    written = write_openfoam(case.parent / "again", load_section("naca2412").pos, SMALL)
    half = len(written.points) // 2
    np.testing.assert_array_equal(mesh.points, written.points[:half, :2])
    np.testing.assert_array_equal(mesh.quads, written.cells[:, :4])
    for name in ("airfoil", "farfield"):
        np.testing.assert_array_equal(mesh.markers[name], written.patches[name][:, :2])
    wall = mesh.points[np.unique(mesh.markers["airfoil"])]
    assert np.ptp(wall[:, 0]) == pytest.approx(0.5, rel=1e-3)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("NDIME= 2", "NDIME= 3", "3 dimensions"),
        ("\n9 ", "\n12 ", "kind 12"),
        ("MARKER_TAG= farfield", "", "ends before|names a point|cut off|literal|list"),
        ("NPOIN= ", "NPOIN= 9", "ends before"),
    ],
)
def test_a_damaged_su2_mesh_is_named(case: Path, old: str, new: str, why: str) -> None:
    text = (case / "mesh.su2").read_text()
    path = case.parent / "damaged.su2"
    if new:
        path.write_text(text.replace(old, new, 1))
    else:
        path.write_text(text[: text.index(old) - 20])
    with pytest.raises(FlowFileError, match=why):
        read_su2(path)


def test_a_folder_with_something_in_it_is_refused(case: Path) -> None:
    with pytest.raises(ConfigError, match="not empty"):
        write_openfoam(case, load_section("naca2412").pos, SMALL)


@pytest.mark.parametrize("wrong", [{"chord": 0.0}, {"coarser": 9}, {"first_cell": -1e-5}])
def test_sizes_that_make_no_mesh_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        HandedCase(**wrong)  # pyright: ignore


@installed
def test_openfoam_takes_the_case(case: Path) -> None:
    assert "Mesh OK." in run(case, "checkMesh")
    boundary = (case / "constant" / "polyMesh" / "boundary").read_text()
    types = dict(re.findall(r"(\w+)\s*\{\s*type (\w+);", boundary))
    assert types == {"airfoil": "wall", "farfield": "patch", "front": "empty", "back": "empty"}
    assert "Time = 20" in run(case, "simpleFoam")
    lines = (case / "postProcessing/coefficients/0/coefficient.dat").read_text().splitlines()
    names = next(line[1:].split() for line in lines if line.startswith("# Time"))
    found = dict(zip(names, map(float, lines[-1].split()), strict=False))
    assert 0.1 < found["Cl"] < 1.2
    assert abs(found["Cd"]) < 0.2


@installed
def test_gmsh_to_foam_takes_the_mesh(case: Path, tmp_path: Path) -> None:
    shutil.copytree(case / "system", tmp_path / "system")
    run(tmp_path, "gmshToFoam", str(case / "mesh.msh"))
    boundary = (tmp_path / "constant" / "polyMesh" / "boundary").read_text()
    assert {"airfoil", "farfield", "front", "back"} <= set(
        re.findall(r"^\s+(\w+)$", boundary, re.M)
    )
    ours = re.search(
        r"airfoil\s*\{[^}]*nFaces (\d+)", (case / "constant/polyMesh/boundary").read_text()
    )
    theirs = re.search(r"airfoil\s*\{[^}]*nFaces\s+(\d+)", boundary)
    assert ours is not None and theirs is not None
    assert ours.group(1) == theirs.group(1)
