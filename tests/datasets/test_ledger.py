from __future__ import annotations

import errno
import os
import warnings

import pytest

from formwright.datasets import integrity, ledger
from formwright.datasets.errors import CorpusError, IntegrityWarning, StorageError
from formwright.datasets.ledger import Ledger, line_of, read_lines
from formwright.surrogate.training.log import TrainingLog


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


DAMAGED = [b"{", b"[1]", b"\xff", b"[" * 100_000, line_of({"other": 1})[:-1].encode()]


@pytest.mark.filterwarnings("ignore:.*holds no checksum")
@pytest.mark.parametrize("line", DAMAGED)
def test_a_damaged_line_in_the_middle_is_named(tmp_path, line):
    path = tmp_path / "log.jsonl"
    good = line_of({"key": "a", "value": 1, "step": 1}).encode()
    path.write_bytes(good + line + b"\n" + good)
    with pytest.raises(CorpusError, match="line 2 of '.*log.jsonl' is damaged.*Remove that line"):
        Ledger(path)
    with pytest.raises(CorpusError, match="line 2 of"), TrainingLog(path, 5, 5, False):
        pass


def test_a_full_disk_is_a_storage_error(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    log = TrainingLog(tmp_path / "log.jsonl", 5, 0, False)
    with log, monkeypatch.context() as patch:
        patch.setattr(ledger, "open", full, raising=False)
        with pytest.raises(StorageError, match="log.jsonl': No space left"):
            log.report(1, {"loss": 1.0})


@pytest.mark.filterwarnings("ignore:.*holds no checksum")
@pytest.mark.parametrize("number", ["NaN", "1e999", "-Infinity"])
def test_a_line_with_a_number_that_is_not_finite_is_damaged(tmp_path, number):
    path = tmp_path / "results.jsonl"
    path.write_text(f'{{"key": "a", "value": {number}}}\n')
    with pytest.raises(CorpusError, match="line 1 of .* is damaged"):
        Ledger(path)


def test_a_figure_that_is_not_finite_does_not_damage_a_log(tmp_path):
    path = tmp_path / "log.jsonl"
    with TrainingLog(path, steps=4, done=0, progress=False) as log:
        log.report(1, {"loss": 0.5, "norm": float("inf")})
    with TrainingLog(path, steps=4, done=1, progress=False) as again:
        assert again.history == [{"step": 1, "loss": 0.5, "norm": None}]


def test_every_flipped_bit_of_a_line_is_noticed(tmp_path, monkeypatch):
    path = tmp_path / "results.jsonl"
    Ledger(path).once("a key", lambda: {"error": 0.125})
    whole = path.read_bytes()
    unnoticed = []
    for bit in range(8 * (len(whole) - 1)):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        monkeypatch.setattr(integrity, "_told", set())
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", IntegrityWarning)
                read_lines(path)
        except (CorpusError, IntegrityWarning):
            continue
        unnoticed.append(bit)
    assert unnoticed == []


def test_a_line_of_an_earlier_version_is_read_and_told_of(tmp_path):
    path = tmp_path / "results.jsonl"
    path.write_text('{"key": "a", "value": 1}\n')
    with pytest.warns(IntegrityWarning, match="holds no checksum"):
        assert Ledger(path).done == {"a": 1}
