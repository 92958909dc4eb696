"""Quadratic programs: solutions known, optimality conditions, elastic rows."""

import numpy as np
import pytest

from formwright.design.optimise.quadratic import QuadraticProgram, solve

INF = np.inf


def program(hessian, gradient, rows=(), low=(), high=(), box=10.0):
    n = len(gradient)
    return QuadraticProgram(
        hessian=np.array(hessian, dtype=float),
        gradient=np.array(gradient, dtype=float),
        rows=np.array(rows, dtype=float).reshape(-1, n),
        low=np.array(low, dtype=float),
        high=np.array(high, dtype=float),
        left=np.full(n, -box),
        right=np.full(n, box),
    )


def test_without_rows_it_is_newtons_step():
    task = program([[2.0, 0.5], [0.5, 1.0]], [1.0, -1.0])
    expected = np.linalg.solve(task.hessian, -task.gradient)
    np.testing.assert_allclose(solve(task, 1.0).p, expected, atol=1e-7)


def test_the_box_holds():
    np.testing.assert_allclose(solve(program(np.eye(2), [5.0, -5.0], box=1.0), 1.0).p, [-1, 1])


def test_an_equation_is_met_with_its_multiplier():
    found = solve(program(np.eye(2), [0.0, 0.0], [[1.0, 1.0]], [2.0], [2.0]), 100.0)
    np.testing.assert_allclose(found.p, [1.0, 1.0], atol=1e-6)
    assert found.elastic < 1e-6 and found.multipliers[0] == pytest.approx(-1.0, abs=1e-5)


def test_idle_rows_have_no_multiplier():
    found = solve(program(np.eye(2), [1.0, 0.0], [[1.0, 0.0]], [-5.0], [INF]), 100.0)
    np.testing.assert_allclose(found.p, [-1.0, 0.0], atol=1e-6)
    assert abs(found.multipliers[0]) < 1e-6


def test_rows_that_contradict_share_the_violation():
    rows = [[1.0, 0.0], [1.0, 0.0]]
    found = solve(program(np.eye(2), [0.0, 0.0], rows, [1.0, -INF], [INF, -1.0]), 1e4)
    assert found.elastic == pytest.approx(1.0, abs=1e-4)
    np.testing.assert_allclose(found.p, [0.0, 0.0], atol=1e-4)


@pytest.mark.parametrize("seed", range(20))
def test_random_programs_satisfy_the_optimality_conditions(seed):
    generator = np.random.default_rng(seed)
    n, m = 8, 12
    root = generator.normal(size=(n, n))
    rows, inside = generator.normal(size=(m, n)), generator.uniform(-0.5, 0.5, n)
    width = generator.uniform(0.0, 1.0, m) * (generator.random(m) > 0.2)
    centre = rows @ inside
    task = QuadraticProgram(
        hessian=root @ root.T + 0.1 * np.eye(n),
        gradient=generator.normal(size=n),
        rows=rows,
        low=np.where(generator.random(m) > 0.3, centre - width, -INF),
        high=centre + width,
        left=np.full(n, -1.0),
        right=np.full(n, 1.0),
    )
    found = solve(task, 1e3)
    assert found.elastic < 1e-6
    slope = task.hessian @ found.p + task.gradient + rows.T @ found.multipliers
    at_left, at_right = found.p <= -1.0 + 1e-6, found.p >= 1.0 - 1e-6
    np.testing.assert_allclose(slope[~at_left & ~at_right], 0.0, atol=1e-3)
    assert (slope[at_right] < 1e-3).all() and (slope[at_left] > -1e-3).all()
    product = rows @ found.p
    idle = (product < task.high - 1e-4) & (product > task.low + 1e-4)
    assert (np.abs(found.multipliers[idle]) < 1e-3).all()
