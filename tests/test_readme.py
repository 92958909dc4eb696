from __future__ import annotations

import importlib.util
import json
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from formwright.cli import COMMANDS

ROOT = Path(__file__).resolve().parents[1]
KEYS = {
    "name",
    "claim",
    "value",
    "unit",
    "better",
    "peers",
    "interval",
    "seeds",
    "split",
    "command",
    "versions",
    "threads",
    "date",
}


def script(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    spec = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    return module


def results() -> list[Path]:
    return sorted((ROOT / "benchmarks" / "results").glob("*.json"))


def test_pages_quote_the_committed_results(monkeypatch: pytest.MonkeyPatch) -> None:
    table = script("readme_table", monkeypatch)
    assert {path.name for path in table.pages()} == {"README.md", "benchmarks.md", "trust.md"}
    for path, tables in table.pages().items():
        page = path.read_text(encoding="utf-8")
        assert table.filled(page, tables) == page, f"{path.name}: run `make readme`"


def test_the_readme_is_short_and_speaks_to_users() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(readme.splitlines()) <= 150
    for path in documents():
        text = path.read_text(encoding="utf-8")
        assert re.search(r"\| (bar|stretch) \||the figure asked for", text) is None, path.name


def test_every_headline_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    table = script("readme_table", monkeypatch)
    lines = table.headlines(table.records()).splitlines()
    assert len(lines) == 2 + len(table.HEADLINES)
    assert not any("None" in line or "| - |" in line for line in lines)


@pytest.mark.parametrize("path", results(), ids=lambda path: path.stem)
def test_results_have_the_house_form(path: Path) -> None:
    record = json.loads(path.read_text(encoding="utf-8"))
    assert KEYS <= set(record)
    assert record["name"] == path.stem
    assert record["better"] in ("lower", "higher")
    assert record["claim"].endswith(".")
    named = re.search(r"benchmarks/\w+\.py", record["command"])
    assert named and (ROOT / named.group()).exists()
    assert {"formwright", "python", "torch"} <= set(record["versions"])


def test_a_result_is_written_printed_and_quoted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    common = script("_common", monkeypatch)
    table = script("readme_table", monkeypatch)
    monkeypatch.setattr(sys, "argv", ["benchmarks/polar_accuracy.py", "--quick"])
    benchmark = common.Benchmark(
        name="sample",
        claim="It errs little.",
        value={"CL": 0.0125, "CM": 0.0021},
        unit="mean absolute error",
        better="lower",
        split="test families",
        peers={"NeuralFoil 0.3.3 xlarge": {"CL": 0.0124, "CM": None}},
        bars={"bar": {"CL": 0.013, "CM": 0.0022}},
        interval={"CL": [0.012, 0.013]},
        seeds=[0, 1, 2],
    )
    path = common.save(benchmark, tmp_path)
    record = json.loads(path.read_text())
    assert set(record) >= KEYS
    assert record["command"] == "python benchmarks/polar_accuracy.py --quick"
    shown = capsys.readouterr().out
    assert "0.0125" in shown and "NeuralFoil 0.3.3 xlarge" in shown
    text = table.filled(
        f"before {table.BEGIN}old{table.END} after",
        "".join(table.section(record) for record in table.records(tmp_path)),
    )
    assert "| **formwright** | **0.0125** | **0.0021** |" in text
    assert "| NeuralFoil 0.3.3 xlarge | 0.0124 | - |" in text
    assert "| interval | 0.012 to 0.013 | - |" in text
    assert "3 seeds" in text and "old" not in text
    assert text.startswith("before ") and text.endswith(" after")


def test_a_single_number_with_a_peer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    common = script("_common", monkeypatch)
    table = script("readme_table", monkeypatch)
    rates: dict[str, Any] = {
        "unit": "cases a second",
        "better": "higher",
        "split": "1,000 sections",
    }
    benchmark = common.Benchmark(
        name="speed", claim="It is fast.", value=123456.0, peers={"other": 9.5}, **rates
    )
    common.save(benchmark, tmp_path)
    text = table.section(table.records(tmp_path)[0])
    assert "| **formwright** | **123,456** |" in text and "| other | 9.5 |" in text


def test_readme_without_markers_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    table = script("readme_table", monkeypatch)
    with pytest.raises(ValueError, match="markers"):
        table.filled("no markers", "")


def documents() -> list[Path]:
    roots = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
    return [*roots, *sorted((ROOT / "docs").glob("*.md"))]


def cards() -> list[Path]:
    folders = (ROOT / "datasets" / "cards", ROOT / "surrogate" / "weights")
    return [path for folder in folders for path in sorted(folder.glob("*.md"))]


def targets(text: str) -> list[str]:
    """Return where the links and figures of a page lead to, those inside code left out."""
    shown = re.sub(r"^(```+).*?^\1$|`[^`\n]*`", "", text, flags=re.DOTALL | re.MULTILINE)
    html = re.findall(r"""<(?:a|img)\b[^>]*\b(?:href|src)=["']([^"']+)""", shown)
    named = re.findall(r"^\[[^\]]+\]:\s+(\S+)", shown, flags=re.MULTILINE)
    return [*re.findall(r"\]\(([^)\s]+)", shown), *html, *named]


@pytest.mark.parametrize("path", [*documents(), *cards()], ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    for target in targets(path.read_text(encoding="utf-8")):
        if not re.match(r"[a-z]+:", target):
            file, _, anchor = target.partition("#")
            found = path.parent / file if file else path
            assert found.exists(), f"{path.name} links to {target}"
            if anchor:
                assert anchor in anchors(found), f"{path.name} links to {target}"


def test_every_way_of_linking_is_seen() -> None:
    page = """[a](a.md#x) ![b](b.svg "title") [`c`](c.md) <img src="d.png"> `[no](no.md)`
[e]: e.md
```text
[no](no.md)
```
"""
    assert sorted(targets(page)) == ["a.md#x", "b.svg", "c.md", "d.png", "e.md"]


def anchors(path: Path) -> set[str]:
    heads = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}


@pytest.mark.parametrize("path", documents(), ids=lambda path: path.name)
def test_commands_in_documents_exist(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    shown = "\n".join(re.findall(r"```console\n(.*?)```", text, flags=re.DOTALL))
    for command in re.findall(r"^formwright (\w+)", shown, flags=re.MULTILINE):
        assert command in COMMANDS, f"{path.name} shows `formwright {command}`"
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    for target in re.findall(r"^make (\w+)", shown, flags=re.MULTILINE):
        assert target in targets, f"{path.name} shows `make {target}`"
