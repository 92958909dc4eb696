from __future__ import annotations

import numpy as np
import pytest
import torch

from formwright.datasets.airfoils.sections import naca
from formwright.datasets.cases import sections_batch
from formwright.datasets.errors import ConditionError, OutOfRangeWarning
from formwright.surrogate import zoo
from formwright.surrogate.rans.wall.cases import WallCases
from formwright.surrogate.rans.wall.flow import wall_flow
from formwright.surrogate.rans.wall.network import WallNet
from formwright.surrogate.rans.wall.surrogate import RansConfig, RansSurrogate
from formwright.surrogate.rans.wall.training import (
    WallTraining,
    calibrate_rans,
    coverage,
    finetune_rans,
    train_wall,
    wall_errors,
)
from formwright.surrogate.training.loop import TrainConfig

CONFIG = RansConfig(channels=8, blocks=3, hidden=16, members=2)
NAMES = ("1410", "2412", "4415", "6409")


def batch(names=NAMES, turned: bool = False):
    pos = torch.stack([naca(name, points_per_side=60).pos for name in names])
    alpha = torch.tensor([[-1.0, 4.0]]).expand(len(names), -1).double()
    if turned:
        pos, alpha = pos.flip(1) * torch.tensor([1.0, -1.0]), -alpha
    reynolds = torch.tensor([[2e6, 5e6]]).expand(len(names), -1).double()
    return sections_batch(pos, {"alpha_deg": alpha, "reynolds": reynolds})


@pytest.fixture(scope="module")
def drawn() -> RansSurrogate:
    """A surrogate with random weights that corrects by a little."""
    torch.manual_seed(0)
    made = RansSurrogate(CONFIG, polar=zoo.load("airfoil-polar"))
    for member in made.members:
        for layer in (member.of_station, member.of_forces):
            torch.nn.init.normal_(layer.weight, std=0.3)
    return made.eval()


@pytest.fixture(scope="module")
def shipped() -> RansSurrogate:
    return zoo.load("rans-2d")


def cases(drawn: RansSurrogate) -> WallCases:
    """Points whose truth is another random correction."""
    with torch.no_grad():
        flow = wall_flow(drawn.polar, batch()).float()
        said = drawn.predict_walls(flow)
    return WallCases(flow=flow, cp=said.cp, forces=said.forces)


def test_untrained_it_says_what_the_polar_says(drawn):
    flow = wall_flow(drawn.polar, batch())
    said = RansSurrogate(CONFIG, polar=drawn.polar).predict_walls(flow)
    assert torch.equal(said.forces, flow.forces)
    assert torch.equal(said.cp, flow.cp)


def test_mirrored_cases_have_mirrored_answers(drawn):
    with torch.no_grad():
        own, twin = drawn(batch(), fields=True), drawn(batch(turned=True), fields=True)
    for name, sign in (("cl", -1), ("cd", 1), ("cm", -1)):
        assert torch.allclose(own.mean[name], sign * twin.mean[name], atol=2e-6)
        assert torch.allclose(own.std[name], twin.std[name], atol=2e-6)
    assert torch.allclose(own.fields["cp_top"], twin.fields["cp_bottom"], atol=1e-4)


def test_a_batch_says_what_its_cases_say(drawn):
    with torch.no_grad():
        together = drawn(batch()).mean["cd"]
        apart = torch.cat([drawn(batch((name,))).mean["cd"] for name in NAMES])
    assert torch.allclose(together, apart, rtol=1e-5)


def test_the_interval_is_that_of_the_deviation(drawn):
    with torch.no_grad():
        said = drawn(batch())
    assert (said.lower["cd"] < said.mean["cd"]).all() and (said.lower["cd"] > 0).all()
    half = 0.5 * (said.upper["cl"] - said.lower["cl"])
    assert torch.allclose(half, 1.6448536 * said.std["cl"])


def test_gradients_to_contour_and_incidence_are_those_of_finite_differences():
    exact = zoo.load("rans-2d").double()
    base = naca("2412", points_per_side=60).pos[None].double()
    bump = torch.zeros_like(base)
    bump[0, 20:40, 1] = torch.hann_window(20, periodic=False).double()

    def drag(x: torch.Tensor) -> torch.Tensor:
        conditions = {
            "alpha_deg": 3.0 + x[1].reshape(1, 1),
            "reynolds": torch.full((1, 1), 3e6).double(),
        }
        return exact(sections_batch(base + x[0] * bump, conditions)).mean["cd"].log()

    at = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(drag(at).sum(), at)
    for i, step in enumerate((1e-6, 1e-4)):  # between the kinks of a piecewise network
        move = torch.zeros(2, dtype=torch.float64)
        move[i] = step
        with torch.no_grad():
            numeric = float((drag(move) - drag(-move)).sum() / (2 * step))
        assert float(slope[i]) == pytest.approx(numeric, rel=1e-4)


def test_training_brings_a_network_to_another(drawn):
    known = cases(drawn)
    torch.manual_seed(5)
    network = CONFIG.network()
    before = wall_errors([network], known)
    settings = TrainConfig(steps=150, learning_rate=1e-2, warmup_steps=5, threads=1)
    train_wall(network, known, WallTraining(train=settings), progress=False)
    after = wall_errors([network], known)
    for name in ("cd", "cp"):
        assert after[name].mean() < 0.5 * before[name].mean()


