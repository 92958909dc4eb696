from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FLOORS = ("datasets", "surrogate", "design")
FOLDERS = (*FLOORS, "src/formwright", "tests", "benchmarks", "examples", "docs")
LONGEST = 400
FULLEST = 16


def python_files(folder: str) -> list[Path]:
    paths = (ROOT / folder).rglob("*.py")
    links = {ROOT / "src" / "formwright" / floor for floor in FLOORS}
    return sorted(path for path in paths if not links & set(path.parents))


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


MODULES = {module_of(path): path for floor in FLOORS for path in python_files(floor)}


def imports(path: Path) -> set[str]:
    """Return every name that a file imports, those inside functions too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(node.module or "")
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


USES = {
    name: {found.removeprefix("formwright.") for found in imports(path)} & set(MODULES)
    for name, path in MODULES.items()
}


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
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join((*trail, name))
        if name not in done:
            for other in sorted(USES[name]):
                visit(other, (*trail, name))
            done.add(name)

    for name in MODULES:
        visit(name, ())


SUBJECTS = {
    "airfoils": "airfoils",
    "rans": "rans",
    "openfoam": "rans",
    "ase": "atoms",
    "atoms": "atoms",
    "pde": "pde",
    "tables": "tables",
    "catalysts": "catalysts",
    "screening": "screening",
}

NEIGHBOURS = {
    ("rans", "airfoils"): "a flow is one around a section, and begins at its polar",
    ("pde", "airfoils"): "the names of the splits are those of the sections",
    ("catalysts", "atoms"): "a catalyst is made of atoms",
    ("screening", "atoms"): "so is a candidate",
    ("catalysts", "screening"): "alloys are verified on the sites, and drawn in the figures, there",
}

NEIGHBOURS_OF_ONE = {
    ("datasets.airfoils.files.surfaces", "rans"): "finds the upper side as a plane flow does",
    ("design.airfoils.verifiers", "rans"): "OpenFOAM verifies a section as the other solvers do",
}

KNOW_SUBJECTS = {
    "datasets.own.importing": {"atoms", "pde"},
    "surrogate.zoo": {"airfoils", "rans", "atoms"},
}


def subject(name: str) -> str | None:
    """Return the subject of a module's room; ``None`` where all subjects share it."""
    rooms = name.split(".")[1:-1]
    return next((SUBJECTS[room] for room in rooms if room in SUBJECTS), None)


def crossings() -> set[tuple[str, str]]:
    """Return every module with the other subject that it imports."""
    pairs = {(name, subject(other)) for name, others in USES.items() for other in others}
    return {(name, other) for name, other in pairs if other and other != subject(name)}


def test_rooms_of_subjects_keep_to_themselves() -> None:
    for name, other in crossings():
        own = subject(name)
        if own:
            known = (own, other) in NEIGHBOURS or (name, other) in NEIGHBOURS_OF_ONE
        else:
            known = other in KNOW_SUBJECTS.get(name, ())
        assert known, f"{name} imports from the rooms of {other}"


def test_no_exception_outlives_its_reason() -> None:
    found = crossings()
    assert set(NEIGHBOURS) <= {(subject(name), other) for name, other in found}
    assert set(NEIGHBOURS_OF_ONE) <= found
    assert {(name, other) for name, others in KNOW_SUBJECTS.items() for other in others} <= found


def test_no_room_is_too_full() -> None:
    for folder in (*FLOORS, "tests"):
        sizes = Counter(path.parent for path in python_files(folder))
        for room, files in sizes.items():
            assert files <= FULLEST, f"{room.relative_to(ROOT)} has {files} files; give them rooms"


def test_tests_mirror_the_rooms() -> None:
    rooms = {path.parent.relative_to(ROOT) for path in MODULES.values()}
    for floor in FLOORS:
        for path in python_files(f"tests/{floor}"):
            room = path.parent.relative_to(ROOT / "tests")
            assert room in rooms, f"{path.relative_to(ROOT)} mirrors no room"


def test_every_room_is_drawn() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    drawing = text.split("```text")[1].split("```")[0]
    for room in {path.parent for path in MODULES.values()}:
        assert f"{room.name}/" in drawing, f"CONTRIBUTING.md draws no {room.relative_to(ROOT)}"


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
    return set(run.stdout.splitlines()[-1].split())


def test_import_formwright_is_light() -> None:
    loaded = loaded_after("import formwright")
    assert not loaded & {"torch", *HEAVY}


def test_import_of_the_command_line_is_light() -> None:
    loaded = loaded_after("import formwright.cli")
    assert not loaded & {"torch", *HEAVY}


def test_import_of_a_case_draws_no_plots_and_reads_no_meshes() -> None:
    loaded = loaded_after(
        "import formwright.datasets.airfoils.sections, formwright.datasets.airfoils.cst"
    )
    assert not loaded & {"matplotlib", "pymatgen", "meshio", "optuna", "ase"}


PREDICTIONS = {
    "sections": "load('airfoil-polar').predict('naca2412', alpha_deg=[2.0], reynolds=1e6)",
    "turbulent flow": "load('rans-2d').predict('naca2412', alpha_deg=[2.0], reynolds=3e6)",
    "fields": """
from formwright.datasets.airfoils.sections import naca
from formwright.datasets.rans.mesh.cmesh import CMesh
from formwright.surrogate.rans.fields.predict import predict_fields
from formwright.surrogate.zoo import load
mesh = CMesh(cells_side=32, cells_wake=8, cells_normal=32, far_field=20.0, even_share=0.05)
predict_fields(load("rans-fields"), naca("2412").pos, 2.0, 3e6, settings=mesh)
""",
    "alloys": """
from formwright.datasets.atoms.mamun import Alloy, Row
from formwright.surrogate.atoms.alloy_rows import predict_rows
row = Row(Alloy("A1", "Cu", "Cu"), "OH", "bridge|A_A|A")
assert not predict_rows(load("adsorption-mamun"), [row]).failures
""",
    "a design study": """
import tempfile
from formwright.datasets.config import from_mapping
from formwright.design.airfoils.study import Study
from formwright.design.loop import run
asked = {"points": [{"cl": 0.4, "reynolds": 1e6}], "solver": "panel", "rounds": 1, "workers": 1,
    "method": {"kind": "slsqp", "max_iterations": 3}}
with tempfile.TemporaryDirectory() as folder:
    run(from_mapping(Study, {"name": "small", "surrogate": "airfoil-polar", **asked}), folder)
""",
}


@pytest.mark.parametrize("kind", PREDICTIONS)
def test_predictions_and_design_need_neither_pyg_nor_what_it_draws_in(kind: str) -> None:
    loaded = loaded_after(f"from formwright import load\n{PREDICTIONS[kind]}")
    assert "formwright.datasets.cases" in loaded
    assert not loaded & {"torch_geometric", "pandas", "torch._dynamo"}
