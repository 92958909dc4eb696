from __future__ import annotations

import copy
import dataclasses

import numpy as np
import pytest
import torch

from formwright.datasets.airfoils.polar_data import Polars
from formwright.datasets.errors import CheckpointError, UnknownNameError
from formwright.surrogate import zoo
from formwright.surrogate.airfoils.finetune import (
    FinetuneConfig,
    calibrate,
    finetune,
    fit_heads,
    fit_pressure,
    labelled,
    residuals,
)
from formwright.surrogate.airfoils.kind import score
from formwright.surrogate.airfoils.polar import LABELS, PolarConfig, PolarSurrogate
from formwright.surrogate.checkpoints import load_tensors, save_tensors
from formwright.surrogate.pretraining.pretrain import NETWORK
from formwright.surrogate.training.loop import TrainConfig

CONFIG = PolarConfig(encoder_hidden=(32,), embedding=8, hidden=24, layers=1)


def polars(sections: int = 40, points: int = 6, seed: int = 0) -> Polars:
    """Polars of thin-airfoil flavour: smooth in camber, thickness, incidence, Reynolds number."""
    rng = np.random.default_rng(seed)
    thick, camber = rng.uniform(0.12, 0.25, sections), rng.uniform(0, 0.05, sections)
    cst = np.concatenate(
        [
            np.repeat((camber - thick)[:, None], 8, 1),
            np.repeat((camber + thick)[:, None], 8, 1),
            np.zeros((sections, 2)),
        ],
        1,
    )
    section = np.repeat(np.arange(sections), points)
    alpha = rng.uniform(-5, 10, len(section))
    reynolds = np.exp(rng.uniform(np.log(1e5), np.log(5e6), len(section)))
    cl = 0.11 * alpha + 8 * camber[section]
    cd = 0.008 * (1 + cl**2) * (reynolds / 1e6) ** -0.2
    labels = {
        "cl": cl,
        "cd": cd,
        "cm": -2 * camber[section],
        "xtr_top": np.clip(0.5 - 0.04 * alpha, 0, 1),
        "xtr_bottom": np.clip(0.5 + 0.04 * alpha, 0, 1),
    }
    cp = np.where((np.arange(len(section)) % 2)[:, None] == 0, -cl[:, None] * np.ones(32), np.nan)
    return Polars(
        case_ids=tuple(map(str, range(sections))),
        names=tuple(map(str, range(sections))),
        splits=("train",) * sections,
        families=(("a",),) * sections,
        cst=cst,
        section=section,
        conditions={
            "alpha_deg": alpha,
            "reynolds": reynolds,
            "ncrit": np.full(len(section), 9.0),
            "mach": np.zeros(len(section)),
        },
        labels=labels,
        converged=np.ones(len(section), dtype=bool),
        fields={"cp_top": cp, "cp_bottom": -cp},
    )


def config(steps: int) -> FinetuneConfig:
    return FinetuneConfig(
        batch_sections=16, train=TrainConfig(steps=steps, learning_rate=5e-3, ema_decay=0.95)
    )


@pytest.fixture(scope="module")
def trained() -> PolarSurrogate:
    torch.manual_seed(0)
    surrogate = PolarSurrogate(CONFIG)
    finetune(surrogate, labelled(surrogate, polars()), config(250), progress=False)
    return surrogate


def test_labels_survive_the_scale_of_training():
    surrogate, data = PolarSurrogate(CONFIG), polars(5)
    points = labelled(surrogate, data)
    back = (points.targets * surrogate.scale + surrogate.centre).numpy()
    assert back[:, 0] == pytest.approx(data.labels["cl"], abs=1e-6)
    assert np.exp(back[:, 1]) == pytest.approx(data.labels["cd"], rel=1e-5)


