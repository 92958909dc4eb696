"""Which verified design is handed over, and what is said and returned of it."""

import dataclasses
import json

import numpy as np
import pytest

from formwright.datasets.airfoils import geometry
from formwright.datasets.airfoils.contour import validate
from formwright.datasets.airfoils.sections import load_section
from formwright.datasets.config import from_mapping
from formwright.datasets.errors import StudyWarning
from formwright.design.airfoils.handover import latest, rank
from formwright.design.airfoils.study import Study
from formwright.design.airfoils.verifiers import Chosen, SolverName
from formwright.design.airfoils.verify import NO_SECTION, Verdict, Verification
from formwright.design.loop import Round, run
from formwright.design.report.page import advice

CM = {"kind": "label", "label": "cm", "lower": -0.1}
STUDY = {
    "name": "small",
    "surrogate": "stand-in",
    "points": [{"cl": 0.4, "reynolds": 1e6}, {"alpha_deg": 1.0, "reynolds": 5e5}],
    "constraints": [{"kind": "thickness", "at": 0.3, "lower": 0.11}],
    "method": {"kind": "slsqp", "max_iterations": 15},
    "rounds": 1,
    "workers": 1,
}


@pytest.fixture
def setup(prepared):
    return prepared(points=STUDY["points"], constraints=[CM])


def verification(setup, cd, cm=0.0, missed=0, solver="stand-in 1.0"):
    """A verdict on every point: this drag and moment, and at the first ones none."""
    verdicts = []
    for i, point in enumerate(setup.points.points):
        labels = {"cl": point.cl or 0.3, "cd": cd, "cm": cm, "xtr_top": 0.5, "xtr_bottom": 0.5}
        lost = i < missed
        verdicts.append(
            Verdict(
                converged=not lost,
                reason="stalled" if lost else "",
                alpha_deg=np.nan if lost else 2.0,
                labels=dict.fromkeys(labels, np.nan) if lost else labels,
                dropped=0,
                fields={},
            )
        )
    return Verification(
        solver=solver, settings={}, verdicts=tuple(verdicts), sweeps=(), seconds=0.0
    )


START = 0


def handed_over(setup, start, *verifications):
    """Return the round whose design is handed over; the start's is 0."""
    same = {"model": None, "proposal": None, "claims": setup.start}
    found = [Round(index=i, verdicts=v, **same) for i, v in enumerate((start, *verifications))]
    return min(found, key=lambda one: rank(setup, one)).index


def test_a_broken_constraint_loses_to_one_that_meets_all(setup):
    broken, sound = verification(setup, 0.010, cm=-0.12), verification(setup, 0.015)
    start = verification(setup, 0.020)
    assert handed_over(setup, start, broken, sound) == 2
    assert handed_over(setup, start, broken) == START
    worse = verification(setup, 0.020, cm=-0.12)
    assert handed_over(setup, worse, broken) == 1


@pytest.mark.parametrize(("second", "found"), [(0.010015, 2), (0.01003, 1)])
def test_of_designs_that_are_the_same_to_the_solver_the_last_is_taken(setup, second, found):
    start, first = verification(setup, 0.0101), verification(setup, 0.010)
    same = {"model": None, "proposal": None, "claims": setup.start}
    verdicts = (start, first, verification(setup, second))
    order = sorted(
        (Round(index=i, verdicts=v, **same) for i, v in enumerate(verdicts)),
        key=lambda one: rank(setup, one),
    )
    assert latest(setup, order)[0].index == found
    level = [Round(index=i, verdicts=start, **same) for i in (START, 1)]
    assert latest(setup, level)[0].index == START


@pytest.mark.parametrize(("cm", "found"), [(-0.1009, 1), (-0.1011, START)])
def test_a_verdict_may_miss_a_bound_by_a_tenth_of_its_scale(setup, cm, found):
    near = verification(setup, 0.010, cm=cm)
    assert handed_over(setup, verification(setup, 0.020), near) == found


def test_points_missed_weigh_more_than_constraints_and_a_contour_that_is_none_most(setup):
    broken, missed = verification(setup, 0.03, cm=-0.2), verification(setup, 0.01, missed=1)
    assert handed_over(setup, missed, broken) == 1
    none = verification(setup, 0.01, solver=NO_SECTION)
    assert handed_over(setup, missed, none, none) == START


def test_a_tie_is_the_starts(setup):
    same = verification(setup, 0.02)
    assert handed_over(setup, same, same) == START
    less = dataclasses.replace(same, verdicts=verification(setup, 0.0199).verdicts)
    assert handed_over(setup, same, less) == 1


@pytest.fixture
def finished(tmp_path, surrogate, solver):
    """Run a study with stand-ins and return its result as it lies on disk."""

    def go(*, by_model=surrogate, by=solver, **more):
        chosen = Chosen(SolverName.PANEL, by, "a stand-in.")
        run(from_mapping(Study, STUDY | more), tmp_path, surrogate=by_model, chosen=chosen)
        return json.loads((tmp_path / "result.json").read_text())

    return go


