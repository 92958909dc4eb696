from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest

from formwright.datasets.errors import CorpusError, StudyWarning
from formwright.datasets.rans.data import read_rans
from formwright.surrogate.airfoils.encoder import contours

CORPUS = Path(__file__).parents[3] / "benchmarks" / "data" / "rans-2d"


def test_converged_cases_are_read_in_one_order():
    data = read_rans(CORPUS)
    assert len(data) and data.forces.shape == (len(data), 3)
    assert data.cp.shape == (len(data), 2, 32)
    assert np.isfinite(data.forces).all() and np.isfinite(data.cp).all()
    assert (data.forces[:, 1] > 0).all()
    part = data.take(np.array([2, 0]))
    assert part.case_ids == (data.case_ids[2], data.case_ids[0])
    assert np.array_equal(part.cst[1], data.cst[0])


def test_families_do_not_cross_splits():
    data = read_rans(CORPUS)
    parts = {name: set(data.of_split(name).families) for name in ("train", "validation", "test")}
    assert not parts["train"] & parts["test"]
    assert not parts["train"] & parts["validation"]
    assert not parts["validation"] & parts["test"]


def test_a_batch_has_the_contours_and_conditions_of_the_cases():
    data = read_rans(CORPUS).take(np.arange(3))
    batch = data.batch()
    assert np.array_equal(batch.alpha_deg.numpy(), data.alpha_deg)
    assert np.array_equal(contours(batch).numpy(), data.contours().numpy())


def test_what_is_not_there_is_said(tmp_path):
    with pytest.raises(CorpusError, match="of split 'nowhere'"):
        read_rans(CORPUS).of_split("nowhere")
    with pytest.raises(CorpusError):
        read_rans(tmp_path / "none")
    shutil.copy(CORPUS / "manifest.json", tmp_path / "manifest.json")
    with pytest.raises(CorpusError):
        read_rans(tmp_path)


def test_where_a_corpus_has_no_validation_split_sections_are_held_out():
    data = read_rans(CORPUS)
    data = dataclasses.replace(
        data, splits=tuple(s.replace("validation", "train") for s in data.splits)
    )
    with pytest.warns(StudyWarning, match="no validation split: .* sections.* are held out"):
        held = data.of_split("validation")
    learned = data.of_split("train")
    assert len(held) and not set(held.sections) & set(learned.sections)
    assert len(held) + len(learned) == data.splits.count("train")
    assert data.of_split("test").case_ids == read_rans(CORPUS).of_split("test").case_ids
