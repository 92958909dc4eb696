from __future__ import annotations

import copy
import warnings
from contextlib import nullcontext

import numpy as np
import pytest
import torch

import formwright
from formwright.datasets.airfoils.cst import coordinates
from formwright.datasets.airfoils.sections import database, load_section, write_dat
from formwright.datasets.cases import sections_batch
from formwright.datasets.errors import (
    ConditionError,
    OutOfRangeWarning,
    SectionError,
    SectionWarning,
    UnknownNameError,
)
from formwright.surrogate.airfoils.polar import LABELS, PolarConfig, PolarSurrogate
from formwright.surrogate.checkpoints import load_tensors, save_tensors
from formwright.surrogate.table import PARTS

VECTOR = np.array([-0.12] * 8 + [0.2] * 8 + [0.01, 0.002])


@pytest.fixture(scope="module")
def shipped() -> PolarSurrogate:
    return formwright.load("airfoil-polar")


@pytest.fixture(scope="module")
def small() -> PolarSurrogate:
    torch.manual_seed(0)
    config = PolarConfig(encoder_hidden=(24,), embedding=8, hidden=16, layers=2)
    return PolarSurrogate(config).double().eval()


def polar_batch(w: torch.Tensor, alpha: torch.Tensor, reynolds: float = 1e6):
    conditions = {"alpha_deg": alpha, "reynolds": torch.full_like(alpha, reynolds)}
    return sections_batch(coordinates(w), conditions)


def test_mirror_is_exact(shipped):
    double = formwright.load("airfoil-polar").double()
    w = torch.from_numpy(VECTOR)[None]
    turned = torch.cat([-w[:, 8:16], -w[:, :8], -w[:, 16:17], w[:, 17:]], 1)
    alpha = torch.linspace(-8, 14, 12, dtype=torch.float64)[None]
    a = double(polar_batch(w, alpha), fields=True)
    b = double(polar_batch(turned, -alpha), fields=True)
    for label in ("cl", "cm"):
        torch.testing.assert_close(b[label], -a[label], rtol=0, atol=1e-12)
    torch.testing.assert_close(b["cd"], a["cd"], rtol=1e-12, atol=0)
    torch.testing.assert_close(b["xtr_top"], a["xtr_bottom"], rtol=0, atol=1e-12)
    torch.testing.assert_close(b.fields["cp_top"], a.fields["cp_bottom"], rtol=0, atol=1e-12)
    torch.testing.assert_close(b.std["cl"], a.std["cl"], rtol=1e-12, atol=0)
    torch.testing.assert_close(b.support, a.support, rtol=1e-12, atol=0)


def test_symmetric_section_at_zero_incidence_has_no_lift(shipped):
    answer = shipped.predict("naca0012", alpha_deg=0.0, reynolds=1e6)
    assert abs(answer["cl"]) < 1e-6
    assert abs(answer["cm"]) < 1e-6
    assert answer["xtr_top"] == pytest.approx(answer["xtr_bottom"], abs=1e-6)


def test_batch_equals_loop(small):
    w = torch.from_numpy(VECTOR) + 0.02 * torch.randn(4, 18, dtype=torch.float64).index_fill(
        1, torch.tensor([17]), 0.0
    )
    alpha = torch.linspace(-4, 10, 5, dtype=torch.float64).expand(4, 5)
    together = small(polar_batch(w, alpha))
    for i in range(4):
        alone = small(polar_batch(w[i : i + 1], alpha[i : i + 1]))
        for label in LABELS:
            torch.testing.assert_close(
                together[label][5 * i : 5 * i + 5], alone[label], rtol=0, atol=1e-12
            )


def test_gradients_agree_with_finite_differences(small):
    w = torch.from_numpy(VECTOR)[None].requires_grad_()
    alpha = torch.tensor([[3.0, 7.0]], dtype=torch.float64).requires_grad_()

    def answers(w, alpha):
        said = small(polar_batch(w, alpha))
        return said["cl"], said["cd"], said["cm"], said.std["cl"]

    assert torch.autograd.gradcheck(answers, (w, alpha), eps=1e-6, atol=1e-7)


def test_the_deviation_of_the_drag_is_its_share_times_the_drag(shipped):
    pos, alpha = load_section("naca2412").pos, [0.0, 4.0, 14.0]
    batch = {"alpha_deg": torch.tensor([alpha]).double(), "reynolds": torch.full((1, 3), 1e6)}
    said = shipped(sections_batch(pos[None], batch))
    share = (said.upper["cd"] / said.lower["cd"]).log() / (2 * 1.6448536)
    torch.testing.assert_close(said.std["cd"], share * said["cd"], rtol=1e-5, atol=0.0)
    conditions = np.array(alpha), np.full(3, 1e6), np.full(3, 9.0)
    rows = shipped.predict_rows([pos.numpy()], np.zeros(3, int), *conditions)
    for label in LABELS:
        assert rows[f"{label}_std"] == pytest.approx(said.std[label].numpy(), rel=1e-3)


