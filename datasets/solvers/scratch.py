"""Work folders of solver processes, in memory where there is some, and their processor time."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Final

LEFT_BEHIND_S: Final = 3600.0


def work_folder(prefix: str) -> Path:
    """Return a fresh folder that names this process; what killed processes left is cleared away."""
    return Path(tempfile.mkdtemp(prefix=f"{prefix}{os.getpid()}-", dir=work_root(prefix)))


@cache
def work_root(prefix: str) -> Path:
    """Return the folder for work folders, freed once of those whose process is gone for long."""
    memory = Path("/dev/shm")
    root = memory if os.access(memory, os.W_OK) else Path(tempfile.gettempdir())
    for folder in root.glob(f"{prefix}*-*"):
        owner = folder.name.removeprefix(prefix).split("-")[0]
        if not Path(f"/proc/{owner}").exists() and _age(folder) > LEFT_BEHIND_S:
            shutil.rmtree(folder, ignore_errors=True)
    return root


def cpu_seconds(pid: int) -> float:
    """Return the processor time a process has used; the clock where the system does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return time.monotonic()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _age(folder: Path) -> float:
    """Return the seconds since a folder changed; 0 if it is gone."""
    try:
        return time.time() - folder.stat().st_mtime
    except FileNotFoundError:
        return 0.0
