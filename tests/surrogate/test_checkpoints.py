from __future__ import annotations

import json
import re

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import nn

from formwright.datasets.errors import CheckpointError, IntegrityWarning, StorageError
from formwright.surrogate.checkpoints import (
    FORMAT_VERSION,
    load_tensors,
    load_weights,
    save_tensors,
    save_weights,
)


def network(width: int = 5) -> nn.Module:
    return nn.Sequential(nn.Linear(3, width), nn.BatchNorm1d(width), nn.Linear(width, 2))


def test_weights_and_header_come_back(tmp_path):
    source, target = network(), network()
    save_weights(source, tmp_path / "w.safetensors", {"width": 5, "labels": ["cl", "cd"]})
    header = load_weights(target, tmp_path / "w.safetensors")
    assert header == {"format_version": FORMAT_VERSION, "width": 5, "labels": ["cl", "cd"]}
    for name, value in source.state_dict().items():
        assert torch.equal(value, target.state_dict()[name]), name


def test_tied_and_strided_tensors_are_written(tmp_path):
    matrix = torch.randn(3, 4)
    save_tensors(tmp_path / "t", {"a": matrix, "b": matrix, "c": matrix.T}, {})
    tensors, _ = load_tensors(tmp_path / "t")
    assert torch.equal(tensors["b"], matrix) and torch.equal(tensors["c"], matrix.T)


def test_another_width_lists_every_difference_and_changes_nothing(tmp_path):
    save_weights(network(7), tmp_path / "w")
    target = network(5)
    before = {k: v.clone() for k, v in target.state_dict().items()}
    with pytest.raises(CheckpointError, match=re.escape("'0.weight' has shape (7, 3), the model")):
        load_weights(target, tmp_path / "w")
    assert all(torch.equal(before[k], v) for k, v in target.state_dict().items())


def test_missing_and_extra_names_are_listed(tmp_path):
    save_weights(nn.Sequential(nn.Linear(3, 5)), tmp_path / "w")
    with pytest.raises(CheckpointError, match="'1.bias' is missing; .* and 1 more"):
        load_weights(network(), tmp_path / "w")
    save_weights(network(), tmp_path / "w")
    with pytest.raises(CheckpointError, match="'2.bias' is not part of the model"):
        load_weights(nn.Sequential(nn.Linear(3, 5)), tmp_path / "w")


def test_a_newer_format_is_refused(tmp_path):
    header = json.dumps({"format_version": FORMAT_VERSION + 1})
    save_file({"a": torch.zeros(1)}, tmp_path / "w", metadata={"formwright": header})
    with pytest.raises(CheckpointError, match="upgrade formwright"):
        load_tensors(tmp_path / "w")


@pytest.mark.parametrize("content", [b"", b"not safetensors at all", None])
def test_an_absent_or_damaged_file_is_refused(tmp_path, content):
    path = tmp_path / "w"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CheckpointError, match="absent or damaged"):
        load_tensors(path)


def test_a_file_cut_short_is_refused(tmp_path):
    save_weights(network(), tmp_path / "w")
    whole = (tmp_path / "w").read_bytes()
    (tmp_path / "w").write_bytes(whole[:-8])
    with pytest.raises(CheckpointError, match="'.*w' is damaged: its checksum"):
        load_weights(network(), tmp_path / "w")


def test_a_foreign_file_is_refused(tmp_path):
    save_file({"a": torch.zeros(1)}, tmp_path / "w")
    with pytest.raises(CheckpointError, match="not one that formwright wrote"):
        load_tensors(tmp_path / "w")


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    save_weights(network(), tmp_path / "w", {"which": "old"})

    def full(*arguments, **keywords):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("formwright.surrogate.checkpoints.save_file", full)
    with pytest.raises(StorageError, match="No space left"):
        save_weights(network(), tmp_path / "w", {"which": "new"})
    assert load_tensors(tmp_path / "w")[1]["which"] == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["w"]


@pytest.mark.parametrize(
    "header",
    ["{", "[]", "{}", '{"format_version": "1"}', '{"format_version": true}', "[" * 100_000],
)
def test_a_damaged_header_is_named(tmp_path, header):
    save_file({"a": torch.zeros(1)}, tmp_path / "w", metadata={"formwright": header})
    with pytest.raises(CheckpointError, match="header of '.*w'.*Copy it again"):
        load_tensors(tmp_path / "w")


def test_nan_weights_are_named_and_nothing_changes(tmp_path):
    broken = network()
    broken[0].weight.data[0, 0] = torch.nan
    save_weights(broken, tmp_path / "w")
    target = network()
    before = {k: v.clone() for k, v in target.state_dict().items()}
    with pytest.raises(CheckpointError, match="w' hold NaN \\('0.weight'\\)"):
        load_weights(target, tmp_path / "w")
    assert all(torch.equal(before[k], v) for k, v in target.state_dict().items())


def test_a_flipped_bit_is_noticed_and_old_files_are_taken(tmp_path):
    save_weights(network(), tmp_path / "w")
    whole = bytearray((tmp_path / "w").read_bytes())
    whole[-2] ^= 1
    (tmp_path / "w").write_bytes(whole)
    with pytest.raises(CheckpointError, match="w' is damaged: its checksum"):
        load_weights(network(), tmp_path / "w")
    header = json.dumps({"format_version": 1})
    save_file(network().state_dict(), tmp_path / "old", metadata={"formwright": header})
    with pytest.warns(IntegrityWarning, match="old' holds no checksum"):
        load_weights(network(), tmp_path / "old")


def test_what_safetensors_says_of_a_full_disk_is_a_storage_error(tmp_path, monkeypatch):
    def full(*arguments, **keywords):
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("formwright.surrogate.checkpoints.save_file", full)
    with pytest.raises(StorageError, match="No space left"):
        save_weights(network(), tmp_path / "w")