def test_every_entry_agrees(shipped, tmp_path):
    section = load_section("naca2412")
    path = tmp_path / "mine.dat"
    lines = "\n".join(f"{x:.7f} {y:.7f}" for x, y in section.pos.tolist())
    path.write_text(f"mine\n{lines}\n")
    conditions = {"alpha_deg": [0.0, 4.0], "reynolds": 1e6}
    by_points = shipped.predict([section.pos.numpy()], **conditions)
    by_path = shipped.predict([path], **conditions)
    assert by_path["cl"] == pytest.approx(by_points["cl"], abs=1e-4)
    said = shipped(
        sections_batch(
            section.pos[None],
            {
                "alpha_deg": torch.tensor([conditions["alpha_deg"]], dtype=torch.float64),
                "reynolds": torch.full((1, 2), 1e6, dtype=torch.float64),
            },
        )
    )
    assert by_points["cd"][0] == pytest.approx(said["cd"].numpy(), rel=1e-4)
    vector = shipped.predict([VECTOR], **conditions)
    contour = shipped.predict([coordinates(torch.from_numpy(VECTOR)).numpy()], **conditions)
    assert vector["cl"] == pytest.approx(contour["cl"], abs=8e-3)


def test_incidence_is_that_of_the_file(shipped):
    pos = load_section("naca2412").pos.numpy()
    turn = np.deg2rad(2.0)
    nose_up = pos @ np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    straight = shipped.predict([pos], alpha_deg=4.0, reynolds=1e6)
    turned = shipped.predict([nose_up], alpha_deg=2.0, reynolds=1e6)
    assert turned["cl"] == pytest.approx(straight["cl"], abs=8e-3)


def test_a_section_written_and_read_again_has_the_same_polar(shipped, tmp_path):
    names = [*list(database())[::11], "naca2412", "goe451"]
    for i, name in enumerate(names):
        write_dat(tmp_path / f"{i}.dat", load_section(name))
    conditions = {"alpha_deg": [-2.0, 3.0, 8.0], "reynolds": 1e6}
    before = shipped.predict(names, **conditions)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SectionWarning)
        after = shipped.predict([tmp_path / f"{i}.dat" for i in range(len(names))], **conditions)
    for label in LABELS:
        np.testing.assert_allclose(after[label], before[label], rtol=0.0, atol=1e-6)


@pytest.mark.parametrize("turn_deg", [-6.0, 6.0])
def test_the_range_is_that_of_the_sections_own_axes(shipped, turn_deg):
    turn = np.deg2rad(turn_deg)
    matrix = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    pos = load_section("naca2412").pos.numpy() @ matrix
    own = 14.0 - turn_deg
    words = rf"alpha_deg in the sections' own axes: 1 of 1 .* -11 .. 17 \(seen {own:g}"
    told = pytest.warns(OutOfRangeWarning, match=words) if own > 17.0 else nullcontext()
    with told:
        shipped.predict([pos], alpha_deg=14.0, reynolds=1e6)
    with nullcontext() if own > 17.0 else pytest.warns(OutOfRangeWarning, match="seen 17.5"):
        shipped.predict([pos], alpha_deg=9.0 if own > 17.0 else 23.5, reynolds=1e6)


def test_shapes_broadcast(shipped):
    sections = ["naca0012", "naca4412", VECTOR]
    answer = shipped.predict(sections, alpha_deg=[0, 2, 4, 6], reynolds=[[1e5], [1e6], [5e6]])
    predicted = {f"{label}{end}" for label in LABELS for end in PARTS.values()}
    assert set(answer) == predicted | {"support"}
    assert all(values.shape == (3, 4) for values in answer.values())
    assert np.all(np.isfinite(answer["cl"])) and np.all(answer["cd"] > 0)
    with pytest.raises(ConditionError, match="do not broadcast"):
        shipped.predict(sections, alpha_deg=np.zeros((2, 4)), reynolds=1e6)


def test_it_is_an_airfoil(shipped):
    answer = shipped.predict("naca0012", alpha_deg=[0.0, 4.0], reynolds=6e6)
    slope = (answer["cl"][1] - answer["cl"][0]) / np.deg2rad(4.0)
    assert 5.5 < slope < 7.0
    assert 0.004 < answer["cd"][0] < 0.008


