"""Run every benchmark, or those named, one after the other; then fill the README's table.

``python benchmarks/run_all.py [NAME ...]`` (``--list``: what there is, what it takes)

What a benchmark needs beside the repository and the peers' packages is in ``NEEDS``: where it is
missing, the benchmark is skipped and the reason told. Long ones go on where they were stopped.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from _common import ROOT

USES: Final = re.compile(r"^from _common import .*\bBenchmark\b", re.MULTILINE)
WWL: Final = "wwlgpr_simple_adsorbates_1422.extxyz.gz"
POLARS: Final = (
    "make it with XFoil in an hour or two: formwright corpus polars --split train --seed 1 "
    "--sections 2500 --out runs/polars-train"
)

RANS: Final = (
    "make it with OpenFOAM, 60 to 100 cases an hour and core: formwright corpus rans "
    "--cases 640 --out runs/rans-2d"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Needs:
    """What a benchmark takes.

    Attributes:
        hours: Of one or two cores, as a note or a past run has it; None where none does.
        program: On the path.
        path: Of a file or folder, from the root of the repository.
        how: What to do where ``program`` or ``path`` is missing.
        arguments: Given to the script.
    """

    hours: float | None = None
    program: str = ""
    path: str = ""
    how: str = ""
    arguments: tuple[str, ...] = ()

    def missing(self) -> str:
        """Return what is not there and what to do about it, or nothing."""
        if self.program and shutil.which(self.program) is None:
            return f"{self.program} is not installed: {self.how}"
        if self.path and not (ROOT / self.path).exists():
            return f"{self.path} is not there: {self.how}"
        return ""


XFOIL: Final = "bash .ci/xfoil, or your package manager"
FOAM: Final = "apt-get install openfoam (Debian, Ubuntu)"
NEEDS: Final[Mapping[str, Needs]] = {
    "adsorption_training_time": Needs(hours=0.35),
    "burgers_probe": Needs(hours=0.7),
    "dask_campaign": Needs(program="xfoil", how=XFOIL),
    "flow2d_probe": Needs(hours=0.5),
    "design_defaults": Needs(program="xfoil", how=XFOIL),
    "design_suite": Needs(program="xfoil", how=XFOIL),
    "design_suite_rans": Needs(hours=2.0, program="simpleFoam", how=FOAM),
    "design_trust": Needs(hours=0.2, program="xfoil", how=XFOIL),
    "multipoint_design": Needs(program="xfoil", how=XFOIL),
    "naca0012_validation": Needs(
        hours=0.3, program="simpleFoam", how=FOAM, arguments=("--meshes",)
    ),
    "panel_vs_xfoil": Needs(hours=0.1, program="xfoil", how=XFOIL),
    "polar_label_efficiency": Needs(hours=2.0, path="runs/polars-train", how=POLARS),
    "rans_accuracy": Needs(program="xfoil", how=XFOIL),
    "rans_field_pretraining": Needs(hours=0.4, path="runs/rans-2d/flows", how=RANS),
    "rans_fields": Needs(hours=0.5, path="runs/rans-2d/flows", how=RANS),
    "rans_label_efficiency": Needs(hours=0.7),
    "rans_speed": Needs(program="simpleFoam", how=FOAM),
    "section_encoder": Needs(path="runs/polars-train", how=POLARS),
    "solver_calls": Needs(hours=12.0, program="xfoil", how=XFOIL),
    "wwl_accuracy": Needs(
        path=WWL,
        how="download it from github.com/Wenbintum/WWL-GPR (MIT licence) to the root of the "
        "repository",
        arguments=(WWL,),
    ),
}


def scripts() -> dict[str, str]:
    """Return the benchmarks by name: the scripts that save a ``Benchmark``."""
    found = sorted((ROOT / "benchmarks").glob("[a-z]*.py"))
    texts = {path: path.read_text(encoding="utf-8") for path in found}
    return {path.stem: str(path) for path, text in texts.items() if USES.search(text)}


def listing() -> list[str]:
    """Return one line a benchmark: its name, its hours if noted, what is missing here."""
    lines = []
    for name in scripts():
        needs = NEEDS.get(name, Needs())
        hours = "" if needs.hours is None else f"{needs.hours:g} h"
        lines.append(f"{name:28s} {hours:>6s}  {needs.missing()}".rstrip())
    return lines


def run(name: str, script: str) -> str:
    """Run one benchmark; return ``ran``, ``skipped`` or ``failed``."""
    needs = NEEDS.get(name, Needs())
    if why := needs.missing():
        print(f"skipped: {why}")
        return "skipped"
    start = time.perf_counter()
    command = [sys.executable, script, *needs.arguments]
    code = subprocess.run(command, cwd=ROOT, check=False).returncode
    print(f"{name}: {time.perf_counter() - start:.0f} s")
    return "failed" if code else "ran"


def main(names: list[str]) -> int:
    """Run the benchmarks; return how many failed."""
    known = scripts()
    if names == ["--list"]:
        print("\n".join(listing()))
        return 0
    if unknown := [name for name in names if name not in known]:
        print(f"no benchmark {', '.join(unknown)}; there are {', '.join(known)}")
        return 2
    ended: dict[str, list[str]] = {"ran": [], "skipped": [], "failed": []}
    for name in names or known:
        print(f"\n==== {name} ====", flush=True)
        ended[run(name, known[name])].append(name)
    subprocess.run([sys.executable, str(ROOT / "benchmarks" / "readme_table.py")], check=True)
    print("\n" + "\n".join(f"{how}: {', '.join(who)}" for how, who in ended.items() if who))
    return len(ended["failed"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
