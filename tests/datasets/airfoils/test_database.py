"""The shipped sections load, are normalised, and are split without near-copies across the parts."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch

from formwright.datasets.airfoils.database import Database, Entry, write_database
from formwright.datasets.airfoils.geometry import stations_y
from formwright.datasets.airfoils.sections import database, split_of, validate
from formwright.datasets.errors import CorpusError, UnknownNameError


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


def test_no_held_out_section_has_a_near_copy_in_another_part():
    sections = database()
    names = np.array(list(sections))
    heights = torch.stack([stations_y(sections[name].pos, 24) for name in names])
    heights = torch.cat([heights, -heights.flip(1)])
    part = np.array([sections.split(name) for name in names])
    for row in np.flatnonzero((part == "test") | (part == "validation")):
        apart = (heights - heights[row]).abs().amax(1).numpy()
        close = np.flatnonzero(apart < 0.0019) % len(names)
        assert set(part[close]) <= {part[row], "none"}, names[close]
    assert (part == "none").sum() == 5


def test_reading_twice_gives_the_same_object():
    assert database() is database()


def test_spellings_find_the_name():
    assert database().spelled("FX 63-137") == "fx63137"
    assert database().spelled("no such") is None


def test_written_files_read_back(tmp_path):
    points = np.round(database().points("e423"), 7)
    entry = Entry(name="mine", points=points, family="own", description="a title")
    write_database(tmp_path / "own.npz", [entry], {"own": "test"}, {"source": "here"})
    read = Database(tmp_path / "own.npz")
    assert list(read) == ["mine"] and read.split("mine") == "test"
    assert np.array_equal(read.points("mine"), points)
    torch.testing.assert_close(read["mine"].pos, database()["e423"].pos, rtol=0.0, atol=1e-12)
    assert read["mine"].description == "a title" and read["mine"].source == "here: mine.dat"


def test_newer_file_is_refused(tmp_path):
    with pytest.raises(CorpusError, match="version 99"):
        np.savez(tmp_path / "new.npz", table=np.array('{"format_version": 99}'))
        Database(tmp_path / "new.npz")
