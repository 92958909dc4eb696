"""A folder of AirfRANS becomes a corpus: official split, failures as rows, resumed, fetched."""

from __future__ import annotations

import http.server
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from formwright.cli import main
from formwright.datasets.airfoils import cst
from formwright.datasets.airfoils.sections import load_section
from formwright.datasets.corpus import start_corpus
from formwright.datasets.errors import CorpusError, DownloadError
from formwright.datasets.rans.airfrans.cases import case_name, parse_name, write_manifest
from formwright.datasets.rans.airfrans.corpus import (
    absent_files,
    convert,
    convert_case,
    fetch,
    manifest,
)
from formwright.datasets.rans.airfrans.read import AEROFOIL, INTERNAL, read_case
from formwright.datasets.rans.airfrans.sections import section_of
from formwright.datasets.rans.airfrans.write import wall_distance, write_case
from formwright.datasets.rans.corpus import flow_file
from formwright.datasets.rans.flow_axes import wall_corners
from formwright.datasets.rans.flow_field import load_flow
from formwright.datasets.rans.mesh.cmesh import CMesh, c_mesh
from formwright.datasets.rans.plane_flow import flow_from_plane, wall_ring
from formwright.datasets.rans.potential_flow import potential_flow
from formwright.datasets.solvers.panel.vortex_panels import sheet

