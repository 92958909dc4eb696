from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from formwright.cli import main
from formwright.datasets.airfoils.sections import load_section
from formwright.datasets.rans.airfrans.write import wall_distance
from formwright.datasets.rans.flow_files import read_flow_vtu
from formwright.datasets.vtk.vtp import PolyData, read_vtp
from formwright.datasets.vtk.vtu import read_vtu


def table(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


@pytest.fixture
def cases(tmp_path: Path) -> Path:
    path = tmp_path / "cases.csv"
    path.write_text("name,section,alpha_deg,reynolds\na,naca2412,4,3e6\nb,nowhere,1,2e6\n")
    return path


def test_forces_of_a_table_without_ncrit(cases, tmp_path, capsys):
    out = tmp_path / "out.csv"
    assert main(["predict", "rans-2d", "--cases", str(cases), "--out", str(out), "--std"]) == 1
    first, second = table(out)
    assert float(first["cl"]) == pytest.approx(0.645, rel=0.03)
    assert float(first["cd"]) == pytest.approx(0.0098, rel=0.06)
    assert 0.0 < float(first["cd_std"]) < 0.002
    assert second["name"] == "b" and second["cl"] == "" and "'nowhere'" in second["reason"]
    assert "ncrit" not in capsys.readouterr().err


def test_a_shape_unlike_all_sections_is_flagged(tmp_path, capsys):
    angle = np.linspace(0.0, 2.0 * np.pi, 121)
    circle = np.stack([0.5 + 0.5 * np.cos(angle), 0.5 * np.sin(angle)], 1)
    lines = [f"{x:.6f} {y:.6f}" for x, y in circle]
    (tmp_path / "circle.dat").write_text("\n".join(["circle", *lines]) + "\n")
    cases, out = tmp_path / "cases.csv", tmp_path / "out.csv"
    cases.write_text("section,alpha_deg,reynolds\ncircle.dat,4,3e6\nnaca2412,4,3e6\n")
    assert main(["predict", "rans-2d", "--cases", str(cases), "--out", str(out), "--std"]) == 0
    round_one, section = table(out)
    assert float(round_one["support"]) > 2.0 and float(section["support"]) < 1.0
    assert "outside of what it learned from" in round_one["flag"] and not section["flag"]
    assert float(round_one["cl_std"]) > 5.0 * float(section["cl_std"])
    assert "1 rows are guesses" in capsys.readouterr().err


def test_fields_walls_and_figures_of_a_table(cases, tmp_path):
    out, folder = tmp_path / "out.csv", tmp_path / "fields"
    arguments = ["--cases", str(cases), "--out", str(out), "--fields", str(folder)]
    assert main(["predict", "rans-2d", *arguments]) == 1
    first, second = table(out)
    assert first["fields"] == "00001-naca2412.vtu" and second["fields"] == ""
    mesh = read_vtu(folder / first["fields"])
    assert {"U", "p", "nut"} <= set(mesh.cell_data)
    flow = read_flow_vtu(folder / first["fields"], alpha_deg=4.0, reynolds=3e6)
    assert np.isfinite(flow.velocity).all() and (flow.nut >= 0).all()
    assert flow.forces["cl"] == pytest.approx(float(first["cl"]), rel=0.15)
    assert sorted(path.suffix for path in folder.iterdir()) == [".png", ".vtp", ".vtu"]


def test_a_surrogate_without_fields_says_so(cases, tmp_path, capsys):
    arguments = ["--cases", str(cases), "--out", str(tmp_path / "out.csv"), "--fields", "x"]
    assert main(["predict", "airfoil-polar", *arguments]) == 2
    assert "use rans-2d" in capsys.readouterr().err


def placed_dat(path: Path, chord: float, turn_deg: float, at: tuple[float, float]) -> np.ndarray:
    """Write a cambered section that lies turned, scaled and elsewhere in its file."""
    angle = np.deg2rad(turn_deg)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    points = chord * load_section("naca4412").pos.numpy() @ turn + np.array(at)
    path.write_text("mine\n" + "\n".join(f"{x:.9f} {y:.9f}" for x, y in points) + "\n")
    return points


def integrated(wall: PolyData) -> dict[str, float]:
    """Return the coefficients of a wall at the incidence and about the point of its notes."""
    ends, cp, cf = wall.points[wall.segments(), :2], wall.cell_data["cp"], wall.cell_data["cf"]
    step = ends[:, 1] - ends[:, 0]
    normals = np.stack([step[:, 1], -step[:, 0]], -1)
    force = -cp[:, None] * normals + cf[:, :2] * np.hypot(*step.T)[:, None]
    arm = ends.mean(1) - np.ravel(wall.notes["moment_reference"])[:2].astype(float)
    alpha = np.deg2rad(float(np.ravel(wall.notes["alpha_deg"])[0]))
    (x, y), cos, sin = force.sum(0), np.cos(alpha), np.sin(alpha)
    moment = (force[:, 0] * arm[:, 1] - force[:, 1] * arm[:, 0]).sum()
    return {"cl": y * cos - x * sin, "cd": x * cos + y * sin, "cm": moment}


@pytest.mark.parametrize(
    ("chord", "turn_deg", "at"), [(1.0, 0.0, (0.0, 0.0)), (100.0, -2.0, (30.0, -7.0))]
)
def test_files_of_fields_stand_in_the_axes_of_the_table(chord, turn_deg, at, tmp_path):
    points = placed_dat(tmp_path / "mine.dat", chord, turn_deg, at)
    cases, out, folder = tmp_path / "cases.csv", tmp_path / "out.csv", tmp_path / "fields"
    cases.write_text("section,alpha_deg,reynolds\nmine.dat,5,3e6\nnaca23012,5,3e6\n")
    arguments = ["--cases", str(cases), "--out", str(out), "--fields", str(folder)]
    assert main(["predict", "rans-2d", *arguments]) == 0
    for row in table(out):
        stem = folder / Path(row["fields"]).stem
        wall, mesh = read_vtp(f"{stem}.vtp"), read_vtu(f"{stem}.vtu")
        for notes in (wall.notes, mesh.notes):
            assert notes["alpha_deg"] == 5.0 and notes["reynolds"] == 3e6
            assert str(notes["axes"]).startswith("x and y of the section's file")
        found, flow = integrated(wall), read_flow_vtu(f"{stem}.vtu")
        for name, value in found.items():
            told = float(row[f"fields_{name}"])
            assert value == pytest.approx(told, rel=1e-5, abs=1e-6)
            assert mesh.notes[name] == pytest.approx(told, rel=1e-5)
            assert flow.forces[name] == pytest.approx(told, rel=3e-3, abs=1e-4)
            assert told == pytest.approx(float(row[name]), rel=0.03, abs=5e-3)
        assert flow.alpha_deg == 5.0 and flow.reynolds == 3e6
    wall = read_vtp(folder / "00001-mine-dat.vtp")
    assert wall_distance(wall.points[:, :2] * chord, points).max() < 2e-4 * chord
    stream = read_vtu(folder / "00001-mine-dat.vtu")
    far = np.hypot(*stream.points[stream.corners.reshape(-1, 4), :2].mean(1).T) > 30.0
    u, v, _ = stream.cell_data["U"][far].mean(0)
    assert np.rad2deg(np.arctan2(v, u)) == pytest.approx(5.0, abs=0.5)


def test_a_table_of_bad_rows_alone_is_written_with_its_reasons(tmp_path):
    cases, out = tmp_path / "cases.csv", tmp_path / "out.csv"
    cases.write_text("section,alpha_deg,reynolds\nnosuch,1,3e6\n")
    arguments = ["predict", "rans-2d", "--cases", str(cases), "--out", str(out)]
    assert main([*arguments, "--std"]) == 1
    (row,) = table(out)
    assert "nosuch" in row["reason"] and row["cl"] == row["cd_std"] == ""
