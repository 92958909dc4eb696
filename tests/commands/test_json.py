"""``--json``: one object on standard output and nothing else; ``--quiet`` and ``--hours``."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from formwright.cli import main
from formwright.datasets.pde import corpus as wave_corpus
from formwright.design import loop

STUDY = """
name = "small"
solver = "panel"
rounds = 1
method = {kind = "slsqp", max_iterations = 2}
[[points]]
cl = 0.4
reynolds = 1e6
"""
RECIPE = "sweeps = 1\nincidences = 2\n"


def printed(capsys: pytest.CaptureFixture[str], *arguments: object, code: int = 0) -> Any:
    """Run a command with ``--json`` and return the one object that it prints."""
    assert main([*map(str, arguments), "--json"]) == code
    (line,) = capsys.readouterr().out.splitlines()
    return json.loads(line)


def test_sections(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, "sections", "list", "e38*")["sections"] == ["e385", "e387"]
    told = printed(capsys, "sections", "info", "naca2412")
    assert told["name"] == "naca2412" and told["thickness"] == pytest.approx(0.12, abs=1e-3)
    out = tmp_path / "e387.dat"
    assert printed(capsys, "sections", "export", "e387", "--out", out)["out"] == str(out)
    assert out.is_file()


def test_predict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cases, out = tmp_path / "cases.csv", tmp_path / "out.csv"
    cases.write_text("section,alpha_deg,reynolds\nnaca2412,4,1e6\nnone,4,1e6\n")
    given = ("predict", "airfoil-polar", "--cases", cases, "--out", out)
    assert printed(capsys, *given, code=1).items() >= {"rows": 2, "failed": 1}.items()


def test_quiet_prediction_says_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cases, out = tmp_path / "cases.csv", tmp_path / "out.csv"
    cases.write_text("section,alpha_deg,reynolds,ncrit\nnaca2412,4,1e6,9\n")
    given = ["predict", "airfoil-polar", "--cases", str(cases), "--out", str(out), "--quiet"]
    assert main(given) == 0
    assert capsys.readouterr() == ("", "")


def test_corpora(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "flows"
    told = printed(capsys, "corpus", "flows", "--out", out, "--sections", 2, "--quiet")
    assert told == {"sections": 2, "requested": 2, "out": str(out)}
    out = tmp_path / "burgers"
    waves = ("corpus", "waves", "--equation", "burgers", "--runs", 2, "--out", out)
    assert printed(capsys, *waves, "--quiet")["runs"] == 2
    recipe, out = tmp_path / "recipe.toml", tmp_path / "polars"
    recipe.write_text(RECIPE)
    polars = ("corpus", "polars", "--solver", "panel", "--sections", 1, "--config", recipe)
    made = printed(capsys, *polars, "--out", out, "--quiet", "--seed", 3, "--workers", 1)
    assert made["cases"] == 1 and made["seed"] == 3
    assert printed(capsys, "corpus", "info", out) == made


def test_hours_end_a_corpus_that_the_same_command_goes_on_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wave_corpus, "PART", 2)
    given = ("corpus", "waves", "--equation", "burgers", "--runs", 6, "--out", tmp_path / "b")
    assert printed(capsys, *given, "--quiet", "--hours", 1e-9)["runs"] == 2
    assert printed(capsys, *given, "--quiet")["runs"] == 6


def test_hours_interrupt_a_study(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def forever(*_: object, **__: object) -> None:
        while True:
            pass

    monkeypatch.setattr(loop, "run", forever)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as in the background of a script
    study = tmp_path / "small.toml"
    study.write_text(STUDY)
    try:
        code = main(["optimize", str(study), "--out", str(tmp_path / "a"), "--hours", "1e-5"])
    finally:
        signal.signal(signal.SIGINT, before)
    assert code == 130
    assert "run the same command to go on" in capsys.readouterr().err


def test_a_study_and_its_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study, folder = tmp_path / "small.toml", tmp_path / "small"
    study.write_text(STUDY)
    given = [
        "optimize",
        str(study),
        "--out",
        str(folder),
        "--quiet",
        "--workers",
        "1",
        "--seed",
        "5",
    ]
    code = main([*given, "--json"])
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert told["folder"] == str(folder) and code == (1 if told["reasons"] else 0) and err == ""
    text = (folder / "study.toml").read_text()
    assert "workers = 1\n" in text and "seed = 5\n" in text
    assert printed(capsys, "report", folder)["report"] == str(folder / "report.html")


def test_a_flag_that_a_study_does_not_have_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = tmp_path / "alloys.toml"
    study.write_text('kind = "catalyst"\n')
    assert main(["optimize", str(study), "--out", str(tmp_path / "a"), "--workers", "2"]) == 2
    assert "--workers" in capsys.readouterr().err
    assert not (tmp_path / "a").exists()


def test_screen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ("screen", "Cu,Ni", "--reaction", "HER", "--sites", "one", "--workers", 1, "--quiet")
    told = printed(capsys, *given, "--out", tmp_path / "her")
    assert [row["rank"] for row in told["best"]] == [1, 2] and told["counts"]["failed"] == 0
