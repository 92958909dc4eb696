"""``formwright models``, and completion in the shell."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from formwright.cli import app, main
from formwright.surrogate.airfoils.polar import PolarConfig, PolarSurrogate
from formwright.surrogate.zoo import PRETRAINED, SHIPPED, save


def saved(folder: Path) -> Path:
    """Write a small surrogate as ``fit`` does, beside a file that is none."""
    torch.manual_seed(0)
    path = folder / "mine" / "surrogate.safetensors"
    path.parent.mkdir(parents=True)
    save(PolarSurrogate(PolarConfig(hidden=8, layers=1)).eval(), path, {"corpus": "corpora/own"})
    other = folder / "damaged" / "surrogate.safetensors"
    other.parent.mkdir()
    other.write_bytes(b"no weights")
    return path


def test_shipped_and_saved_models_are_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = saved(tmp_path)
    assert main(["models", "--saved", str(tmp_path), "--json"]) == 0
    listed = {one["name"]: one for one in json.loads(capsys.readouterr().out)["models"]}
    assert list(listed) == [*SHIPPED, *PRETRAINED, str(path.parent)]
    polar, own = listed["airfoil-polar"], listed[str(path.parent)]
    assert polar["predicts"]["cl"] == "1" and polar["fields"] == ["cp_top", "cp_bottom"]
    assert listed["rans-fields"]["fields"][2:6] == ["u", "v", "p", "nut"]
    assert listed["atoms"]["pretrained"] and not listed["atoms"]["predicts"]
    assert own["bytes"] == path.stat().st_size and own["card"] is None and own["kind"] == "polar"
    assert all(Path(listed[name]["card"]).is_file() for name in (*SHIPPED, *PRETRAINED))


def test_the_list_for_people_has_a_line_a_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "--saved", str(tmp_path / "none")]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == ["name", "kind", "predicts", "MB", "card"]
    assert [line.split()[0] for line in lines] == [*SHIPPED, *PRETRAINED]


def test_a_name_shows_the_card(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "airfoil-polar"]) == 0
    assert "# airfoil-polar" in capsys.readouterr().out
    folder = saved(tmp_path).parent
    assert main(["models", str(folder)]) == 0
    assert "corpus: corpora/own" in capsys.readouterr().out
    assert main(["models", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["provenance"] == {"corpus": "corpora/own"}


def test_a_name_that_there_is_not_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "airfoil-polr"]) == 2
    assert "airfoil-polar" in capsys.readouterr().err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_commands_and_options(shell: str) -> None:
    script = app.generate_completion(shell=shell)  # pyright: ignore
    for word in ("predict", "evaluate-pretraining", "panel-fields", "workers", "sections"):
        assert word in script


def test_completion_is_installed_at_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SHELL", "/bin/bash")
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    assert main(["--install-completion", "--shell", "bash"]) == 0
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any("formwright" in path.read_text(encoding="utf-8") for path in written)
