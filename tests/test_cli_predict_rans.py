from __future__ import annotations

import csv
from pathlib import Path

import meshio
import numpy as np
import pytest

from formwright.cli import main
from formwright.datasets.flow_files import read_flow_vtu


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
    mesh = meshio.read(folder / first["fields"])
    assert {"U", "p", "nut"} <= set(mesh.cell_data)
    flow = read_flow_vtu(folder / first["fields"], alpha_deg=4.0, reynolds=3e6)
    assert np.isfinite(flow.velocity).all() and (flow.nut >= 0).all()
    assert flow.forces["cl"] == pytest.approx(float(first["cl"]), rel=0.15)
    assert sorted(path.suffix for path in folder.iterdir()) == [".png", ".vtp", ".vtu"]


def test_a_surrogate_without_fields_says_so(cases, tmp_path, capsys):
    arguments = ["--cases", str(cases), "--out", str(tmp_path / "out.csv"), "--fields", "x"]
    assert main(["predict", "airfoil-polar", *arguments]) == 2
    assert "use rans-2d" in capsys.readouterr().err
