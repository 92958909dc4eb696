"""One meaning for each flag, on all commands; which commands have the flags that many have."""

from __future__ import annotations

import types
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import pytest
from cyclopts import App

from formwright.cli import app, main

CORPORA = ("polars", "rans", "flows", "panel-fields", "waves", "airfrans")
GENERATED = {f"corpus {name}" for name in CORPORA if name != "airfrans"}
LEARN = {"pretrain", "fit", "evaluate-pretraining"}
STUDIES = {"optimize", "demo"}
HAVE = {
    "--workers": {"corpus polars", "corpus rans", "corpus airfrans", "validate naca0012", "screen"}
    | STUDIES,
    "--hours": GENERATED | {"corpus airfrans", "screen"} | LEARN | STUDIES,
    "--quiet": GENERATED
    | {"corpus airfrans", "screen", "predict", "validate naca0012"}
    | LEARN
    | STUDIES,
    "--seed": GENERATED | {"pretrain", "fit"} | STUDIES,
}
"""Where the shared flags apply; ``--json`` applies everywhere."""


def leaves(inner: App = app, path: tuple[str, ...] = ()) -> Iterator[tuple[str, App]]:
    """Yield every command by its words."""
    for name in inner:
        if name.startswith("-"):
            continue
        command = inner[name]
        if command.default_command is None:
            yield from leaves(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


COMMANDS = dict(leaves())


def one_value(hint: Any) -> Any:
    """Return the type of one value: without None, a list's item, text for a choice."""
    if get_origin(hint) in (Union, types.UnionType):
        (hint,) = (part for part in get_args(hint) if part is not type(None))
        return one_value(hint)
    if get_origin(hint) in (list, tuple):
        return one_value(get_args(hint)[0])
    return str if get_origin(hint) is Literal else hint


def options(command: App) -> dict[str, tuple[str, Any]]:
    """Return the help and the type of every option of a command, by its first name."""
    found = command.assemble_argument_collection(parse_docstring=True)
    return {one.names[0]: (one.parameter.help or "", one_value(one.hint)) for one in found}


OPTIONS = {name: options(command) for name, command in COMMANDS.items()}


def test_all_commands_are_looked_at() -> None:
    assert {"predict", "models", "fit", "sections info", *GENERATED} <= COMMANDS.keys()
    assert len(COMMANDS) >= 21


@pytest.mark.parametrize("flag", sorted({flag for one in OPTIONS.values() for flag in one}))
def test_a_flag_means_the_same_on_every_command(flag: str) -> None:
    meanings: dict[tuple[str, Any], list[str]] = defaultdict(list)
    for name, own in OPTIONS.items():
        if flag in own:
            meanings[own[flag]].append(name)
    assert len(meanings) == 1, f"{flag} has several meanings: {dict(meanings)}; see options.py"
    assert all(text for text, _ in meanings), f"{flag} has no help"


@pytest.mark.parametrize("flag", HAVE)
def test_the_shared_flags_are_where_they_apply(flag: str) -> None:
    assert {name for name, own in OPTIONS.items() if flag in own} == HAVE[flag]


def test_every_command_prints_json() -> None:
    assert [name for name, own in OPTIONS.items() if "--json" not in own] == []


@pytest.mark.parametrize(
    ("flag", "value"), [("--workers", "0"), ("--hours", "0"), ("--hours", "-1")]
)
def test_numbers_without_meaning_are_refused(
    flag: str, value: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["corpus", "polars", "--solver", "panel", "--out", str(tmp_path / "a"), flag, value]
    assert main(given) == 2
    assert flag in capsys.readouterr().err
    assert not (tmp_path / "a").exists()
