"""Families from names, and the split."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from formwright.datasets.airfoils.database import split_of
from formwright.datasets.families import (
    family,
    hashed,
    hashed_split,
    join_near_copies,
    make_split,
)


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("NACA 2412", "naca"),
        ("n64212", "naca"),
        ("goe398", "goettingen"),
        ("e423", "eppler"),
        ("fx63137sm", "wortmann"),
        ("s1223", "selig"),
        ("SD7037", "selig"),
        ("clarky", "clark"),
        ("mh32", "hepperle"),
        ("rae2822", "rae"),
        ("DP1,68-8,37_DS", "dp"),
        ("2032c", "unnamed"),
        ("", "unnamed"),
    ],
)
def test_family_from_name(name, known):
    assert family(name) == known


@given(st.text(max_size=20))
def test_every_name_has_a_family_and_every_family_a_split(name):
    assert family(name)
    assert split_of(family(name)) in ("train", "validation", "test")


def test_hash_is_the_same_everywhere():
    assert hashed("naca") == pytest.approx(0.92925, abs=1e-5)
    assert hashed_split("some new family") == hashed_split("some new family")
    shares = np.array([hashed(f"family {i}") for i in range(4000)])
    assert 0.0 <= shares.min() and shares.max() < 1.0
    assert abs(shares.mean() - 0.5) < 0.03


def test_near_copies_share_the_family_of_the_majority():
    near = np.eye(6, dtype=bool)
    for i, j in ((0, 1), (1, 2), (3, 4)):
        near[i, j] = near[j, i] = True
    joined = join_near_copies(["a", "a", "b", "c", "b", "b"], near)
    assert joined == ["a", "a", "a", "b", "b", "b"]


def test_split_fills_the_shares_and_spares_large_families():
    families = ["big"] * 500 + [f"f{i}" for i in range(250) for _ in range(2)]
    split = make_split(families)
    assert split["big"] == "train"
    parts = [split[name] for name in families]
    assert parts.count("test") == 100 and parts.count("validation") == 50
    assert make_split(list(reversed(families))) == split
