"""A folder of AirfRANS becomes a corpus: official split, failures as rows, resumed, fetched."""

from __future__ import annotations

import http.server
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from formwright.cli import main
from formwright.datasets.airfrans import AEROFOIL, INTERNAL, read_case
from formwright.datasets.airfrans_cases import case_name, write_manifest
from formwright.datasets.airfrans_corpus import absent_files, convert, fetch
from formwright.datasets.airfrans_sections import section_of
from formwright.datasets.airfrans_write import wall_distance, write_case
from formwright.datasets.cmesh import CMesh, c_mesh
from formwright.datasets.errors import DownloadError
from formwright.datasets.flow_field import load_flow
from formwright.datasets.plane_flow import flow_from_plane, wall_ring
from formwright.datasets.rans import flow_file

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
        assert flow.forces == read_case(dataset, NAMES[0]).forces
        assert row["cl"] == flow.forces["cl"] and row["cd_friction"] == flow.forces["cd_friction"]
        assert len(row["cst"]) == 18 and row["families"] == ["naca"]
        again = convert(dataset, tmp_path / "c", executor=pool, workers=1, progress=False)
    assert len(again.read()) == 3


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


def test_the_zip_file_is_fetched_and_unpacked(dataset, tmp_path):
    (tmp_path / "web").mkdir()
    with zipfile.ZipFile(tmp_path / "web" / "Dataset.zip", "w") as archive:
        for path in sorted(dataset.rglob("*")):
            archive.write(path, Path("Dataset") / path.relative_to(dataset))
    (tmp_path / "web" / "other.zip").write_bytes(b"no zip file")
    server = served(tmp_path / "web")
    try:
        at = f"http://127.0.0.1:{server.server_port}"
        folder, digest = fetch(tmp_path / "here", url=f"{at}/Dataset.zip")
        assert folder == tmp_path / "here" / "Dataset" and len(digest) == 64
        lost = folder / NAMES[0] / f"{NAMES[0]}{AEROFOIL}"
        lost.unlink()
        fetch(tmp_path / "here", url=f"{at}/Dataset.zip")
        assert lost.is_file() and set(absent_files(folder).values()) == {0}
        with pytest.raises(DownloadError, match="other.zip.*no zip file"):
            fetch(tmp_path / "there", url=f"{at}/other.zip")
    finally:
        server.shutdown()
        server.server_close()