SMALL = CMesh(cells_side=30, cells_wake=12, cells_normal=16, first_cell=1e-3)
NAMES = [case_name(3e6, alpha, "2.5_4.5_12.25") for alpha in (1.0, 2.0, 3.0)]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("Dataset")
    mesh = c_mesh(section_of(NAMES[0]).pos, SMALL)
    points, quads = mesh.points[: len(mesh.points) // 2, :2], mesh.cells[:, :4]
    middles = points[quads].mean(1)
    height = wall_distance(middles, points[wall_ring(points, quads)[0]])
    for name, alpha in zip(NAMES, (1.0, 2.0, 3.0), strict=True):
        flow = flow_from_plane(
            points,
            quads,
            velocity=np.minimum(50.0 * height, 1.0)[:, None] * [1.0, 0.0],
            pressure=0.5
            - np.hypot(*middles.T).clip(max=0.6)
            - alpha * middles[:, 1].clip(-0.1, 0.1),
            nut=1e-4 * height.clip(max=0.1),
            alpha_deg=alpha,
            reynolds=3e6,
        )
        write_case(folder, name, flow)
    write_manifest(folder, {"full_train": NAMES[:2], "full_test": NAMES[2:]})
    broken = folder / NAMES[1] / f"{NAMES[1]}{INTERNAL}"
    broken.write_bytes(broken.read_bytes()[:5000])
    return folder


def test_cases_become_rows_and_flows_and_the_broken_one_a_reason(dataset, tmp_path):
    with ThreadPoolExecutor(1) as pool:
        corpus = convert(dataset, tmp_path / "c", executor=pool, workers=1, progress=False)
        rows = {row["case_id"]: row for row in corpus.read().to_pylist()}
        assert [rows[name]["split"] for name in NAMES] == ["train", "train", "test"]
        assert [rows[name]["converged"] for name in NAMES] == [True, False, True]
        assert INTERNAL in rows[NAMES[1]]["reason"] and rows[NAMES[1]]["cl"] is None
        flow, row = load_flow(flow_file(tmp_path / "c", NAMES[0])), rows[NAMES[0]]
        file = read_case(dataset, NAMES[0])
        for name in ("cl", "cd", "cl_friction"):
            assert flow.forces[name] == pytest.approx(file.forces[name], rel=1e-6)
        assert row["cl"] == flow.forces["cl"] and row["cd_friction"] == flow.forces["cd_friction"]
        assert len(row["cst"]) == 18 and row["families"] == ["naca"]
        again = convert(dataset, tmp_path / "c", executor=pool, workers=1, progress=False)
    assert len(again.read()) == 3


@pytest.mark.parametrize(
    "section", ["x/../../../../ESCAPED", "x/../../c/cases/y", "/etc", "x\\y", "x\0y", "x" * 300]
)
def test_names_that_lie_elsewhere_are_refused_and_nothing_is_written(section, tmp_path, capsys):
    name = f"airFoil2D_SST_50_5_{section}"
    write_manifest(tmp_path / "D", {"full_train": [name]})
    before = sorted(tmp_path.rglob("*"))
    for more in ((), ("--out", str(tmp_path / "c"))):
        assert main(["corpus", "airfrans", str(tmp_path / "D"), *more, "--quiet"]) == 2
        said = " ".join(capsys.readouterr().err.split())
        assert "manifest.json" in said and "files are called by it" in said
    assert sorted(tmp_path.rglob("*")) == before
    corpus = start_corpus(tmp_path / "c", manifest("full"))
    for reads in (read_case, flow_file, lambda _, name: corpus.write(name, pa.table({}))):
        with pytest.raises(CorpusError, match="files are called by it"):
            reads(tmp_path / "D", name)
    assert not [path for path in tmp_path.rglob("*ESCAPED*")]


def potential_lift(pos: torch.Tensor, alpha_deg: float) -> float:
    """Return the lift of the panel method in the axes of the contour, on a chord of one."""
    vortex = sheet(pos[None]).vortex[0]
    strength = 0.5 * (vortex[1:] + vortex[:-1]) * pos.diff(dim=0).norm(dim=1)[:, None]
    angle = np.deg2rad(alpha_deg)
    return float(2.0 * strength.sum(0) @ pos.new_tensor([np.cos(angle), np.sin(angle)]))


def contour_in_file(name: str) -> torch.Tensor:
    """Return the contour where the digits put it."""
    section = section_of(name, points_per_side=100)
    place, angle = section.placement, np.deg2rad(section.placement.rotation_deg)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    pos = section.pos
    return place.chord * pos @ pos.new_tensor(turn) + pos.new_tensor(place.nose)


def potential_case(folder: Path, name: str, pos: torch.Tensor) -> None:
    """Write the potential flow around a contour as a case."""
    mesh = c_mesh(pos, replace(SMALL, cells_side=80, cells_wake=8, cells_normal=8))
    points, quads = mesh.points[: len(mesh.points) // 2, :2], mesh.cells[:, :4]
    corners = torch.from_numpy(points[wall_ring(points, quads)[0]])
    nodes, middles = torch.cat([corners, corners[:1]]), points[quads].mean(1)
    case = parse_name(name)
    alpha = torch.tensor([case.alpha_deg])
    found = potential_flow(nodes[None], torch.from_numpy(middles)[None], alpha)
    flow = flow_from_plane(
        points,
        quads,
        velocity=found.velocity[0].numpy(),
        pressure=found.pressure[0].numpy(),
        nut=np.full(len(quads), 2e-5),
        alpha_deg=case.alpha_deg,
        reynolds=case.reynolds,
    )
    write_case(folder, name, flow)


ALPHAS = [-4.0, -2.0, 0.0, 2.0, 4.0, 6.0, 8.0, 10.0]
DIGITS = ["0_0_12", "2.8_4.9_10.1", "5.3_2.7_17.3", "6.9_6.1_19", "1.7_0_9.5", "4_5_0_12",
          "2.1_7.7_0_19.2", "3.4_4_1_15.5"]  # fmt: skip


@pytest.mark.parametrize(("alpha", "digits"), list(zip(ALPHAS, DIGITS, strict=True)))
def test_row_and_record_stand_in_the_same_axes(alpha, digits, tmp_path):
    name = case_name(3e6, alpha, digits)
    pos = contour_in_file(name)
    potential_case(tmp_path, name, pos)
    (row,) = convert_case(tmp_path, tmp_path, {name: "train"}, name).to_pylist()
    record, file = load_flow(flow_file(tmp_path, name)), read_case(tmp_path, name)
    placement = section_of(name).placement
    assert record.alpha_deg == row["alpha_deg"]
    assert row["alpha_deg"] == pytest.approx(alpha + placement.rotation_deg, abs=5e-3)
    assert row["cl"] == pytest.approx(file.forces["cl"], abs=1e-6)
    assert row["cd"] == pytest.approx(file.forces["cd"], abs=1e-6)
    said = potential_lift(
        cst.coordinates(torch.tensor(row["cst"], dtype=torch.float64), 100), row["alpha_deg"]
    )
    assert placement.chord * said == pytest.approx(potential_lift(pos, alpha), abs=1e-3)
    away = wall_distance(wall_corners(record.wall), section_of(name).pos.numpy())
    assert away.max() < 3e-3


def test_a_case_of_another_name_is_converted_by_its_wall(tmp_path):
    name = case_name(3e6, 3.0, "fx77w153")
    pos = load_section("fx77w153").pos
    potential_case(tmp_path, name, pos)
    (row,) = convert_case(tmp_path, tmp_path, {name: "test"}, name).to_pylist()
    assert row["converged"] and row["families"] == ["wortmann"]
    assert row["alpha_deg"] == pytest.approx(3.0, abs=1e-3)
    found = cst.coordinates(torch.tensor(row["cst"], dtype=torch.float64), 60).numpy()
    assert wall_distance(found, pos.numpy()).max() < 2e-3


def test_files_that_lack_are_counted(dataset, tmp_path, capsys):
    assert set(absent_files(dataset).values()) == {0}
    write_manifest(tmp_path, {"full_train": NAMES})
    assert absent_files(tmp_path)["full_train"] == 3
    assert main(["corpus", "airfrans", str(tmp_path)]) == 0
    assert "3 cases, 3 lack files" in capsys.readouterr().out


def served(folder: Path) -> http.server.ThreadingHTTPServer:
    handler = partial(Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
    return server


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


def locked_and_damaged(path: Path) -> tuple[bytes, bytes]:
    """Return a zip file that asks for a password, and one whose compressed bytes are noise."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("D/manifest.json", "ab" * 500)
    locked = bytearray(path.read_bytes())
    damaged = bytearray(locked)
    start = 30 + len("D/manifest.json")
    damaged[start : start + 4] = b"\xff" * 4
    central = locked.index(b"PK\x01\x02")
    locked[6] |= 1
    locked[central + 8] |= 1
    return bytes(locked), bytes(damaged)


def test_the_zip_file_is_fetched_and_unpacked(dataset, tmp_path):
    (tmp_path / "web").mkdir()
    with zipfile.ZipFile(tmp_path / "web" / "Dataset.zip", "w") as archive:
        for path in sorted(dataset.rglob("*")):
            archive.write(path, Path("Dataset") / path.relative_to(dataset))
    (tmp_path / "web" / "other.zip").write_bytes(b"no zip file")
    locked, damaged = locked_and_damaged(tmp_path / "one.zip")
    (tmp_path / "web" / "locked.zip").write_bytes(locked)
    (tmp_path / "web" / "damaged.zip").write_bytes(damaged)
    server = served(tmp_path / "web")
    try:
        at = f"http://127.0.0.1:{server.server_port}"
        folder, digest = fetch(tmp_path / "here", url=f"{at}/Dataset.zip")
        assert folder == tmp_path / "here" / "Dataset" and len(digest) == 64
        lost = folder / NAMES[0] / f"{NAMES[0]}{AEROFOIL}"
        lost.unlink()
        fetch(tmp_path / "here", url=f"{at}/Dataset.zip")
        assert lost.is_file() and set(absent_files(folder).values()) == {0}
        for name in ("other", "locked", "damaged"):
            with pytest.raises(DownloadError, match=f"{name}.zip.*no zip file"):
                fetch(tmp_path / "there", url=f"{at}/{name}.zip")
    finally:
        server.shutdown()
        server.server_close()


def test_zip_files_that_inflate_or_lie_deep_are_refused(tmp_path):
    web = tmp_path / "web"
    web.mkdir()
    with zipfile.ZipFile(web / "big.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", "{}")
        archive.infolist()[0].file_size = 1 << 31
    with zipfile.ZipFile(web / "deep.zip", "w") as archive:
        archive.writestr("a/" * 40 + "manifest.json", "{}")
    for name, why in {"big": "unpacks to", "deep": "40 folders deep"}.items():
        with pytest.raises(DownloadError, match=why):
            fetch(tmp_path / name, url=(web / f"{name}.zip").as_uri())
        assert [path.name for path in (tmp_path / name).iterdir()] == [f"{name}.zip"]
