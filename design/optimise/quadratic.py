"""Small convex quadratic programs with elastic rows, by a primal-dual interior point method.

::

    min  1/2 p'Hp + g'p + nu t     low - t <= A p <= high + t,   left <= p <= right,   t >= 0

One elastic variable for all rows: there is always a solution, and for a penalty ``nu`` above the
sum of the multipliers it is that of the hard rows (Fletcher 1987). Mehrotra's predictor-corrector
(1992), dense: made for some dozens of variables and some hundreds of rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

Vector = Float[np.ndarray, " n"]
MAX_STEPS = 60


@dataclass(frozen=True, kw_only=True, slots=True)
class QuadraticProgram:
    """The data of a program; see the module's equation.

    Attributes:
        hessian: H, positive definite, (n, n).
        gradient: g, (n,).
        rows: A, (m, n).
        low: (m,), -inf for none.
        high: (m,), inf for none.
        left: Lower bounds of p, (n,), finite.
        right: Upper bounds of p, (n,), finite.
    """

    hessian: Float[np.ndarray, "n n"]
    gradient: Float[np.ndarray, " n"]
    rows: Float[np.ndarray, "m n"]
    low: Float[np.ndarray, " m"]
    high: Float[np.ndarray, " m"]
    left: Float[np.ndarray, " n"]
    right: Float[np.ndarray, " n"]

    def model(self, p: Vector) -> float:
        """Return the quadratic without the penalty."""
        return float(self.gradient @ p + 0.5 * p @ self.hessian @ p)


@dataclass(frozen=True, kw_only=True, slots=True)
class QuadraticSolution:
    """Step, largest violation of a row, multipliers of the rows (positive at ``high``)."""

    p: Float[np.ndarray, " n"]
    elastic: float
    multipliers: Float[np.ndarray, " m"]


def solve(program: QuadraticProgram, penalty: float, tolerance: float = 1e-9) -> QuadraticSolution:
    """Solve a program.

    Args:
        program: The program; ``left <= 0 <= right`` makes a good start.
        penalty: nu.
        tolerance: On residuals and complementarity, relative to the program's size; where rounding
            keeps the dual residual above it, the complementarity goes three digits further.
    """
    g_rows, h, above, below = _inequalities(program)
    n, m = len(program.gradient), len(program.rows)
    hessian = np.zeros((n + 1, n + 1))
    hessian[:n, :n] = program.hessian
    hessian[n, n] = 1e-9
    gradient = np.append(program.gradient, penalty)
    z = np.append(0.5 * (program.left + program.right), 0.0)
    hard = len(above) + len(below)
    z[n] = 1.0 + float((g_rows[:hard] @ z - h[:hard]).max(initial=0.0))
    slack = np.maximum(h - g_rows @ z, 1e-2)
    dual = np.full(len(h), max(1.0, penalty / len(h)))
    size = 1.0 + np.abs(gradient).max()
    for _ in range(MAX_STEPS):
        r_dual = hessian @ z + gradient + g_rows.T @ dual
        r_primal = g_rows @ z + slack - h
        mu = float(slack @ dual) / len(h)
        gap = mu / size < tolerance and np.abs(r_primal).max() < tolerance
        if gap and (np.abs(r_dual).max() < tolerance * size or mu / size < 1e-3 * tolerance):
            break
        step = _Newton(hessian, g_rows, slack, dual, r_dual, r_primal)
        _, d_slack, d_dual = step.solve(slack * dual)
        reach = min(_reach(slack, d_slack), _reach(dual, d_dual))
        after = float((slack + reach * d_slack) @ (dual + reach * d_dual)) / len(h)
        centre = (after / mu) ** 3 * mu
        d_z, d_slack, d_dual = step.solve(slack * dual + d_slack * d_dual - centre)
        primal, dual_reach = 0.995 * _reach(slack, d_slack), 0.995 * _reach(dual, d_dual)
        z = z + min(primal, 1.0) * d_z
        slack = slack + min(primal, 1.0) * d_slack
        dual = dual + min(dual_reach, 1.0) * d_dual
    multipliers = np.zeros(m)
    np.add.at(multipliers, above, dual[: len(above)])
    np.add.at(multipliers, below, -dual[len(above) : hard])
    p = np.clip(z[:n], program.left, program.right)
    product = program.rows @ p
    violation = np.maximum(program.low - product, product - program.high).max(initial=0.0)
    return QuadraticSolution(p=p, elastic=max(float(violation), 0.0), multipliers=multipliers)


def _inequalities(
    program: QuadraticProgram,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return G and h of ``G (p, t) <= h``, and which rows bound A p from above and from below."""
    n = len(program.gradient)
    above = np.flatnonzero(np.isfinite(program.high))
    below = np.flatnonzero(np.isfinite(program.low))
    rows = np.concatenate([program.rows[above], -program.rows[below]])
    elastic = np.concatenate([rows, -np.ones((len(rows), 1))], 1)
    box = np.concatenate([np.eye(n + 1)[:n], -np.eye(n + 1)])
    h = np.concatenate(
        [program.high[above], -program.low[below], program.right, -program.left, [0.0]]
    )
    return np.concatenate([elastic, box]), h, above, below


@dataclass(frozen=True, slots=True)
class _Newton:
    """The Newton system of one iterate, factored once for predictor and corrector."""

    hessian: np.ndarray
    rows: np.ndarray
    slack: np.ndarray
    dual: np.ndarray
    r_dual: np.ndarray
    r_primal: np.ndarray

    def solve(self, complementarity: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the step of z, slack and dual towards the given complementarity of zero."""
        weight = self.dual / self.slack
        matrix = self.hessian + self.rows.T @ (weight[:, None] * self.rows)
        matrix.flat[:: len(matrix) + 1] *= 1.0 + 1e-14
        target = (self.dual * self.r_primal - complementarity) / self.slack
        d_z = np.linalg.solve(matrix, -self.r_dual - self.rows.T @ target)
        d_slack = -self.r_primal - self.rows @ d_z
        return d_z, d_slack, (-complementarity - self.dual * d_slack) / self.slack


def _reach(value: np.ndarray, step: np.ndarray) -> float:
    """Return how far a positive vector can go along a step before it meets zero."""
    falling = step < 0.0
    return float(np.min(-value[falling] / step[falling], initial=1.0 / 0.995))
