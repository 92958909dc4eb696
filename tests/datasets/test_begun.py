from __future__ import annotations

import dataclasses
import json
import math
import os
import subprocess
import sys
from enum import StrEnum
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch_geometric.data import Data

from formwright.datasets.begun import (
    BEGUN,
    check_same,
    claim,
    content,
    described,
    digest,
    naming_files,
)
from formwright.datasets.errors import CheckpointError, ConfigError, CorpusError
from formwright.datasets.files import read_record


class Kind(StrEnum):
    ONE = "one"


@dataclasses.dataclass(frozen=True, slots=True)
class View:
    width: float = 0.1
    kind: Kind = Kind.ONE


@dataclasses.dataclass(frozen=True, slots=True)
class OtherView:
    width: float = 0.1
    kind: Kind = Kind.ONE


class Lazy:
    """Cases that keep what was worked out, and say what they are."""

    def __init__(self, seed: int) -> None:
        self.seed, self.cache = seed, object()

    def __len__(self) -> int:
        return 3

    def fingerprint(self) -> int:
        return self.seed


def made(folder: Path) -> Path:
    (folder / "weights.safetensors").write_bytes(b"w")
    return folder


def test_the_same_goes_on_and_what_differs_is_named(tmp_path):
    asked = {"data": content([1.0, 2.0]), "config": {"views": (View(), View()), "steps": 3}}
    claim(tmp_path, asked)
    made(tmp_path)
    claim(tmp_path, asked)
    others = {
        "data = 2 cases, content .* there, 3 cases, content .* asked": {
            **asked, "data": content([1.0, 2.0, 3.0])},
        "config.steps = 3 there, 4 asked": {
            **asked, "config": {**asked["config"], "steps": 4}},
        "config.views.1 = View there, OtherView asked": {
            **asked, "config": {**asked["config"], "views": (View(), OtherView())}},
        "config.views.0.width = 0.1 there, 0.2 asked": {
            **asked, "config": {**asked["config"], "views": (View(0.2), View())}},
        "config.views.1 = View there, None asked": {
            **asked, "config": {**asked["config"], "views": (View(),)}},
        "start = None there, weights a asked": {**asked, "start": "weights a"},
    }  # fmt: skip
    for why, other in others.items():
        with pytest.raises(ConfigError, match=f"{why}.*another folder .--out., or delete"):
            claim(tmp_path, other)
    claim(tmp_path, asked)


def test_a_folder_with_results_of_unknown_origin_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="weights.safetensors.* an earlier version"):
        claim(made(tmp_path), {"a": 1}, error=CheckpointError)
    for note in (b"", b"{", b"[]"):
        (tmp_path / BEGUN).write_bytes(note)
        with pytest.raises(CheckpointError, match="begun.json' is damaged.*another folder"):
            claim(tmp_path, {"a": 1}, error=CheckpointError)
    claim(tmp_path, {"a": 1}, made=("*.jsonl",))
    claim(tmp_path, {"a": 1})


def test_a_folder_without_results_may_be_begun_otherwise(tmp_path):
    claim(tmp_path / "new", {"a": 1})
    claim(tmp_path / "new", {"a": 2})
    assert read_record(tmp_path / "new" / BEGUN, ConfigError, "") == {"a": 2}


def test_what_may_change_may_change(tmp_path):
    claim(tmp_path, {"config": {"train": {"threads": 1, "steps": 2}}})
    made(tmp_path)
    claim(tmp_path, {"config": {"train": {"threads": 4, "steps": 2}}}, free={"threads"})
    with pytest.raises(ConfigError, match="threads = 1 there, 4 asked"):
        claim(tmp_path, {"config": {"train": {"threads": 4, "steps": 2}}})
    check_same("x", {"a": {"b": 1}, "b": 1}, {"a": {"b": 2}, "b": 1}, free={"a.b"})
    with pytest.raises(CorpusError, match="'x' .*b = 1 there, 2 asked"):
        check_same("x", {"a": {"b": 1}, "b": 1}, {"b": 2}, free={"a.b"}, error=CorpusError)


def test_many_differences_are_counted():
    many = {f"k{i}": i for i in range(9)}
    with pytest.raises(ConfigError, match="k5 = 5 there, None asked; and 3 more"):
        check_same("x", many, {})


PAIRS = [
    (np.arange(3.0), np.arange(4.0)),
    (np.arange(3), np.arange(3.0)),
    (np.zeros((2, 3)), np.zeros((3, 2))),
    (np.array(["a", "b"]), np.array(["a", "c"])),
    (np.array(["a", None]), np.array(["a", 1.0])),
    (torch.zeros(2), torch.tensor([0.0, math.nan])),
    (torch.zeros(2, dtype=torch.bfloat16), torch.ones(2, dtype=torch.bfloat16)),
    (torch.tensor(1), torch.tensor(2)),
    (torch.zeros(0), torch.zeros(0, 2)),
    (Data(x=torch.zeros(1)), Data(x=torch.ones(1))),
    (nn.Linear(1, 1).requires_grad_(False), nn.Linear(1, 1).requires_grad_(False)),
    (View(), OtherView()),
    (View(0.1), View(math.nan)),
    (Lazy(1), Lazy(2)),
    ({"a": 1}, {"a": 1, "b": 2}),
    ((1, 2), (2, 1)),
    (torch.sin, torch.cos),
]


@pytest.mark.parametrize("one, other", PAIRS, ids=range(len(PAIRS)))
def test_unequal_values_have_unequal_digests(one, other):
    assert digest(one) == digest(one) != digest(other)


def test_equal_values_have_equal_digests():
    grid = torch.arange(6.0).reshape(2, 3)
    assert digest(grid.T) == digest(grid.T.contiguous()) != digest(grid)
    assert digest(Lazy(1)) == digest(Lazy(1))
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    assert digest(nn.Linear(2, 2).weight.detach().fill_(1.0)) == digest(torch.ones(2, 2))
    around: list = [1]
    around.append(around)
    assert described(around) == [1, "itself"]
    json.dumps(described([math.inf, math.nan, Path("a"), {1, 2}, np.float32(1), object()]))


def test_digests_do_not_depend_on_the_process():
    code = (
        "import torch; from torch_geometric.data import Data;"
        "from formwright.datasets.begun import digest;"
        "print(digest([Data(x=torch.arange(3)), {'b', 'a', 'c'}, torch.sin, object()]))"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(said) == 1


def test_the_files_that_differ_are_named(tmp_path):
    corpus, folder = tmp_path / "corpus", tmp_path / "out"
    corpus.mkdir()
    for name in "abc":
        (corpus / name).write_text(name)
    with naming_files(folder, [corpus]):
        claim(folder, {"data": 1})
    (folder / "a.safetensors").touch()
    (corpus / "a").write_text("other")
    (corpus / "b").unlink()
    (corpus / "d").write_text("d")
    wanted = (
        "data = 1 there, 2 asked.* Files that differ: 'corpus/a' \\(other content\\), "
        "'corpus/b' \\(there only\\), 'corpus/d' \\(asked only\\)"
    )
    with pytest.raises(ConfigError, match=wanted), naming_files(folder, [corpus]):
        claim(folder, {"data": 2})
    with naming_files(folder, [corpus]):
        claim(folder, {"data": 1})
