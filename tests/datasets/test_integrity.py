from __future__ import annotations

import json
import warnings

import numpy as np
import pytest

from formwright.datasets import integrity
from formwright.datasets.errors import ConfigError, CorpusError, IntegrityWarning
from formwright.datasets.files import read_record, replacing, write_record, write_text


def test_every_single_bit_of_a_sealed_file_counts(tmp_path):
    path = tmp_path / "a"
    write_text(path, f"before {integrity.BLANK} after")
    whole = path.read_bytes()
    assert integrity.sealed(path) and integrity.BLANK.encode() not in whole
    for place in range(8 * len(whole)):
        flipped = bytearray(whole)
        flipped[place // 8] ^= 1 << place % 8
        path.write_bytes(flipped)
        assert integrity.sealed(path) is False
    path.write_bytes(whole[:-3])
    with pytest.raises(CorpusError, match="a' is damaged: its checksum.*Do this"):
        integrity.check(path, CorpusError, "Do this.")


def test_a_seal_is_found_at_both_ends_of_a_large_file(tmp_path):
    noise = np.random.default_rng(0).bytes(3 << 20)
    blank = integrity.BLANK.encode()
    for name, content in (("head", blank + noise), ("tail", noise + blank)):
        with replacing(tmp_path / name) as temporary:
            temporary.write_bytes(content)
        assert integrity.sealed(tmp_path / name)


def test_files_without_a_seal_are_taken_and_said_once_a_folder(tmp_path):
    for name in ("a", "b", "empty"):
        write_text(tmp_path / name, "" if name == "empty" else name)
        assert integrity.sealed(tmp_path / name) is None
    with pytest.warns(IntegrityWarning, match="a' holds no checksum"):
        integrity.check(tmp_path / "a", CorpusError, "")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        integrity.check(tmp_path / "b", CorpusError, "")
        integrity.check(tmp_path / "empty", CorpusError, "", ours=False)


def test_records_come_back_and_changes_by_hand_are_refused(tmp_path):
    path = tmp_path / "a.json"
    write_record(path, {"a": [1, None], "b": "\u00e9"})
    assert read_record(path, ConfigError, "") == {"a": [1, None], "b": "\u00e9"}
    assert next(iter(json.loads(path.read_text()))) == integrity.KEY
    path.write_text(path.read_text().replace("1", "2", 1))
    with pytest.raises(ConfigError, match="damaged.*Run it again. .*remove its 'seal'"):
        read_record(path, ConfigError, "Run it again.")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"1", b"\xff", b"[" * 100_000])
def test_damaged_records_are_named(tmp_path, content):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="a.json' is damaged.*Run it again"):
        read_record(path, ConfigError, "Run it again.")
