from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest

from formwright.datasets import files
from formwright.datasets.errors import StorageError
from formwright.datasets.files import from_json, load_json, replacing, write_text


def folder(path: Path) -> None:
    path.mkdir()


def pipe(path: Path) -> None:
    os.mkfifo(path)


def link(path: Path) -> None:
    path.symlink_to("elsewhere.txt")


def bound(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as there:
        there.bind(os.path.relpath(path))


@pytest.mark.parametrize(
    "make, what",
    [
        (folder, "is a folder"),
        (pipe, "is a pipe"),
        (link, "is a link to 'elsewhere.txt'"),
        (bound, "is a socket"),
    ],
)
def test_what_is_no_file_is_never_replaced_by_one(make, what, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    target = tmp_path / "out"
    make(target)
    before = os.lstat(target)
    with pytest.raises(StorageError, match=what), replacing(target):
        raise AssertionError("nothing is begun")
    assert os.lstat(target).st_mode == before.st_mode
    assert os.lstat(target).st_ino == before.st_ino
    assert os.listdir(tmp_path) == ["out"]


def test_a_file_is_replaced(tmp_path):
    write_text(tmp_path / "a" / "out", "one")
    write_text(tmp_path / "a" / "out", "two")
    assert (tmp_path / "a" / "out").read_text() == "two" and len(os.listdir(tmp_path / "a")) == 1


def test_json_is_bounded_in_depth_and_size(tmp_path, monkeypatch):
    assert from_json(b'{"a": [1]}') == {"a": [1]}
    deep = tmp_path / "deep.json"
    deep.write_text("[" * 200_000)
    with pytest.raises(ValueError, match="nested too deeply"):
        load_json(deep)
    monkeypatch.setattr(files, "LARGEST", 100)
    deep.write_text(json.dumps("x" * 100))
    with pytest.raises(ValueError, match="longer than 100 bytes"):
        load_json(deep)