def test_batch_takes_the_points_of_the_sections_asked_for():
    points = labelled(PolarSurrogate(CONFIG), polars(6, 4))
    batch, rows = points.batch(torch.tensor([4, 1]))
    assert rows.tolist() == [16, 17, 18, 19, 4, 5, 6, 7]
    assert batch.condition_batch.tolist() == [0] * 4 + [1] * 4
    assert torch.equal(batch.rings[1], points.rings[1])
    assert torch.equal(batch.alpha_deg, points.conditions[rows, 0])


def test_it_learns_what_it_has_not_seen(trained):
    data = polars(30, seed=1)
    error = residuals(trained, labelled(trained, data))[0].detach().mean(0) * trained.scale
    spread = [data.labels["cl"].std(), np.log(data.labels["cd"]).std(), data.labels["cm"].std()]
    assert (error[:3].numpy() < 0.2 * np.array(spread)).all()


def test_pressure_is_learned_from_the_points_that_have_it(trained):
    points = labelled(trained, polars(10, seed=2))
    batch, rows = points.batch(torch.arange(10))
    said = trained(batch, fields=True).fields["cp_top"].detach()
    assert points.cp is not None
    known = points.cp[rows][:, 0].isfinite().all(-1)
    assert 0 < known.sum() < len(known)
    assert (said - points.cp[rows][:, 0])[known].abs().mean() < 0.15


def test_fitted_pressure_has_the_least_squares_and_labels_stay(trained):
    surrogate = copy.deepcopy(trained)
    points = labelled(surrogate, polars(30, seed=5))
    batch, rows = points.batch(torch.arange(30))
    assert points.cp is not None
    known = points.cp[rows].isfinite().flatten(1).all(1)

    def square_error(model: PolarSurrogate) -> float:
        said = model.pressures(model.network(batch)[known])
        return float((said - points.cp[rows][known]).square().mean())

    with torch.no_grad():
        before, labels = square_error(surrogate), surrogate.means(surrogate.network(batch))
        fit_pressure(surrogate, points)
        least = square_error(surrogate)
        assert least < 0.5 * before
        assert torch.equal(surrogate.means(surrogate.network(batch)), labels)
        surrogate.pressure.weight += 1e-2 * torch.randn(surrogate.pressure.weight.shape)
        assert square_error(surrogate) > least


def test_linear_heads_are_ridge_regression_on_the_trunk(trained):
    surrogate, points = copy.deepcopy(trained), labelled(trained, polars(60, seed=6))
    points.targets[::7, 1] = torch.nan
    fit_heads(surrogate, points, ridge=1e-12)
    batch, rows = points.batch(torch.arange(60))
    with torch.no_grad():
        vector = surrogate.network(batch).double()
        own, twin = vector.chunk(2, -1)
        said = surrogate.double().means(vector)
    known = points.targets[rows, 1].isfinite()
    even = torch.cat([0.5 * (own + twin), torch.ones(len(own), 1, dtype=torch.float64)], 1)[known]
    cd = points.targets[rows, 1:2][known].double()
    best = even @ torch.linalg.lstsq(even, cd, driver="gelsd").solution
    assert float((said[known, 1:2] - best).abs().max()) < 1e-3
    assert float((said[known, 1:2] - cd).square().mean()) < 1.001 * float(
        (best - cd).square().mean()
    )


def test_fine_tuning_may_begin_with_the_linear_read_out(trained):
    settings = dataclasses.replace(config(1), linear_first=True)
    points, losses = labelled(trained, polars(60, seed=7)), {}
    for linear in (False, True):
        surrogate = copy.deepcopy(trained)
        for head in (surrogate.turns, surrogate.keeps, surrogate.side):
            head.reset_parameters()
        settings = dataclasses.replace(config(1), linear_first=linear)
        losses[linear] = finetune(surrogate, points, settings, progress=False).history[-1]["loss"]
    assert losses[True] < 0.5 * losses[False]


def test_without_pressures_the_head_stays(trained):
    surrogate = copy.deepcopy(trained)
    data = dataclasses.replace(polars(5), fields={})
    fit_pressure(surrogate, labelled(surrogate, data))
    assert torch.equal(surrogate.pressure.weight, trained.pressure.weight)


