"""AirfRANS in and out: names, splits, a case there and back, bad files, and PyPI's own reader."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from formwright.datasets.airfoils.sections import naca
from formwright.datasets.errors import (
    CorpusError,
    FlowFileError,
    SectionError,
    UnknownNameError,
)
from formwright.datasets.rans.airfrans.cases import (
    NU,
    TASKS,
    case_name,
    parse_name,
    read_manifest,
    task_split,
    write_manifest,
)
from formwright.datasets.rans.airfrans.read import AEROFOIL, INTERNAL, read_case
from formwright.datasets.rans.airfrans.sections import camber_line, section_of
from formwright.datasets.rans.airfrans.write import (
    cells_to_points,
    faces_to_corners,
    wall_distance,
    write_case,
)
from formwright.datasets.rans.flow_field import FlowField
from formwright.datasets.rans.mesh.cmesh import CMesh, c_mesh
from formwright.datasets.rans.plane_flow import flow_from_plane, wall_ring
from formwright.datasets.vtk.vtp import read_vtp, write_vtp
from formwright.datasets.vtk.vtu import QUAD, Mesh, read_vtu, write_vtu

SMALL = CMesh(cells_side=60, cells_wake=16, cells_normal=30, first_cell=2e-4)
REYNOLDS = 3e6
NAME = case_name(REYNOLDS, 4.25, "2_4_12")


def made_flow(pos: torch.Tensor, alpha_deg: float = 4.25, reynolds: float = REYNOLDS) -> FlowField:
    """Return a flow that no equation gave: linear at the wall, with a stagnation point."""
    mesh = c_mesh(pos, SMALL)
    points, quads = mesh.points[: len(mesh.points) // 2, :2], mesh.cells[:, :4]
    ring, _ = wall_ring(points, quads)
    middles = points[quads].mean(1)
    height = wall_distance(middles, points[ring])
    alpha = np.deg2rad(alpha_deg)
    profile = np.minimum(100.0 * height, 1.0)[:, None]
    velocity = profile * [np.cos(alpha), np.sin(alpha)]
    pressure = 0.5 * (1.0 - 4.0 * np.hypot(*(middles - [0.0, -0.005]).T).clip(max=0.6))
    return flow_from_plane(
        points,
        quads,
        velocity=velocity,
        pressure=pressure - 1.5 * middles[:, 1].clip(-0.2, 0.2),
        nut=3e-4 * height.clip(max=0.1),
        alpha_deg=alpha_deg,
        reynolds=reynolds,
    )


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> tuple[Path, FlowField]:
    folder, flow = tmp_path_factory.mktemp("airfrans"), made_flow(naca("2412").pos)
    write_case(folder, NAME, flow)
    return folder, flow


def copied(written: tuple[Path, FlowField], to: Path) -> Path:
    shutil.copytree(written[0] / NAME, to / NAME)
    return to


@pytest.mark.parametrize(
    ("name", "speed", "alpha", "digits"),
    [
        ("airFoil2D_SST_92.989_10_0_0_12", 92.989, 10.0, (0.0, 0.0, 12.0)),
        ("airFoil2D_SST_58.831_-3.563_2.815_4.916_10.078", 58.831, -3.563, (2.815, 4.916, 10.078)),
        (
            "airFoil2D_SST_36.622_11.319_3.941_5.424_1.0_16.283",
            36.622,
            11.319,
            (3.941, 5.424, 1.0, 16.283),
        ),
        ("airFoil2D_SST_92.9_10_e423", 92.9, 10.0, ()),
    ],
)
def test_names_say_what_they_say(name, speed, alpha, digits):
    case = parse_name(name)
    assert (case.speed, case.alpha_deg, case.digits) == (speed, alpha, digits)
    assert case.reynolds == pytest.approx(speed / NU)


@pytest.mark.parametrize(
    "name", ["", "naca0012", "airFoil2D_SST_92", "airFoil2D_SST_-3_1_0_0_12", "airFoil2D_SST_a_b_c"]
)
def test_other_names_are_refused(name):
    with pytest.raises(CorpusError, match="no name of an AirfRANS case"):
        parse_name(name)


@settings(max_examples=50, deadline=None)
@given(reynolds=st.floats(1e5, 1e7), alpha=st.floats(-20, 20), label=st.text("ae 12_-"))
def test_a_made_name_says_the_case(reynolds, alpha, label):
    if not label.strip(" _"):
        with pytest.raises(CorpusError):
            case_name(reynolds, alpha, label)
        return
    case = parse_name(case_name(reynolds, alpha, label))
    assert case.reynolds == pytest.approx(reynolds, rel=1e-8)
    assert case.alpha_deg == pytest.approx(alpha, rel=1e-8, abs=1e-8)


@pytest.mark.parametrize(("digits", "known"), [("2_4_12", "2412"), ("0_0_12", "0012")])
def test_whole_digits_are_the_naca_section(digits, known):
    found = section_of(f"airFoil2D_SST_50_1_{digits}", points_per_side=100)
    assert torch.allclose(found.pos, naca(known).pos, atol=1e-12)
    assert found.family == "naca"


def test_five_digits_are_the_table_of_the_naca_to_its_digits():
    found = section_of("airFoil2D_SST_50_1_2_3_0_12", points_per_side=100)
    assert torch.allclose(found.pos, naca("23012").pos, atol=2e-5)


def test_camber_lines_are_smooth_at_the_knee_and_end_at_the_trailing_edge():
    x = torch.linspace(0.0, 1.0, 20001, dtype=torch.float64)
    for digits in ((3.9, 5.424, 0.0), (3.9, 5.424, 1.0), (2.8, 4.9), (1.0, 3.005, 1.0)):
        height, slope = camber_line(digits, x)
        assert abs(float(height[0])) < 1e-12 and abs(float(height[-1])) < 1e-12
        assert float((torch.gradient(height, spacing=(x,))[0] - slope)[1:-1].abs().max()) < 1e-4


def test_camber_at_zero_place_leans_as_the_dataset_has_it():
    x = torch.linspace(0.0, 1.0, 5, dtype=torch.float64)
    height, slope = camber_line((3.0, 0.0), x)
    assert not height.any() and torch.equal(slope, -0.06 * x)


def test_sections_without_digits_are_refused():
    with pytest.raises(SectionError, match="e423"):
        section_of("airFoil2D_SST_50_1_e423")
    with pytest.raises(SectionError, match="0 to .42 chord"):
        section_of("airFoil2D_SST_50_1_2_9_0_12")


def test_manifest_there_and_back_and_tasks(tmp_path):
    parts = {f"{task}_{part}": [f"{task}{part}{i}" for i in range(3)] for task in TASKS
             for part in ("train", "test")}  # fmt: skip
    write_manifest(tmp_path, parts)
    found = read_manifest(tmp_path)
    assert found == parts
    for task in TASKS:
        train, test = task_split(found, task)
        assert train == parts[f"{task}_train"]
        assert test == parts["full_test" if task == "scarce" else f"{task}_test"]


def test_bad_manifests_are_named(tmp_path):
    with pytest.raises(CorpusError, match="manifest.json"):
        read_manifest(tmp_path)
    (tmp_path / "manifest.json").write_text('{"full_train": ["a"')
    with pytest.raises(CorpusError, match="manifest.json"):
        read_manifest(tmp_path)
    (tmp_path / "manifest.json").write_text("[1]")
    with pytest.raises(CorpusError, match="no mapping"):
        read_manifest(tmp_path)
    with pytest.raises(UnknownNameError, match="Did you mean 'full_train'"):
        write_manifest(tmp_path, {"ful_train": []})
    with pytest.raises(UnknownNameError, match="Did you mean 'scarce'"):
        task_split({}, "scarse")
    with pytest.raises(CorpusError, match="lacks 'aoa_train'"):
        task_split({"full_train": []}, "aoa")
    with pytest.raises(CorpusError, match="both trained and tested"):
        task_split({"full_train": ["a"], "full_test": ["a"]}, "full")


def test_a_case_comes_back(written):
    folder, flow = written
    found = read_case(folder, NAME)
    assert np.allclose(found.points, flow.points, atol=1e-12)
    assert np.array_equal(found.quads, flow.quads)
    for name in ("velocity", "pressure", "nut"):
        value = getattr(flow, name)
        assert np.allclose(getattr(found, name), value, atol=3e-7 * np.abs(value).max())
    assert np.allclose(found.wall.cp, flow.wall.cp, atol=1e-6)
    assert np.allclose(found.wall.normals, flow.wall.normals, atol=1e-9)
    assert found.reynolds == pytest.approx(flow.reynolds, rel=1e-8)
    assert found.alpha_deg == flow.alpha_deg
    for name, value in flow.forces.items():
        assert found.forces[name] == pytest.approx(value, rel=1e-5, abs=1e-7)


@pytest.mark.parametrize("name", ["2412", "fx77w343"])
def test_the_wall_starts_above_and_ends_at_the_base(name, tmp_path):
    from formwright.datasets.airfoils.sections import load_section

    wall = made_flow(load_section(name).pos).wall
    sides = wall.normals[:, 0] < 0.8
    first = np.flatnonzero(sides)
    assert np.array_equal(first, np.arange(len(first)))
    assert wall.centres[0, 0] > 0.98 and wall.normals[0, 1] > 0.0
    assert wall.centres[first[-1], 0] > 0.98 and wall.normals[first[-1], 1] < 0.0
    closed = (wall.normals * wall.lengths[:, None]).sum(0)
    assert np.abs(closed).max() < 1e-12


def test_clockwise_cells_and_a_cut_along_the_wake_change_nothing():
    flow = made_flow(naca("0012").pos)
    twice = np.concatenate([flow.points, flow.points])
    quads = flow.quads.astype(np.int64)
    quads[::2] += len(flow.points)
    fields = {name: getattr(flow, name).astype(float) for name in ("velocity", "pressure", "nut")}
    found = flow_from_plane(twice, quads[:, ::-1], alpha_deg=4.25, reynolds=REYNOLDS, **fields)
    assert np.array_equal(found.wall.centres, flow.wall.centres)
    assert found.forces == pytest.approx(flow.forces, rel=1e-6, abs=1e-9)


def test_a_mesh_without_a_hole_is_refused():
    points = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    with pytest.raises(FlowFileError, match="no hole"):
        wall_ring(points, np.array([[0, 1, 2, 3]]))


def test_files_are_as_the_dataset_has_them(written):
    folder, flow = written
    mesh = read_vtu(folder / NAME / f"{NAME}{INTERNAL}")
    assert set(mesh.kinds.tolist()) == {QUAD}
    assert set(mesh.point_data) == {"U", "p", "nut", "implicit_distance"}
    assert set(mesh.cell_data) == {"U", "p", "nut"}
    surface = read_vtp(folder / NAME / f"{NAME}{AEROFOIL}")
    still = mesh.point_data["U"][:, 0] == 0.0
    assert np.array_equal(np.unique(mesh.points[still], axis=0), np.unique(surface.points, axis=0))
    assert (mesh.point_data["implicit_distance"] <= 0.0).all()
    assert (mesh.point_data["implicit_distance"][still] == 0.0).all()
    normals = surface.point_data["Normals"]
    assert np.allclose(np.linalg.norm(normals, axis=1), 1.0, atol=1e-6)
    middle = surface.points.mean(0)
    assert ((middle - surface.points)[:, 1] * normals[:, 1] > 0.0).mean() > 0.9
    outer = read_vtp(folder / NAME / f"{NAME}_freestream.vtp")
    assert np.hypot(*outer.points[:, :2].T).min() > 10.0
    assert set(outer.point_data) == {"U", "p", "nut"} == set(outer.cell_data)


def test_point_values_are_exact_for_a_linear_velocity_on_a_stretched_grid():
    x, y = np.cumsum(1.3 ** np.arange(8)), np.cumsum(1.2 ** np.arange(9))
    points = np.stack(np.meshgrid(x, y, indexing="ij"), -1).reshape(-1, 2)
    ids = np.arange(len(points)).reshape(8, 9)
    quads = np.stack([ids[:-1, :-1], ids[1:, :-1], ids[1:, 1:], ids[:-1, 1:]], -1).reshape(-1, 4)
    values = points[quads].mean(1) @ np.array([2.0, -3.0])
    inner = ids[1:-1, 1:-1].ravel()
    found = cells_to_points(points, quads, values)[inner]
    assert np.allclose(found, points[inner] @ np.array([2.0, -3.0]), rtol=1e-12)


def test_means_of_corner_values_are_the_faces_values():
    angle = 2 * np.pi * np.arange(80) / 80
    values = np.sin(3 * angle) + 2.0
    corners = faces_to_corners(values)
    means = 0.5 * (corners + np.roll(corners, -1))
    assert np.abs(means - values).max() < 3e-4
    assert (
        np.abs(0.25 * (np.roll(values, 1) + 2 * values + np.roll(values, -1)) - values).max() > 0.01
    )


def test_names_that_contradict_the_flow_are_refused(written, tmp_path):
    with pytest.raises(CorpusError, match="case_name"):
        write_case(tmp_path, case_name(2 * REYNOLDS, 4.25, "2_4_12"), written[1])
    with pytest.raises(CorpusError, match="case_name"):
        write_case(tmp_path, case_name(REYNOLDS, 5.0, "2_4_12"), written[1])


def without(fields: Mapping[str, np.ndarray], field: str) -> dict[str, np.ndarray]:
    return {name: values for name, values in fields.items() if name != field}


@pytest.mark.parametrize("field", ["U", "p", "nut"])
def test_a_missing_field_is_named(written, tmp_path, field):
    path = copied(written, tmp_path) / NAME / f"{NAME}{INTERNAL}"
    mesh = read_vtu(path)
    mesh = dataclasses.replace(mesh, cell_data=without(mesh.cell_data, field))
    write_vtu(path, mesh)
    assert read_case(tmp_path, NAME).forces["cl"] != 0.0
    write_vtu(path, dataclasses.replace(mesh, point_data=without(mesh.point_data, field)))
    with pytest.raises(FlowFileError, match=f"_internal.vtu.* lacks the field '{field}'"):
        read_case(tmp_path, NAME)


def test_a_missing_field_of_the_surface_is_named(written, tmp_path):
    path = copied(written, tmp_path) / NAME / f"{NAME}{AEROFOIL}"
    data = read_vtp(path)
    fields = {name: value for name, value in data.point_data.items() if name != "p"}
    write_vtp(path, dataclasses.replace(data, point_data=fields))
    with pytest.raises(FlowFileError, match="_aerofoil.vtp.* lacks the field 'p'"):
        read_case(tmp_path, NAME)


@pytest.mark.parametrize(
    ("field", "factor"),
    [("U", 1.0 / 46.5), ("U", 100.0), ("p", 1.184), ("p", 1.0 / 2162.0), ("nut", 1.0 / NU),
     ("nut", 1e-4), ("points", 1000.0)],
)  # fmt: skip
def test_wrong_units_are_refused_with_the_field(written, tmp_path, field, factor):
    path = copied(written, tmp_path) / NAME / f"{NAME}{INTERNAL}"
    mesh = read_vtu(path)
    fields = dict(mesh.cell_data)
    if field != "points":
        fields[field] = factor * fields[field]
    points = mesh.points * (factor if field == "points" else 1.0)
    write_vtu(path, dataclasses.replace(mesh, points=points, cell_data=fields))
    with pytest.raises(FlowFileError, match=f"'{field}' of .*_internal.vtu.* units"):
        read_case(tmp_path, NAME)


def test_a_number_that_is_not_finite_is_refused(written, tmp_path):
    path = copied(written, tmp_path) / NAME / f"{NAME}{INTERNAL}"
    mesh = read_vtu(path)
    mesh.cell_data["p"][7] = np.nan
    write_vtu(path, mesh)
    with pytest.raises(FlowFileError, match="'p' .* not finite"):
        read_case(tmp_path, NAME)


@pytest.mark.parametrize("suffix", [INTERNAL, AEROFOIL])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.8, 0.999])
def test_files_cut_off_or_absent_are_named(written, tmp_path, suffix, share):
    path = copied(written, tmp_path) / NAME / f"{NAME}{suffix}"
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(FlowFileError, match=suffix):
        read_case(tmp_path, NAME)
    path.unlink()
    with pytest.raises(FlowFileError, match=suffix):
        read_case(tmp_path, NAME)


def test_files_of_two_cases_are_refused(written, tmp_path):
    path = copied(written, tmp_path) / NAME / f"{NAME}{AEROFOIL}"
    data = read_vtp(path)
    moved = data.points + np.array([0.0, 0.01, 0.0])
    write_vtp(path, dataclasses.replace(data, points=moved))
    with pytest.raises(FlowFileError, match="different cases"):
        read_case(tmp_path, NAME)
    write_vtp(path, dataclasses.replace(data, lines=data.lines[:-1], cell_data={}))
    with pytest.raises(FlowFileError, match="different cases"):
        read_case(tmp_path, NAME)


def test_a_volume_is_refused(tmp_path):
    cells = np.arange(4)
    mesh = Mesh(points=np.eye(4)[:, :3], corners=cells, ends=cells[3:] + 1, kinds=np.array([10]))
    write_vtu(tmp_path / NAME / f"{NAME}{INTERNAL}", mesh)
    with pytest.raises(FlowFileError, match="z = constant"):
        read_case(tmp_path, NAME)
    flat = dataclasses.replace(mesh, points=np.eye(4)[:, :3] * [1.0, 1.0, 0.0])
    write_vtu(tmp_path / NAME / f"{NAME}{INTERNAL}", flat)
    with pytest.raises(FlowFileError, match="tetrahedron"):
        read_case(tmp_path, NAME)


def test_a_triangle_counts_each_corner_once():
    points = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [2.0, 0.5]])
    corners = np.array([[0, 1, 2, 3], [1, 4, 2, 2]])
    found = cells_to_points(points, corners, np.array([0.0, 3.0]))
    assert np.allclose(found, [0.0, 2.0, 2.0, 0.0, 3.0])


def test_the_packages_own_reader_agrees_on_the_force(written, tmp_path):
    airfrans = pytest.importorskip("airfrans")
    folder, flow = written
    (cd, _, cdv), (cl, _, _) = airfrans.Simulation(str(folder), NAME).force_coefficient()
    assert cl == pytest.approx(flow.forces["cl"], rel=0.01)
    assert cd == pytest.approx(flow.forces["cd"], rel=0.02)
    assert cdv == pytest.approx(flow.forces["cd_friction"], rel=0.1)  # no real flow: u . n is not 0
    write_manifest(folder, {"full_test": [NAME]})
    data, names = airfrans.dataset.load(str(folder), "full", train=False)
    assert names == json.loads((folder / "manifest.json").read_text())["full_test"]
    assert data[0].shape == (len(flow.points), 12)
