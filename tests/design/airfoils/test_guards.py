"""What holds unless it is switched off by name, and what the start may keep."""

import math
import re
from dataclasses import replace

import pytest
import torch

from formwright.datasets.airfoils.cst import coordinates
from formwright.datasets.airfoils.geometry import max_thickness, trailing_edge_thickness
from formwright.datasets.airfoils.section import Section
from formwright.datasets.airfoils.sections import write_dat
from formwright.datasets.errors import ConfigError
from formwright.design.airfoils import constraints as c
from formwright.design.airfoils.constraints import wedge, wiggliness
from formwright.design.airfoils.spaces.bspline import BSpline
from formwright.design.airfoils.spaces.cst import CST
from formwright.design.airfoils.stages import plain
from formwright.design.problem import evaluate, limits

GUARDS = ["sides_apart", "smoothness", "std_cd", "std_cl"]
ROUGH = [0.2, 0.1, 0.25, 0.1, 0.25, 0.1, 0.25, 0.1]


def guard(setup, name):
    (found,) = [one for one in setup.problem.constraints if one.name == name]
    return found


def names(setup):
    return [one.name for one in setup.problem.constraints]


def section(path, upper, lower, edge=0.0):
    """Write the section of a CST vector and return its path, as a study names it."""
    vector = torch.tensor([*lower, *upper, 0.0, edge], dtype=torch.float64)
    write_dat(path, Section(name=path.stem, pos=coordinates(vector), family="cst", source="test"))
    return str(path)


def crossing(points):
    """Parameters of a section whose sides cross between x = .9944 and the trailing edge."""
    space = CST(points=points)
    shape = [-0.2] * 7 + [0.004] + [0.2] * 7 + [-0.004] + [0.0]
    return space, torch.tensor([[*shape, *points.start.tolist()]], dtype=torch.float64)


