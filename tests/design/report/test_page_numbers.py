from __future__ import annotations

from typing import Any

import pytest

from formwright.design.report.page import flatten, number, shown, tightest


@pytest.mark.parametrize(
    ("values", "lower", "upper", "expected"),
    [
        ([0.1, 0.3, 0.2], 0.0, None, 0.1),
        ([0.1, 0.3, 0.2], None, 1.0, 0.3),
        ([0.1, 0.3, 0.2], [0.0, 0.29, 0.0], None, 0.3),
        ([None, 0.3], 0.0, None, 0.3),
        ([None], 0.0, None, None),
    ],
)
def test_tightest(values: Any, lower: Any, upper: Any, expected: float | None) -> None:
    assert tightest(values, lower, upper) == expected


def test_of_an_equality_the_range_is_shown() -> None:
    assert shown([0.5, 0.9, 0.7], [0.5, 0.9, 0.7], [0.5, 0.9, 0.7]) == "0.5…0.9"
    assert shown([0.1, 0.2], 0.0, None) == "0.1"
    assert shown([], 0.0, 0.0) == "–"


def test_numbers_for_reading() -> None:
    assert number(-1e-15) == "0" and number(1101.0, 3) == "1\u202f101"
    assert number(None) == "–"
    assert number(-0.5, 1, fixed=True) == "−0.5"
    assert number(2.0, 1, fixed=True, sign=True) == "+2.0"
    assert flatten({"a": {"b": [1, 2]}, "c": [{"d": None}]}) == [
        ("a.b", "[1, 2]"),
        ("c[0].d", "null"),
    ]


@pytest.mark.parametrize("value", [1e12, -1e300, float("nan"), float("inf"), 10**400])
def test_a_number_that_no_quantity_has_is_unknown(value: float) -> None:
    assert number(value) == number(value, 2, fixed=True) == "unknown"
    assert number(999_999_999.0) != "unknown"
