"""Verdicts: false points dropped, targets interpolated, what cannot be met said with its reason."""

import numpy as np
import pytest
import torch

from formwright.datasets.airfoils import cst
from formwright.datasets.airfoils.sections import load_section
from formwright.datasets.solvers.result import Result
from formwright.design.airfoils.sweeps import SweepRange, jumps, make_sweep, sweep_cases
from formwright.design.airfoils.verify import bracket, judge, verify
from formwright.design.spaces.points import OperatingPoint, OperatingPoints

POS = cst.coordinates(cst.fit(load_section("naca2412").pos))


def test_a_target_is_interpolated(points, make_solver, surrogate):
    solver = make_solver(drag=1.05)
    found = verify(POS, points, solver, [1.0, 3.0, 5.0])
    for verdict, point in zip(found.verdicts, points.points, strict=True):
        assert verdict.converged and verdict.reason == "" and verdict.dropped == 0
        assert verdict.labels["cl"] == pytest.approx(point.cl, abs=1e-12)
        case = _case(POS, verdict.alpha_deg, point)
        assert float(surrogate(case)["cl"]) == pytest.approx(point.cl, abs=1e-9)
        assert verdict.labels["cd"] == pytest.approx(1.05 * float(surrogate(case)["cd"]), rel=1e-3)
        assert verdict.fields["cp_top"].shape == (32,)


def test_false_points_are_dropped(points, make_solver):
    honest = verify(POS, points, make_solver(), [1.0, 3.0, 5.0])
    lying = verify(POS, points, make_solver(false_every=9), [1.0, 3.0, 5.0])
    for true, false in zip(honest.verdicts, lying.verdicts, strict=True):
        assert false.dropped >= 2
        assert false.labels["cd"] == pytest.approx(true.labels["cd"], rel=2e-3)


def test_a_target_out_of_reach_says_how_far_it_came(make_solver):
    points = OperatingPoints.at_lift([2.5], 1e6)
    verdict = verify(POS, points, make_solver(stall_deg=10.0), [12.0]).verdicts[0]
    assert not verdict.converged and "not 2.500" in verdict.reason
    assert np.isnan(verdict.labels["cd"]) and np.isnan(verdict.alpha_deg)


def test_a_solver_that_never_converges_is_quoted(make_solver):
    points = OperatingPoints.at_lift([0.5], 1e6)
    verdict = verify(POS, points, make_solver(stall_deg=-90.0), [3.0]).verdicts[0]
    assert "no point of the sweep converged; the solver says: stalled" in verdict.reason


def test_a_contour_that_crosses_itself_is_never_handed_to_the_solver(points, make_solver):
    solver = make_solver()
    tail = POS[:, 0] > 0.7
    crossed = torch.where(tail[:, None], POS * torch.tensor([1.0, -1.0]), POS)
    found = verify(crossed, points, solver, [1.0, 3.0, 5.0])
    assert solver.calls == 0 and not found.valid and found.missed == 3
    assert all("no solver was asked: " in verdict.reason for verdict in found.verdicts)
    sound = verify(POS, points, solver, [1.0, 3.0, 5.0])
    assert solver.calls == 3 and sound.valid and sound.missed == 0


def test_points_at_an_incidence_are_read_there(make_solver, surrogate):
    points = OperatingPoints((OperatingPoint(reynolds=1e6, alpha_deg=2.13),))
    verdict = verify(POS, points, make_solver(), [2.13]).verdicts[0]
    assert verdict.alpha_deg == pytest.approx(2.13)
    said = surrogate(_case(POS, 2.13, points.points[0]))
    assert verdict.labels["cl"] == pytest.approx(float(said["cl"]), abs=1e-12)


def test_points_at_the_same_conditions_share_a_sweep(make_solver):
    solver = make_solver()
    verify(POS, OperatingPoints.at_lift([0.3, 0.5, 0.7], 1e6), solver, [0.5, 2.5, 4.5])
    assert solver.calls == 1
    cases, member = sweep_cases(
        POS, OperatingPoints.at_lift([0.3, 0.5], [1e6, 2e6]), [1.0, 2.0], SweepRange()
    )
    assert len(cases) == 2 and member == [0, 1]


