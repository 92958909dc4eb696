from __future__ import annotations

from formwright.datasets.ledger import Ledger, read_lines


def test_a_value_is_worked_out_once(tmp_path):
    calls, told = [], []
    path = tmp_path / "folder" / "results.jsonl"

    def work() -> dict[str, float]:
        calls.append(1)
        return {"error": 0.5}

    ledger = Ledger(path, lambda key, value: told.append((key, value)))
    assert ledger.once("a", work) == ledger.once("a", work) == {"error": 0.5}
    assert Ledger(path).once("a", work) == {"error": 0.5}
    assert len(calls) == 1 and told == [("a", {"error": 0.5})]


def test_a_line_cut_short_is_worked_out_again(tmp_path):
    path = tmp_path / "results.jsonl"
    first = Ledger(path)
    first.once("a", lambda: 1)
    first.once("b", lambda: 2)
    path.write_bytes(path.read_bytes()[:-4])
    again = Ledger(path)
    assert again.done == {"a": 1}
    again.once("b", lambda: 3)
    assert [line["value"] for line in read_lines(path)] == [1, 3]


def test_a_file_that_is_not_there_is_empty(tmp_path):
    assert read_lines(tmp_path / "none.jsonl") == []
