"""OpenFOAM: dictionaries, meshes by faces, cut files; and a small case where it is installed."""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from formwright.datasets.airfoils.sections import database, naca
from formwright.datasets.cases import section_case
from formwright.datasets.errors import ConditionError, FlowFileError, MissingSolverError
from formwright.datasets.rans.flow_field import FlowField, load_flow, save_flow
from formwright.datasets.rans.forces import integrate_flow
from formwright.datasets.rans.mesh.cmesh import CMesh, c_mesh
from formwright.datasets.solvers.openfoam import process as foam_process
from formwright.datasets.solvers.openfoam.case import Flow, Numerics, far_field, write_case
from formwright.datasets.solvers.openfoam.files import Field, block, dictionary, read_field, values
from formwright.datasets.solvers.openfoam.level import settled
from formwright.datasets.solvers.openfoam.levels import blocks, carried, coarsened
from formwright.datasets.solvers.openfoam.poly_mesh import poly_mesh, write_poly_mesh
from formwright.datasets.solvers.openfoam.process import FoamFailure
from formwright.datasets.solvers.openfoam.read import (
    mesh_quality,
    read_coefficients,
    read_residuals,
)
from formwright.datasets.solvers.openfoam.solver import (
    MESH,
    OpenFOAM,
    first_cell,
    pressure_at_stations,
)
from formwright.datasets.solvers.result import stations

SMALL = CMesh(
    cells_side=40,
    cells_wake=20,
    cells_normal=40,
    far_field=40.0,
    cells_base=8,
    even_share=0.1,
    tail_angle=0.4,
)
QUICK = OpenFOAM(mesh=SMALL, y_plus=3.0, levels=2, iterations=400, tolerance=5e-3, window=50)
installed = pytest.mark.skipif(not QUICK.available(), reason="no OpenFOAM here")
finite = st.floats(-1e6, 1e6, allow_nan=False, allow_subnormal=False)


def field_text(internal: np.ndarray, wall: np.ndarray) -> str:
    patch = {"type": "calculated", "value": values(wall)}
    body = {"internalField": values(internal), "boundaryField": {"airfoil": patch, "back": {}}}
    return dictionary("U", body, "volVectorField")


def test_dictionary_is_numbers_words_and_blocks():
    text = block({"a": 1, "b": True, "c": 0.5, "d": (1.0, 0.0, 2.5), "e": {"f(g,h)": "Gauss"}})
    assert text == "a 1;\nb yes;\nc 0.5;\nd (1 0 2.5);\ne\n{\n    f(g,h) Gauss;\n}\n"


@given(
    arrays(np.float64, st.integers(4, 30), elements=finite),
    arrays(np.float64, st.tuples(st.integers(4, 9), st.just(3)), elements=finite),
)
@settings(max_examples=40, deadline=None)
def test_fields_read_back(tmp_path_factory, scalars, vectors):
    path = tmp_path_factory.mktemp("field") / "U"
    for internal, wall in ((scalars, vectors), (vectors, scalars)):
        path.write_text(field_text(internal, wall))
        found = read_field(path)
        assert isinstance(found, Field) and set(found.patches) == {"airfoil"}
        assert np.allclose(found.internal, internal, rtol=1e-10, atol=0.0)
        assert np.allclose(found.patches["airfoil"], wall, rtol=1e-10, atol=0.0)


def test_uniform_fields_read_back(tmp_path):
    (tmp_path / "U").write_text(field_text(np.array([1.0, 2.0, 0.0]), np.array(0.25)))
    found = read_field(tmp_path / "U")
    assert found.internal.tolist() == [1.0, 2.0, 0.0]
    assert found.patches["airfoil"] == 0.25


@given(st.floats(0.0, 0.98))
@settings(max_examples=60, deadline=None)
def test_a_cut_field_is_a_named_error(tmp_path_factory, share):
    path = tmp_path_factory.mktemp("cut") / "p"
    text = field_text(np.arange(12.0), np.arange(15.0).reshape(5, 3))
    path.write_text(text[: int(share * len(text))])
    with pytest.raises(FlowFileError, match=re.escape(str(path))):
        read_field(path)


def test_a_list_of_another_length_and_words_are_named_errors(tmp_path):
    text = field_text(np.arange(12.0), np.arange(5.0))
    (tmp_path / "short").write_text(text.replace("\n7\n", "\n", 1))
    with pytest.raises(FlowFileError, match="announces 12 values .* holds 11"):
        read_field(tmp_path / "short")
    (tmp_path / "word").write_text(text.replace("\n7\n", "\nseven\n", 1))
    with pytest.raises(FlowFileError, match="no number"):
        read_field(tmp_path / "word")
    with pytest.raises(FlowFileError, match="absent"):
        read_field(tmp_path / "absent")


