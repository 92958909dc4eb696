"""Objectives on predictions that are known."""

import pytest
import torch

from formwright.datasets.errors import UnknownNameError
from formwright.design import objectives

W = (1.0, 2.0, 3.0)


@pytest.fixture
def said(space, surrogate, start):
    case = space.decode(torch.stack([start, start + 0.01]))
    return surrogate(case), case


def test_weighted_drag_is_the_mean_of_w_times_cd(said):
    prediction, case = said
    value = objectives.weighted_drag(W)(prediction, case)
    cd = prediction["cd"].reshape(2, 3)
    torch.testing.assert_close(value, (cd * torch.tensor(W)).sum(1) / 3)


@pytest.mark.parametrize("kind", objectives.ObjectiveKind)
def test_caution_takes_the_bad_side(said, kind):
    prediction, case = said
    build = objectives.OBJECTIVES[kind]
    assert (build(W, 1.0)(prediction, case) > build(W, 0.0)(prediction, case)).all()


def test_lift_to_drag_is_negative_so_that_smaller_is_better(said):
    prediction, case = said
    value = objectives.weighted_lift_to_drag((0.0, 3.0, 0.0))(prediction, case)
    ratio = (prediction["cl"] / prediction["cd"]).reshape(2, 3)[:, 1]
    torch.testing.assert_close(value, -ratio)


def test_lift_error_vanishes_at_the_target(said):
    prediction, case = said
    target = prediction["cl"].reshape(2, 3)[0].tolist()
    value = objectives.lift_error(target, W)(prediction, case)
    assert float(value[0].detach()) == pytest.approx(0.0, abs=1e-15) and value[1] > 0


def test_objectives_combine(said):
    prediction, case = said
    drag, lift = objectives.weighted_drag(W), objectives.weighted_lift(W)
    both = objectives.combined({drag: 2.0, lift: 0.5})(prediction, case)
    expected = 2.0 * drag(prediction, case) + 0.5 * lift(prediction, case)
    torch.testing.assert_close(both, expected)


def test_an_absent_label_is_named(said):
    prediction, case = said
    with pytest.raises(UnknownNameError, match="no label 'clx'.*Did you mean 'cl'"):
        objectives.label(prediction, "clx", case)


@pytest.mark.parametrize("kind", ["worst-drag", "worst-lift-to-drag", "max-lift"])
def test_the_extreme_of_the_points_counts_and_slopes_are_exact(space, surrogate, start, kind):
    value = objectives.OBJECTIVES[objectives.ObjectiveKind(kind)](W, 0.5)

    def of(x):
        case = space.decode(x[None])
        return value(surrogate(case), case)

    x = start.detach().clone().requires_grad_(True)
    assert torch.autograd.gradcheck(of, x, eps=1e-6, atol=1e-6, rtol=1e-3)


def test_the_extreme_is_that_of_the_points(said):
    prediction, case = said
    cd = prediction["cd"].reshape(2, 3) * torch.tensor(W)
    ratio = prediction["cl"].reshape(2, 3) / prediction["cd"].reshape(2, 3)
    lift = prediction["cl"].reshape(2, 3) * torch.tensor(W)
    near = {"rtol": 0.01, "atol": 0.0}
    torch.testing.assert_close(objectives.worst_drag(W)(prediction, case), cd.amax(1), **near)
    worst = objectives.worst_lift_to_drag((1.0, 1.0, 1.0))(prediction, case)
    torch.testing.assert_close(-worst, ratio.amin(1), rtol=0.02, atol=0.0)
    torch.testing.assert_close(-objectives.highest_lift(W)(prediction, case), lift.amax(1), **near)


def test_equal_values_are_their_own_extreme():
    same = torch.full((2, 4), -3.0, dtype=torch.float64)
    torch.testing.assert_close(objectives.largest_of(same), same[:, 0])
