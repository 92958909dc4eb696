from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from formwright.datasets.airfoils.polars import PolarCorpus
from formwright.datasets.config import from_mapping, read_toml
from formwright.datasets.rans.cases import RansCorpus
from formwright.design.airfoils.specs import ConstraintKind
from formwright.design.loop import read_study
from formwright.surrogate.objectives.visreg import VISReg
from formwright.surrogate.pretraining.matching import ViewMatch
from formwright.surrogate.pretraining.named import Kind, names
from formwright.surrogate.pretraining.pretrain import PretrainConfig

ROOT = Path(__file__).resolve().parents[1]


def blocks(page: str, language: str) -> list[str]:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


@pytest.fixture(scope="module")
def build() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_build", ROOT / "docs" / "build.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_pages_become_html_that_link_to_each_other(
    build: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "OUT", tmp_path)
    assert build.build_pages() == len(list(tmp_path.glob("*.html")))
    for path in tmp_path.glob("*.html"):
        for link in re.findall(r'href="([^"#]+)', path.read_text(encoding="utf-8")):
            if not link.startswith(("api/", "https:")):
                assert (tmp_path / link).exists(), (path.name, link)


def test_the_reference_knows_every_module(build: ModuleType) -> None:
    assert {
        "formwright",
        "formwright.datasets.airfoils.cst",
        "formwright.design.report.page",
    } <= set(build.modules())


def test_the_example_study_can_be_read(tmp_path: Path) -> None:
    (block,) = blocks("design-studies.md", "toml")
    (tmp_path / "study.toml").write_text(block)
    study = read_study(tmp_path / "study.toml")
    assert study.start == "e387" and len(study.points) == 2 and len(study.constraints) == 2


def test_the_shipped_study_is_the_example() -> None:
    study = read_study(ROOT / "examples" / "multipoint.toml")
    assert [point.cl for point in study.points] == [0.8, 1.0, 1.2, 1.4, 1.5, 1.6]
    assert (ROOT / "examples" / "multipoint.toml").resolve().parent.name == "studies"


def test_every_kind_of_constraint_is_described() -> None:
    text = (ROOT / "docs" / "design-studies.md").read_text(encoding="utf-8")
    for kind in ConstraintKind:
        assert f'`"{kind.value}"`' in text


def test_the_example_recipe_can_be_read(tmp_path: Path) -> None:
    (block,) = blocks("corpora.md", "toml")
    (tmp_path / "recipe.toml").write_text(block)
    recipe = from_mapping(PolarCorpus, read_toml(tmp_path / "recipe.toml"))
    assert recipe.sections == 2000 and recipe.solver.panels == 160


def test_the_example_of_a_rans_recipe_can_be_read(tmp_path: Path) -> None:
    (block,) = blocks("rans.md", "toml")
    (tmp_path / "recipe.toml").write_text(block)
    recipe = from_mapping(RansCorpus, read_toml(tmp_path / "recipe.toml"))
    assert recipe.solver.iterations == 2500 and recipe.solver.mesh.cells_side == 200


@pytest.mark.parametrize("page", sorted(path.name for path in (ROOT / "docs").glob("*.md")))
def test_python_in_the_pages_compiles_and_imports_what_exists(page: str) -> None:
    for block in blocks(page, "python"):
        compile(block, page, "exec")
        for line in block.splitlines():
            if line.startswith(("import formwright", "from formwright")):
                exec(line, {})
    assert sys.modules["formwright"]


def test_the_example_pretraining_can_be_read(tmp_path: Path) -> None:
    (block,) = blocks("pretraining.md", "toml")
    (tmp_path / "pretrain.toml").write_text(block)
    config = from_mapping(PretrainConfig, read_toml(tmp_path / "pretrain.toml"))
    assert config.pretext == ViewMatch(objective=VISReg(weight=0.6), projector=64)


def test_every_objective_is_described() -> None:
    text = (ROOT / "docs" / "pretraining.md").read_text(encoding="utf-8")
    for name in {*names(Kind.RUNS), *names(Kind.SECTIONS)} - {"flow-predict"}:
        assert f"| `{name}` |" in text