@pytest.mark.parametrize(
    ("conditions", "quoted"),
    [
        ({"alpha_deg": 90.0, "reynolds": 1e6}, "90"),
        ({"alpha_deg": 2.0, "reynolds": -1.0}, "-1"),
        ({"alpha_deg": float("nan"), "reynolds": 1e6}, "nan"),
        ({"alpha_deg": 2.0, "reynolds": 1e6, "ncrit": 0.0}, "ncrit"),
    ],
)
def test_conditions_without_meaning_are_refused(shipped, conditions, quoted):
    with pytest.raises(ConditionError, match=quoted):
        shipped.predict("naca0012", **conditions)


@pytest.mark.parametrize(
    "section",
    [np.full(18, np.nan), np.concatenate([[0.3] * 8, [-0.3] * 8, [0, 0]]), np.zeros((2, 2))],
    ids=["nan", "inside-out", "two points"],
)
def test_sections_that_are_none_are_refused(shipped, section):
    with pytest.raises(SectionError):
        shipped.predict([section], alpha_deg=0.0, reynolds=1e6)


def test_unknown_name_suggests(shipped):
    with pytest.raises(UnknownNameError, match="clarky"):
        shipped.predict("clarkyy", alpha_deg=0.0, reynolds=1e6)


def test_outside_the_training_range_is_predicted_with_a_warning(shipped):
    with pytest.warns(OutOfRangeWarning, match=r"reynolds: 1 of 2 .* 50000 .. 1e\+07"):
        answer = shipped.predict("naca0012", alpha_deg=2.0, reynolds=[1e6, 5e8])
    assert np.all(np.isfinite(answer["cd"]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        shipped.predict("naca0012", alpha_deg=2.0, reynolds=1e6)


def test_robust_far_outside(shipped):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OutOfRangeWarning)
        answer = shipped.predict(
            "naca0012", alpha_deg=np.linspace(-40, 40, 9), reynolds=[1e2] * 8 + [1e10]
        )
    assert all(np.all(np.isfinite(values)) for values in answer.mean.values())
    assert not any(np.isnan(values).any() for values in answer.values())
    assert np.all(answer["cd"] > 0)
    assert np.all((answer["xtr_top"] >= 0) & (answer["xtr_top"] <= 1))


def circle(points: int = 201) -> np.ndarray:
    angle = np.linspace(0.0, 2.0 * np.pi, points)
    return np.stack([0.5 + 0.5 * np.cos(angle), 0.5 * np.sin(angle)], 1)


def test_sections_that_nobody_flies_are_flagged_and_known_ones_are_not(shipped):
    known = ["2412", "e387", "s1223", "clarky", "4415"]
    inside = shipped.predict(known, alpha_deg=[0.0, 6.0], reynolds=1e6)
    assert (inside.support < 1.0).all()
    assert not any(inside.flags.flat)
    for nonsense in (circle(), "naca0045", "fx79w660a"):
        table = shipped.predict(nonsense, alpha_deg=4.0, reynolds=1e6)
        assert float(table.support) > 1.0
        assert "outside of what it learned from" in str(table.flags)
    thick = shipped.predict(["0012", "0040"], alpha_deg=4.0, reynolds=1e6)
    width = thick["cl_upper"] - thick["cl_lower"]
    assert width[1] > 10.0 * width[0]


def test_support_is_one_for_all_ways_of_asking_and_differentiable(shipped):
    surrogate = copy.deepcopy(shipped).double()
    w = torch.from_numpy(VECTOR)[None]
    alpha = torch.tensor([[1.0, 5.0]], dtype=torch.float64)
    case = polar_batch(w, alpha)
    asked = surrogate(case)
    rows = surrogate.predict_rows(
        [VECTOR], np.array([0, 0]), alpha[0].numpy(), *np.array([[1e6, 1e6], [9.0, 9.0]])
    )
    np.testing.assert_allclose(rows["support"], asked.support.numpy(), rtol=1e-4)
    np.testing.assert_allclose(rows["cl_std"], asked.std["cl"].numpy(), rtol=1e-4)
    leaf = alpha.clone().requires_grad_(True)
    surrogate(polar_batch(w, leaf)).support.sum().backward()
    ends = [surrogate(polar_batch(w, alpha + step)).support for step in (1e-5, -1e-5)]
    np.testing.assert_allclose(leaf.grad[0], (ends[0] - ends[1]) / 2e-5, rtol=1e-5)


def test_an_older_file_without_support_loads_and_knows_none(tmp_path, small):
    path = tmp_path / "s.safetensors"
    formwright.save(small.float(), path)
    tensors, header = load_tensors(path)
    old = {name: value for name, value in tensors.items() if "support" not in name.split(".")}
    save_tensors(path, old, header)
    table = formwright.load(path).predict("2412", alpha_deg=1.0, reynolds=1e6)
    assert table.support is None
