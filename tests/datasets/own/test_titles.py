from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formwright.cli import main
from formwright.datasets.errors import CorpusError
from formwright.datasets.own.table import import_table, read_table_corpus
from formwright.datasets.own.titles import title_of, titled


@given(name=st.text("abc xyz_", min_size=1), unit=st.text("m/s^2-kN"))
def test_a_title_gives_back_its_name_and_unit(name, unit):
    if name.strip():
        assert title_of(f"{name} [{unit}]") == (name.strip(), unit.strip())
        assert title_of(f"{name}({unit})") == (name.strip(), unit.strip())
        assert title_of(name) == (name.strip(), "")


def test_two_columns_of_one_name_are_refused():
    with pytest.raises(CorpusError, match="two columns 'load'"):
        titled({"load [N]": [], "load (kN)": []})


def test_units_of_titles_are_kept_and_another_unit_is_refused_at_prediction(tmp_path, capsys):
    rows = [f"{i / 40},{(7 * i) % 11},{i / 20 + (7 * i) % 11}" for i in range(60)]
    (tmp_path / "t.csv").write_text("\n".join(["span [m],load (N),drag [N]", *rows]))
    # drag is 0 in one row: no logarithm, whichever split that row is in
    import_table(tmp_path / "t.csv", tmp_path / "c", outputs=["drag"], units={"load": "kN"})
    table = read_table_corpus(tmp_path / "c", "train")
    assert {c.name: c.unit for c in table.inputs} == {"span": "m", "load": "kN"}
    assert [(q.name, q.unit) for q in table.labels] == [("drag", "N")]
    (tmp_path / "quick.toml").write_text("[train]\nsteps = 20\nthreads = 1\n")
    runs, out = str(tmp_path / "runs"), str(tmp_path / "out.csv")
    quick = ["--config", str(tmp_path / "quick.toml"), "--quiet", "--out", runs]
    assert main(["fit", "table", str(tmp_path / "c"), *quick]) == 0
    cases = tmp_path / "new.csv"
    cases.write_text("load [kN],span [m]\n3,0.5\n")
    assert main(["predict", runs, "--cases", str(cases), "--out", out]) == 0
    cases.write_text("load,span [mm]\n3,500\n")
    assert main(["predict", runs, "--cases", str(cases), "--out", out]) == 2
    assert "'span' in mm, the surrogate learned it in m" in capsys.readouterr().err
