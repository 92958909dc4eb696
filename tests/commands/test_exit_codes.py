"""What each command says with its exit code: 0, 1, 2, 130 or 141, as docs/checked.md promises."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from formwright import cli
from formwright.cli import COMMANDS, main

PAGE = Path(__file__).parents[2] / "docs" / "checked.md"
SECTION = "section,alpha_deg,reynolds\n"
GOOD, BAD = "naca0012,2,1e6\n", "nosuch,2,1e6\n"
PREDICT = ["predict", "airfoil-polar", "--cases", "cases.csv", "--out", "out.csv"]
RANS = ["predict", "rans-2d", "--cases", "cases.csv", "--out", "out.csv"]
SCREEN = ["screen", "Pt", "--reaction", "HER", "--workers", "1", "--out", "s"]
WAVES = ["corpus", "waves", "--equation", "burgers", "--out", "w"]

DONE: dict[str, tuple[str, list[str], int]] = {
    "predict": (SECTION + GOOD, PREDICT, 0),
    "predict, a row failed": (SECTION + GOOD + BAD, PREDICT, 1),
    "predict, all rows failed": (SECTION + BAD, PREDICT, 1),
    "predict rans-2d, all rows failed": (SECTION + BAD, RANS, 1),
    "predict, no rows": (SECTION, PREDICT, 0),
    "predict, no column": ("section\n", PREDICT, 2),
    "predict, no table": ("", PREDICT, 2),
    "predict, into a folder": (SECTION + GOOD, [*PREDICT[:-1], "."], 2),
    "screen": ("", SCREEN, 0),
    "screen, none": ("", ["screen", "nosuch.extxyz", *SCREEN[2:]], 2),
    "sections list": ("", ["sections", "list", "naca00*"], 0),
    "sections info": ("", ["sections", "info", "naca0012"], 0),
    "sections info, none": ("", ["sections", "info", "nosuch"], 2),
    "sections export": ("", ["sections", "export", "naca0012", "--out", "a.dat"], 0),
    "sections export, into a folder": ("", ["sections", "export", "naca0012", "--out", "."], 2),
    "optimize, none": ("", ["optimize", "nosuch.toml"], 2),
    "report, none": ("", ["report", "nosuch"], 2),
    "corpus info, none": ("", ["corpus", "info", "nosuch"], 2),
    "corpus waves, none": ("", [*WAVES, "--config", "nosuch.toml"], 2),
    "corpus airfrans, none": ("", ["corpus", "airfrans", "nosuch"], 2),
    "mesh": ("", ["mesh", "naca0012", "--out", "m", "--coarser", "3"], 0),
    "mesh, none": ("", ["mesh", "nosuch", "--out", "m"], 2),
    "validate, none": ("", ["validate", "nosuch"], 2),
    "pretrain, none": ("", ["pretrain", "--flows", "nosuch", "--out", "p"], 2),
    "pretrain, no runs": ("", ["pretrain", "runs", "nosuch", "--label", "x", "--out", "p"], 2),
    "fit, none": ("", ["fit", "polar", "nosuch", "--out", "f"], 2),
    "fit, no atoms": ("", ["fit", "adsorption", "no.extxyz", "--out", "f"], 2),
    "evaluate, none": ("", ["evaluate", "nosuch", "nosuch", "--out", "e"], 2),
    "evaluate-pretraining, none": (
        "",
        ["evaluate-pretraining", "polar", "nosuch", "--label", "cd"],
        2,
    ),
    "demo, none": ("", ["demo", "nosuch"], 2),
    "models": ("", ["models"], 0),
    "models, none": ("", ["models", "nosuch"], 2),
    "import, none": ("", ["import", "table", "no.csv", "--outputs", "x", "--out", "i"], 2),
    "import, a row refused": (
        "a,y\n" + "".join(f"{i},{i * i}\n" for i in range(40)) + "oops,1\n",
        ["import", "table", "cases.csv", "--outputs", "y", "--out", "i"],
        1,
    ),
}


@pytest.mark.parametrize("name", DONE)
def test_codes_are_those_of_the_table(name: str, tmp_path: Path, monkeypatch, capfd) -> None:
    text, arguments, code = DONE[name]
    monkeypatch.chdir(tmp_path)
    Path("cases.csv").write_text(text, encoding="utf-8")
    assert main(arguments) == code
    said = capfd.readouterr()
    assert "Traceback" not in said.err
    assert code == 0 or said.err.strip() or said.out.strip()


def test_the_table_is_of_all_commands() -> None:
    assert {arguments[0] for _, arguments, _ in DONE.values()} == set(COMMANDS)


def stopped(kind: type[BaseException]) -> Any:
    def app(*_: object, **__: object) -> int:
        raise kind("stop")

    return app


@pytest.mark.parametrize(
    "kind, code, word",
    [
        (KeyboardInterrupt, 130, "interrupted"),
        (BrokenPipeError, 141, ""),
        (ZeroDivisionError, 2, "no one foresaw"),
        (MemoryError, 2, "no one foresaw"),
    ],
)
def test_what_stops_a_command_has_a_code_of_its_own(kind, code, word, monkeypatch, capfd) -> None:
    monkeypatch.setattr("formwright.datasets.airfoils.sections.database", stopped(kind))
    monkeypatch.setattr(cli.os, "dup2", lambda *_: None)
    assert main(["sections", "list"]) == code
    assert word in capfd.readouterr().err


def test_the_page_names_the_codes() -> None:
    named = re.findall(r"^\| (\d+) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert list(map(int, named)) == [0, 1, 2, 130, 141]
