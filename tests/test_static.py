"""Names of the source: the field's terms, not a dialect of the house."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FLOORS = ("datasets", "surrogate", "design", "src/formwright")
INSTEAD = {
    "said": "prediction",
    "asked": "requested",
    "dear": "expensive",
    "twin": "mirrored",
    "twins": "mirrored",
    "doubts": "reasons, flags",
    "what_to_pretrain": "start",
}
FUNCTIONS = {"walls": "the wall of what", "doubts": "reasons, flags", "asked": "requested"}
MOST_FOUND = 100
"""Variables called ``found``: it says where a value is from, seldom what it is (``result``)."""


def sources() -> Iterator[Path]:
    links = {ROOT / "src" / "formwright" / floor for floor in FLOORS}
    for floor in FLOORS:
        for path in sorted((ROOT / floor).rglob("*.py")):
            if not links & set(path.parents):
                yield path


def names(path: Path) -> Iterator[tuple[str, int, bool]]:
    """Yield each name that a file gives, its line, and whether it is a function's or class's."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name, node.lineno, True
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno, False
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, node.lineno, False
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr, node.lineno, False


GIVEN = [(path, *one) for path in sources() for one in names(path)]


def test_all_floors_are_read() -> None:
    assert {path.relative_to(ROOT).parts[0] for path, *_ in GIVEN} == {
        floor.split("/")[0] for floor in FLOORS
    }


@pytest.mark.parametrize("word", INSTEAD)
def test_words_of_the_house_do_not_come_back(word: str) -> None:
    there = [
        f"{path.relative_to(ROOT)}:{line} {name}"
        for path, name, line, _ in GIVEN
        if word == name.strip("_").lower() or word in name.strip("_").lower().split("_")
    ]
    assert not there, f"{word!r} is no term of the field ({INSTEAD[word]}): {there}"


@pytest.mark.parametrize("word", FUNCTIONS)
def test_functions_say_what_they_return(word: str) -> None:
    there = [
        f"{path.relative_to(ROOT)}:{line}"
        for path, name, line, defined in GIVEN
        if defined and name.strip("_") == word
    ]
    assert not there, f"a function {word}() says too little ({FUNCTIONS[word]}): {there}"


def test_what_is_found_mostly_has_a_better_name() -> None:
    count = sum(name == "found" for _, name, _, _ in GIVEN)
    assert count <= MOST_FOUND, f"{count} variables are called 'found': say what it is"