def test_members_differ_by_seed_and_the_start_stays(drawn):
    known = cases(drawn)
    start = CONFIG.network()
    weights = {name: value.clone() for name, value in start.state_dict().items()}
    made = RansSurrogate(CONFIG, polar=drawn.polar)
    settings = WallTraining(batch_points=4, train=TrainConfig(steps=3, threads=1))
    finetune_rans(made, start, known, settings)
    first, second = (member.of_forces.weight for member in made.members)
    assert not torch.equal(first, second)
    assert all(torch.equal(value, weights[name]) for name, value in start.state_dict().items())


def test_calibrated_intervals_hold_their_share(drawn):
    known = cases(drawn)
    noise = torch.Generator().manual_seed(0)
    off = 0.05 * torch.randn(len(known), 3, generator=noise)
    noisy = WallCases(flow=known.flow, cp=known.cp, forces=known.forces + off)
    made = RansSurrogate(CONFIG, polar=drawn.polar)
    made.load_state_dict(drawn.state_dict())
    calibrate_rans(made, noisy, level=0.75)
    with torch.no_grad():
        said = made.predict_walls(noisy.flow)
    inside = ((said.forces - noisy.forces).abs() <= made.half_widths(said) + 1e-6).float().mean(0)
    assert torch.equal(inside, torch.full((3,), 7 / 8))
    assert torch.equal(coverage(made, noisy), inside)


def test_the_shipped_surrogate_is_near_rans_of_naca0012(shipped):
    said = shipped.predict_rows(
        ["naca0012"], np.zeros(2, int), np.array([0.0, 10.0]), np.full(2, 6e6)
    )
    assert abs(said["cl"][0]) < 1e-5
    assert said["cl"][1] == pytest.approx(1.065, rel=0.03)
    assert said["cd"] == pytest.approx([0.0079, 0.0126], rel=0.08)
    assert set(said) == {"cl", "cd", "cm", "cl_std", "cd_std", "cm_std", "support"}


def test_rows_of_unequal_contours_say_what_each_says_alone(shipped):
    sections = [naca("2412", points_per_side=60), naca("23015", points_per_side=90)]
    index, alpha, speed = np.array([1, 0, 1]), np.array([1.0, 2.0, 3.0]), np.full(3, 3e6)
    table = shipped.predict_rows(sections, index, alpha, speed)
    for row in range(3):
        alone = shipped.predict_rows(
            [sections[index[row]]], np.zeros(1, int), alpha[row : row + 1], speed[:1]
        )
        assert table["cd"][row] == pytest.approx(alone["cd"][0], rel=1e-4)


def test_sections_and_conditions_broadcast(shipped):
    said = shipped.predict(["naca2412", "e387"], alpha_deg=[0.0, 2.0, 4.0], reynolds=3e6)
    assert said["cl"].shape == said["cd_std"].shape == (2, 3)
    alone = shipped.predict("e387", alpha_deg=2.0, reynolds=3e6)
    assert said["cd"][1, 1] == pytest.approx(float(alone["cd"]), rel=1e-5)
    with pytest.raises(ConditionError, match="do not broadcast"):
        shipped.predict("e387", alpha_deg=[0.0, 1.0], reynolds=[1e6, 2e6, 3e6])


def test_conditions_are_refused_or_warned_of(shipped):
    one = np.zeros(1, int)
    with pytest.warns(OutOfRangeWarning, match="reynolds: 1 of 1 points"):
        shipped.predict_rows(["naca0012"], one, np.zeros(1), np.array([1e5]))
    turn = np.deg2rad(6.0)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    down = naca("0012").pos.numpy() @ matrix @ matrix
    with pytest.warns(OutOfRangeWarning, match="own axes: 1 of 1 .* 22 .. 22"):
        shipped.predict_rows([down], one, np.array([10.0]), np.array([3e6]))
    with pytest.raises(ConditionError, match="reynolds = -1"):
        shipped.predict_rows(["naca0012"], one, np.zeros(1), np.array([-1.0]))


def test_the_pretrained_network_is_shipped():
    for name in ("turbulent-wall", "rans-wall"):
        assert isinstance(zoo.load(name), WallNet)


def test_predict_has_intervals_pressures_and_flags(shipped):
    pos = naca("2412", points_per_side=60).pos
    alpha = torch.tensor([[0.0, 4.0]]).double()
    with torch.no_grad():
        conditions = {"alpha_deg": alpha, "reynolds": torch.full((1, 2), 3e6).double()}
        want = shipped(sections_batch(pos[None], conditions), fields=True)
    said = shipped.predict(pos, alpha_deg=[0.0, 4.0], reynolds=3e6, fields=True)
    for name in ("cl", "cd", "cm"):
        assert said.lower[name] == pytest.approx(want.lower[name].numpy(), rel=1e-4, abs=1e-5)
        assert said.upper[name] == pytest.approx(want.upper[name].numpy(), rel=1e-4, abs=1e-5)
    np.testing.assert_allclose(said["cp_top"], want.fields["cp_top"].numpy(), atol=1e-3)
    assert said["cp_bottom"].shape == (2, 32) and said.flags.tolist() == ["", ""]
    with pytest.warns(OutOfRangeWarning):
        far = shipped.predict("naca2412", alpha_deg=30.0, reynolds=3e6)
    assert far.shape == () and "alpha_deg = 30" in far.flags.item()


def test_no_rows_have_the_same_columns(shipped):
    nothing = shipped.predict([], alpha_deg=[0.0, 2.0], reynolds=3e6, fields=True)
    one = shipped.predict("naca2412", alpha_deg=0.0, reynolds=3e6, fields=True)
    assert list(nothing) == list(one) and nothing["cl"].shape == (0, 2)
    none = np.zeros(0)
    assert shipped.predict_rows([], np.zeros(0, int), none, none)["cd_std"].shape == (0,)
