from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys

import pytest

from formwright.datasets import locks
from formwright.datasets.errors import FolderInUseError
from formwright.datasets.locks import writing

HOLD = """
import sys, time
from formwright.datasets.locks import writing
with writing(sys.argv[1]):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_second_process_is_refused_and_told_which_writes(holder, tmp_path):
    said = f"process {holder.pid} on {re.escape(os.uname().nodename)}, since 20"
    with pytest.raises(FolderInUseError, match=said), writing(tmp_path):
        pass
    with pytest.raises(FolderInUseError, match=said), writing(tmp_path):
        pass


def test_a_killed_process_never_blocks(holder, tmp_path):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with writing(tmp_path):
        assert str(os.getpid()) in (tmp_path / locks.LOCK).read_text()
    with writing(tmp_path / "new" / "folder"):
        pass
    assert not (tmp_path / locks.LOCK).exists()


def test_the_same_process_does_not_write_twice_at_once(tmp_path):
    with writing(tmp_path), pytest.raises(FolderInUseError, match=f"process {os.getpid()} on"):
        with writing(tmp_path):
            pass


def test_a_file_system_without_locks_is_written_without(tmp_path, monkeypatch):
    def none(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(locks.fcntl, "flock", none)
    with writing(tmp_path), writing(tmp_path):
        pass
