from __future__ import annotations

import importlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch_geometric.data import Data

from formwright.datasets.airfoils import cst
from formwright.datasets.cases import sections_batch
from formwright.datasets.config import to_mapping
from formwright.datasets.solvers.openfoam.solver import OpenFOAM
from formwright.surrogate.model import Prediction, Surrogate

ROOT = Path(__file__).resolve().parents[1]
SCORES = ("CD cosine", "CD norm ratio", "CL cosine", "CL norm ratio", "CD cosine, worst base")


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module


def sides(vector: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the heights of the upper and the lower side, nose to tail."""
    y = cst.coordinates(torch.from_numpy(vector), 50)[:, 1]
    return y[:50].flip(0), y[49:]


def test_the_modes_are_orthonormal_and_change_thickness_or_camber_alone(load) -> None:
    truth = load("_gradient_truth")
    modes = truth.modes()
    assert modes.shape == (8, 18) and not modes[:, 16:].any()
    assert np.abs(modes @ modes.T - np.eye(8)).max() < 1e-12
    for name, mode in zip(truth.MODES, modes, strict=True):
        upper, lower = sides(mode)
        kept = upper + lower if name.startswith("thickness") else upper - lower
        assert kept.abs().max() < 1e-15 < upper.abs().max()
    waves = [int((np.diff(np.sign(mode[8:16])) != 0).sum()) for mode in modes]
    assert waves == [0, 1, 2, 3, 0, 1, 2, 3]


def test_every_run_is_listed_once_and_has_its_own_file(load) -> None:
    truth = load("_gradient_truth")
    runs = list(truth.runs())
    assert len({run.file for run in runs}) == len(runs) == 8 * 3 * 2 + 2
    assert truth.SOLVER == OpenFOAM()
    assert {base.split for base in truth.BASES} == {"train", "test"}


def table_of(truth, slope: np.ndarray) -> dict:
    """Return a table in which drag is linear and lift is cubic along the modes."""
    rows = []
    for k, mode in enumerate(truth.MODES):
        for step in (truth.STEP, -truth.STEP):
            cd, cl = 0.01 + slope[k] * step, slope[k] * step**3
            rows.append({"base": "a", "mode": mode, "step": step, "cl": cl, "cd": cd})
    return {"modes": list(truth.MODES), "rows": rows}


def test_differences_are_central_and_a_failed_flow_leaves_its_component_out(load) -> None:
    truth, compared = load("_gradient_truth"), load("rans_gradient")
    slope = np.arange(1.0, 9.0)
    table = table_of(truth, slope)
    assert truth.differences(table, "a", "cd") == pytest.approx(slope)
    assert truth.differences(table, "a", "cl") == pytest.approx(slope * truth.STEP**2)
    table["rows"][0] |= {"cd": None}
    del table["rows"][2]
    found = truth.differences(table, "a", "cd")
    assert np.isnan(found).tolist() == [True, True] + 6 * [False]
    tilted = 2.0 * slope + np.array([100.0, -100.0, *6 * [0.0]])
    assert compared.agreement(tilted, found) == pytest.approx((1.0, 2.0))
    cosine, ratio = compared.agreement(np.array([0.0, 3.0]), np.array([1.0, 0.0]))
    assert (cosine, ratio) == (0.0, 3.0)


class Moments(Surrogate):
    """Lift is linear in the heights of the contour, drag quadratic."""

    labels = ()
    training_range = {}

    def forward(self, batch: Data, *, fields: bool = False) -> Prediction:
        y = batch.pos[:, 1]  # pyright: ignore[reportOptionalSubscript]
        mean = {"cl": batch["alpha_deg"] * y.mean(), "cd": (y**2).mean()[None]}
        return Prediction(mean=mean, std={}, lower={}, upper={}, level=0.9, fields={})


def test_a_surrogates_gradient_is_that_of_the_sections_that_openfoam_sees(
    load, monkeypatch: pytest.MonkeyPatch
) -> None:
    truth, compared = load("_gradient_truth"), load("rans_gradient")
    table, surrogate = truth.read_table(), Moments()
    monkeypatch.setattr(truth, "spread", lambda: np.array(table["spread"]))
    rows = []
    for run in truth.runs():
        angle = torch.tensor([[truth.base_of(run).alpha_deg]]).double()
        conditions = {"alpha_deg": angle, "reynolds": torch.full_like(angle, 1e6)}
        mean = surrogate(sections_batch(truth.moved(run)[None], conditions)).mean
        found = {label: mean[label].item() for label in truth.LABELS}
        rows.append({"base": run.base, "mode": run.mode, "step": run.step, **found})
    theirs = compared.truth({**table, "rows": rows})
    ours = compared.gradients(surrogate, table, 9.0)
    for base in theirs:
        for label in truth.LABELS:
            assert ours[base][label] == pytest.approx(theirs[base][label], abs=1e-9)
    assert compared.scores(ours, theirs) == pytest.approx(dict.fromkeys(SCORES, 1.0))


def test_the_committed_table_answers_without_openfoam(load) -> None:
    truth, compared = load("_gradient_truth"), load("rans_gradient")
    table = truth.read_table()
    assert table["modes"] == list(truth.MODES) and min(table["spread"]) > 0.01
    for base, known in zip(truth.BASES, table["bases"], strict=True):
        assert (base.name, base.alpha_deg, base.reynolds) == (
            known["name"],
            known["alpha_deg"],
            known["reynolds"],
        )
        assert base.vector == pytest.approx(np.array(known["vector"]), abs=1e-8)
    theirs = compared.truth(table)
    assert np.isfinite(np.concatenate([labels["cd"] for labels in theirs.values()])).any()
    found = {"truth": theirs, "half": halved(theirs)}
    result = compared.benchmark("truth", table, theirs, found)
    assert result.value["CD cosine"] == pytest.approx(1.0)
    assert result.peers["half"]["CD norm ratio"] == pytest.approx(0.5)
    assert result.peers["half"]["CL cosine"] == pytest.approx(1.0)
    assert json.loads(json.dumps(to_mapping(result), allow_nan=False))["name"] == "rans-gradient"


def test_a_gradient_of_few_components_is_not_judged(load) -> None:
    compared = load("rans_gradient")
    few = {"a": {"cd": np.array([1.0, 2.0, 3.0, np.nan, np.nan])}}
    with pytest.raises(SystemExit, match="'a': 3.*--solve"):
        compared.judged(few)
    assert compared.judged({**few, "b": {"cd": np.ones(4)}})["b"]["cd"].sum() == 4.0


def halved(found: dict) -> dict:
    """Return gradients of half the size."""
    return {base: {k: 0.5 * g for k, g in labels.items()} for base, labels in found.items()}
