from __future__ import annotations

import errno
import json
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from formwright.datasets.cases import Quantity
from formwright.datasets.corpus import Manifest, open_corpus, start_corpus
from formwright.datasets.errors import CorpusError, IntegrityWarning, StorageError

COUNT = Quantity("count", "1", "a number")


def manifest(**settings):
    return Manifest(
        name="toy",
        quantities=(COUNT,),
        solver="toy 1",
        settings={"sections": 4, "nested": {"step": 0.5}, **settings},
        seed=3,
        licence="CC0-1.0",
        split_rule="none",
    )


def rows(case_id, *counts):
    return pa.table({"case_id": [case_id] * len(counts), "count": list(counts)})


@pytest.fixture
def corpus(tmp_path):
    corpus = start_corpus(tmp_path / "toy", manifest())
    for k in (2, 0, 1):
        corpus.write(f"case-{k}", rows(f"case-{k}", 10 * k, 10 * k + 1))
    return corpus


def counts(corpus):
    return corpus.read(["count"])["count"].to_pylist()


def test_reads_what_was_written_in_order_of_cases(corpus):
    again = open_corpus(corpus.path)
    assert counts(again) == [0, 1, 10, 11, 20, 21]
    assert again.finished() == {"case-0", "case-1", "case-2"}


def test_manifest_says_what_the_corpus_is(corpus):
    content = json.loads((corpus.path / "manifest.json").read_text())
    assert content["format_version"] == 1
    assert content["quantities"] == {"count": {"unit": "1", "meaning": "a number"}}
    for key in ("name", "solver", "settings", "seed", "licence", "split_rule", "created"):
        assert content[key]
    assert content["formwright"]


def test_compaction_changes_nothing_for_a_reader(corpus):
    before = corpus.read()
    corpus.compact()
    assert not list((corpus.path / "cases").iterdir())
    corpus.write("case-3", rows("case-3", 30))
    corpus.compact()
    corpus.compact()
    assert len(list((corpus.path / "parts").iterdir())) == 2
    assert counts(corpus) == [*before["count"].to_pylist(), 30]
    assert corpus.finished() == {f"case-{k}" for k in range(4)}


def test_compaction_killed_between_writing_and_removing(corpus, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.unlink", lambda *_, **__: None)
        corpus.compact()
    assert len(list((corpus.path / "cases").glob("case-*"))) == 3
    assert counts(corpus) == [0, 1, 10, 11, 20, 21]
    corpus.write("case-3", rows("case-3", 30))
    corpus.compact()
    assert counts(corpus) == [0, 1, 10, 11, 20, 21, 30]
    assert not list((corpus.path / "cases").iterdir())


def cut(path):
    path.write_bytes(path.read_bytes()[:-20])


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 4
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [cut, flip])
def test_damaged_case_is_named_and_computed_again(corpus, damage):
    damage(corpus.path / "cases" / "case-1.parquet")
    assert corpus.finished() == {"case-0", "case-2"}
    with pytest.raises(CorpusError, match="case-1.parquet' is damaged.*run the corpus command"):
        corpus.read()
    corpus.write("case-1", rows("case-1", 10, 11))
    assert counts(corpus) == [0, 1, 10, 11, 20, 21]


@pytest.mark.parametrize("damage", [cut, flip])
def test_damaged_part_is_named(corpus, damage):
    corpus.compact()
    (part,) = (corpus.path / "parts").iterdir()
    damage(part)
    with pytest.raises(CorpusError, match="part-00000.parquet' is damaged.*Remove it and run"):
        corpus.read()


def test_a_file_without_the_column_of_cases_is_named(corpus):
    pq.write_table(
        pa.table({"cose_id": ["case-1"], "count": [1]}), corpus.path / "cases" / "case-1.parquet"
    )
    with (
        pytest.warns(IntegrityWarning),
        pytest.raises(CorpusError, match="lacks the column 'case_id'"),
    ):
        open_corpus(corpus.path).read()


def test_columns_of_different_runs_are_joined(corpus):
    corpus.write("case-3", rows("case-3", 30).append_column("more", pa.array([1.5])))
    assert corpus.read()["more"].to_pylist() == [None] * 6 + [1.5]
    corpus.compact()
    assert corpus.read()["more"].to_pylist() == [None] * 6 + [1.5]


def test_absent_column_names_those_there(corpus):
    with pytest.raises(CorpusError, match="no column 'counts'. Did you mean 'count'.*case_id"):
        corpus.read(["counts"])


def test_newer_version_is_refused(corpus):
    file = corpus.path / "manifest.json"
    content = json.loads(file.read_text()) | {"format_version": 2}
    del content["seal"]
    file.write_text(json.dumps(content))
    with (
        pytest.warns(IntegrityWarning, match="holds no checksum"),
        pytest.raises(CorpusError, match="format version 2.*newer formwright"),
    ):
        open_corpus(corpus.path)


@pytest.mark.filterwarnings("ignore::formwright.datasets.errors.IntegrityWarning")
@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"format_version": "1"}'])
def test_damaged_manifest_is_refused(corpus, text):
    (corpus.path / "manifest.json").write_text(text)
    with pytest.raises(CorpusError, match="manifest.json"):
        open_corpus(corpus.path)


def test_no_corpus_there(tmp_path):
    with pytest.raises(CorpusError, match="holds no corpus"):
        open_corpus(tmp_path)


def test_corpus_without_cases(tmp_path):
    with pytest.raises(CorpusError, match="no finished case yet"):
        start_corpus(tmp_path, manifest()).read()


def test_going_on_needs_the_same_settings(corpus):
    assert start_corpus(corpus.path, manifest()).finished() == corpus.finished()
    with pytest.raises(CorpusError, match=r"settings.nested.step = 0.5 there, 0.7 asked"):
        start_corpus(corpus.path, manifest(nested={"step": 0.7}))
    with pytest.raises(CorpusError, match="settings.sections"):
        start_corpus(corpus.path, manifest(sections=5))
    more = start_corpus(corpus.path, manifest(sections=5), extendable=("sections",))
    assert open_corpus(more.path).manifest["settings"]["sections"] == 5


def test_full_disk_leaves_the_corpus_as_it_was(corpus, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("pyarrow.parquet.write_table", full)
    with pytest.raises(StorageError, match="No space left on device"):
        corpus.write("case-3", rows("case-3", 30))
    with pytest.raises(StorageError):
        corpus.compact()
    assert counts(corpus) == [0, 1, 10, 11, 20, 21]
    assert not [path for path in corpus.path.rglob("*.tmp")]


def test_reader_survives_a_compaction_at_that_moment(corpus, monkeypatch):
    list_files, calls = type(corpus)._case_files, []

    def late(self):
        found = list(list_files(self))
        calls.append(len(found))
        if len(calls) == 1:
            corpus.compact()
        return iter(found)

    monkeypatch.setattr(type(corpus), "_case_files", late)
    assert counts(corpus) == [0, 1, 10, 11, 20, 21]
    assert calls == [3, 3, 0]
