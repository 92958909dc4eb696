"""``load_section`` takes whatever a user has, and says what is wrong with the rest."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from formwright.datasets.airfoils import cst
from formwright.datasets.airfoils.sections import (
    Section,
    database,
    load_section,
    naca,
    split_of,
    validate,
    write_dat,
)
from formwright.datasets.errors import SectionError, UnknownNameError

VECTOR = torch.tensor([-0.15] * 8 + [0.2] * 8 + [0.0, 0.002], dtype=torch.float64)


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("naca2412", "naca2412"),
        ("NACA 23012", "naca23012"),
        ("2412", "naca2412"),
        ("e423", "e423"),
        ("E423", "e423"),
        ("ms3 11 retro", "MS3-11Retro"),
        ("naca64210", "naca64210"),
        ("NACA 16-009", "naca16009"),
        ("MS3-11Retro", "MS3-11Retro"),
        ("DP1,68-8,37_DS", "DP1,68-8,37_DS"),
        (VECTOR, "cst"),
        (VECTOR.numpy(), "cst"),
        (cst.coordinates(VECTOR), "points"),
        (cst.coordinates(VECTOR).numpy().astype(np.float32), "points"),
        (100 * np.round(cst.coordinates(VECTOR).numpy() * 1000).astype(int), "points"),
    ],
)
def test_every_kind_of_spec(spec, name):
    section = load_section(spec)
    assert section.name == name
    assert section.pos.dtype == torch.float64
    validate(section.pos)
    assert load_section(section) is section


def test_path_of_a_file(tmp_path):
    original = database()["e423"]
    write_dat(tmp_path / "mine.dat", original)
    for spec in (tmp_path / "mine.dat", str(tmp_path / "mine.dat")):
        section = load_section(spec)
        assert section.name == "mine"
        torch.testing.assert_close(section.pos, original.pos, rtol=0.0, atol=1e-6)


def test_digits_are_computed_not_looked_up():
    section = load_section("naca2412", points_per_side=150)
    assert section.source == "NACA equations" and len(section.pos) >= 299
    assert section.family == "naca"
    assert load_section("naca64210").source.startswith("UIUC")


def test_cst_vectors_stay_in_their_own_axes():
    section = load_section(VECTOR, points_per_side=50)
    assert torch.equal(section.pos, cst.coordinates(VECTOR, 50))
    assert section.placement.rotation_deg == 0.0


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("e4233", "Did you mean .*'e423'"),
        ("clark-yy", "Did you mean 'clarky'"),
        ("qqqqqqqqqq", "Give a NACA name"),
    ],
)
def test_unknown_names_suggest(spec, words):
    with pytest.raises(UnknownNameError, match=words):
        load_section(spec)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("naca2400", "no thickness"),
        ("nowhere/at/all.dat", "cannot read"),
        (np.zeros((3, 100, 2)), r"shape \(3, 100, 2\)"),
        (np.zeros((2, 100)), r"shape \(2, 100\)"),
        (np.zeros((100, 3)), r"shape \(100, 3\)"),
        (np.array([[1.0, 0.0], [0.0, 0.0]]), "2 different points"),
        (np.full((50, 2), np.nan), "not finite"),
        (torch.zeros(5), "got 5"),
        (torch.zeros(18), "no thickness"),
        (-VECTOR, "crosses itself|no thickness"),
    ],
)
def test_bad_input_is_a_named_error(spec, words):
    with pytest.raises(SectionError, match=words):
        load_section(spec)


def test_sections_are_immutable():
    section = naca("0012")
    with pytest.raises(AttributeError):
        section.name = "other"  # pyright: ignore[reportAttributeAccessIssue]
    assert isinstance(section, Section) and split_of(section.family) == "train"
