from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Executor
from functools import partial
from pathlib import Path

import pytest

from formwright.cli import main
from formwright.datasets import campaign
from formwright.datasets.errors import ConfigError, MissingSolverError
from formwright.datasets.executors import opened

CASES = 24


def answer(started: Path, item: int) -> int:
    """Note who works on what, wait a moment, return the square."""
    (started / f"{os.getpid()}-{item}-{time.monotonic_ns()}").touch()
    time.sleep(0.15)
    return item * item


def raise_on_odd(item: int) -> int:
    if item % 2:
        raise ValueError(f"{item} is odd")
    return item


def python(*arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path, str(Path(__file__).parent)])},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A scheduler and two workers, each a process of its own."""
    pytest.importorskip("distributed")
    file = tmp_path / "scheduler.json"
    common = ("--scheduler-file", str(file))
    ends = [python("distributed.cli.dask_scheduler", *common, "--port", "0", "--no-dashboard",
                   "--host", "127.0.0.1")]  # fmt: skip
    try:
        _wait_for(file.exists)
        address = _address(file)
        plain = ("--nthreads", "1", "--no-nanny", "--no-dashboard", "--local-directory")
        for name in ("a", "b"):
            folder = str(tmp_path / name)
            ends.append(python("distributed.cli.dask_worker", address, *plain, folder))
        _wait_for(partial(_has_workers, address, 2))
        yield address, ends[1:]
    finally:
        for end in reversed(ends):
            end.kill()
            end.wait()


def _address(file: Path) -> str:
    import json

    _wait_for(lambda: file.read_text().rstrip().endswith("}"))
    return json.loads(file.read_text())["address"]


def _has_workers(address: str, count: int) -> bool:
    from distributed import Client

    with Client(address, set_as_default=False) as client:
        return len(client.nthreads()) == count  # pyright: ignore


def _wait_for(done: object) -> None:
    assert callable(done)
    for _ in range(1200):
        if done():
            return
        time.sleep(0.05)
    raise AssertionError("nothing came")


def test_a_number_of_processes() -> None:
    with opened("processes:3") as where:
        assert where.executor is None
        assert where.workers == 3
    with opened(None, 2) as where:
        assert (where.executor, where.workers) == (None, 2)


@pytest.mark.parametrize("spec", ["processes:0", "processes:two", "threads:4", "dask:", "dask:a"])
def test_what_is_none_is_refused(spec: str) -> None:
    with pytest.raises(ConfigError, match=spec), opened(spec):
        pass


def test_two_numbers_of_workers_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--sections", "1", "--solver", "panel", "--workers", "2"]
    out = str(tmp_path / "c")
    assert main(["corpus", "polars", "--out", out, *flags, "--executor", "processes:2"]) == 2
    assert "not both" in capsys.readouterr().err


def test_nobody_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr("formwright.datasets.executors.WAIT_S", 0.5)
    with pytest.raises(MissingSolverError, match="no Dask scheduler answers"):
        with opened("dask:tcp://127.0.0.1:9"):
            pass


def test_no_row_is_lost_or_doubled_when_a_worker_is_killed(
    cluster: tuple[str, list[subprocess.Popen[bytes]]], tmp_path: Path
) -> None:
    address, workers = cluster
    started = tmp_path / "started"
    started.mkdir()
    found: list[tuple[int, int]] = []
    failures: list[Exception] = []

    def store(item: int, value: int) -> None:
        found.append((item, value))
        if len(found) == 6:
            workers[0].kill()

    with opened(f"dask:{address}") as where:
        assert isinstance(where.executor, Executor)
        assert where.workers == 2
        tally = campaign.run(
            range(CASES),
            partial(answer, started),
            on_result=store,
            on_failure=lambda item, error: failures.append(error),
            executor=where.executor,
            workers=where.workers,
            progress=False,
        )
    assert not failures
    assert sorted(found) == [(item, item * item) for item in range(CASES)]
    assert tally.done == CASES
    pids = {int(path.name.split("-")[0]) for path in started.iterdir()}
    assert pids == {worker.pid for worker in workers}


def test_what_a_worker_raises_is_the_failure_of_its_case(
    cluster: tuple[str, list[subprocess.Popen[bytes]]],
) -> None:
    found: list[int] = []
    failures: dict[int, str] = {}
    with opened(f"dask:{cluster[0]}") as where:
        campaign.run(
            range(6),
            raise_on_odd,
            on_result=lambda item, value: found.append(value),
            on_failure=lambda item, error: failures.update({item: str(error)}),
            executor=where.executor,
            workers=where.workers,
            progress=False,
        )
    assert sorted(found) == [0, 2, 4]
    assert failures == {item: f"{item} is odd" for item in (1, 3, 5)}
