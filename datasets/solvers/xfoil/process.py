"""One XFoil process under remote control: a sweep of one section at one (Re, e^N, Mach)."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import numpy as np
from jaxtyping import Float

from formwright.datasets.solvers.scratch import cpu_seconds, work_folder
from formwright.datasets.solvers.xfoil.dump import Point, read_points
from formwright.datasets.solvers.xfoil.shim import shim

READY: Final = b".OPERva   c>"
DUMP: Final = "polar.dump"
TIMEOUT: Final = "timeout: no answer after {:g} s of processor time"
WALL_FACTOR: Final = 20.0
PREFIX: Final = "formwright-xfoil-"


class Stuck(Exception):
    """The process hung or died at this point; what it had written is still there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """What a sweep runs at: the panelling, Newton steps a point, and the flow."""

    binary: str
    panels: int
    iterations: int
    timeout_s: float
    trip: float
    reynolds: float
    ncrit: float
    mach: float


@dataclass(kw_only=True, slots=True)
class Process:
    """A context manager: start XFoil on a section, ask it for points, kill it if it hangs.

    Attributes:
        pos: Contour, (P, 2), upper trailing edge first, chords.
        settings: See ``Settings``.
    """

    pos: Float[np.ndarray, "points 2"]
    settings: Settings
    _folder: Path = field(init=False)
    _process: subprocess.Popen[bytes] = field(init=False)
    _wanted: list[float] = field(init=False, default_factory=list)
    _warm: bool = field(init=False, default=False)

    def __enter__(self) -> Process:
        """Start the process and bring it to the viscous prompt, accumulating a polar."""
        self._folder = work_folder(PREFIX)
        lines = "\n".join(f"{x:.9f} {y:.9f}" for x, y in self.pos)
        (self._folder / "section.dat").write_text(f"section\n{lines}\n", encoding="ascii")
        self._process = subprocess.Popen(
            [self.settings.binary],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=self._folder,
            env=_environment(),
            bufsize=0,
        )
        try:
            self._ask(_preamble(self.settings))
        except Stuck:
            pass
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the process and remove its folder."""
        self._process.kill()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def solve(self, alpha_deg: float) -> bool:
        """Solve one incidence from the present state; True if it converged.

        Raises:
            Stuck: The process hung (it is killed then) or is gone.
        """
        before, self._warm = self._size(), True
        self._ask(f"ALFA {alpha_deg:.6f}\n")
        converged = self._size() > before
        if converged:
            self._wanted.append(alpha_deg)
        return converged

    def forget(self) -> None:
        """Drop the boundary layer: the next point starts cold (``INIT`` is a toggle)."""
        if self._warm:
            self._ask("INIT\n")
        self._warm = False

    def points(self) -> dict[float, Point]:
        """Return the converged points so far by the incidence that was asked for."""
        result = read_points(self._folder / DUMP)
        return dict(zip(self._wanted, result, strict=False))

    def _size(self) -> int:
        path = self._folder / DUMP
        return path.stat().st_size if path.exists() else 0

    def _ask(self, text: str) -> None:
        """Send ``text`` and wait for the prompt."""
        assert self._process.stdin is not None and self._process.stdout is not None
        used, started, answer = cpu_seconds(self._process.pid), time.monotonic(), b""
        try:
            self._process.stdin.write(text.encode("ascii"))
        except OSError as error:
            raise Stuck("the process ended") from error
        while not answer.rstrip().endswith(READY):
            ready, _, _ = select.select([self._process.stdout], [], [], 0.2)
            if ready:
                chunk = os.read(self._process.stdout.fileno(), 1 << 16)
                if not chunk:
                    raise Stuck("the process ended")
                answer = answer[-len(READY) - 8 :] + chunk
            if time.monotonic() - started > self.settings.timeout_s:
                self._check_time(used, started)

    def _check_time(self, used: float, started: float) -> None:
        """Kill the process if it has used up its processor time since ``used``."""
        cpu, wall = cpu_seconds(self._process.pid) - used, time.monotonic() - started
        if cpu > self.settings.timeout_s or wall > WALL_FACTOR * self.settings.timeout_s:
            self._process.kill()
            raise Stuck(TIMEOUT.format(self.settings.timeout_s))


def _preamble(settings: Settings) -> str:
    """Return the commands from the start to the viscous prompt."""
    return "\n".join(
        [
            *("PLOP", "G F", "", "LOAD section.dat", "PPAR", f"N {settings.panels}", "", ""),
            *("OPER", "VPAR", f"N {settings.ncrit:.6f}"),
            *(f"XTR {settings.trip:.6f} {settings.trip:.6f}", "", f"MACH {settings.mach:.6f}"),
            *(f"VISC {settings.reynolds:.6f}", f"ITER {settings.iterations}"),
            *("PACC", "", DUMP, ""),
        ]
    )


def _environment() -> dict[str, Any]:
    """Return this process's environment with the shim."""
    preload = shim()
    return {**os.environ, **({} if preload is None else {"LD_PRELOAD": str(preload)})}