def test_sweeps_start_low_and_hold_the_claim():
    alpha = SweepRange().around([9.1], exact=[9.1])
    assert alpha[0] == 0.0 and alpha[-1] == 12.25 and 9.1 in alpha
    assert SweepRange().around([1.0])[0] == -5.0
    held = SweepRange(limits_deg=(-2.0, 4.0)).around([1.0, 3.0])
    assert held[0] == -2.0 and held[-1] == 4.0


def test_sweeps_are_fine_near_a_claim_and_twice_as_coarse_elsewhere():
    alpha = SweepRange(limits_deg=(-1.0, 8.0)).around([1.0, 6.1])
    steps = dict(zip(alpha[:-1].tolist(), np.diff(alpha).tolist(), strict=True))
    near = [low for low in steps if 0.0 <= low < 2.0 or 5.25 <= low < 7.0]
    assert len(near) == 15 and all(steps[low] == 0.25 for low in near)
    assert steps[-1.0] == steps[-0.5] == steps[3.5] == steps[7.5] == 0.5
    assert np.all(np.diff(SweepRange(near_deg=9.0).around([4.0])) == 0.25)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 40])
def test_a_steep_polar_has_no_jumps(size):
    assert not jumps(0.006 * np.exp(0.3 * np.arange(size))).any()


def test_single_lies_jump():
    cd = 0.008 * np.exp(0.02 * np.arange(20))
    cd[[4, 11]] *= 0.5, 2.0
    assert np.flatnonzero(jumps(cd)).tolist() == [4, 11]


def test_a_gap_is_not_bridged():
    alpha, cl = np.array([0.0, 0.25, 3.0, 3.25]), np.array([0.0, 0.03, 0.4, 0.43])
    place, reason = bracket(alpha, cl, 0.2, "lift")
    assert place is None and "between 0.25 and 3.00 deg" in reason


@pytest.mark.parametrize("target", [0.0, 0.1, 0.3])
def test_exact_points_need_no_neighbour(target):
    alpha, cl = np.array([0.0, 1.0, 2.0]), np.array([0.0, 0.1, 0.3])
    place, reason = bracket(alpha, cl, target, "lift")
    assert reason == "" and place is not None
    i, share = place
    assert (1 - share) * cl[i] + share * cl[i + 1] == pytest.approx(target)


def test_the_drag_between_two_points_is_that_of_a_straight_line_in_its_logarithm():
    alpha = np.arange(0.0, 6.1, 1.0)
    labels = {"cl": 0.1 * alpha, "cd": 0.006 * np.exp(0.3 * alpha), "cm": -0.01 * alpha}
    result = Result(labels=labels, reasons=("",) * len(alpha), solver="formulas")
    verdict = judge(make_sweep(alpha, result), OperatingPoint(reynolds=1e6, cl=0.35), 3.0)
    assert verdict.alpha_deg == pytest.approx(3.5, abs=1e-12)
    assert verdict.labels["cd"] == pytest.approx(0.006 * np.exp(0.3 * 3.5), rel=1e-12)
    assert verdict.labels["cm"] == pytest.approx(-0.035, rel=1e-12)


def test_the_attached_crossing_is_taken(make_solver):
    points = OperatingPoints.at_lift([0.5], 1e6)
    case = sweep_cases(POS, points, [3.0], SweepRange())[0][0]
    result = next(make_solver(stall_deg=90.0).solve([case]))
    alpha = case.alpha_deg.numpy()
    result.labels["cl"][alpha > 5.0] = 0.9 - 0.3 * (alpha[alpha > 5.0] - 5.0)
    verdict = judge(make_sweep(alpha, result), points.points[0], 3.0)
    assert verdict.alpha_deg < 5.0


def _case(pos, alpha, point):
    from formwright.datasets.cases import section_case

    one = {"alpha_deg": alpha, "reynolds": point.reynolds}
    return section_case(pos, {k: torch.tensor([v], dtype=torch.float64) for k, v in one.items()})
