"""Check what a wheel and a source distribution hold: ``check_wheel.py WHEEL SDIST``."""

from __future__ import annotations

import sys
import tarfile
import zipfile
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PARTS = {name: f"formwright/{name}" for name in ("surrogate", "datasets", "design")}
PARTS["src/formwright"] = "formwright"
UNWANTED = ("__pycache__", ".pyc", ".tmp", ".egg-info")


def source_files() -> dict[str, str]:
    """Return every file of the package in the working tree, by its path in the wheel."""
    found = {}
    for folder, inside in PARTS.items():
        for path in (ROOT / folder).rglob("*"):
            relative = path.relative_to(ROOT / folder)
            linked = folder == "src/formwright" and relative.parts[0] in PARTS
            if path.is_file() and not linked and not any(word in str(path) for word in UNWANTED):
                found[f"{inside}/{relative.as_posix()}"] = f"{folder}/{relative.as_posix()}"
    return found


def check_wheel(names: list[str]) -> list[str]:
    """Return what is wrong with a wheel that holds ``names``."""
    packaged = [name for name in names if ".dist-info/" not in name]
    wanted = set(source_files())
    twice = [name for name, count in Counter(names).items() if count > 1]
    return [
        *(f"in the wheel twice: {name}" for name in twice),
        *(f"missing from the wheel: {name}" for name in sorted(wanted - set(packaged))),
        *(f"does not belong in the wheel: {name}" for name in sorted(set(packaged) - wanted)),
    ]


def check_sdist(names: list[str]) -> list[str]:
    """Return what is wrong with a source distribution that holds ``names``."""
    inside = [name.partition("/")[2] for name in names]
    wanted = {*source_files().values(), "pyproject.toml", "README.md", "LICENSE"}
    twice = [name for name, count in Counter(inside).items() if count > 1]
    return [
        *(f"in the source distribution twice: {name}" for name in twice),
        *(f"missing from the source distribution: {n}" for n in sorted(wanted - set(inside))),
    ]


def main(wheel: str, sdist: str) -> int:
    """Print what is wrong, or what is inside; return the exit code."""
    with zipfile.ZipFile(wheel) as archive:
        in_wheel = archive.namelist()
    with tarfile.open(sdist) as archive:
        in_sdist = [member.name for member in archive.getmembers() if not member.isdir()]
    problems = [*check_wheel(in_wheel), *check_sdist(in_sdist)]
    for problem in problems:
        print(problem)
    if not problems:
        for path, names in ((wheel, in_wheel), (sdist, in_sdist)):
            print(f"{Path(path).name}: {len(names)} files, as they should be")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
