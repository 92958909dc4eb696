"""The trust-region SQP on problems with known solutions, and its curvature estimate."""

import numpy as np
import pytest

from formwright.design.optimise.methods import SQP
from formwright.design.optimise.sqp import Task, minimise, updated


def search(values, jacobian, low, high, start, **more):
    task = Task(values=values, jacobian=jacobian, low=np.array(low), high=np.array(high))
    seen = []
    found = minimise(task, SQP(**more), np.array(start), lambda u: seen.append(u.copy()))
    return (*found, seen)


def rosenbrock(u):
    return np.array([100 * (u[1] - u[0] ** 2) ** 2 + (1 - u[0]) ** 2, u[0] ** 2 + u[1] ** 2])


def rosenbrock_jacobian(u):
    bend = u[1] - u[0] ** 2
    return np.array([[-400 * u[0] * bend - 2 * (1 - u[0]), 200 * bend], [2 * u[0], 2 * u[1]]])


def test_a_curved_valley_on_a_disc():
    u, success, message, _ = search(
        rosenbrock, rosenbrock_jacobian, [-np.inf], [1.0], [0.1, 0.9], tolerance=1e-10
    )
    assert success, message
    np.testing.assert_allclose(u, [0.7864, 0.6177], atol=1e-3)


def test_a_circle_is_followed_in_spite_of_its_bend():
    def values(u):
        return np.array([u[1], (u[0] - 0.5) ** 2 + (u[1] - 0.5) ** 2])

    def jacobian(u):
        return np.array([[0.0, 1.0], [2 * (u[0] - 0.5), 2 * (u[1] - 0.5)]])

    u, success, message, _ = search(values, jacobian, [0.16], [0.16], [0.6, 0.85])
    assert success, message
    np.testing.assert_allclose(u, [0.5, 0.1], atol=2e-3)


def test_a_full_step_is_not_refused_for_the_bend_of_a_constraint():
    """Maratos' problem: 2 (r^2 - 1) - x on the unit circle, whose best is (1, 0).

    The Hessian of the Lagrangian is the identity there, which the search begins with; a full step
    along the tangent raises objective and violation, however near the start.
    """
    corner = np.array([0.4, -0.3])

    def values(u):
        x, square = (u + corner)[0], (u + corner) @ (u + corner)
        return np.array([2.0 * (square - 1.0) - x, square])

    def jacobian(u):
        return np.array([4.0 * (u + corner) - [1.0, 0.0], 2.0 * (u + corner)])

    start = np.array([np.cos(0.4), np.sin(0.4)]) - corner
    u, success, message, seen = search(values, jacobian, [1.0], [1.0], start, radius=0.5)
    assert success, message
    away = [float(np.linalg.norm(at + corner - [1.0, 0.0])) for at in seen]
    assert away[0] < 0.1 and away[1] < 0.01, away


def test_iterates_stay_in_the_box_and_steps_in_the_region():
    _, _, _, seen = search(
        rosenbrock, rosenbrock_jacobian, [-np.inf], [1.0], [0.1, 0.9], radius=0.02
    )
    path = np.array([[0.1, 0.9], *seen])
    assert (path >= 0).all() and (path <= 1).all()
    assert np.abs(path[1] - path[0]).max() <= 0.02 + 1e-9


def test_the_end_of_the_iterations_is_said():
    _, success, message, seen = search(
        rosenbrock, rosenbrock_jacobian, [-np.inf], [1.0], [0.1, 0.9], max_iterations=3
    )
    assert not success and message == "stopped after 3 iterations" and len(seen) <= 3


def test_what_cannot_be_met_is_said_at_the_nearest_point():
    u, success, message, _ = search(rosenbrock, rosenbrock_jacobian, [3.0], [4.0], [0.1, 0.9])
    assert not success and message.startswith("no step brings it closer to feasible")
    np.testing.assert_allclose(u, [1.0, 1.0], atol=1e-6)


@pytest.mark.parametrize("curvature", [2.0, -3.0])
def test_the_curvature_estimate_stays_positive_definite(curvature):
    s = np.array([0.3, -0.1, 0.2])
    new = updated(np.eye(3), s, curvature * s)
    assert np.linalg.eigvalsh(new).min() > 0
    if curvature > 0:
        np.testing.assert_allclose(new @ s, curvature * s, atol=1e-12)
