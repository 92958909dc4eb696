from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import formwright
from formwright.datasets.airfoils.sections import load_section
from formwright.datasets.cases import sections_batch
from formwright.datasets.errors import ConditionError, SectionError
from formwright.datasets.solvers.result import stations
from formwright.surrogate.airfoils.polar import PolarSurrogate

VECTOR = np.array([-0.12] * 8 + [0.2] * 8 + [0.01, 0.002])


@pytest.fixture(scope="module")
def shipped() -> PolarSurrogate:
    return formwright.load("airfoil-polar")


SHAPES = [
    ("e387", 4.0, ()),
    ("e387", [0.0, 4.0], (2,)),
    ("e387", [[0.0], [4.0]], (2, 1)),
    (["e387"], 4.0, (1,)),
    (["e387", "naca2412", "naca0012"], 4.0, (3,)),
    (["e387", "naca2412", "naca0012"], [4.0, 5.0], (3, 2)),
    (["e387", "naca2412", "naca0012"], [[4.0], [5.0], [6.0]], (3, 1)),
]


@pytest.mark.parametrize(("sections", "alpha", "shape"), SHAPES)
def test_one_section_has_the_shape_of_its_conditions(shipped, sections, alpha, shape) -> None:
    said = shipped.predict(sections, alpha_deg=alpha, reynolds=1e6, fields=True)
    for name in ("cl", "cd_std", "xtr_top_lower"):
        assert isinstance(said[name], np.ndarray) and said[name].shape == shape
    assert said["cp_top"].shape == (*shape, 32) and said.flags.shape == shape
    assert len(said.dims) == len(shape)


@pytest.mark.parametrize(
    "kind", [list, np.array, tuple, torch.tensor, lambda x: torch.tensor(x, requires_grad=True)]
)
def test_conditions_of_any_kind_say_the_same(shipped, kind) -> None:
    want = shipped.predict("e387", alpha_deg=[1.0, 3.0], reynolds=1e6)["cl"]
    said = shipped.predict("e387", alpha_deg=kind([1.0, 3.0]), reynolds=kind([1e6, 1e6]))["cl"]
    assert np.array_equal(said, want)


@pytest.mark.parametrize("alpha", ["four", [[1.0], [2.0, 3.0]], {"a": 1}])
def test_conditions_that_are_no_numbers_are_refused(shipped, alpha) -> None:
    with pytest.raises(ConditionError, match="alpha_deg = .*of type (str|list|dict)"):
        shipped.predict("e387", alpha_deg=alpha, reynolds=1e6)


def test_sections_of_any_kind_are_told_apart(shipped) -> None:
    pos = load_section("naca2412").pos
    other = SimpleNamespace(coordinates=pos.numpy(), name="from elsewhere")
    one = [shipped.predict(s, alpha_deg=4.0, reynolds=1e6)["cl"] for s in (pos, pos.numpy(), other)]
    assert one[0] == one[1] and one[2] == pytest.approx(one[0], abs=1e-5)
    many = shipped.predict([other, "e387", pos, VECTOR], alpha_deg=4.0, reynolds=1e6)
    assert many.about["section"].tolist() == ["from elsewhere", "e387", "points", "cst"]
    names = shipped.predict(np.array(["e387", "naca2412"]), alpha_deg=4.0, reynolds=1e6)
    assert names["cl"].shape == (2,)
    stack = shipped.predict(np.stack([pos, pos]), alpha_deg=4.0, reynolds=1e6)
    assert stack["cl"].shape == (2,) and stack["cl"][0] == pytest.approx(one[0], abs=1e-6)


def test_an_airfoil_of_aerosandbox_is_a_section(shipped) -> None:
    asb = pytest.importorskip("aerosandbox")
    airfoil = asb.Airfoil("naca2412")
    said = shipped.predict(airfoil, alpha_deg=4.0, reynolds=1e6)
    assert said.shape == () and said.about["section"].item() == "naca2412"
    want = shipped.predict(airfoil.coordinates, alpha_deg=4.0, reynolds=1e6)["cl"]
    assert said["cl"] == pytest.approx(want, abs=1e-5)


WRONG = [
    ([None], "section 0 is none: 'None' of type NoneType"),
    (["e387", 3.0], "section 1 is none: '3.0' of type float"),
    (["e387", ["e387"]], "section 1 is none: .* of type list"),
    (3, "'3' of type int is no section"),
    (np.zeros((4, 3, 3)), r"section 0 is none: an array of shape \(3, 3\)"),
    ({"section": ["e387"]}, "a table .of type dict. is no section"),
    (SimpleNamespace(coordinates=None, name="empty"), "'empty', of type SimpleNamespace"),
]


@pytest.mark.parametrize(("given", "told"), WRONG)
def test_what_is_no_section_is_named_with_type_and_place(shipped, given, told) -> None:
    with pytest.raises(SectionError, match=told):
        shipped.predict(given, alpha_deg=4.0, reynolds=1e6)


def test_no_sections_have_the_same_columns(shipped) -> None:
    nothing = shipped.predict([], alpha_deg=[0.0, 2.0], reynolds=1e6)
    assert set(nothing) == set(shipped.predict("e387", alpha_deg=0.0, reynolds=1e6))
    assert nothing["cl"].shape == (0, 2)


def test_intervals_and_pressures_are_those_of_the_batch(shipped) -> None:
    pos = load_section("naca2412").pos
    alpha = [0.0, 6.0, 15.5]
    conditions = {"alpha_deg": torch.tensor([alpha]).double(), "reynolds": torch.full((1, 3), 1e6)}
    want = shipped(sections_batch(pos[None], conditions), fields=True)
    said = shipped.predict(pos, alpha_deg=alpha, reynolds=1e6, fields=True)
    for label in ("cl", "cd", "cm", "xtr_top", "xtr_bottom"):
        for part in ("mean", "std", "lower", "upper"):
            found, known = getattr(said, part)[label], getattr(want, part)[label]
            assert found == pytest.approx(known.numpy(), rel=2e-3, abs=1e-4)
    for name in ("cp_top", "cp_bottom"):
        np.testing.assert_allclose(said[name], want.fields[name].numpy(), atol=1e-3)
    assert np.array_equal(said.stations, stations())


def test_paths_are_named_as_given(shipped, tmp_path: Path) -> None:
    lines = "\n".join(f"{x:.7f} {y:.7f}" for x, y in load_section("e387").pos.tolist())
    (tmp_path / "mine.dat").write_text(f"mine\n{lines}\n")
    said = shipped.predict([tmp_path / "mine.dat"], alpha_deg=4.0, reynolds=1e6)
    assert said.about["section"].tolist() == [str(tmp_path / "mine.dat")]
