"""Flow records reach viewers and come back: meshio reads the cells exactly, VTK's form the wall."""

from __future__ import annotations

import meshio
import numpy as np
import pytest

from formwright.datasets.airfoils import naca
from formwright.datasets.airfrans_write import wall_distance
from formwright.datasets.cmesh import CMesh, c_mesh
from formwright.datasets.errors import FlowFileError
from formwright.datasets.flow_field import FlowField
from formwright.datasets.flow_files import read_flow_vtu, write_flow, write_wall
from formwright.datasets.plane_flow import flow_from_plane, wall_ring
from formwright.datasets.vtk_xml import read_vtp
from formwright.datasets.vtu import read_vtu, write_vtu


@pytest.fixture(scope="module")
def flow() -> FlowField:
    settings = CMesh(cells_side=30, cells_wake=12, cells_normal=16, first_cell=1e-3)
    mesh = c_mesh(naca("2412").pos, settings)
    points, quads = mesh.points[: len(mesh.points) // 2, :2], mesh.cells[:, :4]
    height = wall_distance(points[quads].mean(1), points[wall_ring(points, quads)[0]])
    noise = np.random.default_rng(0).normal(size=(4, len(quads)))
    return flow_from_plane(
        points,
        quads,
        velocity=(noise[:2] * height.clip(max=1.0)).T,
        pressure=noise[2],
        nut=np.abs(noise[3]) * 1e-4,
        alpha_deg=3.0,
        reynolds=2e6,
    )


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
    del mesh.cell_data[field]
    write_vtu(tmp_path / "a.vtu", mesh)
    with pytest.raises(FlowFileError, match=f"a.vtu.* lacks the field '{field}'"):
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
    fields = {"U": [np.zeros((1, 3))], "p": [np.zeros(1)], "nut": [np.zeros(1)]}
    write_vtu(tmp_path / "a.vtu", meshio.Mesh(points, [("quad", [[0, 1, 2, 3]])], cell_data=fields))
    with pytest.raises(FlowFileError, match="a.vtu.*no hole"):
        read_flow_vtu(tmp_path / "a.vtu", alpha_deg=3.0, reynolds=2e6)
