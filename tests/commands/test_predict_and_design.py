from __future__ import annotations

import csv
import os
import subprocess
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

import formwright
from formwright.cli import COMMANDS, main
from formwright.commands.tables.section import SectionTable
from formwright.commands.tables.write import predict_table
from formwright.datasets.airfoils.sections import Section, load_section, write_dat
from formwright.datasets.errors import ConfigError, SectionWarning, StorageError

HEADER = "section,alpha_deg,reynolds,ncrit"


class ThinAirfoils:
    """Stands in for a surrogate: lift from thickness, incidence and the conditions."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []

    def predict_rows(
        self,
        sections: Sequence[Section],
        section_index: np.ndarray,
        alpha_deg: np.ndarray,
        reynolds: np.ndarray,
        ncrit: np.ndarray,
    ) -> dict[str, np.ndarray]:
        self.calls.append([section.name for section in sections])
        heights = np.array([float(section.pos[:, 1].max()) for section in sections] or [0.0])
        values = {
            "cl": 0.1 * alpha_deg + heights[section_index],
            "cd": 1.0 / reynolds,
            "cm": -0.01 * ncrit,
        }
        spread = {f"{name}_std": np.abs(value) / 10 for name, value in values.items()}
        return {**values, **spread}


@pytest.fixture
def surrogate(monkeypatch: pytest.MonkeyPatch) -> ThinAirfoils:
    stand_in = ThinAirfoils()
    monkeypatch.setattr("formwright.surrogate.zoo.load", lambda name: stand_in)
    return stand_in


def table(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def predict(folder: Path, text: str, *more: str) -> tuple[int, list[dict[str, str]]]:
    (folder / "cases.csv").write_text(text, encoding="utf-8")
    paths = ["--cases", str(folder / "cases.csv"), "--out", str(folder / "out.csv")]
    code = main(["predict", "airfoil-polar", *paths, *more])
    return code, table(folder / "out.csv") if (folder / "out.csv").exists() else []


def reader(cases: Path) -> SectionTable:
    return SectionTable(ThinAirfoils().predict_rows, cases)


def height(name: str) -> float:
    return float(load_section(name).pos[:, 1].max())


def test_predict_keeps_order_and_other_columns(surrogate: ThinAirfoils, tmp_path: Path) -> None:
    text = "id,reynolds,section,note,alpha_deg,ncrit\n"
    text += 'a,1e6,2412,"x, y",2,9\nb,2e6,naca0012,,3,5\nc,1e6, 2412 ,z,4,9\n'
    code, rows = predict(tmp_path, text)
    assert code == 0
    assert list(rows[0]) == "id reynolds section note alpha_deg ncrit cl cd cm".split()
    assert [row["id"] for row in rows] == ["a", "b", "c"]
    assert rows[0]["note"] == "x, y" and rows[0]["reynolds"] == "1e6"
    expected = [0.2 + height("2412"), 0.3 + height("0012"), 0.4 + height("2412")]
    np.testing.assert_allclose([float(row["cl"]) for row in rows], expected, rtol=1e-6)
    assert float(rows[1]["cm"]) == pytest.approx(-0.05)
    assert surrogate.calls == [["naca2412", "naca0012"]]


def test_predict_reads_files_beside_the_table(
    surrogate: ThinAirfoils, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    write_dat(tmp_path / "mine.dat", load_section("2415"))
    code, rows = predict(tmp_path, "section,alpha_deg,reynolds\nmine.dat,0,1e6\n")
    assert code == 0
    assert float(rows[0]["cl"]) == pytest.approx(height(str(tmp_path / "mine.dat")), abs=1e-6)


def test_predict_says_that_ncrit_is_assumed(
    surrogate: ThinAirfoils, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, rows = predict(tmp_path, "section,alpha_deg,reynolds\n2412,0,1e6\n")
    assert float(rows[0]["cm"]) == pytest.approx(-0.09)
    assert "'ncrit'" in capsys.readouterr().err


BAD_ROWS = {
    "nosuch,2,1e6,9": "nosuch",
    "missing.dat,2,1e6,9": "missing.dat",
    "2412,ninety,1e6,9": "'ninety'",
    "2412,nan,1e6,9": "'nan'",
    "2412,90,1e6,9": "alpha_deg = 90",
    "2412,2,-1,9": "reynolds = -1",
    "2412,2,1e6,0": "ncrit = 0",
    "2412,2,inf,9": "'inf'",
    "2412,2": "2 cells",
    "2412,2,1e6,9,extra": "5 cells",
    ",2,1e6,9": "empty",
}


@pytest.mark.parametrize(("row", "quoted"), BAD_ROWS.items(), ids=BAD_ROWS.values())
def test_a_bad_row_keeps_its_place_and_says_why(
    row: str, quoted: str, surrogate: ThinAirfoils, tmp_path: Path
) -> None:
    code, rows = predict(tmp_path, f"{HEADER}\n2412,1,1e6,9\n{row}\n0012,2,1e6,9\n")
    assert code == 1
    assert [bool(row["cl"]) for row in rows] == [True, False, True]
    assert quoted in rows[1]["reason"] and not rows[0]["reason"] and not rows[2]["reason"]
    assert rows[1]["section"] == row.split(",")[0]


def test_all_bad_rows_at_once(surrogate: ThinAirfoils, tmp_path: Path) -> None:
    code, rows = predict(tmp_path, "\n".join([HEADER, *BAD_ROWS]) + "\n")
    assert code == 1
    for row, quoted in zip(rows, BAD_ROWS.values(), strict=True):
        assert quoted in row["reason"] and row["cl"] == ""


def test_an_absent_column_names_those_found(
    surrogate: ThinAirfoils, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, rows = predict(tmp_path, "section,alpha,reynolds\n2412,0,1e6\n")
    message = capsys.readouterr().err
    assert code == 2 and not rows
    assert "'alpha_deg'" in message and "'alpha'" in message and "Traceback" not in message


def test_a_column_is_never_overwritten(
    surrogate: ThinAirfoils, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "section,alpha_deg,reynolds,cl\n2412,0,1e6,0.123\n"
    assert predict(tmp_path, text)[0] == 2
    assert "--prefix" in capsys.readouterr().err
    code, rows = predict(tmp_path, text, "--prefix", "model_")
    assert code == 0 and rows[0]["cl"] == "0.123" and rows[0]["model_cl"]


def test_predict_with_std(surrogate: ThinAirfoils, tmp_path: Path) -> None:
    _, rows = predict(tmp_path, f"{HEADER}\n2412,1,1e6,9\n", "--std")
    assert float(rows[0]["cl_std"]) == pytest.approx(float(rows[0]["cl"]) / 10, rel=1e-5)


def test_an_empty_table_gives_an_empty_table(surrogate: ThinAirfoils, tmp_path: Path) -> None:
    code, rows = predict(tmp_path, HEADER + "\n")
    assert code == 0 and rows == []
    assert (tmp_path / "out.csv").read_text() == f"{HEADER},cl,cd,cm\n"


def test_chunks_change_nothing(tmp_path: Path) -> None:
    names = ["2412", "0012", "4415", "bad", "23012"]
    rows = [f"{names[i % 5]},{i % 13},{1e5 + i},9" for i in range(103)]
    cases = tmp_path / "cases.csv"
    cases.write_text("\n".join([HEADER, *rows]) + "\n")
    for name, chunk in (("one.csv", 1000), ("many.csv", 7)):
        outcome = predict_table(reader(cases), cases, tmp_path / name, chunk=chunk)
        assert outcome.rows == 103 and len(outcome.failures) == 20
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "many.csv").read_bytes()


def test_an_output_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    cases = tmp_path / "cases.csv"
    cases.write_text(f"{HEADER}\n2412,1,1e6,9\n")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="in|out"):
        predict_table(reader(cases), cases, tmp_path / "file" / "out.csv")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cases.csv", "file"]


def test_an_interrupted_prediction_keeps_the_old_output(tmp_path: Path) -> None:
    class Broken(ThinAirfoils):
        def predict_rows(self, *arguments: object, **options: object) -> dict[str, np.ndarray]:
            raise KeyboardInterrupt

    cases, out = tmp_path / "cases.csv", tmp_path / "out.csv"
    cases.write_text(f"{HEADER}\n2412,1,1e6,9\n")
    out.write_text("old")
    with pytest.raises(KeyboardInterrupt):
        predict_table(SectionTable(Broken().predict_rows, cases), cases, out)
    assert out.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cases.csv", "out.csv"]


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"section;alpha_deg;reynolds\n"])
def test_what_is_no_table_is_a_named_error(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "cases.csv").write_bytes(content)
    with pytest.raises(ConfigError, match="cases.csv"):
        predict_table(reader(tmp_path / "cases.csv"), tmp_path / "cases.csv", tmp_path / "out.csv")


def test_no_table_at_all(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no file"):
        predict_table(reader(tmp_path / "cases.csv"), tmp_path / "cases.csv", tmp_path / "out.csv")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_command_shows_an_example(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, "--help"]) == 0
    assert f"formwright {command}" in capsys.readouterr().out


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert formwright.__version__ in capsys.readouterr().out
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(command in shown for command in COMMANDS)


def test_wrong_usage_suggests_the_right_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predikt"]) == 2
    assert "predict" in capsys.readouterr().err
    assert main(["predict", "airfoil-polar", "--case", "x.csv", "--out", "y.csv"]) == 2
    assert "--cases" in capsys.readouterr().err


def test_named_errors_are_one_message_and_debug_raises(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sections", "info", "naca24x2"]) == 2
    message = capsys.readouterr().err
    assert "naca24x2" in message and "Traceback" not in message
    with pytest.raises(Exception, match="naca24x2"):
        main(["--debug", "sections", "info", "naca24x2"])


def test_sections_export_can_be_read_back(tmp_path: Path) -> None:
    assert main(["sections", "export", "23012", "--out", str(tmp_path / "s.dat")]) == 0
    again = tmp_path / "again.dat"
    assert main(["sections", "export", str(tmp_path / "s.dat"), "--out", str(again)]) == 0
    np.testing.assert_allclose(
        load_section(again).pos, load_section(tmp_path / "s.dat").pos, atol=1e-6
    )


@pytest.mark.parametrize("name", ["[red]a", "[/bold] a", "a$^x$"])
def test_names_are_shown_as_they_are(name: str, tmp_path: Path, capsys, surrogate) -> None:
    path = tmp_path / f"{name.replace('/', '')}.dat"
    write_dat(path, load_section("2415"))
    path.write_text(f"{name}\n" + path.read_text().partition("\n")[2])
    assert main(["sections", "info", str(path)]) == 0
    shown = capsys.readouterr().out
    assert name in shown and path.stem in shown
    code, rows = predict(tmp_path, f"section,alpha_deg,reynolds\n{path},0,1e6\n{name},0,1e6\n")
    assert code == 1 and rows[0]["cl"] and name in rows[1]["reason"]
    assert name in capsys.readouterr().err


def test_what_is_odd_about_a_section_is_flagged(
    surrogate: ThinAirfoils, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    section = load_section("2415")
    section.pos[40, 1] += 0.02
    write_dat(tmp_path / "mine.dat", section)
    text = "section,alpha_deg,reynolds\nmine.dat,0,1e6\n2412,0,1e6\nmine.dat,1,1e6\n"
    code, rows = predict(tmp_path, text)
    assert code == 0 and all(row["cl"] for row in rows)
    assert "kink" in rows[0]["flag"] and rows[2]["flag"] == rows[0]["flag"] and not rows[1]["flag"]
    with pytest.warns(SectionWarning, match="kink"):
        load_section(tmp_path / "mine.dat")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert main(["sections", "info", str(tmp_path / "mine.dat")]) == 0
    noted = capsys.readouterr().err
    assert "note: section 'mine'" in noted and "dat.py" not in noted


def test_a_closed_pipe_ends_quietly() -> None:
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "formwright", "sections", "list"]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert done.returncode == 141 and done.stderr == ""


def test_sections_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sections", "list", "naca441*"]) == 0
    assert "naca4412" in capsys.readouterr().out.split()
