"""What ``formwright predict`` writes, and where to."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet

from formwright.cli import main
from formwright.commands.tables.write import inert
from formwright.datasets.airfoils.sections import load_section, write_dat
from formwright.datasets.atoms.files.structures import write_structures
from formwright.datasets.atoms.structures import structure

HEADER = "section,alpha_deg,reynolds,ncrit"
TEXT = f'note,{HEADER}\n"=1+1, two\nlines",naca2412,2,1e6,9\n-7,nowhere,2,1e6,9\n@x,e387,4,1e6,9\n'


def predict(folder: Path, text: str, out: str, *more: str, name: str = "airfoil-polar") -> int:
    (folder / "cases.csv").write_text(text, encoding="utf-8")
    return main(["predict", name, "--cases", str(folder / "cases.csv"), "--out", out, *more])


def rows(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def test_parquet_holds_what_the_csv_holds(tmp_path: Path) -> None:
    for name in ("out.csv", "out.parquet"):
        assert predict(tmp_path, TEXT, str(tmp_path / name), "--std") == 1
    said, table = rows(tmp_path / "out.csv"), parquet.read_table(tmp_path / "out.parquet")
    assert table.column_names == list(said[0]) and table.num_rows == 3
    columns = table.to_pydict()
    for name in ("note", "section", "alpha_deg", "reynolds", "reason"):
        assert columns[name] == [row[name] for row in said]
    assert columns["note"][0] == "=1+1, two\nlines" and columns["cl"][1] is None
    assert columns["cl_std"][2] == float(said[2]["cl_std"])
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "cases.csv",
        "out.csv",
        "out.parquet",
    ]


def test_an_empty_table_becomes_an_empty_parquet(tmp_path: Path) -> None:
    assert predict(tmp_path, HEADER + "\n", str(tmp_path / "out.parquet")) == 0
    table = parquet.read_table(tmp_path / "out.parquet")
    assert table.num_rows == 0 and "cl" in table.column_names


def test_parquet_refuses_two_columns_of_one_name(tmp_path: Path, capsys) -> None:
    text = f"id,id,{HEADER}\n1,2,e387,2,1e6,9\n"
    assert predict(tmp_path, text, str(tmp_path / "out.parquet")) == 2
    assert "several columns 'id'" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["cases.csv"]


def test_standard_output_holds_the_table_and_nothing_else(tmp_path: Path, capsys) -> None:
    assert predict(tmp_path, TEXT, "-") == 1
    told = capsys.readouterr()
    assert predict(tmp_path, TEXT, str(tmp_path / "out.csv")) == 1
    assert told.out == (tmp_path / "out.csv").read_text(encoding="utf-8")
    assert "2 of 3 rows predicted" in told.err
    assert list(csv.DictReader(io.StringIO(told.out)))[2]["note"] == "@x"


def test_json_is_one_line_and_the_only_one(tmp_path: Path, capsys) -> None:
    out = str(tmp_path / "out.csv")
    assert predict(tmp_path, TEXT, out, "--json") == 1
    told = capsys.readouterr()
    said = json.loads(told.out)
    assert told.out.count("\n") == 1 and "rows predicted" not in told.err
    assert {**said, "seconds": 0} == {
        "rows": 3,
        "failed": 1,
        "flagged": 0,
        "seconds": 0,
        "out": out,
    }
    assert predict(tmp_path, TEXT, "-", "--json") == 2
    assert "--json and --out -" in capsys.readouterr().err


def test_an_option_is_no_file(tmp_path: Path, capsys) -> None:
    assert predict(tmp_path, TEXT, "--json") == 2
    assert "'--json' looks like an option" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@sum", "\tx"])
def test_text_of_ours_is_no_formula(text: str) -> None:
    assert inert(text) == f"'{text}" and inert(f"a{text}") == f"a{text}" and inert("") == ""


def test_names_from_files_are_no_formulas_and_own_columns_stay(tmp_path: Path) -> None:
    pos = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 0.1]])
    one = structure(["Pt", "O"], pos, 20.0 * np.eye(3), name="=cmd()")
    write_structures(tmp_path / "some.extxyz", [one, one])
    given = ["predict", "adsorption-mamun", "--structures", str(tmp_path / "some.extxyz")]
    assert main([*given, "--out", str(tmp_path / "o.csv")]) == 1
    assert [row["name"] for row in rows(tmp_path / "o.csv")] == ["'=cmd()"] * 2
    section = load_section("e387")
    section.pos[40, 1] += 0.02
    write_dat(tmp_path / "=mine.dat", section)
    text = f"=own,{HEADER}\n=1+1,=mine.dat,2,1e6,9\n"
    assert predict(tmp_path, text, str(tmp_path / "out.csv")) == 0
    (row,) = rows(tmp_path / "out.csv")
    assert row["=own"] == "=1+1" and row["section"] == "=mine.dat"
    assert row["flag"] and row["flag"][0] not in "=+-@" and float(row["cl"]) > 0.0


MACHS = {
    "0": "",
    "": "",
    "0.1": "",
    "0.6": "flag",
    "-0.2": "reason",
    "1.5": "reason",
    "x": "reason",
}


@pytest.mark.parametrize("column", ["mach", "Mach"])
def test_a_mach_number_is_not_passed_over(tmp_path: Path, column: str) -> None:
    lines = [f"e387,2,1e6,9,{mach}" for mach in MACHS]
    text = "\n".join([f"{HEADER},{column}", *lines]) + "\n"
    assert predict(tmp_path, text, str(tmp_path / "out.csv")) == 1
    for row, (mach, where) in zip(rows(tmp_path / "out.csv"), MACHS.items(), strict=True):
        assert row[column] == mach and bool(row["cl"]) == (where != "reason")
        assert (row["flag"] != "", row["reason"] != "") == (where == "flag", where == "reason")
    assert "mach" in rows(tmp_path / "out.csv")[3]["flag"].lower()


def test_a_mach_number_is_not_passed_over_by_rans(tmp_path: Path) -> None:
    text = "section,alpha_deg,reynolds,mach\ne387,2,3e6,0.6\n"
    assert predict(tmp_path, text, str(tmp_path / "out.csv"), name="rans-2d") == 0
    (row,) = rows(tmp_path / "out.csv")
    assert "mach = 0.6 is not looked at" in row["flag"] and row["cl"]


def test_a_table_of_bad_rows_alone_says_why(tmp_path: Path) -> None:
    text = "section,alpha_deg,reynolds\nnowhere,2,3e6\ne387,2,-1\n"
    assert predict(tmp_path, text, str(tmp_path / "out.csv"), name="rans-2d") == 1
    first, second = rows(tmp_path / "out.csv")
    assert "'nowhere'" in first["reason"] and "reynolds = -1" in second["reason"]


def test_the_input_is_not_written_over(tmp_path, capsys):
    cases = tmp_path / "cases.csv"
    cases.write_text("section,alpha_deg,reynolds\n2412,2,1e6\n")
    before = cases.read_bytes()
    asked = ["predict", "airfoil-polar", "--cases", str(cases), "--out", str(cases)]
    assert main(asked) == 2
    assert "is the input itself" in " ".join(capsys.readouterr().err.split())
    assert cases.read_bytes() == before