@pytest.mark.parametrize("name", ["2412", "fx77w343"])
def test_faces_are_in_upper_triangular_order(name):
    pos = naca(name).pos if name.isdigit() else database()[name].pos
    mesh = c_mesh(pos, dataclasses.replace(SMALL, first_cell=1e-3))
    faces = poly_mesh(mesh)
    inside = len(faces.neighbour)
    owner = faces.owner[:inside]
    assert (owner < faces.neighbour).all()
    order = owner * len(mesh.cells) + faces.neighbour
    assert (np.diff(order) > 0).all()
    assert inside == (len(mesh.cells) * 6 - len(faces.faces) + inside) // 2
    corners = mesh.points[faces.faces]
    area = 0.5 * np.cross(corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1])
    middle = mesh.points[mesh.cells].mean(1)
    away = corners.mean(1) - middle[faces.owner]
    assert ((away * area).sum(1) > 0.0).all()
    closed = np.zeros((len(mesh.cells), 3))
    np.add.at(closed, faces.owner, area)
    np.add.at(closed, faces.neighbour, -area[:inside])
    assert np.abs(closed).max() < 1e-10
    for patch, (start, count) in faces.patches.items():
        assert np.array_equal(faces.faces[start : start + count], mesh.patches[patch])


def test_case_files_hold_the_conditions(tmp_path):
    far = np.array([[50.0, 0.0, 0.0], [0.25, 20.0, 0.0]])
    flow = Flow(alpha_deg=90.0, reynolds=2e6, iterations=7, span=0.1, far=far)
    write_case(tmp_path, flow, Numerics(momentum=0.7))
    assert "nu 5e-07;" in (tmp_path / "constant" / "transportProperties").read_text()
    assert "U 0.7;" in (tmp_path / "system" / "fvSolution").read_text()
    assert "endTime 7;" in (tmp_path / "system" / "controlDict").read_text()
    velocity = read_field(tmp_path / "0" / "U")
    assert np.allclose(velocity.internal, [0.0, 1.0, 0.0], atol=1e-12)
    assert np.allclose(velocity.patches["farfield"], [[0.0, 1.0, 0.0]] * 2, atol=1e-12)
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or "$" not in path.read_text()


def test_far_field_carries_the_circulation():
    angle = np.linspace(0.0, 2.0 * np.pi, 400, endpoint=False)
    far = 30.0 * np.stack([np.cos(angle), np.sin(angle), 0.0 * angle], -1) + [0.25, 0.0, 0.0]
    flow = Flow(alpha_deg=0.0, reynolds=1e6, iterations=1, span=1.0, far=far, circulation_cl=1.2)
    velocity, pressure = far_field(flow)
    around = np.stack([-np.sin(angle), np.cos(angle), 0.0 * angle], -1)
    circulation = (velocity * around).sum(1).mean() * 2.0 * np.pi * 30.0
    assert circulation == pytest.approx(-0.5 * 1.2, rel=1e-9)
    assert np.allclose(pressure + 0.5 * (velocity**2).sum(1), 0.5)
    assert velocity[100, 0] > 1.0 and velocity[200, 1] > 0.0


def test_fields_are_carried_to_a_finer_mesh():
    fine, coarse = dataclasses.replace(SMALL, first_cell=1e-3), coarsened(SMALL, 2)
    coarse = dataclasses.replace(coarse, first_cell=2e-3)
    pos = database()["fx77w343"].pos
    meshes = [c_mesh(pos, s) for s in (coarse, fine)]
    centres = [m.points[m.cells[:, :4]].mean(1) for m in meshes]
    assert [
        sum(a * b for a, b in blocks(s, len(m.cells)))
        for s, m in zip((coarse, fine), meshes, strict=True)
    ] == [len(m.cells) for m in meshes]
    ones = {"k": np.full(len(centres[0]), 3.0), "U": centres[0]}
    found = carried(ones, coarse, fine, len(centres[1]))
    assert np.allclose(found["k"], 3.0)
    apart = np.hypot(*(found["U"] - centres[1])[:, :2].T)
    reach = np.hypot(*(centres[1] - [0.5, 0.0, 0.05])[:, :2].T)
    assert np.quantile(apart / np.maximum(reach, 0.5), 0.95) < 0.2


def test_first_cell_falls_with_reynolds():
    assert first_cell(6e6, 1.0) == pytest.approx(2.0 * 4.66e-6, rel=0.02)
    assert first_cell(1e6, 1.0) > 4.0 * first_cell(6e6, 1.0)


