from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from formwright.datasets.errors import CorpusError
from formwright.datasets.own.importing import import_corpus
from formwright.datasets.own.table import read_table_corpus


def table(rows: int = 40, **changed: Any) -> dict[str, list[Any]]:
    x = [i / rows for i in range(rows)]
    base = {"x": x, "z": [v * (1 - v) for v in x], "y": [v * v for v in x]}
    return {**base, **changed}


def refused(data: dict[str, list[Any]], folder: Path, **options: Any) -> list[str]:
    return import_corpus("table", data, folder / "c", outputs=["y"], **options).notes.refused


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    data = table(kind=["a", "b"] * 20, part=[f"p{i // 2}" for i in range(40)])
    units = {"y": "N"}
    import_corpus("table", data, tmp_path / "c", outputs=["y"], group="part", units=units)
    parts = [read_table_corpus(tmp_path / "c", s) for s in ("train", "validation", "test")]
    assert sorted(v for part in parts for v in part.values["y"]) == sorted(data["y"])
    assert parts[0].labels[0].unit == "N"
    assert [(one.name, one.choices) for one in parts[0].inputs][-1] == ("kind", ("a", "b"))
    assert not set(parts[0].groups) & set(parts[2].groups)


def test_text_among_numbers_is_named_by_row(tmp_path: Path) -> None:
    data = table()
    data["x"] = [*data["x"][:4], "n.b.", *data["x"][5:]]
    assert refused(data, tmp_path) == ["row 5: x 'n.b.' is no finite number"]


def test_absurd_numbers_are_named_and_left_out(tmp_path: Path) -> None:
    data = table()
    data["y"] = [*data["y"][:7], 400.0, *data["y"][8:]]
    (told,) = refused(data, tmp_path)
    assert told.startswith("row 8: y = 400 is absurd")


def test_constants_are_named(tmp_path: Path) -> None:
    assert refused(table(k=[3] * 40), tmp_path) == ["input 'k' is 3 in every row"]


def test_copies_in_another_group_are_named(tmp_path: Path) -> None:
    data = table(part=[f"p{i // 4}" for i in range(40)])
    for name in ("x", "z", "y"):
        data[name] = [*data[name][:39], data[name][0]]
    (told,) = refused(data, tmp_path, group="part")
    assert told.startswith("row 40: its inputs are those of row 1, of another group")


def test_rows_without_outputs_are_kept_apart(tmp_path: Path) -> None:
    data = table()
    data["y"] = [*data["y"][:30], *[None] * 10]
    assert refused(data, tmp_path) == []
    rows = read_table_corpus(tmp_path / "c", "unlabeled")
    assert len(rows.values["x"]) == 10 and np.isnan(rows.values["y"]).all()


def test_few_rows_are_said_and_fewer_refused(tmp_path: Path) -> None:
    notes = import_corpus("table", table(12), tmp_path / "few", outputs=["y"]).notes
    assert any("12 rows are few" in text for text in notes.guessed)
    with pytest.raises(CorpusError, match="11 of 11 rows are left, and 12"):
        import_corpus("table", table(11), tmp_path / "fewer", outputs=["y"])


def test_an_output_that_says_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"output 'y' is 2 in every row"):
        import_corpus("table", table(y=[2.0] * 40), tmp_path / "c", outputs=["y"])


def test_a_column_of_names_is_no_choice(tmp_path: Path) -> None:
    data = table(name=[f"n{i}" for i in range(40)])
    with pytest.raises(CorpusError, match="40 different words, e.g. 'n0'"):
        import_corpus("table", data, tmp_path / "c", outputs=["y"])


def test_the_same_import_finds_its_corpus_and_another_is_refused(tmp_path: Path) -> None:
    for _ in range(2):
        import_corpus("table", table(), tmp_path / "c", outputs=["y"])
    with pytest.raises(CorpusError, match="outputs"):
        import_corpus("table", table(), tmp_path / "c", outputs=["z"])


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_separators_and_parquet(mark: str, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    data = table()
    lines = [
        mark.join(data),
        *(mark.join(map(str, row)) for row in zip(*data.values(), strict=True)),
    ]
    (tmp_path / "t.csv").write_text("\ufeff" + "\r\n".join(lines), encoding="utf-8")
    pq.write_table(pa.table(data), tmp_path / "t.parquet")
    for name in ("t.csv", "t.parquet"):
        import_corpus("table", tmp_path / name, tmp_path / f"c-{name}", outputs=["y"])
        rows = read_table_corpus(tmp_path / f"c-{name}", "train")
        assert set(rows.values["y"]) <= set(data["y"]) and len(rows.values["y"]) > 20


def test_a_ragged_row_is_named(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x,y\n1,2\n1,2,3\n", encoding="utf-8")
    with pytest.raises(CorpusError, match=r"row 3, has 3 cells, the header 2: '1,2,3'"):
        import_corpus("table", tmp_path / "t.csv", tmp_path / "c", outputs=["y"])
