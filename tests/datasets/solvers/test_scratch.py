from __future__ import annotations

import os
import subprocess
import time

from formwright.datasets.solvers import scratch
from formwright.datasets.solvers.scratch import cpu_seconds, work_folder


def test_folders_of_killed_processes_are_cleared_away(tmp_path, monkeypatch):
    monkeypatch.setattr(scratch.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(scratch.os, "access", lambda *_: False)
    monkeypatch.setattr(scratch, "LEFT_BEHIND_S", -1.0)
    dead, alive = (tmp_path / f"formwright-test-{pid}-x" for pid in (2**30, os.getpid()))
    other = tmp_path / "formwright-other"
    for folder in (dead, alive, other):
        folder.mkdir()
    made = work_folder("formwright-test-")
    assert made.parent == tmp_path and made.name.startswith(f"formwright-test-{os.getpid()}-")
    assert not dead.exists() and alive.exists() and other.exists()
    assert work_folder("formwright-test-") != made


def test_the_time_of_a_process_is_its_own():
    busy = subprocess.Popen(["sh", "-c", "while :; do :; done"])
    idle = subprocess.Popen(["sleep", "30"])
    try:
        deadline = time.monotonic() + 20.0
        while cpu_seconds(busy.pid) < 0.2 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert cpu_seconds(busy.pid) >= 0.2 > cpu_seconds(idle.pid)
    finally:
        for process in (busy, idle):
            process.kill()
            process.wait()


def test_the_clock_stands_in_for_a_process_that_is_gone():
    before = time.monotonic()
    assert before <= cpu_seconds(2**30) <= time.monotonic()
