from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import re
from pathlib import Path

import pytest

import formwright
from formwright.datasets.errors import FormwrightError
from formwright.datasets.pde.corpus import WaveCorpus, generate_waves

ROOT = Path(__file__).resolve().parents[1]
NAMES = sorted(formwright.__all__)
SHOWN = re.compile(r"```python\n(.*?)```", flags=re.DOTALL)
INSIDE = {
    "formwright.datasets.rans.airfrans": "a format of others",
    "formwright.surrogate": "the question of pretraining, asked step by step",
}
"""Rooms that pages open for what no public name does yet."""


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the small corpora that the examples read."""
    folder = tmp_path_factory.mktemp("corpora")
    data = ROOT / "benchmarks" / "data"
    (folder / "polars").symlink_to(data / "polars-test")
    (folder / "rans" / "flows").mkdir(parents=True)
    for name in ("manifest.json", "parts"):
        (folder / "rans" / name).symlink_to(data / "rans-2d" / name)
    record = next((data / "rans-2d" / "flows").glob("*.npz"))
    (folder / "rans" / "flows" / "case.npz").symlink_to(record)
    assert list(generate_waves(WaveCorpus(runs=2, points=64, frames=4), folder / "burgers")) == [2]
    assert list(generate_waves(WaveCorpus(runs=40, points=64, frames=8), folder / "many"))
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_has_an_example_that_runs(
    name: str, corpora: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    value = getattr(formwright, name)
    text = inspect.getdoc(value)
    assert text and ">>>" in text, f"formwright.{name} has no example"
    (tmp_path / "corpora").symlink_to(corpora)
    monkeypatch.chdir(tmp_path)
    flags = doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL
    runner = doctest.DocTestRunner(optionflags=flags)
    example = doctest.DocTestParser().get_doctest(text, {}, name, None, 0)
    told: list[str] = []
    runner.run(example, out=told.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(told)


def test_the_package_begins_with_an_example_that_runs() -> None:
    assert doctest.testmod(formwright).failed == 0


def typed() -> dict[str, tuple[str, str]]:
    """Return the public names that type checkers see: module, and the name there."""
    tree = ast.parse((ROOT / "src" / "formwright" / "__init__.py").read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    found = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    return {a.asname or a.name: (node.module or "", a.name) for node in found for a in node.names}


def test_type_checkers_see_the_same_names() -> None:
    assert set(typed()) == set(formwright.__all__) and set(NAMES) <= set(dir(formwright))
    for name, (module, called) in typed().items():
        try:
            value = getattr(importlib.import_module(module), called)
        except (AttributeError, ModuleNotFoundError):
            value = importlib.import_module(f"{module}.{called}")
        assert getattr(formwright, name) is value


def test_a_name_that_is_not_public_is_none() -> None:
    with pytest.raises(AttributeError, match="no attribute 'laod'"):
        formwright.laod  # noqa: B018
    assert issubclass(formwright.errors.UnknownNameError, FormwrightError)


def test_the_reference_describes_every_public_name_once() -> None:
    text = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    described = re.findall(r"^\.\. auto\w+:: formwright\.(\w+)$", text, flags=re.MULTILINE)
    assert sorted(described) == NAMES
    errors = [v for v in vars(formwright.errors).values() if inspect.isclass(v)]
    for name in (error.__name__ for error in errors if issubclass(error, Exception)):
        assert re.search(rf":members:.*\b{name}\b", text), name


def test_the_list_of_models_is_what_is_shipped() -> None:
    models = {model.name: model for model in formwright.list_models()}
    assert set(models) == {path.stem for path in (ROOT / "surrogate" / "weights").glob("*.md")}
    for model in models.values():
        assert formwright.load(model.name).card == model.card


def imported(code: str) -> set[str]:
    """Return the modules of formwright that code names, and the names it takes from the top."""
    found = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
            if node.module == "formwright":
                assert {alias.name for alias in node.names} <= set(NAMES), ast.unparse(node)
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) == "formwright":
            assert node.attr in NAMES, ast.unparse(node)
    return {name for name in found if name.startswith("formwright.")}


def shown() -> list[Path]:
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    cards = [*(ROOT / "surrogate" / "weights").glob("*.md")]
    return sorted([*(ROOT / "examples").glob("*.py"), *pages, *cards])


def code_of(path: Path) -> list[str]:
    text = path.read_text(encoding="utf-8")
    return [text] if path.suffix == ".py" else SHOWN.findall(text)


@pytest.mark.parametrize("path", shown(), ids=lambda path: path.name)
def test_what_is_shown_imports_public_names(path: Path) -> None:
    for name in (name for code in code_of(path) for name in imported(code)):
        assert any(f"{name}.".startswith(f"{room}.") for room in INSIDE), f"imports {name}"


def test_no_exception_outlives_its_reason() -> None:
    names = {name for path in shown() for code in code_of(path) for name in imported(code)}
    for room in INSIDE:
        assert any(f"{name}.".startswith(f"{room}.") for name in names), room
