"""Sections come out of surfaces as they went in; what is no section is refused by name."""

from __future__ import annotations

import meshio
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from formwright.datasets.airfoils.files.surfaces import read_section
from formwright.datasets.airfoils.sections import load_section
from formwright.datasets.errors import FlowFileError, SectionError, UnknownNameError
from formwright.datasets.rans.mesh.export import surface, write_surface
from formwright.datasets.vtk.vtp import PolyData, write_vtp

NAMES = ["naca2412", "e423", "fx77w343", "s1223"]


@pytest.mark.parametrize("suffix", [".stl", ".obj", ".vtk"])
@pytest.mark.parametrize("name", NAMES)
def test_a_section_comes_back(name, suffix, tmp_path):
    pos = load_section(name).pos
    path = tmp_path / f"{name}{suffix}"
    write_surface(path, pos, span=2.3)
    found = load_section(path)
    assert found.pos.shape == pos.shape
    assert float((found.pos - pos).abs().max()) < (1e-7 if suffix == ".stl" else 1e-12)
    assert found.name == name and found.source == str(path)


@pytest.mark.parametrize("name", NAMES)
def test_vtp_and_vtu_of_faces(name, tmp_path):
    pos = load_section(name).pos
    points, triangles = surface(pos, span=0.5)
    write_vtp(tmp_path / "a.vtp", PolyData(points=points, polygons=tuple(triangles)))
    meshio.vtu.write(tmp_path / "a.vtu", meshio.Mesh(points, [("triangle", triangles)]))
    for suffix in (".vtp", ".vtu"):
        found = read_section(tmp_path / f"a{suffix}")
        assert float((found.pos - pos).abs().max()) < 1e-12


@settings(max_examples=20, deadline=None)
@given(
    axes=st.permutations([0, 1, 2]).filter(lambda p: list(p)[:2] == sorted(list(p)[:2])),
    chord=st.floats(0.01, 5000.0),
    turn=st.floats(-15.0, 15.0),
    place=st.integers(0, 200),
)
def test_any_axis_size_place_and_start(axes, chord, turn, place, tmp_path_factory):
    pos = load_section("naca2412").pos
    angle = np.deg2rad(turn)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points, triangles = surface(pos, span=3.0)
    points[:, :2] = points[:, :2] @ rotation.T
    moved = np.empty_like(points)
    moved[:, list(axes)] = chord * points + [2.0, -1.0, 5.0]
    order = np.roll(np.arange(len(moved)), place)
    number = np.argsort(order)
    path = tmp_path_factory.mktemp("surface") / "a.vtp"
    write_vtp(path, PolyData(points=moved[order], polygons=tuple(number[triangles])))
    found = read_section(path)
    assert float((found.pos - pos).abs().max()) < 1e-9
    assert found.placement.chord == pytest.approx(chord)
    assert found.placement.rotation_deg == pytest.approx(-turn, abs=1e-6)


@pytest.mark.parametrize(
    ("chord", "unit"), [(1.0, "metres"), (1000.0, "millimetres"), (100.0, "percent")]
)
def test_the_size_is_remarked(chord, unit, tmp_path):
    points, triangles = surface(load_section("naca2412").pos)
    write_vtp(tmp_path / "a.vtp", PolyData(points=chord * points, polygons=tuple(triangles)))
    assert unit in read_section(tmp_path / "a.vtp").description


def test_a_contour_in_lines(tmp_path):
    pos = load_section("naca2412").pos
    ring = pos[:-1].numpy()
    n = len(ring)
    lines = np.stack([np.arange(n), (np.arange(n) + 1) % n], -1)
    shuffled = np.random.default_rng(0).permutation(n)
    points = np.column_stack([ring, np.full(n, 0.5)])
    write_vtp(tmp_path / "a.vtp", PolyData(points=points, lines=tuple(lines[shuffled])))
    assert float((read_section(tmp_path / "a.vtp").pos - pos).abs().max()) < 1e-12


def vtp(tmp_path, points: np.ndarray, triangles: np.ndarray) -> str:
    path = tmp_path / "bad.vtp"
    write_vtp(path, PolyData(points=points, polygons=tuple(triangles)))
    return str(path)


