"""The shipped sections load, are normalised, and are split without near-copies across the parts."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch

from formwright.datasets.airfoils import database, split_of, validate
from formwright.datasets.errors import UnknownNameError


def test_counts():
    sections = database()
    assert len(sections) == 2173
    assert list(sections.provenance["refused"]) == ["mh112"]
    parts = Counter(sections.split(name) for name in sections)
    assert 0.08 < parts["test"] / 2173 < 0.12
    assert 0.04 < parts["validation"] / 2173 < 0.06


def test_large_families_are_never_held_out():
    sections = database()
    for name, count in Counter(sections.family(name) for name in sections).items():
        if count > 0.03 * len(sections):
            assert split_of(name) == "train"


@pytest.mark.parametrize("name", ["e423", "naca23021", "fx79w660a", "goe795", "s1223", "c5a"])
def test_lookup_is_a_valid_normalised_section(name):
    section = database()[name]
    validate(section.pos, name)
    assert section.pos.dtype == torch.float64
    middle = 0.5 * (section.pos[0] + section.pos[-1])
    assert torch.allclose(middle, middle.new_tensor([1.0, 0.0]), atol=1e-12)
    nose = section.pos[section.pos[:, 0].argmin()]
    assert float(nose.abs().max()) < 1e-12
    assert section.family == database().family(name)


def test_points_are_those_of_the_file():
    points = database().points("naca23021")
    assert np.allclose(points[0], [1.0, 0.0022]) and np.allclose(points[-1], [1.0, -0.0022])


def test_unknown_name_suggests():
    with pytest.raises(UnknownNameError, match="e432"):
        database()["e432x"]