def test_intervals_cover_what_they_promise(trained):
    calibrate(trained, labelled(trained, polars(200, seed=3)), level=0.8)
    error, expected = residuals(trained, labelled(trained, polars(200, seed=4)))
    inside = (error < expected * trained.calibration).double().mean(0)
    assert ((inside > 0.74) & (inside < 0.86)).all(), inside


def test_coverage_is_the_share_inside_the_whole_interval(trained):
    """Labels at .6 of the half width lie inside, at 1.5 outside; of the drag in its logarithm."""
    data = polars(5, points=4, seed=3)
    conditions = [data.conditions[name] for name in ("alpha_deg", "reynolds", "ncrit")]
    said = trained.predict_rows(list(data.cst), data.section, *conditions)
    off = 1.6448536 * np.tile([0.6, -0.6, 0.6, 1.5], 5)
    labels = {name: said[name] + off * said[f"{name}_std"] for name in LABELS}
    labels["cd"] = said["cd"] * np.exp(off * said["cd_std"] / said["cd"])
    scores = score(trained, dataclasses.replace(data, labels=labels))
    assert scores.coverage == dict.fromkeys(LABELS, 0.75)


def test_missing_labels_are_left_out():
    torch.manual_seed(0)
    surrogate, data = PolarSurrogate(CONFIG), polars(20)
    data.labels["cm"][::2] = np.nan
    result = finetune(surrogate, labelled(surrogate, data), config(5), progress=False)
    assert all(np.isfinite(line["loss"]) for line in result.history)
    assert all(p.isfinite().all() for p in surrogate.parameters())


def test_saved_and_loaded_it_says_the_same(trained, tmp_path):
    zoo.save(trained, tmp_path / zoo.FILE, {"points": 240})
    again = zoo.load(tmp_path)
    conditions = {"alpha_deg": [1.0, 3.0], "reynolds": 1e6}
    before, after = (s.predict("naca4412", **conditions) for s in (trained, again))
    assert all(np.array_equal(before[label], after[label]) for label in LABELS)
    assert not any(p.requires_grad for p in again.parameters())


def test_names_and_files_that_do_not_fit_are_refused(tmp_path):
    with pytest.raises(UnknownNameError, match="Did you mean 'airfoil-polar'"):
        zoo.load("airfoil-polr")
    save_tensors(tmp_path / zoo.FILE, {"a": torch.zeros(1)}, {"kind": "flows"})
    with pytest.raises(CheckpointError, match="flows"):
        zoo.load(tmp_path)


def test_the_shipped_network_begins_a_fine_tuning_and_folders_do_too(tmp_path):
    network = zoo.load("airfoil-encoder")
    surrogate = PolarSurrogate(network=network)
    points = labelled(surrogate, polars(30))
    settings = dataclasses.replace(config(3), linear_first=True)
    result = finetune(surrogate, points, settings, progress=False)
    assert np.isfinite(result.history[-1]["loss"])
    zoo.save(
        zoo.load("airfoil-encoder"), tmp_path / NETWORK, kind="polar", architecture=PolarConfig()
    )
    again, shipped = zoo.load(tmp_path), zoo.load("airfoil-encoder")
    batch, _ = points.batch(torch.arange(4))
    assert torch.equal(again(batch), shipped(batch))
    with pytest.raises(UnknownNameError, match="Did you mean 'airfoil-encoder'"):
        zoo.load("airfoil-encodr")


def test_a_network_survives_the_disk(tmp_path):
    torch.manual_seed(3)
    network = CONFIG.network()
    zoo.save(network, tmp_path / NETWORK, {"flows": 3}, kind="polar", architecture=CONFIG)
    tensors, header = load_tensors(tmp_path / NETWORK)
    assert header["provenance"] == {"flows": 3} and header["kind"] == "network"
    assert all(torch.equal(value, network.state_dict()[name]) for name, value in tensors.items())
