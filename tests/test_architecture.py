from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FLOORS = ("datasets", "surrogate", "design")
FOLDERS = (*FLOORS, "src/formwright", "tests", "benchmarks", "examples", "docs")
LONGEST = 400


def python_files(folder: str) -> list[Path]:
    paths = (ROOT / folder).rglob("*.py")
    links = {ROOT / "src" / "formwright" / floor for floor in FLOORS}
    return sorted(path for path in paths if not links & set(path.parents))


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(node.module or "")
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("floor", FLOORS)
def test_imports_run_downwards(floor: str) -> None:
    files = python_files(floor)
    assert files
    above = FLOORS[FLOORS.index(floor) + 1 :]
    forbidden = {f"formwright.{name}" for name in (*above, "cli", "commands")}
    for path in files:
        for name in imports(path):
            upwards = any(name == other or name.startswith(f"{other}.") for other in forbidden)
            assert not upwards, f"{path.relative_to(ROOT)} imports {name}"
            bare = name.split(".")[0] in FLOORS
            assert not bare, f"{path.relative_to(ROOT)} imports the bare folder {name}"


def test_there_is_no_circle() -> None:
    modules = {}
    for floor in FLOORS:
        for path in python_files(floor):
            name = ".".join(("formwright", *path.relative_to(ROOT).with_suffix("").parts))
            modules[name] = path
    uses = {name: top_level_imports(path) & set(modules) for name, path in modules.items()}
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join((*trail, name))
        if name not in done:
            for other in sorted(uses[name]):
                visit(other, (*trail, name))
            done.add(name)

    for name in modules:
        visit(name, ())


def top_level_imports(path: Path) -> set[str]:
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_no_file_is_too_long() -> None:
    for folder in FOLDERS:
        for path in python_files(folder):
            lines = len(path.read_text(encoding="utf-8").splitlines())
            assert lines <= LONGEST, f"{path.relative_to(ROOT)} has {lines} lines; split it"


def test_folders_at_the_root_shadow_no_package() -> None:
    for floor in FLOORS:
        assert not list((ROOT / floor).rglob("__init__.py"))


def test_every_module_says_what_it_is() -> None:
    for folder in (*FLOORS, "src/formwright", "benchmarks"):
        for path in python_files(folder):
            assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), path


HEAVY = ("torch_geometric", "matplotlib", "pymatgen", "meshio", "pyarrow", "optuna", "ase", "scipy")


def loaded_after(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nprint(*sorted(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


def test_import_formwright_is_light() -> None:
    loaded = loaded_after("import formwright")
    assert not loaded & {"torch", *HEAVY}


def test_import_of_the_command_line_is_light() -> None:
    loaded = loaded_after("import formwright.cli")
    assert not loaded & {"torch", *HEAVY}


def test_import_of_a_case_draws_no_plots_and_reads_no_meshes() -> None:
    loaded = loaded_after("import formwright.datasets.airfoils, formwright.datasets.cst")
    assert not loaded & {"matplotlib", "pymatgen", "meshio", "optuna", "ase"}
