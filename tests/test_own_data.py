from __future__ import annotations

import importlib.util
import re
import shlex
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import formwright
from formwright.cli import main
from formwright.datasets.atoms.adsorbates import ADSORBATES
from formwright.datasets.atoms.structures import structure

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "own-data.md").read_text(encoding="utf-8")
SHORT = """
sizes = [8]
seeds = 2
learning_rates = [1e-3]
steps = [2]
pretraining_steps = 2
"""
MORE = {
    "fit": ("--steps", "2", "--quiet"),
    "evaluate-pretraining": ("--config", "short.toml"),
}


def walks() -> dict[str, list[str]]:
    """Return the commands of every section of the page."""
    sections = re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]
    found = {}
    for section in sections:
        text = "\n".join(re.findall(r"```console\n(.*?)```", section, flags=re.DOTALL))
        if text:
            found[section.partition("\n")[0]] = text.splitlines()
    return found


@pytest.fixture(scope="module")
def made() -> ModuleType:
    spec = importlib.util.spec_from_file_location("own_data", ROOT / "benchmarks" / "_own_data.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def make_slabs(path: Path) -> None:
    """Write slabs of six metals with the adsorbates of the page."""
    from ase import Atoms
    from ase.build import add_adsorbate, fcc111
    from ase.io import write

    frames = []
    for k, metal in enumerate(("Pt", "Cu", "Ni", "Pd", "Ag", "Au")):
        for name in ("COOH", "CO", "CHO"):
            slab = fcc111(metal, (2, 2, 3), vacuum=8.0)
            slab.set_tags(np.where(slab.get_tags() == 1, 1, 0))
            one = ADSORBATES[name]
            add_adsorbate(slab, Atoms(one.elements, one.pos, tags=[2] * len(one.pos)), 1.9, "ontop")
            slab.info = {"e_ads": -0.1 * k, "metal": metal}
            frames.append(slab)
    write(path, frames)


def test_the_page_walks_through_each_kind() -> None:
    assert len(walks()) == 6


@pytest.mark.parametrize("section", walks())
def test_the_commands_of_the_page_run(
    section: str, made: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("short.toml").write_text(SHORT, encoding="utf-8")
    commands = walks()[section]
    source = shlex.split(commands[0])[3]
    if source == "slabs.extxyz":
        make_slabs(Path(source))
    else:
        make, sizes = {
            "tests.csv": (made.make_table, {"rows": 60}),
            "gray_scott.h5": (made.make_gray_scott, {"runs": 16, "points": 16}),
            "signals.npz": (made.make_signals, {"count": 24, "points": 32}),
            "clusters.extxyz": (made.make_clusters, {"count": 24}),
            "crystals": (made.make_crystals, {"count": 16}),
        }[source]
        make(Path(source), **sizes)
    for command in commands:
        program, verb, *rest = shlex.split(command)
        assert program == "formwright"
        drop = rest.index("--steps") if "--steps" in rest else len(rest)
        words = rest[:drop] + rest[drop + 2 :]
        assert main([verb, *words, *MORE.get(verb, ())]) == 0, command
    assert sys.modules["formwright"]


def test_an_import_says_what_was_refused_by_its_exit_code(
    made: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made.make_table(tmp_path / "t.csv", rows=40)
    text = (tmp_path / "t.csv").read_text(encoding="utf-8").splitlines()
    text[3] = "oops," + text[3].partition(",")[2]
    (tmp_path / "t.csv").write_text("\n".join(text), encoding="utf-8")
    out = str(tmp_path / "c")
    outputs = ("--outputs", "bend,load,heat", "--group", "part")
    assert main(["import", "table", str(tmp_path / "t.csv"), "--out", out, *outputs]) == 1
    assert "row 3: x0 'oops' is no finite number" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["table", "t.csv"], "needs 'outputs' (--outputs)"),
        (["table", "t.csv", "--outputs", "bnd"], "Did you mean 'bend'"),
        (["table", "t.csv", "--outputs", "bend", "--level", "PBE"], "no option 'level'"),
        (["runs", "t.csv"], "is none of .npz, .h5, .hdf5"),
        (["runs", "no.npz"], "there is no file or folder 'no.npz'"),
        (["structures", "t.csv", "--label", "e"], "cannot be read"),
        (["table", "t.csv", "--outputs", "bend", "--unit", "N"], "--unit 'N' is not NAME=VALUE"),
    ],
)
def test_bad_input_is_quoted(
    words: list[str],
    told: str,
    made: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    made.make_table(Path("t.csv"), rows=40)
    assert main(["import", *words, "--out", "c"]) == 2
    assert told in capsys.readouterr().err
    assert not Path("c").exists()


def test_a_table_in_memory_reaches_a_design(made: ModuleType, tmp_path: Path) -> None:
    x = np.linspace(-1.0, 1.0, 60)
    data = {"a": x, "b": np.roll(x, 17), "y": (x - 0.25) ** 2 + 0.5 * np.roll(x, 17)}
    formwright.import_corpus("table", data, tmp_path / "c", outputs=["y"])
    quick = {"train": {"steps": 300, "threads": 1}}
    fitted = formwright.fit("table", tmp_path / "c", tmp_path / "f", quick, progress=False)
    assert fitted.scores.error["y"] < fitted.floors["mean"]["y"] / 3
    surrogate = formwright.load(tmp_path / "f")
    box = formwright.Box.of(surrogate, bounds={"b": (-0.5, 0.5)})
    problem = formwright.Problem(
        space=box, surrogate=surrogate, objective=lambda prediction, case: prediction["y"]
    )
    best = formwright.optimise(problem)
    assert abs(float(best.x[0]) - 0.25) < 0.15
    assert float(best.x[1]) == pytest.approx(-0.5, abs=1e-3)


def test_structures_in_memory_are_imported(tmp_path: Path) -> None:
    from ase import Atoms

    given = [
        Atoms("Cu2", [[0, 0, 0], [0, 0, 2.0 + 0.05 * i]], info={"e": 0.1 * i}) for i in range(20)
    ]
    done = formwright.import_corpus("structures", given, tmp_path / "c", label="e", unit="eV")
    assert "20 structures of 2 to 2 atoms" in done.notes.read[0]
    assert structure(["Cu"], [[0.0, 0.0, 0.0]]).cell.sum() == 0.0
