from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
import torch

from formwright.datasets.airfoils.sections import naca
from formwright.datasets.corpus import start_corpus
from formwright.datasets.errors import StudyWarning
from formwright.datasets.rans.cases import RansCorpus
from formwright.datasets.rans.corpus import flow_file, manifest
from formwright.datasets.rans.flow_field import FlowField, save_flow
from formwright.datasets.rans.mesh.cmesh import CMesh
from formwright.surrogate.rans.fields import cases as rans_field_cases
from formwright.surrogate.rans.fields.cases import (
    ABSENT,
    BLUNT,
    DAMAGED,
    OTHER_SIZE,
    UNEVEN,
    field_cases,
)
from formwright.surrogate.rans.fields.network import FieldConfig
from formwright.surrogate.rans.fields.predict import predict_fields
from formwright.surrogate.rans.fields.samples import sample
from formwright.surrogate.rans.fields.surrogate import FieldSurrogate

SMALL = CMesh(
    cells_side=16, cells_wake=4, cells_normal=12, far_field=20.0, even_share=0.05, tail_angle=0.4
)


def flow(alpha_deg: float, mesh: CMesh = SMALL) -> FlowField:
    torch.manual_seed(0)
    model = FieldSurrogate(FieldConfig(stages=(4, 6), hidden=8)).eval()
    return predict_fields(model, naca("2412").pos, alpha_deg, 3e6, settings=mesh)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three good cases, one in each split, and one that did not converge."""
    made = start_corpus(tmp_path_factory.mktemp("cases"), manifest(RansCorpus()))
    names, splits = ["a", "b", "c", "d"], ["train", "validation", "test", "train"]
    columns = {"case_id": names, "section": names, "split": splits}
    columns["converged"] = [True, True, True, False]
    made.write("all", pa.table(columns))
    for i, name in enumerate(names[:3]):
        save_flow(flow_file(made.path, name), flow(float(i)))
    return made.path


@pytest.fixture
def own(corpus: Path, tmp_path: Path) -> Path:
    return shutil.copytree(corpus, tmp_path / "corpus")


def test_samples_are_those_of_the_records_and_are_made_once(corpus, tmp_path, monkeypatch):
    seen = []
    found = field_cases(corpus, tmp_path, watch=lambda *numbers: seen.append(numbers))
    assert {split: part.names for split, part in found.items()} == {
        "train": ("a",), "validation": ("b",), "test": ("c",),
    }  # fmt: skip
    assert seen == [(0, 3), (1, 3), (2, 3)] and not found["train"].left_out
    monkeypatch.setattr(rans_field_cases, "sample", None)
    again = field_cases(corpus, tmp_path, ["validation"])
    assert list(again) == ["validation"]
    wanted = sample(found["validation"].flow(0))
    for name, value in wanted.to_dict().items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(again["validation"].samples[0][name], value), name
    assert again["validation"].samples[0].num_nodes == wanted.num_nodes


def test_a_sample_of_another_record_or_size_of_cells_is_made_anew(own, tmp_path):
    (first,) = field_cases(own, tmp_path / "store", ["train"])["train"].samples
    save_flow(flow_file(own, "a"), flow(5.0))
    (second,) = field_cases(own, tmp_path / "store", ["train"])["train"].samples
    assert (float(first.alpha_deg), float(second.alpha_deg)) == (0.0, 5.0)
    (coarse,) = field_cases(own, tmp_path / "store", ["train"], factor=4)["train"].samples
    fine = field_cases(own, tmp_path / "store", ["train"])["train"]
    assert torch.allclose(fine.coarser(4).samples[0].features, coarse.features, atol=1e-5)
    (tmp_path / "store" / "a.safetensors").write_bytes(b"cut")
    (again,) = field_cases(own, tmp_path / "store", ["train"])["train"].samples
    assert torch.equal(again.features, second.features)


def test_a_case_without_a_sample_has_its_reason(own, tmp_path):
    path, good = flow_file(own, "a"), flow(0.0)
    turned = replace(good.wall, cells=good.wall.cells[::-1].copy())
    broken = good.velocity.copy()
    broken[7, 1] = float("nan")
    records = {
        BLUNT: replace(good, wall=turned),
        DAMAGED: replace(good, velocity=broken),
        OTHER_SIZE: flow(0.0, replace(SMALL, cells_normal=16)),
        UNEVEN.format(2): flow(0.0, replace(SMALL, cells_normal=15)),
    }
    for why, record in records.items():
        save_flow(path, record)
        part = field_cases(own, tmp_path / "store")["train"]
        assert part.left_out == {"a": why} and not part.samples
    path.unlink()
    assert field_cases(own, tmp_path / "store")["train"].left_out == {"a": ABSENT}


def test_sections_are_held_out_where_no_split_validates(own, tmp_path):
    made = start_corpus(tmp_path / "other", manifest(RansCorpus()))
    shutil.copytree(own / "flows", made.path / "flows", dirs_exist_ok=True)
    columns = {"case_id": ["a", "b", "c"], "section": ["a", "b", "b"], "split": ["train"] * 3}
    made.write("all", pa.table({**columns, "converged": [True] * 3}))
    with pytest.warns(StudyWarning, match="no validation split"):
        found = field_cases(made.path, tmp_path / "store", ["train", "validation"])
    sizes = {frozenset(part.names) for part in found.values()}
    assert sizes == {frozenset("a"), frozenset("bc")}
    assert field_cases(made.path, tmp_path / "store", ["train"])["train"].names == (
        found["train"].names
    )
