from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from formwright.datasets.airfoils.polars import PolarCorpus
from formwright.datasets.config import from_mapping, override, read_toml
from formwright.datasets.rans.cases import RansCorpus
from formwright.design.airfoils.specs import ConstraintKind
from formwright.design.loop import read_study
from formwright.surrogate.objectives.objective import OBJECTIVES
from formwright.surrogate.objectives.visreg import VISReg
from formwright.surrogate.pretraining.matching import ViewMatch
from formwright.surrogate.pretraining.pretrain import PretrainConfig

ROOT = Path(__file__).resolve().parents[1]


def blocks(page: str, language: str) -> list[str]:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


@pytest.fixture(scope="module")
def site() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_conf", ROOT / "docs" / "conf.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_examples_cards_and_the_files_at_the_root_become_pages(site: ModuleType) -> None:
    pages = site.made_pages()
    cards = [*(ROOT / "datasets" / "cards").glob("*.md")]
    cards += (ROOT / "surrogate" / "weights").glob("*.md")
    assert {*(ROOT / "examples").glob("*.py"), *cards, ROOT / "README.md"} <= set(pages)
    assert len(set(pages.values())) == len(pages)


def test_links_of_a_page_hold_where_it_is_made(site: ModuleType) -> None:
    page = site.made_pages()[ROOT / "README.md"]
    text = "[a](docs/predict.md#incidence) ![b](docs/figures/demo_design.svg) [c](https://x.org)"
    assert site.relinked(text, ROOT / "README.md", page) == (
        "[a](../predict.md#incidence) ![b](../figures/demo_design.svg) [c](https://x.org)"
    )
    own = ROOT / "docs" / "data.md"
    card = site.relinked("[d](../datasets/cards/rans.md)", own, own)
    assert card == "[d](generated/data/rans.md)"
    assert (
        site.relinked("[e](../no/such.md) [f](#here)", own, own) == "[e](../no/such.md) [f](#here)"
    )


def test_an_example_becomes_a_page_with_its_code(site: ModuleType) -> None:
    text = site.markdown_of(ROOT / "examples" / "predict_polars.py")
    assert text.startswith("# Polars of any section") and "```python\nimport matplotlib" in text


def test_every_page_is_in_the_contents() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    listed = set("\n".join(re.findall(r"```{toctree}\n(.*?)```", index, re.DOTALL)).split())
    linked = set(re.findall(r"\]\(([\w./-]+)\)", index))
    for path in (ROOT / "docs").glob("*.md"):
        assert path.stem == "index" or {path.stem, path.name} <= listed | linked, path.name
    for path in (ROOT / "examples").glob("*.py"):
        assert f"generated/tutorials/{path.stem}" in listed, path.name


def test_every_figure_is_shown() -> None:
    text = (ROOT / "docs" / "figures.md").read_text(encoding="utf-8")
    for path in (ROOT / "docs" / "figures").iterdir():
        assert f"(figures/{path.name})" in text, path.name


def test_every_card_is_listed() -> None:
    for page, folder in (("data", "datasets/cards"), ("models", "surrogate/weights")):
        text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
        for path in (ROOT / folder).glob("*.md"):
            assert f"(../{folder}/{path.name})" in text, path.name


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
    usual = PretrainConfig(labels=("cl",), views=())
    config = override(usual, read_toml(tmp_path / "pretrain.toml"))
    assert config.pretext == ViewMatch(objective=VISReg(weight=0.6), projector=64)


def test_every_objective_is_described() -> None:
    text = (ROOT / "docs" / "pretraining.md").read_text(encoding="utf-8")
    for name in {*OBJECTIVES, "masked", "denoise"}:
        assert f"| `{name}` |" in text
