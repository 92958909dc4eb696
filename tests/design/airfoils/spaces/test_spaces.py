"""Every section space: round trips, batches, bounds, gradients, fits of the whole database."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from formwright.datasets.airfoils import geometry
from formwright.datasets.airfoils.sections import database, load_section
from formwright.datasets.cases import section_case, sections_batch
from formwright.datasets.errors import ConfigError, SectionError
from formwright.design.airfoils.spaces.bspline import BSpline, basis
from formwright.design.airfoils.spaces.cst import CST
from formwright.design.spaces.points import OperatingPoint, OperatingPoints

POINTS = OperatingPoints.at_lift([0.4, 0.8], reynolds=1e6)
SPACES = {"cst": CST(points=POINTS), "bspline": BSpline(points=POINTS)}
OPEN = {
    "cst": CST(points=POINTS, trailing_edge=(0.0, 0.05)),
    "bspline": BSpline(points=POINTS, trailing_edge=(0.0, 0.05)),
}


def draw(space, designs, seed=0):
    generator = torch.Generator().manual_seed(seed)
    low, high = space.bounds
    u = torch.rand(designs, len(low), generator=generator, dtype=torch.float64)
    return space.project(low + (high - low) * u)


@pytest.mark.parametrize("space", [*SPACES.values(), *OPEN.values()])
def test_parameters_survive_the_round_trip(space):
    x = draw(space, 6)
    again = space.encode(space.decode(x))
    torch.testing.assert_close(space.decode(again).pos, space.decode(x).pos, atol=2e-6, rtol=0.0)
    torch.testing.assert_close(again[:, -2:], x[:, -2:], atol=0.0, rtol=0.0)


@pytest.mark.parametrize("space", SPACES.values())
def test_a_batch_is_its_designs_one_by_one(space):
    x = draw(space, 5)
    batch = space.decode(x)
    singles = [space.decode(row[None]) for row in x]
    for name in ("pos", "alpha_deg", "reynolds", "weights"):
        joined = torch.cat([case[name] for case in singles])
        torch.testing.assert_close(batch[name], joined, atol=1e-14, rtol=0.0)


@pytest.mark.parametrize("space", SPACES.values())
def test_contours_are_sections(space):
    x = draw(space, 20, seed=3)
    pos = space.decode(x).pos.reshape(20, -1, 2)
    assert torch.equal(pos[:, 0, 0], torch.ones(20, dtype=torch.float64))
    assert torch.equal(pos[:, 99], torch.zeros(20, 2, dtype=torch.float64))
    torch.testing.assert_close(pos[:, 0], pos[:, -1], atol=1e-15, rtol=0.0)
    assert (space.sides.thickness(x[:, :17])[:, 1:-1] > 0).all()


@pytest.mark.parametrize("space", [*SPACES.values(), *OPEN.values()])
def test_decode_has_exact_gradients(space):
    x = draw(space, 2, seed=1).requires_grad_(True)
    assert torch.autograd.gradcheck(lambda x: space.decode(x).pos[::17], x)
    assert torch.autograd.gradcheck(lambda x: space.decode(x).alpha_deg, x)


@pytest.mark.parametrize("space", SPACES.values())
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), size=st.floats(0.1, 5.0))
def test_projection_gives_what_can_be_built_and_keeps_it(space, seed, size):
    generator = torch.Generator().manual_seed(seed)
    wild = size * torch.randn(3, len(space.names), generator=generator, dtype=torch.float64)
    x = space.project(wild)
    assert (x >= space.bounds[0]).all() and (x <= space.bounds[1]).all()
    assert space.sides.buildable(x[:, :17]).all()
    assert torch.equal(space.project(x), x)


@pytest.mark.parametrize("space", SPACES.values())
def test_names_bounds_and_parameters_agree(space):
    assert len(space.names) == len(set(space.names)) == space.bounds.shape[1] == 19
    assert space.names[-2:] == ("alpha_deg_1", "alpha_deg_2")


def test_first_weights_keep_the_nose_round():
    low, high = CST(points=POINTS, first_weight=0.05).bounds
    assert high[0] == -0.05 and low[8] == 0.05


@pytest.mark.parametrize("name", ["cst", "bspline"])
def test_fits_of_the_database(name):
    space, sections = OPEN[name], database()
    errors = []
    for key in list(sections)[::25]:
        pos = sections[key].pos
        shape = space.sides.fit(pos)
        upper, lower = space.sides.matrices(pos[:, 0].clamp(0.0, 1.0))
        is_upper = torch.arange(len(pos)) <= int(pos[:, 0].argmin())
        y = torch.where(is_upper[:, None], upper, lower) @ shape
        errors.append((y - pos[:, 1]).abs().max())
    assert torch.stack(errors).median() < 0.0008


@pytest.mark.parametrize("space", SPACES.values())
def test_a_fixed_trailing_edge_stays_fixed(space):
    blunt = load_section("naca4412")
    case = section_case(
        blunt.pos, {k: v[0] for k, v in POINTS.conditions(POINTS.start[None]).items()}
    )
    pos = space.decode(space.encode(case)).pos
    assert float(geometry.trailing_edge_thickness(pos)) == pytest.approx(0.0, abs=1e-15)


def test_spline_functions_are_a_partition_of_one():
    x = torch.linspace(0.0, 1.0, 50, dtype=torch.float64).numpy()
    values = basis(x, 8)
    assert values.shape == (50, 11)
    assert abs(values.sum(1) - 1.0).max() < 1e-13


def test_spline_nose_has_one_curvature():
    space = SPACES["bspline"]
    x = draw(space, 4)
    upper, lower = space.sides.matrices(torch.tensor([1e-8], dtype=torch.float64))
    above, below = upper[:, :-1] @ x[:, :17].T, lower[:, :-1] @ x[:, :17].T
    torch.testing.assert_close(above, -below, rtol=1e-2, atol=0.0)


def test_encode_refuses_other_operating_points():
    pos = load_section("naca2412").pos
    wrong = {
        "alpha_deg": torch.zeros(1, 3, dtype=torch.float64),
        "reynolds": torch.full((1, 3), 1e6, dtype=torch.float64),
    }
    with pytest.raises(SectionError, match="3 operating points on 1 sections"):
        SPACES["cst"].encode(sections_batch(pos[None], wrong))


@pytest.mark.parametrize("kind", [CST, BSpline])
def test_bounds_that_hold_nothing_are_refused(kind):
    with pytest.raises(ConfigError, match="'upper_1' hold nothing"):
        kind(points=POINTS, upper=(0.01, 0.01))


def test_points_without_a_target_are_flown_as_given():
    points = OperatingPoints(
        (
            OperatingPoint(reynolds=1e6, alpha_deg=1.5),
            OperatingPoint(reynolds=5e5, cl=0.6, ncrit=5.0),
            OperatingPoint(reynolds=4e5, cl=0.9, mach=0.1),
        )
    )
    space = CST(points=points)
    x = draw(space, 2)
    case = space.decode(x)
    alpha = case.alpha_deg.reshape(2, 3)
    assert space.names[-2:] == ("alpha_deg_2", "alpha_deg_3")
    assert (alpha[:, 0] == 1.5).all() and torch.equal(alpha[:, 1:], x[:, -2:])
    assert case.ncrit.tolist() == [9.0, 5.0, 9.0] * 2
    assert case.mach.tolist() == [0.0, 0.0, 0.1] * 2
