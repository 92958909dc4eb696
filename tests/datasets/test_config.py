from __future__ import annotations

from dataclasses import dataclass

import pytest

from formwright.datasets.config import from_mapping
from formwright.datasets.errors import ConfigError


@dataclass(frozen=True)
class Setting:
    rate: float
    bound: float | None = None
    many: tuple[float, ...] = ()


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf"), 10**400])
def test_every_setting_is_a_finite_number(number):
    for name, value in (("rate", number), ("bound", number), ("many", [1.0, number])):
        with pytest.raises(ConfigError, match=f"{name}.* is no finite number"):
            from_mapping(Setting, {"rate": 1.0} | {name: value})


def test_whole_numbers_are_taken_for_settings():
    assert from_mapping(Setting, {"rate": 2, "bound": 3}) == Setting(2.0, 3.0)
