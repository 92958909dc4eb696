from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from formwright.datasets.solvers.xfoil.polar_checks import false_convergence, flat_plate_drag


def judge(cd, cl=None, xtr_top=None, xtr_bottom=None, reynolds=1e6, alpha=None):
    cd = np.array(cd, dtype=float)
    n = len(cd)
    return false_convergence(
        alpha_deg=np.arange(n, dtype=float) if alpha is None else np.array(alpha, dtype=float),
        cl=np.linspace(0.1, 0.1 * n, n) if cl is None else np.array(cl, dtype=float),
        cd=cd,
        xtr_top=np.full(n, 0.3) if xtr_top is None else np.array(xtr_top, dtype=float),
        xtr_bottom=np.full(n, 0.9) if xtr_bottom is None else np.array(xtr_bottom, dtype=float),
        reynolds=reynolds,
    )


def test_plate_is_blasius_when_laminar_and_seventh_power_law_when_turbulent():
    one = np.ones(1)
    assert flat_plate_drag(one, one, 1e6)[0] == pytest.approx(2 * 1.328 / 1e3, rel=1e-12)
    turbulent = 2 * 0.074 * 1e6**-0.2
    assert flat_plate_drag(0 * one, 0 * one, 1e6)[0] == pytest.approx(turbulent, rel=0.03)


@given(st.floats(0.01, 0.9), st.floats(0.01, 0.1), st.floats(1e6, 1e7))
def test_later_transition_means_less_plate_drag(early, delay, reynolds):
    x = np.array([early, early + delay])
    drag = flat_plate_drag(x, x, reynolds)
    assert drag[1] < drag[0]


def test_single_false_point_between_neighbours():
    reasons = judge([0.0075, 0.0084, 0.0041, 0.0108, 0.0125], cl=[0.8, 1.0, 1.2, 1.4, 1.5])
    assert [bool(reason) for reason in reasons] == [False, False, True, False, False]
    assert reasons[2].startswith("false convergence: cd 0.00410")


def test_whole_false_branch_is_below_the_plate():
    cd = [0.0078, 0.0033, 0.0033, 0.0034, 0.0033]
    reasons = judge(cd, xtr_top=np.full(5, 0.35), xtr_bottom=np.full(5, 0.55), reynolds=2e6)
    assert [bool(reason) for reason in reasons] == [False, True, True, True, True]
    assert "flat plate" in reasons[1]


def test_laminar_bucket_is_right():
    cd = [0.0103, 0.0076, 0.0053, 0.0076, 0.0102]
    top, bottom = [0.7, 0.7, 0.7, 0.3, 0.02], [0.02, 0.3, 0.7, 0.7, 0.7]
    assert judge(cd, xtr_top=top, xtr_bottom=bottom) == ("",) * 5


def test_stall_is_right():
    cl, cd = [1.4, 1.52, 1.53, 0.93, 0.96], [0.04, 0.044, 0.049, 0.159, 0.177]
    assert judge(cd, cl=cl, xtr_top=np.full(5, 0.15), reynolds=1.2e5) == ("",) * 5


def test_lift_that_falls_between_its_neighbours_is_false():
    cl, cd = [0.49, 0.59, 0.20, 0.61, 0.79], [0.0247, 0.0293, 0.08, 0.078, 0.0745]
    assert [bool(r) for r in judge(cd, cl=cl)] == [False, False, True, False, False]


def test_far_neighbours_prove_nothing():
    assert judge([0.0096, 0.0066, 0.0108], alpha=[0, 5, 10]) == ("",) * 3
    assert judge([0.0096, 0.0066, 0.0108], alpha=[0, 1, 2])[1]


def test_order_does_not_matter_and_missing_points_are_passed_over():
    cd = np.array([0.0075, 0.0084, 0.0041, 0.0108, 0.0125])
    cl, alpha = np.array([0.8, 1.0, 1.2, 1.4, 1.5]), np.arange(5.0)
    straight = judge(cd, cl=cl, alpha=alpha)
    shuffle = np.array([3, 0, 4, 2, 1])
    assert judge(cd[shuffle], cl=cl[shuffle], alpha=alpha[shuffle]) == tuple(
        straight[i] for i in shuffle
    )
    gap = judge([np.nan, *cd], cl=[np.nan, *cl], alpha=[-0.5, *alpha])
    assert gap == ("", *straight)