def test_a_design_without_reasons_against_it_returns_zero(finished):
    result = finished()
    assert result["reasons"] == []
    assert result["best"]["round"] == 0 and not result["verdict"].startswith("no better")


def test_a_point_not_verified_returns_one(finished, make_solver):
    result = finished(by=make_solver(stall_deg=-90.0))
    assert result["reasons"] == ["thin airfoil 1.0 verified 0 of 2 points"]
    assert result["verdict"].startswith("thin airfoil 1.0 verified 0 of 2 points. ")


def test_a_constraint_broken_by_the_verdict_returns_one(finished, make_solver):
    class Heavier(make_solver):
        def _one(self, case):
            found = super()._one(case)
            found.labels["cm"] -= 0.15
            return found

    result = finished(by=Heavier(), constraints=[*STUDY["constraints"], CM])
    assert result["reasons"] == ["by the verdict the design breaks cm"]
    assert result["best"]["round"] == 0
    row = next(row for row in result["constraints"] if row["name"] == "cm")
    assert row["best"]["satisfied"] and row["best"]["verified_satisfied"] is False


def test_a_design_worse_than_the_start_is_not_handed_over(finished, make_solver, tmp_path):
    class Grudging(make_solver):
        def _one(self, case):
            found = super()._one(case)
            found.labels["cd"] *= (0.0822 / float(geometry.area(case.pos[None]))) ** 12
            return found

    result = finished(by=Grudging())
    assert result["reasons"] == ["no better than the start"]
    assert result["verdict"].startswith("no better than the start. The start is handed over: ")
    assert result["best"]["round"] is None and result["best"]["section"] == "naca0012"
    assert result["rounds"][0]["verified"] > result["objective"]["best"]["verified"]
    kept, start = (np.loadtxt(tmp_path / f"{n}.dat", skiprows=1) for n in ("best", "start"))
    assert np.array_equal(kept, start)


def test_a_contour_that_is_no_section_is_neither_asked_about_nor_handed_over(
    finished, surrogate, solver, tmp_path
):
    class Pinching(type(surrogate)):
        """Drag falls as the sides near each other at the back, and beyond."""

        def forward(self, batch, *, fields=False):
            by_model = super().forward(batch, fields=fields)
            pos = batch.pos.reshape(len(batch.ptr) - 1, -1, 2)
            half = pos.shape[1] // 2
            gap = (pos[:, :half, 1] - pos[:, half + 1 :, 1].flip(1))[:, : half // 3].mean(1)
            for part in (by_model.mean, by_model.std, by_model.lower, by_model.upper):
                part["cd"] = part["cd"] * (50.0 * gap).exp()[batch.condition_batch]
            return by_model

    off = ["sides-apart", "smoothness"]
    result = finished(by_model=Pinching(), guards_off=off)
    assert solver.calls == 2
    assert result["reasons"] == ["no better than the start"]
    assert "The search ended in a contour that is no section" in result["verdict"]
    assert result["rounds"][0]["claimed"] < 0.9 * result["objective"]["best"]["claimed"]
    assert result["rounds"][0]["verified"] is None and result["best"]["round"] is None
    validate(load_section(str(tmp_path / "best.dat")).pos, "best")


def test_a_reynolds_number_beyond_the_range_is_warned_of_and_noted(finished):
    with pytest.warns(StudyWarning, match=r"reynolds = 20000 lies outside .* 50000 to 1e\+07"):
        result = finished(points=[{"cl": 0.4, "reynolds": 2e4}, {"cl": 0.5, "reynolds": 1e6}])
    assert len(result["notes"]) == 1 and result["notes"][0].startswith("reynolds = 20000 lies")


def test_lift_to_drag_is_told_as_it_is_known(finished, tmp_path):
    result = finished(objective="lift-to-drag")
    objective = result["objective"]
    assert objective["shown_as"] == {"name": "L/D", "factor": -1.0, "better": "higher"}
    assert objective["lower_is_better"] and objective["best"]["verified"] < 0.0
    number = f"{-objective['best']['verified']:.5g}"
    assert "L/D: " in result["verdict"] and f"{number} verified" in result["verdict"]
    page = (tmp_path / "report.html").read_text()
    assert "L/D, higher is better" in page and "lower is better" not in page


def test_the_start_is_named_where_it_is_what_breaks_a_constraint(finished, make_solver):
    class Heavier(make_solver):
        def _one(self, case):
            found = super()._one(case)
            found.labels["cm"] -= 0.15
            found.labels["cd"] *= (0.0822 / float(geometry.area(case.pos[None]))) ** 12
            return found

    result = finished(by=Heavier(), constraints=[*STUDY["constraints"], CM])
    assert result["best"]["round"] is None
    assert result["reasons"] == ["no better than the start", "by the verdict the start breaks cm"]


def test_an_optimiser_that_did_not_succeed_is_told_what_to_do(finished):
    result = finished(method={"kind": "slsqp", "max_iterations": 1})
    assert not result["optimisation"]["success"]
    assert "raise method.max_iterations (now 1)" in advice(result)
