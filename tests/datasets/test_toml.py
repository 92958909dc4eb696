"""What is written as TOML is read back the same."""

import math
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formwright.datasets.config import to_toml
from formwright.datasets.errors import ConfigError

text = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8)
scalars = st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False) | text
values = st.recursive(
    scalars | st.lists(scalars, max_size=3),
    lambda inner: (
        st.dictionaries(text, inner, max_size=3)
        | st.lists(st.dictionaries(text, inner, max_size=2), min_size=1, max_size=2)
    ),
    max_leaves=12,
)


@given(st.dictionaries(text, values, max_size=4))
def test_round_trip(mapping):
    assert tomllib.loads(to_toml(mapping)) == mapping


def test_none_is_left_out_and_nan_is_kept():
    read = tomllib.loads(to_toml({"a": None, "b": math.nan, "c": {"d": None}}))
    assert list(read) == ["b", "c"] and math.isnan(read["b"]) and read["c"] == {}


def test_what_toml_cannot_hold_is_refused():
    with pytest.raises(ConfigError, match="no form in TOML .*object"):
        to_toml({"table": {"x": object()}})