def test_sides_that_cross_behind_the_last_of_few_stations_do_not_pass(prepared, points, surrogate):
    space, x = crossing(points)
    case = space.decode(x)
    few = c.positive_thickness().values(surrogate(case), case)
    assert max(c.STATIONS) < 0.9945 and float(few.min()) > 0.0
    apart = c.sides_apart().values(surrogate(case), case)[0]
    behind = case.abscissae[1 : case.pos.shape[0] // 2][apart < 0.0]
    assert len(behind) > 0 and float(behind.min()) > 0.9944
    setup = prepared()
    evaluation = evaluate(setup.problem, torch.cat([x[0, :17], setup.x0[17:]])[None])
    rows = limits(setup.problem, evaluation)
    assert float(rows.violation(evaluation.constraints)[0]) > 0.5
    assert float(rows.violation(evaluate(setup.problem, setup.x0[None]).constraints)[0]) < 0.5


def test_sides_apart_reads_contours_of_any_abscissae(points):
    space, x = crossing(points)
    case = space.decode(x)
    exact = wedge(case)
    del case.abscissae
    assert float(wedge(case).min()) < 0.0 and float(exact.min()) < 0.0


@pytest.mark.parametrize(("start", "kept"), [("naca0012", False), ("naca0003", True)])
def test_the_trailing_edge_keeps_four_degrees_or_most_of_the_starts(prepared, start, kept):
    setup = prepared(start=start)
    own = float(wedge(setup.space.decode(setup.x0[None])).min())
    least = guard(setup, "sides_apart").lower
    assert least == pytest.approx(0.8 * own if kept else math.tan(math.radians(4.0)))
    assert (0.8 * own < math.tan(math.radians(4.0))) == kept


def test_smoothness_is_measured_by_the_start(prepared, tmp_path):
    path = section(tmp_path / "rough.dat", ROUGH, [-w for w in ROUGH])
    setup = prepared(start=path)
    smooth = prepared(start="naca0012")
    own, least = (
        float(wiggliness(one.space.decode(one.x0[None]).weights)[0]) for one in (setup, smooth)
    )
    assert own > max(0.1, 2.5 * least)
    assert guard(setup, "smoothness").upper == pytest.approx(2.0 * own)
    assert guard(smooth, "smoothness").upper > 2.5 * least


def test_confidence_is_the_limit_or_what_the_start_has(prepared, surrogate):
    class Unsure(type(surrogate)):
        def forward(self, batch, *, fields=False):
            by_model = super().forward(batch, fields=fields)
            share = torch.where(batch.reynolds < 7e5, 0.15, 0.02)
            by_model.std["cd"] = share * by_model.mean["cd"]
            by_model.std["cl"] = torch.where(batch.reynolds < 7e5, 0.01, 0.08).to(share)
            return by_model

    points = [{"cl": 0.4, "reynolds": 1e6}, {"cl": 0.4, "reynolds": 5e5}]
    setup = prepared(by_model=Unsure(), points=points)
    assert guard(setup, "std_cd").upper == pytest.approx((0.1, 0.15))
    assert guard(setup, "std_cl").upper == pytest.approx((0.08, 0.05))
    evaluation = evaluate(setup.problem, setup.x0[None])
    found = guard(setup, "std_cd").values(evaluation.prediction, evaluation.case)
    assert found[0].tolist() == pytest.approx([0.02, 0.15])


@pytest.mark.parametrize(
    ("off", "lacking"),
    [
        ("sides-apart", {"sides_apart"}),
        ("smoothness", {"smoothness"}),
        ("confidence", {"std_cd", "std_cl"}),
    ],
)
def test_a_guard_is_switched_off_by_its_name(prepared, off, lacking):
    assert names(prepared()) == ["cl_target", *GUARDS]
    left = [name for name in GUARDS if name not in lacking]
    assert names(prepared(guards_off=[off])) == ["cl_target", *left]


def test_an_unknown_guard_is_named(prepared):
    with pytest.raises(ConfigError, match="'smothness'.*Did you mean 'smoothness'"):
        prepared(guards_off=["smothness"])


@pytest.mark.parametrize("off", [[], ["smoothness", "confidence"]])
def test_a_constraint_of_the_study_takes_the_place_of_a_guard(prepared, off):
    own = [{"kind": "smoothness", "factor": 7.0}, {"kind": "confidence", "upper": 0.03}]
    setup = prepared(guards_off=off, constraints=own)
    wiggles = float(wiggliness(setup.space.decode(setup.x0[None]).weights)[0])
    assert guard(setup, "smoothness").upper == pytest.approx(7.0 * wiggles)
    assert guard(setup, "std_cd").upper == 0.03
    rest = ["sides_apart"] if off else ["sides_apart", "std_cl"]
    assert names(setup) == ["cl_target", "smoothness", "std_cd", *rest]


def test_a_thick_start_keeps_its_edge_and_the_bounds_hold_it(prepared, tmp_path):
    path = section(tmp_path / "flatback.dat", [0.55] * 8, [-0.55] * 8, edge=0.08)
    setup = prepared(start=path)
    assert setup.notes == ()
    assert setup.space.trailing_edge == pytest.approx(0.08, abs=1e-6)
    assert setup.space.upper[1] >= 0.6 and setup.space.lower[0] <= -0.6
    decoded = setup.space.decode(setup.x0[None]).pos[None]
    wanted = setup.section.pos[None]
    for read in (max_thickness, trailing_edge_thickness):
        assert float(read(decoded)) == pytest.approx(float(read(wanted)), abs=1e-3)
    assert float(max_thickness(decoded)) > 0.3


def test_a_start_that_the_space_cannot_keep_is_told_with_its_distance(prepared, tmp_path):
    path = section(tmp_path / "flatback.dat", [0.55] * 8, [-0.55] * 8, edge=0.08)
    given = {"trailing_edge": 0.0, "upper": [-0.25, 0.5]}
    setup = prepared(start=path, space=given)
    assert len(setup.notes) == 1 and "'flatback'" in setup.notes[0]
    assert re.search(r"the nearest shape of the space is 0\.17\d+ chord", setup.notes[0])
    assert setup.space.trailing_edge == 0.0 and setup.space.upper == (-0.25, 0.5)


def test_a_mach_number_beyond_the_range_is_refused_with_its_bound(prepared):
    points = [{"cl": 0.4, "reynolds": 1e6, "mach": 0.6}]
    with pytest.raises(ConfigError, match=r"mach = 0\.6.*0 to 0\.3.*Set mach = 0\.3 or less"):
        prepared(points=points)
    assert prepared(points=[{**points[0], "mach": 0.3}]).notes == ()


def test_a_surrogates_own_range_of_mach_goes_before(prepared, surrogate):
    class Slow(type(surrogate)):
        training_range = {**surrogate.training_range, "mach": (0.0, 0.1)}

    with pytest.raises(ConfigError, match=r"mach = 0\.2.*0 to 0\.1"):
        prepared(by_model=Slow(), points=[{"cl": 0.4, "reynolds": 1e6, "mach": 0.2}])


@pytest.mark.parametrize("space", [CST, BSpline])
def test_an_open_trailing_edge_loosens_no_limit(space, points):
    sharp, *opened = (
        float(wiggliness(plain(space(points=points, trailing_edge=edge))[None])[0])
        for edge in (0.0, 0.0025, 0.08)
    )
    assert opened == pytest.approx([sharp, sharp], rel=1e-4)


def test_sections_narrow_to_an_open_trailing_edge(points, prepared, surrogate, tmp_path):
    space = CST(points=points, trailing_edge=0.01)
    shape = [-0.2] * 7 + [0.1] + [0.2] * 7 + [-0.1] + [0.0]
    x = torch.tensor([[*shape, *points.start.tolist()]], dtype=torch.float64)
    case = space.decode(x)
    assert float(wedge(case).min()) > 0.0 > float(wedge(case, taper=True).min())
    start = section(tmp_path / "open.dat", [0.2] * 8, [-0.2] * 8, edge=0.01)
    held = guard(prepared(start=start), "sides_apart")
    assert float(held.values(surrogate(case), case).min()) < 0.0 < held.lower


def test_support_is_one_or_what_the_start_has(prepared, surrogate):
    class Known(type(surrogate)):
        def forward(self, batch, *, fields=False):
            far = torch.where(batch.reynolds < 7e5, 1.6, 0.3).double()
            return replace(super().forward(batch, fields=fields), support=far)

    points = [{"cl": 0.4, "reynolds": 1e6}, {"cl": 0.4, "reynolds": 5e5}]
    setup = prepared(by_model=Known(), points=points)
    assert guard(setup, "support").upper == pytest.approx((1.0, 1.6))
    assert "support" not in names(prepared(by_model=Known(), points=points, guards_off=["support"]))
    assert "support" not in names(prepared(points=points))
