"""One OpenFOAM program in a case folder: watched, ended in time, gone when this process is."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Final

from formwright.datasets.errors import FormwrightError, MissingSolverError
from formwright.datasets.solvers.scratch import cpu_seconds, work_folder

PROJECT: Final = Path("/usr/share/openfoam")
PREFIX: Final = "formwright-foam-"
WALL_FACTOR: Final = 8.0
_POLL_S: Final = 0.1
_GUARD: Final = ("setpriv", "--pdeathsig", "KILL")


class FoamFailure(FormwrightError, RuntimeError):
    """A run that gave no answer; the message is the reason."""


class Diverged(FoamFailure):
    """A run whose numbers grew beyond all bounds."""


def available(programs: tuple[str, ...]) -> bool:
    """Return whether the programs are on the PATH and OpenFOAM's own files are found."""
    return all(map(shutil.which, programs)) and _project() is not None


def require(programs: tuple[str, ...]) -> None:
    """Raise MissingSolverError, which says what to install, where a program is absent."""
    if not available(programs):
        absent = [program for program in programs if shutil.which(program) is None]
        what = f"not on the PATH: {', '.join(absent)}" if absent else f"no folder {str(PROJECT)!r}"
        raise MissingSolverError(
            f"OpenFOAM cannot run here ({what}). Install it (Debian and Ubuntu: apt-get install "
            "openfoam), or set WM_PROJECT_DIR to an installation, or use another solver."
        )


def run(
    program: str,
    folder: Path,
    *,
    timeout_s: float,
    watch: Callable[[], None] | None = None,
) -> str:
    """Run a program in a case folder and return its log.

    Args:
        program: Without arguments.
        folder: Of the case.
        timeout_s: Processor time after which it is killed.
        watch: Called a few times a second while it runs.

    Raises:
        FoamFailure: It stopped with an error, or took too long.
    """
    log = folder / f"log.{program}"
    started = time.monotonic()
    with open(log, "wb") as handle:
        process = subprocess.Popen(
            [*_guard(), program],
            stdin=subprocess.DEVNULL,
            stdout=handle,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=_environment(folder),
        )
        try:
            while process.poll() is None:
                _check_time(process.pid, started, timeout_s)
                if watch is not None:
                    watch()
                _wait(process)
        finally:
            process.kill()
            process.wait()
    text = log.read_text(encoding="utf-8", errors="replace")
    if process.returncode:
        reason = _complaint(text, process.returncode)
        kind = Diverged if reason.startswith("diverged") else FoamFailure
        raise kind(f"{program}: {reason}")
    return text


@contextmanager
def case_folder(keep: Path | None = None) -> Iterator[Path]:
    """Yield a fresh folder for a case; removed afterwards unless it is to be kept.

    Args:
        keep: The folder to use and to leave; what was in it goes. A temporary one where None.
    """
    if keep is not None:
        shutil.rmtree(keep, ignore_errors=True)
        keep.mkdir(parents=True)
        yield keep.resolve()
        return
    folder = work_folder(PREFIX)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait(process: subprocess.Popen[bytes]) -> None:
    """Wait a moment, less if the process ends."""
    try:
        process.wait(_POLL_S)
    except subprocess.TimeoutExpired:
        return


def _check_time(pid: int, started: float, timeout_s: float) -> None:
    """Raise FoamFailure once a process has used up its time."""
    wall = time.monotonic() - started
    if wall > timeout_s and (wall > WALL_FACTOR * timeout_s or cpu_seconds(pid) > timeout_s):
        raise FoamFailure(f"timeout: not done after {timeout_s:g} s of processor time")


def _complaint(log: str, code: int) -> str:
    """Return why a program stopped, in a line."""
    at = log.find("FOAM FATAL")
    if at >= 0:
        words = " ".join(log[at : at + 400].split())
        return words.partition(" From function")[0][:200]
    if "sigFpe" in log or code in (-8, 136):
        return "diverged (floating point exception)"
    return f"ended by signal {-code}" if code < 0 else f"exit status {code}"


def _environment(folder: Path) -> dict[str, str]:
    """Return this process's environment with OpenFOAM's folder; one thread."""
    project = _project()
    extra = {"PWD": str(folder), "OMP_NUM_THREADS": "1", "FOAM_SIGFPE": "true"}
    return {**os.environ, **extra, "WM_PROJECT_DIR": str(project or PROJECT)}


def _project() -> Path | None:
    """Return OpenFOAM's folder; None where there is none."""
    given = os.environ.get("WM_PROJECT_DIR")
    result = Path(given) if given else PROJECT
    return result if (result / "etc" / "controlDict").is_file() else None


@cache
def _guard() -> tuple[str, ...]:
    """Return what makes the system kill a program whose parent is gone (Linux)."""
    return _GUARD if shutil.which(_GUARD[0]) else ()