def test_a_tapered_wing_is_no_extrusion(tmp_path):
    points, triangles = surface(load_section("naca2412").pos, span=3.0)
    points[points[:, 2] > 1.0, :2] *= 0.5
    with pytest.raises(SectionError, match="bad.vtp' is no extrusion"):
        read_section(vtp(tmp_path, points, triangles))


def test_holes_are_no_closed_contour(tmp_path):
    points, triangles = surface(load_section("naca2412").pos)
    with pytest.raises(SectionError, match="no closed contour in .*bad.vtp"):
        read_section(vtp(tmp_path, points, triangles[7:]))


def test_two_elements_are_refused(tmp_path):
    points, triangles = surface(load_section("naca2412").pos)
    both = np.concatenate([points, points + [1.2, 0.0, 0.0]])
    with pytest.raises(SectionError, match="several closed contours"):
        read_section(vtp(tmp_path, both, np.concatenate([triangles, triangles + len(points)])))


@pytest.mark.parametrize("name", NAMES)
def test_a_nose_at_the_larger_x_is_refused(name, tmp_path):
    points, triangles = surface(load_section(name).pos)
    path = vtp(tmp_path, points * [-1.0, 1.0, 1.0], triangles[:, ::-1])
    with pytest.raises(SectionError, match="nose at the larger x"):
        read_section(path)


def test_a_crossing_contour_is_refused(tmp_path):
    ring = load_section("naca2412").pos[:-1].clone()
    n = len(ring)
    ring[40, 1] = -0.2
    points = np.column_stack([ring.numpy(), np.zeros(n)])
    lines = np.stack([np.arange(n), (np.arange(n) + 1) % n], -1)
    write_vtp(tmp_path / "a.vtp", PolyData(points=points, lines=tuple(lines)))
    with pytest.raises(SectionError, match="crosses itself"):
        read_section(tmp_path / "a.vtp")


def test_a_plane_of_faces_and_a_volume_are_refused(tmp_path):
    points = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [1.0, 1.0, 0.0]])
    with pytest.raises(SectionError, match="lies in a plane"):
        read_section(vtp(tmp_path, points, np.array([[0, 1, 2]])))
    tetrahedron = meshio.Mesh(np.eye(4)[:, :3], [("tetra", np.array([[0, 1, 2, 3]]))])
    meshio.vtu.write(tmp_path / "a.vtu", tetrahedron)
    with pytest.raises(FlowFileError, match="a.vtu' holds cells of the kind tetra"):
        read_section(tmp_path / "a.vtu")


@pytest.mark.parametrize("suffix", [".stl", ".obj", ".vtk"])
def test_files_cut_off_are_refused_or_whole_where_it_counts(suffix, tmp_path):
    pos, path = load_section("naca2412").pos, tmp_path / f"a{suffix}"
    write_surface(path, pos)
    content = path.read_bytes()
    refused = 0
    for share in (0.0, 0.05, 0.3, 0.5, 0.9):
        path.write_bytes(content[: int(share * len(content))])
        try:
            found = read_section(path)
        except (FlowFileError, SectionError) as error:
            refused += f"a{suffix}" in str(error)
        else:
            assert torch.allclose(found.pos, pos, atol=1e-6)
    assert refused >= 4


def test_other_suffixes_and_absent_files(tmp_path):
    with pytest.raises(UnknownNameError, match=r"Did you mean .*'\.stl'"):
        read_section("wing.stp")
    with pytest.raises(FlowFileError, match="no such file"):
        load_section(tmp_path / "none.stl")


def test_faces_that_count_from_the_end_are_refused(tmp_path):
    path = tmp_path / "a.obj"
    path.write_text("v 1 2 3\nv 0 0 0\nv 1 0 0\nf -1 -2 -3\n")
    with pytest.raises(FlowFileError, match="counts the points of a face from the end"):
        load_section(path)


def test_suffixes_in_capitals_are_read(tmp_path):
    pos = load_section("naca2412").pos
    write_surface(tmp_path / "mine.stl", pos)
    found = load_section((tmp_path / "mine.stl").rename(tmp_path / "mine.STL"))
    assert float((found.pos - pos).abs().max()) < 1e-7
