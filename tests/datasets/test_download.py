"""Downloads go on after a cut, check what came, and say clearly that there is no network."""

from __future__ import annotations

import hashlib
import http.server
import threading
from collections.abc import Iterator

import pytest

from formwright.datasets.download import download, download_with_bar
from formwright.datasets.errors import DownloadError

CONTENT = bytes(range(256)) * 4000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    """Serves CONTENT; ``cuts`` holds after how many bytes each answer breaks off."""

    cuts: list[int]
    ranges: bool
    status: int
    asked: list[str | None]


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.asked.append(wanted)
        if self.server.status != 200:
            return self.send_error(self.server.status)
        start = int(wanted[6:-1]) if wanted and self.server.ranges else 0
        if start >= len(CONTENT):
            return self.send_error(416)
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        cut = self.server.cuts.pop(0) if self.server.cuts else len(CONTENT)
        self.wfile.write(CONTENT[start : start + cut])
        return None

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server(("127.0.0.1", 0), Handler)
    made.cuts, made.ranges, made.status, made.asked = [], True, 200, []
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


def address(server: Server) -> str:
    return f"http://127.0.0.1:{server.server_port}/Dataset.zip"


def test_a_whole_file_and_its_progress(server, tmp_path):
    seen = []
    found = download(
        address(server),
        tmp_path / "deep" / "a.zip",
        sha256=DIGEST,
        progress=lambda *s: seen.append(s),
    )
    assert found == DIGEST
    assert (tmp_path / "deep" / "a.zip").read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["a.zip"]


def test_a_file_that_is_there_is_checked_and_not_fetched(server, tmp_path):
    (tmp_path / "a.zip").write_bytes(CONTENT)
    assert download(address(server), tmp_path / "a.zip", sha256=DIGEST) == DIGEST
    assert server.asked == []


def test_a_cut_connection_goes_on(server, tmp_path):
    server.cuts = [300_000, 200_000]
    assert download(address(server), tmp_path / "a.zip", sha256=DIGEST) == DIGEST
    assert server.asked == [None, "bytes=300000-", "bytes=500000-"]


def test_a_later_call_goes_on(server, tmp_path):
    server.cuts = [300_000, 0]
    with pytest.raises(DownloadError, match="300,000 bytes are in .*a.zip.part.*goes on"):
        download(address(server), tmp_path / "a.zip", attempts=1)
    assert not (tmp_path / "a.zip").exists()
    assert download(address(server), tmp_path / "a.zip", sha256=DIGEST) == DIGEST
    assert server.asked[-1] == "bytes=300000-"


def test_a_server_without_ranges_starts_again(server, tmp_path):
    server.cuts, server.ranges = [300_000], False
    assert download(address(server), tmp_path / "a.zip", sha256=DIGEST) == DIGEST


def test_a_part_that_is_too_long_is_begun_again(server, tmp_path):
    (tmp_path / "a.zip.part").write_bytes(CONTENT + b"more")
    assert download(address(server), tmp_path / "a.zip", sha256=DIGEST) == DIGEST


def test_a_wrong_checksum_is_refused_and_the_file_kept_aside(server, tmp_path):
    with pytest.raises(DownloadError, match=f"{DIGEST}.*{'0' * 64}"):
        download(address(server), tmp_path / "a.zip", sha256="0" * 64)
    assert [p.name for p in tmp_path.iterdir()] == ["a.zip.wrong"]


def test_an_absent_file_is_named_at_once(server, tmp_path):
    server.status = 404
    with pytest.raises(DownloadError, match="404"):
        download(address(server), tmp_path / "a.zip")
    assert len(server.asked) == 1


def test_a_failing_server_is_tried_again_and_then_named(server, tmp_path):
    server.status = 503
    with pytest.raises(DownloadError, match="503"):
        download(address(server), tmp_path / "a.zip", attempts=2)
    assert len(server.asked) == 2


def test_offline_is_said_clearly(tmp_path):
    with pytest.raises(DownloadError, match="could not fetch 'http://127.0.0.1:9/a'.*other means"):
        download("http://127.0.0.1:9/a", tmp_path / "a.zip", attempts=1)


def test_without_a_checksum_what_came_is_said(server, tmp_path, capsys):
    assert download_with_bar(address(server), tmp_path / "a.zip") == DIGEST