def test_settled_needs_a_quiet_window():
    time_ = np.arange(5.0, 300.0, 5.0)
    quiet = np.stack([time_, 0.8 + 0 * time_, 0.01 + 0 * time_, 0 * time_], -1)
    assert settled(quiet, 100, 1e-3)
    assert not settled(quiet[:15], 100, 1e-3) and not settled(quiet[:0], 100, 1e-3)
    for column, step in ((1, 1e-3), (2, 2e-5)):
        moving = quiet.copy()
        moving[-3, column] += step
        assert not settled(moving, 100, 1e-3)


def test_coefficients_of_a_running_case_are_its_whole_lines(tmp_path):
    folder = tmp_path / "postProcessing" / "coefficients" / "0"
    assert read_coefficients(tmp_path).shape == (0, 4)
    folder.mkdir(parents=True)
    text = "# Forces\n# Time Cd Cs Cl CmRoll CmPitch CmYaw\n5 .01 0 .8 0 -.1 0\n10 .02 0 .9 0 -"
    (folder / "coefficient.dat").write_text(text)
    assert read_coefficients(tmp_path).tolist() == [[5.0, 0.8, 0.01, -0.1]]
    (folder / "coefficient.dat").write_text("# Time Cd Cl\n5 1 2\n")
    with pytest.raises(FlowFileError, match="no table"):
        read_coefficients(tmp_path)


def test_residuals_are_those_of_the_first_solution_of_an_iteration():
    one = (
        "smoothSolver:  Solving for {}, Initial residual = {}, Final residual = 1, No Iterations 2"
    )
    log = "\nTime = 1\n" + "\n".join(
        one.format(n, v) for n, v in (("Ux", 1e-3), ("p", 2e-4), ("p", 9))
    )
    assert np.allclose(read_residuals(log), [[1e-3, np.nan, 2e-4, np.nan, np.nan]], equal_nan=True)
    assert read_residuals("").shape == (0, 5)


GOOD = """
    cells:            3200
 ***High aspect ratio cells found, Max aspect ratio: 4822.7, number of cells 524
    Mesh non-orthogonality Max: 64.07 average: 21.4
    Max skewness = 0.857 OK.
"""


def test_mesh_report_is_read_and_judged():
    quality, reason = mesh_quality(GOOD)
    assert not reason
    assert quality == {
        "cells": 3200,
        "aspect_ratio": 4822.7,
        "non_orthogonality_deg": 64.07,
        "skewness": 0.857,
    }
    negative = GOOD + " ***Zero or negative cell volume detected.  Minimum negative volume: -1e-9\n"
    assert "negative cell volume" in mesh_quality(negative)[1]
    assert "89 deg off" in mesh_quality(GOOD.replace("64.07", "89.1"))[1]
    assert "no non orthogonality" in mesh_quality(GOOD[:90])[1]


