from __future__ import annotations

import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
hatchling = pytest.importorskip("hatchling.build")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    out = tmp_path_factory.mktemp("dist")
    code = (
        "import sys; from hatchling.build import build_sdist, build_wheel\n"
        "print(build_wheel(sys.argv[1])); print(build_sdist(sys.argv[1]))"
    )
    command = [sys.executable, "-c", code, str(out)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    wheel, sdist = run.stdout.split()[-2:]
    return out / wheel, out / sdist


def test_wheel_and_sdist_hold_what_they_should(built: tuple[Path, Path]) -> None:
    command = [sys.executable, str(ROOT / ".ci" / "check_wheel.py"), *map(str, built)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def test_wheel_has_one_package_with_its_data(built: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(built[0]) as archive:
        names = archive.namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"formwright"}
    for wanted in (
        "py.typed",
        "datasets/data/sections.npz",
        "design/report/templates/report.html.j2",
    ):
        assert names.count(f"formwright/{wanted}") == 1
    assert not [name for name in names if "test" in name.split("/")[1]]


def test_sdist_has_tests_and_no_copies(built: tuple[Path, Path]) -> None:
    with tarfile.open(built[1]) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]
    assert "tests/test_packaging.py" in names and "surrogate/model.py" in names
    assert not [name for name in names if name.startswith("src/formwright/surrogate")]


def test_wheel_runs_from_elsewhere(built: tuple[Path, Path], tmp_path: Path) -> None:
    site = tmp_path / "site"
    with zipfile.ZipFile(built[0]) as archive:
        archive.extractall(site)
    code = (
        f"import sys; sys.path.insert(0, {str(site)!r})\n"
        "import formwright; print(formwright.__file__)\n"
        "from formwright.cli import main; sys.exit(main(['sections', 'info', 'e387']))"
    )
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith(str(site / "formwright"))
    assert "e387" in run.stdout


def test_every_import_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    declared = {line.split(">")[0].lower() for line in project["project"]["dependencies"]}
    extras = {
        line.split(">")[0].lower()
        for lines in project["project"]["optional-dependencies"].values()
        for line in lines
    }
    known = {name.replace("-", "_") for name in declared | extras} | {"formwright"}
    for folder in ("datasets", "surrogate", "design", "src/formwright"):
        for path in (ROOT / folder).rglob("*.py"):
            for line in path.read_text(encoding="utf-8").splitlines():
                words = line.split()
                if len(words) > 1 and words[0] in ("import", "from") and line.lstrip() == line:
                    top = words[1].split(".")[0].rstrip(",")
                    assert top in known or top in sys.stdlib_module_names, f"{path}: {line}"
