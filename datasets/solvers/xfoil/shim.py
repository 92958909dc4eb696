"""The object that keeps XFoil's floating-point traps off: compiled once a user, or prebuilt."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Final

from formwright.datasets.errors import MissingSolverError
from formwright.datasets.files import replacing

SOURCE: Final = Path(__file__).with_name("shim.c")
PREBUILT: Final = Path(__file__).with_name("shim_x86_64.so")
COMPILERS: Final = ("cc", "gcc", "clang")


@cache
def shim() -> Path | None:
    """Return the shared object to preload; None where no preloading is needed (not Linux).

    Raises:
        MissingSolverError: There is neither a C compiler nor a prebuilt object for this machine.
    """
    if sys.platform != "linux":
        return None
    compiled = cache_folder() / f"xfoil_shim_{platform.machine()}.so"
    if compiled.exists() or compile_shim(compiled):
        return compiled
    if platform.machine() == "x86_64" and PREBUILT.exists():
        return PREBUILT
    raise MissingSolverError(
        f"XFoil needs a small preloaded object on Linux, and there is no C compiler "
        f"({', '.join(COMPILERS)}) to build it and no prebuilt one for {platform.machine()!r}. "
        "Install a compiler (Debian: apt-get install gcc libc6-dev), or use the panel solver."
    )


def cache_folder() -> Path:
    """Return the per-user folder for what is compiled here (``XDG_CACHE_HOME`` is honoured)."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "formwright"


def compile_shim(target: Path) -> bool:
    """Compile the shim to ``target``; False where no compiler works or nothing can be written."""
    compiler = next(filter(None, map(shutil.which, COMPILERS)), None)
    if compiler is None:
        return False
    try:
        with replacing(target) as temporary:
            command = [compiler, "-shared", "-fPIC", "-nostdlib", "-O2", "-o", str(temporary)]
            subprocess.run([*command, str(SOURCE)], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return False
    return True
