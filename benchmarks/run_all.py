"""Run every benchmark, or those named, one after the other; then fill the README's table.

``python benchmarks/run_all.py [NAME ...]``
"""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Final

from _common import ROOT

USES: Final = re.compile(r"^from _common import .*\bBenchmark\b", re.MULTILINE)


def scripts() -> dict[str, str]:
    """Return the benchmarks by name: the scripts that save a ``Benchmark``."""
    found = sorted((ROOT / "benchmarks").glob("[a-z]*.py"))
    texts = {path: path.read_text(encoding="utf-8") for path in found}
    return {path.stem: str(path) for path, text in texts.items() if USES.search(text)}


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
