from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import formwright
from formwright.datasets.cases import Batch
from formwright.datasets.errors import ConditionError
from formwright.surrogate.tables.kind import KIND, TableSurrogate
from formwright.surrogate.tables.views import Corrupt


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> TableSurrogate:
    folder = tmp_path_factory.mktemp("table")
    rng = np.random.default_rng(0)
    x, kind = rng.uniform(size=60), rng.choice(["a", "b"], 60)
    data = {"x": x, "kind": kind, "y": x + (kind == "a")}
    formwright.import_corpus("table", data, folder / "c", outputs=["y"])
    quick = {"train": {"steps": 200, "threads": 1}}
    formwright.fit("table", folder / "c", folder / "f", quick, progress=False)
    return formwright.load(folder / "f")


def test_it_predicts_columns_and_tells_its_level(fitted: TableSurrogate) -> None:
    said = fitted.predict({"x": [0.2, 0.8], "kind": ["a", "b"]})
    assert np.allclose(said["y"], [1.2, 0.8], atol=0.1)
    assert said.level == 0.9 and (said["y_lower"] < said["y_upper"]).all()
    assert fitted.training_range["x"][0] >= 0.0


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ({"x": [0.1]}, "input 'kind' is missing"),
        ({"x": ["big"], "kind": ["a"]}, "x = big is no finite number"),
        ({"x": [0.1], "kind": ["c"]}, "kind = 'c' is none of its choices in training: a, b"),
    ],
)
def test_rows_that_cannot_be_read_are_quoted(
    fitted: TableSurrogate, rows: dict[str, list], told: str
) -> None:
    with pytest.raises(ConditionError, match=told):
        fitted.predict(rows)


def test_a_row_unlike_all_others_is_flagged(fitted: TableSurrogate) -> None:
    said = fitted.predict({"x": [0.5, 40.0], "kind": ["a", "a"]})
    assert not said.flags[0] and said.flags[1] and said["support"][1] > 1


def test_gradients_go_to_the_inputs(fitted: TableSurrogate) -> None:
    x = fitted.rows({"x": [0.5], "kind": ["a"]}).double().requires_grad_(True)
    fitted(Batch(x=x))["y"].sum().backward()
    assert x.grad is not None
    ends = [
        float(fitted(Batch(x=x.detach() + s * torch.tensor([1e-2, 0, 0])))["y"]) for s in (-1, 1)
    ]
    assert float(x.grad[0, 0]) == pytest.approx((ends[1] - ends[0]) / 2e-2, rel=1e-2)


def test_corrupted_inputs_are_those_of_other_rows() -> None:
    x = torch.arange(40.0).reshape(10, 4)
    seen = Corrupt(labels=("y",), share=0.5)(Batch(x=x), torch.Generator().manual_seed(0)).x
    assert all(set(seen[:, k].tolist()) <= set(x[:, k].tolist()) for k in range(4))
    assert 0.2 < float((seen != x).float().mean()) < 0.6
    assert KIND.unlabeled is not None


def test_few_cases_promise_less_than_ninety_percent(tmp_path: Path) -> None:
    x = [i / 20 for i in range(20)]
    formwright.import_corpus("table", {"x": x, "y": x}, tmp_path / "c", outputs=["y"])
    quick = {"train": {"steps": 5, "threads": 1}}
    done = formwright.fit("table", tmp_path / "c", tmp_path / "f", quick, progress=False)
    assert done.scores.counts["cases"] == 3 and done.scores.level == pytest.approx(0.75)
    assert formwright.load(tmp_path / "f").predict({"x": [0.5]}).level == pytest.approx(0.75)
