"""Flow records reach viewers and come back: meshio reads the cells exactly, VTK's form the wall."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import meshio
import numpy as np
import pytest

from formwright.datasets.airfoils.sections import naca
from formwright.datasets.errors import FlowFileError, FlowWarning
from formwright.datasets.rans.airfrans.write import wall_distance
from formwright.datasets.rans.flow_field import FlowField
from formwright.datasets.rans.flow_files import read_flow_vtu, write_flow, write_wall
from formwright.datasets.rans.mesh.cmesh import CMesh, c_mesh
from formwright.datasets.rans.plane_flow import flow_from_plane, wall_ring
from formwright.datasets.vtk.vtp import PolyData, read_vtp, write_vtp
from formwright.datasets.vtk.vtu import Mesh, of_quads, read_vtu, write_vtu


@pytest.fixture(scope="module")
def flow() -> FlowField:
    settings = CMesh(cells_side=30, cells_wake=12, cells_normal=16, first_cell=1e-3)
    mesh = c_mesh(naca("2412").pos, settings)
    points, quads = mesh.points[: len(mesh.points) // 2, :2], mesh.cells[:, :4]
    height = wall_distance(points[quads].mean(1), points[wall_ring(points, quads)[0]])
    noise = np.random.default_rng(0).normal(size=(4, len(quads)))
    angle = np.deg2rad(3.0)
    stream = height.clip(max=0.1)[:, None] * [10.0 * np.cos(angle), 10.0 * np.sin(angle)]
    return flow_from_plane(
        points,
        quads,
        velocity=stream + 0.1 * (noise[:2] * height.clip(max=1.0)).T,
        pressure=0.1 * noise[2],
        nut=np.abs(noise[3]) * 1e-4,
        alpha_deg=3.0,
        reynolds=2e6,
    )


def saved(flow: FlowField, path: Path) -> Path:
    write_flow(path, flow)
    return path


def test_meshio_reads_the_cells_exactly(flow, tmp_path):
    write_flow(tmp_path / "a.vtu", flow)
    mesh = meshio.vtu.read(tmp_path / "a.vtu")
    assert np.array_equal(mesh.points[:, :2], flow.points) and not mesh.points[:, 2].any()
    assert [block.type for block in mesh.cells] == ["quad"]
    assert np.array_equal(mesh.cells[0].data, flow.quads)
    assert np.array_equal(mesh.cell_data["U"][0][:, :2], flow.velocity)
    assert np.array_equal(mesh.cell_data["p"][0], flow.pressure)
    assert np.array_equal(mesh.cell_data["nut"][0], flow.nut)


def test_a_record_comes_back(flow, tmp_path):
    write_flow(tmp_path / "a.vtu", flow)
    found = read_flow_vtu(tmp_path / "a.vtu", alpha_deg=3.0, reynolds=2e6)
    for name in ("points", "quads", "velocity", "pressure", "nut"):
        assert np.array_equal(getattr(found, name), getattr(flow, name))
    assert np.array_equal(found.wall.cells, flow.wall.cells)
    assert np.allclose(found.wall.cf, flow.wall.cf, rtol=1e-6)
    assert found.forces == pytest.approx(flow.forces, rel=1e-5, abs=1e-9)


def test_the_wall_is_lines_with_its_fields(flow, tmp_path):
    write_wall(tmp_path / "w.vtp", flow.wall)
    data = read_vtp(tmp_path / "w.vtp")
    ends = data.points[data.segments(), :2]
    assert np.allclose(ends.mean(1), flow.wall.centres, atol=1e-14)
    assert np.allclose(np.hypot(*(ends[:, 1] - ends[:, 0]).T), flow.wall.lengths, atol=1e-14)
    assert np.allclose(ends[1:, 0], ends[:-1, 1], atol=1e-14)
    assert np.array_equal(data.cell_data["cp"], flow.wall.cp)
    assert np.array_equal(data.cell_data["cf"][:, :2], flow.wall.cf)


@pytest.mark.parametrize("field", ["U", "p", "nut"])
def test_a_missing_field_is_named(flow, tmp_path, field):
    write_flow(tmp_path / "a.vtu", flow)
    mesh = read_vtu(tmp_path / "a.vtu")
    fields = {name: values for name, values in mesh.cell_data.items() if name != field}
    fields["mine"] = mesh.cell_data[field]
    write_vtu(tmp_path / "a.vtu", replace(mesh, cell_data=fields))
    found = read_flow_vtu(tmp_path / "a.vtu", names={field: "mine"})
    assert found.forces == read_flow_vtu(saved(flow, tmp_path / "b.vtu")).forces
    with pytest.raises(FlowFileError, match=f"a.vtu.* lacks the field '{field}'; it has .*mine"):
        read_flow_vtu(tmp_path / "a.vtu", alpha_deg=3.0, reynolds=2e6)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_file_cut_off_is_named(flow, tmp_path, share):
    write_flow(tmp_path / "a.vtu", flow)
    content = (tmp_path / "a.vtu").read_bytes()
    (tmp_path / "a.vtu").write_bytes(content[: int(share * len(content))])
    with pytest.raises(FlowFileError, match=r"a\.vtu"):
        read_flow_vtu(tmp_path / "a.vtu", alpha_deg=3.0, reynolds=2e6)


def test_a_mesh_without_a_wall_is_named(tmp_path):
    points = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 1.0, 0.0]])
    fields = {"U": np.zeros((1, 3)), "p": np.zeros(1), "nut": np.zeros(1)}
    write_vtu(tmp_path / "a.vtu", of_quads(points, np.array([[0, 1, 2, 3]]), cell_data=fields))
    with pytest.raises(FlowFileError, match="a.vtu.*no hole"):
        read_flow_vtu(tmp_path / "a.vtu", alpha_deg=3.0, reynolds=2e6)


def test_conditions_come_with_the_file_and_may_not_contradict_it(flow, tmp_path):
    path = saved(flow, tmp_path / "a.vtu")
    found = read_flow_vtu(path)
    assert (found.alpha_deg, found.reynolds) == (3.0, 2e6)
    notes = read_vtu(path).notes
    for name in ("cl", "cd", "cm"):
        assert notes[name] == pytest.approx(flow.forces[name])
    with pytest.raises(FlowFileError, match="a.vtu' was computed at alpha_deg = 3, and 2 was"):
        read_flow_vtu(path, alpha_deg=2.0)
    with pytest.raises(FlowFileError, match="reynolds = 2e"):
        read_flow_vtu(path, reynolds=3e6)
    write_vtu(path, replace(read_vtu(path), notes={}))
    with pytest.raises(FlowFileError, match="a.vtu' says no alpha_deg"):
        read_flow_vtu(path, reynolds=2e6)
    with pytest.raises(FlowFileError, match="a.vtu' says no reynolds"):
        read_flow_vtu(path, alpha_deg=3.0)


def test_the_moment_is_about_the_files_reference(flow, tmp_path):
    write_flow(tmp_path / "a.vtu", flow, reference=(5.25, -2.0), axes="those of a tunnel")
    mesh = read_vtu(tmp_path / "a.vtu")
    assert np.allclose(mesh.points[:, :2], flow.points + [5.0, -2.0], atol=1e-12)
    assert mesh.notes["axes"] == "those of a tunnel"
    found = read_flow_vtu(tmp_path / "a.vtu")
    assert np.allclose(found.points, flow.points, atol=1e-12)
    assert found.forces == pytest.approx(flow.forces, rel=1e-5, abs=1e-9)


def halves(mesh: Mesh) -> np.ndarray:
    """Return every cell cut into two triangles, some along the other diagonal."""
    quads = mesh.corners.reshape(-1, 4)
    quads = np.where(np.arange(len(quads))[:, None] % 3 == 0, np.roll(quads, 1, axis=1), quads)
    return np.stack([quads[:, [0, 1, 2]], quads[:, [2, 3, 0]]], 1).reshape(-1, 3)


def cut_into_triangles(mesh: Mesh) -> Mesh:
    triangles = halves(mesh)
    fields = {name: np.repeat(values, 2, axis=0) for name, values in mesh.cell_data.items()}
    points, corners = mesh.points, triangles[:, [0, 1, 2, 2]]
    return of_quads(points, corners, cell_data=fields, notes=mesh.notes)


def with_lines(mesh: Mesh) -> Mesh:
    extra = {name: np.zeros_like(values[:2]) for name, values in mesh.cell_data.items()}
    return replace(
        mesh,
        corners=np.concatenate([[0, 1, 2, 3], mesh.corners]),
        ends=np.concatenate([[2, 4], mesh.ends + 4]),
        kinds=np.concatenate([[3, 3], mesh.kinds]),
        cell_data={name: np.concatenate([extra[name], v]) for name, v in mesh.cell_data.items()},
    )


def polygons(mesh: Mesh) -> Mesh:
    return replace(mesh, kinds=np.full(len(mesh.kinds), 7))


def pixels(mesh: Mesh) -> Mesh:
    corners = mesh.corners.reshape(-1, 4)[:, [0, 1, 3, 2]].ravel()
    return replace(mesh, corners=corners, kinds=np.full(len(mesh.kinds), 8))


@pytest.mark.parametrize("change", [cut_into_triangles, with_lines, polygons, pixels])
def test_the_same_flow_in_other_cells(flow, tmp_path, change: Callable[[Mesh], Mesh]):
    path = saved(flow, tmp_path / "a.vtu")
    write_vtu(path, change(read_vtu(path)))
    found = read_flow_vtu(path)
    assert len(found.quads) == len(flow.quads)
    assert found.forces == pytest.approx(flow.forces, rel=1e-5, abs=1e-9)


def test_a_slice_is_read(flow, tmp_path):
    mesh = read_vtu(saved(flow, tmp_path / "a.vtu"))
    data = PolyData(
        points=mesh.points,
        polygons=tuple(mesh.corners.reshape(-1, 4)),
        cell_data=mesh.cell_data,
        notes=mesh.notes,
    )
    write_vtp(tmp_path / "a.vtp", data)
    found = read_flow_vtu(tmp_path / "a.vtp")
    assert found.forces == pytest.approx(flow.forces, rel=1e-5, abs=1e-9)


def test_triangles_with_values_of_their_own_stay_triangles(flow, tmp_path):
    path = saved(flow, tmp_path / "a.vtu")
    mesh = cut_into_triangles(read_vtu(path))
    middles = mesh.points[mesh.corners.reshape(-1, 3)].mean(1)
    height = wall_distance(middles[:, :2], flow.points[wall_ring(flow.points, flow.quads)[0]])
    stream = np.array([np.cos(np.deg2rad(3.0)), np.sin(np.deg2rad(3.0)), 0.0])
    fields = {
        "U": (1e3 * height).clip(max=1.0)[:, None] * stream,
        "p": 0.5 - middles[:, 0].clip(0.0, 1.0) - 1e-3 * height,
        "nut": 1e-5 * height.clip(max=1.0),
    }
    write_vtu(path, replace(mesh, cell_data=fields))
    with pytest.warns(FlowWarning, match="14.9 viscous lengths high"):
        found = read_flow_vtu(path)
    three = found.quads[:, 2] == found.quads[:, 3]
    assert three.all() and len(three) == 2 * len(flow.quads)
    assert np.allclose(found.centres, middles[:, :2], atol=1e-12)
    along = stream[:2] - (found.wall.normals @ stream[:2])[:, None] * found.wall.normals
    assert np.allclose(found.wall.cf, 2e3 * along / 2e6, rtol=0.05, atol=2e-5)
    write_flow(path, found)
    with pytest.warns(FlowWarning, match="take cd_pressure"):
        again = read_flow_vtu(path)
    assert again.forces == pytest.approx(found.forces, rel=1e-5, abs=1e-9)


def mirrored(mesh: Mesh) -> Mesh:
    flip = np.array([-1.0, 1.0, 1.0])
    fields = dict(mesh.cell_data) | {"U": mesh.cell_data["U"] * flip.astype("f4")}
    return replace(mesh, points=mesh.points * flip, cell_data=fields)


def in_metres_a_second(mesh: Mesh) -> Mesh:
    fields = dict(mesh.cell_data)
    return replace(mesh, cell_data={"U": 50 * fields["U"], "p": 2500 * fields["p"],
                                    "nut": 50 * fields["nut"]})  # fmt: skip


def in_pascal(mesh: Mesh) -> Mesh:
    return replace(mesh, cell_data=dict(mesh.cell_data) | {"p": 3e3 * mesh.cell_data["p"]})


def in_millimetres(mesh: Mesh) -> Mesh:
    return replace(mesh, points=1000.0 * mesh.points)


def with_a_lost_point(mesh: Mesh) -> Mesh:
    points = mesh.points.copy()
    points[36] = np.nan
    return replace(mesh, points=points)


def on_its_side(mesh: Mesh) -> Mesh:
    return replace(mesh, points=mesh.points[:, [0, 2, 1]])


def with_a_second_hole(mesh: Mesh) -> Mesh:
    middles = mesh.points[mesh.corners.reshape(-1, 4)].mean(1)
    gone = int(np.hypot(middles[:, 0] - 0.5, middles[:, 1] - 3.0).argmin())
    kept = np.arange(len(middles)) != gone
    fields = {name: values[kept] for name, values in mesh.cell_data.items()}
    quads = mesh.corners.reshape(-1, 4)[kept]
    return of_quads(mesh.points, quads, cell_data=fields, notes=mesh.notes)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (mirrored, "nose at the larger x"),
        (in_metres_a_second, "'U' is not in chords and units of the free stream.* is 50"),
        (in_pascal, "'p' is not in chords"),
        (in_millimetres, "'points' is not in chords.*chord is 99"),
        (with_a_lost_point, "1 of .* points are not finite, first point 36"),
        (on_its_side, "z = constant"),
        (with_a_second_hole, "2 holes"),
    ],
)
def test_flows_of_another_kind_are_refused_by_name(flow, tmp_path, change, message):
    path = saved(flow, tmp_path / "a.vtu")
    write_vtu(path, change(read_vtu(path)))
    with pytest.raises(FlowFileError, match=f"a.vtu.*{message}"):
        read_flow_vtu(path)


def without_a_word(mesh: Mesh, shift: float = 0.0) -> Mesh:
    """Return what a stranger writes, who notes no conditions and no reference of the moment."""
    return replace(mesh, notes={}, points=mesh.points + [shift, 0.0, 0.0])


@pytest.mark.parametrize("shift, nose", [(-0.25, "-0.24"), (3.0, "3.0")])
def test_a_section_away_from_the_reference_of_the_moment_is_refused(flow, tmp_path, shift, nose):
    path = saved(flow, tmp_path / "a.vtu")
    mesh = read_vtu(path)
    write_vtu(path, without_a_word(mesh))
    found = read_flow_vtu(path, alpha_deg=flow.alpha_deg, reynolds=flow.reynolds)
    assert found.forces == pytest.approx(flow.forces, rel=1e-4, abs=1e-6)
    write_vtu(path, without_a_word(mesh, shift))
    with pytest.raises(FlowFileError, match=f"nose of the section is at .{nose}"):
        read_flow_vtu(path, alpha_deg=flow.alpha_deg, reynolds=flow.reynolds)


def test_conditions_that_the_flow_has_not_are_told(flow, tmp_path):
    path = saved(flow, tmp_path / "a.vtu")
    write_vtu(path, without_a_word(read_vtu(path)))
    with pytest.warns(FlowWarning, match="comes at .* degrees, and the incidence is said to be 9"):
        read_flow_vtu(path, alpha_deg=9.0, reynolds=flow.reynolds)
    with pytest.raises(FlowFileError, match="no flow at a Reynolds number of 0.001 has"):
        read_flow_vtu(path, alpha_deg=flow.alpha_deg, reynolds=1e-3)
