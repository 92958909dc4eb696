"""Run every benchmark, or those named, one after the other; then fill the README's table.

``python benchmarks/run_all.py [NAME ...]``
"""

from __future__ import annotations

import subprocess
import sys

from _common import ROOT

NOT_BENCHMARKS = {"run_all", "readme_table"}


def scripts() -> dict[str, str]:
    """Return the benchmark scripts by name."""
    found = sorted((ROOT / "benchmarks").glob("[a-z]*.py"))
    return {path.stem: str(path) for path in found if path.stem not in NOT_BENCHMARKS}


def main(names: list[str]) -> int:
    """Run the benchmarks; return how many failed."""
    known = scripts()
    if unknown := [name for name in names if name not in known]:
        print(f"no benchmark {', '.join(unknown)}; there are {', '.join(known)}")
        return 2
    failed = []
    for name in names or known:
        print(f"\n==== {name} ====", flush=True)
        if subprocess.run([sys.executable, known[name]], cwd=ROOT, check=False).returncode:
            failed.append(name)
    subprocess.run([sys.executable, str(ROOT / "benchmarks" / "readme_table.py")], check=True)
    print(f"\nfailed: {', '.join(failed)}" if failed else "\nevery benchmark ran")
    return len(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