def test_absent_programs_are_a_clear_error(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not QUICK.available()
    with pytest.raises(MissingSolverError, match="simpleFoam.*apt-get install openfoam"):
        next(QUICK.solve([]))


def crossing() -> torch.Tensor:
    pos = naca("2412").pos.clone()
    pos[40:60, 1] -= 0.3
    return pos


@installed
def test_bad_sections_and_conditions():
    conditions = {"alpha_deg": torch.tensor([2.0, 4.0]), "reynolds": torch.tensor([1e6, 1e6])}
    result = next(QUICK.solve([section_case(crossing(), conditions)]))
    assert not result.converged.any() and np.isnan(result.labels["cl"]).all()
    assert all("crosses itself" in reason for reason in result.reasons)
    with pytest.raises(ConditionError, match="-3"):
        QUICK.flow(naca("2412").pos, 2.0, -3.0)
    with pytest.raises(ConditionError, match="45"):
        QUICK.flow(naca("2412").pos, 45.0, 1e6)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("foam") / "4412"


@pytest.fixture(scope="module")
def flow(kept: Path) -> FlowField:
    solver = dataclasses.replace(QUICK, numerics=Numerics(forces_every=1))
    return solver.flow(naca("4412").pos, 4.0, 3e6, keep=kept)


@installed
def test_a_small_case(flow):
    assert flow.forces["cl"] == pytest.approx(0.9, abs=0.12)
    assert 0.006 < flow.forces["cd"] < 0.05
    assert flow.forces["cm"] == pytest.approx(-0.1, abs=0.03)
    assert len(flow.quads) == len(flow.pressure) == 2 * 60 * 40 == flow.quality["cells"]
    assert flow.wall.cp.max() == pytest.approx(1.0, abs=0.1)
    assert flow.wall.centres[0, 1] > flow.wall.centres[-1, 1]
    assert (flow.wall.normals[10:35, 1] > 0.0).all()
    outward = flow.centres[flow.wall.cells] - flow.wall.centres
    assert ((outward * flow.wall.normals).sum(1) > 0.0).all()
    assert np.median(flow.wall.cf[5:30, 0]) > 0.0
    top, bottom = pressure_at_stations(flow).values()
    assert top.shape == stations().shape and (top[3:20] < bottom[3:20]).all()


@installed
def test_our_integral_is_openfoams(flow):
    found = integrate_flow(flow)
    for name, value in flow.forces.items():
        assert float(getattr(found, name)) == pytest.approx(value, rel=1e-4, abs=1e-6), name


@installed
def test_our_integral_is_that_of_force_coeffs(flow, kept):
    iteration, *coefficients = read_coefficients(kept / "level0")[-1]
    assert iteration == flow.iterations
    found = integrate_flow(flow)
    for name, value in zip(("cl", "cd", "cm"), coefficients, strict=True):
        assert float(getattr(found, name)) == pytest.approx(value, rel=1e-7, abs=1e-9), name


@installed
def test_records_read_back_and_cut_ones_are_named(flow, tmp_path):
    save_flow(tmp_path / "it.npz", flow)
    again = load_flow(tmp_path / "it.npz")
    assert again.forces == flow.forces and again.iterations == flow.iterations
    for name in ("points", "quads", "velocity", "nut"):
        assert np.array_equal(getattr(again, name), getattr(flow, name))
    assert np.array_equal(again.wall.cf, flow.wall.cf)
    data = (tmp_path / "it.npz").read_bytes()
    for share in (0.0, 0.3, 0.9, 0.999):
        (tmp_path / "cut.npz").write_bytes(data[: int(share * len(data))])
        with pytest.raises(FlowFileError, match="cut.npz"):
            load_flow(tmp_path / "cut.npz")
    with pytest.raises(FlowFileError, match="absent"):
        load_flow(tmp_path / "absent.npz")


@installed
def test_checkmesh_accepts_our_faces_and_blunt_bases(tmp_path):
    settings_ = dataclasses.replace(SMALL, first_cell=2e-5, cells_base=20)
    mesh = c_mesh(database()["fx77w343"].pos, settings_)
    write_poly_mesh(tmp_path / "constant" / "polyMesh", poly_mesh(mesh))
    far = mesh.points[mesh.patches["farfield"]].mean(1)
    flow = Flow(alpha_deg=0.0, reynolds=1e6, iterations=1, span=0.1, far=far)
    write_case(tmp_path, flow, Numerics())
    log = foam_process.run("checkMesh", tmp_path, timeout_s=20.0)
    assert "Upper triangular ordering OK" in log
    quality, reason = mesh_quality(log)
    assert not reason and quality["cells"] == len(mesh.cells)


@installed
def test_failures_are_reasons(tmp_path):
    wild = dataclasses.replace(
        QUICK, levels=1, numerics=Numerics(momentum=1.0, turbulence=1.0, convection="linear")
    )
    short = dataclasses.replace(QUICK, levels=1, iterations=10)
    for solver, words in ((wild, "diverged|FATAL|settled"), (short, "not settled; after 10")):
        with pytest.raises(FoamFailure, match=words):
            solver.flow(naca("2412").pos, 12.0, 1e6)
    with pytest.raises(FoamFailure, match="FOAM FATAL"):
        foam_process.run("simpleFoam", tmp_path, timeout_s=5.0)


@installed
@pytest.mark.skipif(sys.platform != "linux", reason="the system ends it on Linux only")
def test_a_killed_parent_takes_the_solver_along(tmp_path):
    code = (
        "from pathlib import Path; from formwright.datasets.airfoils.sections import naca\n"
        "from formwright.datasets.solvers.openfoam.solver import OpenFOAM\n"
        f"OpenFOAM(levels=1).flow(naca('2412').pos, 2.0, 1e6, keep=Path({str(tmp_path / 'c')!r}))"
    )
    parent = subprocess.Popen([sys.executable, "-c", code])
    log = tmp_path / "c" / "level0" / "log.simpleFoam"
    for _ in range(600):
        if log.exists() and b"Time = 1\n" in log.read_bytes():
            break
        time.sleep(0.1)
    parent.kill()
    parent.wait()
    time.sleep(1.0)
    assert not running_in(tmp_path)


def running_in(folder: Path) -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                where = os.readlink(entry / "cwd")
            except OSError:
                continue
            if where.startswith(str(folder)):
                found.append(entry.name)
    return found


def test_default_mesh_is_about_37000_cells():
    assert 2 * (MESH.cells_side + MESH.cells_wake) * MESH.cells_normal == pytest.approx(
        37000, rel=0.1
    )
