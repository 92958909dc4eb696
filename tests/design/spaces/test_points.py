"""Operating points: what they refuse, and where the search of incidences starts."""

import math

import pytest

from formwright.datasets.errors import ConditionError
from formwright.design.spaces.points import OperatingPoint, OperatingPoints


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"reynolds": 1e6}, "needs a lift target"),
        ({"reynolds": -1.0, "cl": 0.5}, "reynolds = -1"),
        ({"reynolds": math.nan, "cl": 0.5}, "reynolds = nan"),
        ({"reynolds": 1e6, "alpha_deg": 90.0}, "alpha_deg = 90"),
        ({"reynolds": 1e6, "cl": 0.5, "mach": 1.2}, "mach = 1.2"),
        ({"reynolds": 1e6, "cl": math.inf}, "finite"),
    ],
)
def test_points_without_meaning_are_refused(given, message):
    with pytest.raises(ConditionError, match=message):
        OperatingPoint(**given)


def test_a_design_needs_a_point():
    with pytest.raises(ConditionError, match="at least one operating point"):
        OperatingPoints(())


def test_incidence_bounds_must_hold_something():
    with pytest.raises(ConditionError, match="hold no incidence"):
        OperatingPoints.at_lift([0.5], 1e6, alpha_bounds_deg=(5.0, -5.0))


def test_targets_share_what_is_given_once():
    points = OperatingPoints.at_lift([0.5, 1.0], 1e6, weight=[1.0, 2.0], ncrit=5.0)
    assert [p.reynolds for p in points.points] == [1e6, 1e6]
    assert points.weights == (1.0, 2.0) and points.points[1].ncrit == 5.0


def test_the_search_starts_within_the_bounds():
    points = OperatingPoints.at_lift([0.55, 3.0], 1e6)
    assert points.start.tolist() == pytest.approx([5.0, 18.0])
