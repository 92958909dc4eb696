from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from formwright.datasets.errors import ViewError
from formwright.datasets.own.importing import import_corpus
from formwright.datasets.pde.given import runs_of
from formwright.surrogate.keeps import Keeps
from formwright.surrogate.pde.named import Solved
from formwright.surrogate.pde.promised import Mirror, promised_views
from formwright.surrogate.pde.task import field_task


def corpus(folder: Path, *promises: str) -> Path:
    rng = np.random.default_rng(0)
    data = {"u": rng.normal(size=(30, 16, 16)), "slope": rng.normal(size=30)}
    import_corpus("runs", data, folder / "c", periodic=True, promises={"slope": promises})
    return folder / "c"


def test_every_view_says_what_it_does_to_a_label() -> None:
    solved = Solved(equation="", frames=4, dimensions=2)
    views = promised_views(solved, ["a", "b"], {"a": ["constant", "odd"]}, ["u"])
    assert all(set(view.keeps) == {"a", "b"} for view in views.values())
    assert views["time-lag"].keeps["a"] is Keeps.EXACT
    assert views["noise"].keeps["a"] is Keeps.APPROXIMATE
    assert views["mirror"].keeps["a"] is Keeps.EQUIVARIANT
    kept = {name for name, view in views.items() if view.keeps["b"] is not Keeps.FORBIDDEN}
    assert kept == set()
    assert views["galilean"].keeps["a"] is views["amplitude"].keeps["a"] is Keeps.FORBIDDEN


def test_a_mirror_does_not_know_vectors() -> None:
    solved = Solved(equation="", frames=4)
    views = promised_views(solved, ["a"], {"a": ["mirror"]}, ["v.0", "v.1"])
    assert views["mirror"].keeps["a"] is Keeps.FORBIDDEN


def test_a_mirror_turns_fields_and_odd_labels(tmp_path: Path) -> None:
    runs, _ = runs_of(corpus(tmp_path, "odd"))
    batch = runs.batch(torch.arange(6))
    turned = Mirror(kept={"slope": "equivariant"}, probability=1.0)(
        batch, torch.Generator().manual_seed(0)
    )
    assert torch.equal(turned.slope, -batch.slope)
    assert torch.equal(turned.field[:16], batch.field[-torch.arange(16) % 16])


def test_the_question_takes_the_views_that_are_promised(tmp_path: Path) -> None:
    folder = corpus(tmp_path, "constant", "shift")
    assert list(field_task([folder], "slope").recipes) == ["VICReg, time-lag + shift"]
    with pytest.raises(ViewError, match="Parity is forbidden for 'slope'"):
        field_task([folder], "slope", views=[["parity"]])


def test_a_label_without_a_promise_has_no_views(tmp_path: Path) -> None:
    with pytest.raises(ViewError, match="--promise slope=constant"):
        field_task([corpus(tmp_path)], "slope")
