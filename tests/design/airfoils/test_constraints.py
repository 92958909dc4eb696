"""Constraints: their values, what they refuse, and their gradients to the parameters."""

import pytest
import torch

from formwright.datasets.errors import ConfigError
from formwright.design.airfoils import constraints as c
from formwright.design.airfoils.specs import ConstraintKind, ConstraintSpec
from formwright.design.constraint import stacked
from formwright.design.objectives import weighted_drag
from formwright.design.problem import Problem, evaluate, limits, names


def test_all_constraints_have_exact_gradients(space, surrogate, start, every_constraint):
    def values(x):
        case = space.decode(x)
        return stacked(every_constraint, surrogate(case), case)

    x = (start + 0.003 * torch.sin(torch.arange(len(start), dtype=torch.float64)))[None]
    assert torch.autograd.gradcheck(values, x.requires_grad_(True), eps=1e-7, atol=1e-4)


def test_a_batch_is_its_designs_one_by_one(space, surrogate, start, every_constraint):
    x = torch.stack([start, start * 1.1, start * 0.9])
    rows = every_constraint

    def values(x):
        case = space.decode(x)
        return stacked(rows, surrogate(case), case)

    one_by_one = torch.cat([values(row[None]) for row in x])
    torch.testing.assert_close(values(x), one_by_one, atol=1e-12, rtol=0.0)


def test_the_deviation_of_the_drag_is_bounded_as_a_share_and_that_of_others_as_it_is(
    space, surrogate, start
):
    case = space.decode(start[None])
    said = surrogate(case)
    share = ConstraintSpec(kind=ConstraintKind.CONFIDENCE, upper=0.05).build(case)
    found = share.values(said, case)
    torch.testing.assert_close(found[0], said.std["cd"] / said["cd"])
    assert share.upper == 0.05 and (found > 0.019).all()
    lift = ConstraintSpec(kind=ConstraintKind.CONFIDENCE, label="cl", upper=0.05).build(case)
    torch.testing.assert_close(lift.values(said, case)[0], said.std["cl"])


def test_thickness_by_matrix_is_thickness_by_interpolation(space, surrogate, start):
    case = space.decode(start[None])
    prediction = surrogate(case)
    constraint = c.thickness(0.33, lower=0.1)
    fast = constraint.values(prediction, case)
    del case.abscissae
    slow = constraint.values(prediction, case)
    torch.testing.assert_close(fast, slow, atol=1e-12, rtol=0.0)
    assert float(fast.detach()) == pytest.approx(0.119, abs=1.5e-3)


def test_violation_is_measured_in_scales(space, surrogate, start):
    thick = c.thickness(0.33, lower=0.139)
    problem = Problem(
        space=space,
        surrogate=surrogate,
        objective=weighted_drag((1.0, 1.0, 1.0)),
        constraints=(thick,),
    )
    evaluation = evaluate(problem, start[None])
    bounds = limits(problem, evaluation)
    expected = (0.139 - evaluation.constraints[0, 0]) / 0.01
    torch.testing.assert_close(bounds.violation(evaluation.constraints)[0], expected)


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        ({}, "neither a lower nor an upper"),
        ({"lower": 1.0, "upper": 0.5}, "cannot be met"),
        ({"lower": (0.0, 1.0), "upper": (2.0, 0.5)}, "cannot be met"),
        ({"lower": (0.0, 1.0), "upper": (2.0, 2.0, 2.0)}, "2 lower and 3 upper"),
        ({"lower": 0.0, "scale": 0.0}, "not positive"),
    ],
)
def test_bounds_that_cannot_be_are_refused(bounds, message):
    with pytest.raises(ConfigError, match=message):
        c.Constraint(name="x", function=lambda p, case: case.alpha_deg, **bounds)


def test_a_wrong_number_of_bounds_is_refused(space, surrogate, start):
    wrong = c.label_between("cm", lower=(0.0, 0.1))
    problem = Problem(
        space=space,
        surrogate=surrogate,
        objective=weighted_drag((1.0, 1.0, 1.0)),
        constraints=(wrong,),
    )
    with pytest.raises(ConfigError, match="2 bounds for 3 values"):
        limits(problem, evaluate(problem, start[None]))


def test_two_constraints_of_one_name_are_refused():
    with pytest.raises(ConfigError, match="two constraints are named 'cm'"):
        names((c.label_between("cm", lower=0.0), c.label_between("cm", upper=1.0)))
