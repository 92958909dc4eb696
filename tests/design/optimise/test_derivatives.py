"""The Jacobian by repeated designs: against finite differences and against plain autograd."""

import numpy as np
import pytest
import torch

from formwright.design.objectives import weighted_drag, weighted_lift_to_drag
from formwright.design.optimise.derivatives import Derivatives
from formwright.design.problem import Problem, evaluate

W = (1.0, 2.0, 3.0)


@pytest.fixture
def problem(space, surrogate, every_constraint):
    return Problem(
        space=space,
        surrogate=surrogate,
        objective=weighted_drag(W),
        constraints=every_constraint,
    )


@pytest.fixture
def x(start):
    return start + 0.003 * torch.sin(torch.arange(len(start), dtype=torch.float64))


def test_jacobian_agrees_with_finite_differences(problem, x):
    derivatives, at = Derivatives(problem), x.numpy()
    exact = derivatives.jacobian(at)
    for i in range(len(at)):
        step = np.zeros_like(at)
        step[i] = 1e-6
        slope = (derivatives.values(at + step) - derivatives.values(at - step)) / 2e-6
        np.testing.assert_allclose(exact[:, i], slope, atol=2e-6 * max(1.0, abs(slope).max()))


def test_jacobian_is_that_of_plain_autograd(problem, x):
    def rows(x):
        found = evaluate(problem, x[None])
        return torch.cat([found.objective, found.constraints[0]])

    plain = torch.autograd.functional.jacobian(rows, x)
    ours = Derivatives(problem).jacobian(x.numpy())
    np.testing.assert_allclose(ours, plain.numpy(), atol=1e-11)


def test_an_objective_alone_needs_no_constraints(space, surrogate, x):
    problem = Problem(space=space, surrogate=surrogate, objective=weighted_lift_to_drag(W))
    leaf = x.clone().requires_grad_(True)
    plain = torch.autograd.grad(evaluate(problem, leaf[None]).objective.sum(), leaf)[0]
    ours = Derivatives(problem).jacobian(x.numpy())
    assert ours.shape == (1, len(x))
    np.testing.assert_allclose(ours[0], plain.numpy(), atol=1e-10)


def test_an_objective_of_geometry_alone_runs_no_surrogate_gradient(space, surrogate, x):
    problem = Problem(
        space=space,
        surrogate=surrogate,
        objective=lambda p, case: case.weights.square().sum((1, 2)),
    )
    ours = Derivatives(problem).jacobian(x.numpy())[0]
    np.testing.assert_allclose(ours[:16], 2 * x.numpy()[:16], atol=1e-14)
    np.testing.assert_array_equal(ours[16:], 0.0)


def test_the_last_design_is_remembered(problem, x):
    derivatives = Derivatives(problem)
    derivatives.values(x.numpy())
    derivatives.jacobian(x.numpy())
    derivatives.values(x.numpy())
    assert derivatives.evaluations == 1
    derivatives.values(x.numpy() + 1e-6)
    assert derivatives.evaluations == 2


def test_gradients_off(problem, x):
    with torch.no_grad():
        inside = Derivatives(problem).jacobian(x.numpy())
    np.testing.assert_array_equal(inside, Derivatives(problem).jacobian(x.numpy()))
