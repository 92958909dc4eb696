"""Readers answer damaged files with a named error: a few mutants each of the benchmark's kinds."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest

from formwright.datasets.atoms.files.xyz import parse_frame
from formwright.datasets.atoms.structures import structure
from formwright.datasets.errors import ConfigError, StructureError
from formwright.datasets.files import read_record

COUNT = 6


@pytest.fixture(scope="module")
def fuzz():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).resolve().parents[1] / "benchmarks"))
        yield importlib.import_module("_fuzz")


def test_no_reader_ends_otherwise_than_by_an_answer_or_a_named_error(fuzz, tmp_path):
    wrong = {}
    for name, (path, read) in fuzz.originals(tmp_path).items():
        whole = path.read_bytes()
        for number in range(COUNT):
            path.write_bytes(fuzz.mutant(whole, np.random.default_rng([1, number])))
            how = fuzz.outcome(read, path)
            if how not in ("read", "refused"):
                wrong[name, number] = how
        path.write_bytes(whole)
    assert not wrong


def test_the_fuzzer_tells_what_is_wrong(fuzz, tmp_path):
    def broken(path):
        raise KeyError("a")

    assert fuzz.outcome(broken, tmp_path).startswith("traceback KeyError")
    assert fuzz.outcome(lambda path: {"a": [np.array([1.0, np.nan])]}, tmp_path) == "silent NaN"
    assert fuzz.outcome(lambda path: {"a": 1.0, "b": "nan"}, tmp_path) == "read"


def test_a_frame_of_more_columns_than_it_holds_is_refused_at_once():
    frame = '1\nProperties=species:S:1:pos:R:99999999999 pbc="F F F"\nPt 0 0 0\n'
    with pytest.raises(StructureError, match="announces 100000000000 columns.*has 4"):
        parse_frame(frame)


def test_a_cell_that_is_not_finite_is_refused():
    with pytest.raises(StructureError, match="cell is not finite"):
        structure(["Pt"], np.zeros((1, 3)), cell=np.diag([1.0, np.nan, 1.0]))


@pytest.mark.parametrize("number", ["NaN", "1e999", "-Infinity"])
def test_records_hold_no_nan(number, tmp_path):
    (tmp_path / "a.json").write_text(f'{{"a": {number}}}')
    with pytest.raises(ConfigError, match="a.json' is damaged"):
        read_record(tmp_path / "a.json", ConfigError, "")
