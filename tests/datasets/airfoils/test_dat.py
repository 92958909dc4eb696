"""Coordinate files in every form seen in the wild give the same section."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from formwright.datasets.airfoils import cst, geometry
from formwright.datasets.airfoils.contour import normalise
from formwright.datasets.airfoils.dat import decode, parse_dat, read_dat, write_dat
from formwright.datasets.airfoils.nose import with_nose
from formwright.datasets.airfoils.section import Section
from formwright.datasets.errors import FormwrightError, SectionError, StorageError

VECTOR = torch.tensor([-0.12] * 6 + [0.2] * 6 + [0.02, 0.004], dtype=torch.float64)
POINTS = cst.coordinates(VECTOR, 31).numpy().round(6)
UPPER, LOWER = POINTS[:31], POINTS[30:]


def rows(points: np.ndarray, form: str = "{:.6f} {:.6f}") -> str:
    return "\n".join(form.format(x, y) for x, y in points) + "\n"


def lednicer(first: np.ndarray, second: np.ndarray, counts: str = "31. 31.") -> str:
    return f"TITLE\n  {counts}\n\n{rows(first)}\n{rows(second)}"


FORMS: dict[str, Callable[[], str]] = {
    "selig": lambda: "TITLE\n" + rows(POINTS),
    "no header": lambda: rows(POINTS),
    "five lines of header": lambda: "TITLE\nby somebody\n\n# remark\nx y\n" + rows(POINTS),
    "numeric title": lambda: "2412\n" + rows(POINTS),
    "windows line ends": lambda: ("TITLE\n" + rows(POINTS)).replace("\n", "\r\n"),
    "old mac line ends": lambda: ("TITLE\n" + rows(POINTS)).replace("\n", "\r"),
    "commas": lambda: "TITLE\n" + rows(POINTS, "{:.6f},{:.6f}"),
    "comma and blank": lambda: "TITLE\n" + rows(POINTS, "{:.6f} , {:.6f},"),
    "semicolons": lambda: "TITLE\n" + rows(POINTS, "{:.6f};{:.6f}"),
    "decimal commas": lambda: "TITLE\n" + rows(POINTS, "{:.6f}\t{:.6f}").replace(".", ","),
    "tabs": lambda: "TITLE\n" + rows(POINTS, "\t{:.6f}\t{:.6f}\t"),
    "parentheses": lambda: "TITLE\n" + rows(POINTS, "({:.6f} {:.6f})"),
    "fortran": lambda: "TITLE\n" + rows(POINTS, "{:.7e} {:.7e}").replace("e", "D"),
    "blank lines inside": lambda: "TITLE\n" + rows(POINTS).replace("\n", "\n\n"),
    "blank between sides": lambda: f"TITLE\n{rows(UPPER)}\n{rows(LOWER)}",
    "text between sides": lambda: f"TITLE\nupper\n{rows(UPPER)}lower\n{rows(LOWER)}",
    "text behind": lambda: "TITLE\n" + rows(POINTS) + "\nThickness: 8 %\nsee http://x.org/1\n",
    "percent": lambda: "TITLE\n" + rows(100.0 * POINTS),
    "millimetres": lambda: "TITLE\n" + rows(237.5 * POINTS + [12.0, -3.0]),
    "repeated points": lambda: "TITLE\n" + rows(np.repeat(POINTS, 2, axis=0)),
    "lower side first": lambda: "TITLE\n" + rows(POINTS[::-1]),
    "from the nose, lower first": lambda: "TITLE\n" + rows(np.vstack([LOWER, UPPER])),
    "from the nose, upper first": lambda: "TITLE\n" + rows(np.vstack([LOWER, UPPER])[::-1]),
    "third column": lambda: "TITLE\n" + rows(POINTS, "{:.6f} {:.6f} 0.0"),
    "numbered": lambda: "TITLE\n" + "\n".join(f"{i} {x} {y}" for i, (x, y) in enumerate(POINTS, 1)),
    "domain of a mesh": lambda: "TITLE\n-2.0 3.0 -2.6 3.4\n" + rows(POINTS),
    "point on the base": lambda: "TITLE\n1.0 0.0\n" + rows(POINTS) + "1.0 0.0\n",
    "closed over the base": lambda: "TITLE\n" + rows(np.vstack([POINTS, POINTS[:1]])),
    "end mark": lambda: "TITLE\n" + rows(POINTS) + "999.0 999.0\n",
    "lednicer": lambda: lednicer(UPPER[::-1], LOWER),
    "lednicer, lower first": lambda: lednicer(LOWER, UPPER[::-1]),
    "lednicer, both backwards": lambda: lednicer(UPPER, LOWER[::-1]),
    "lednicer, one backwards": lambda: lednicer(UPPER[::-1], LOWER[::-1]),
    "lednicer, wrong counts": lambda: lednicer(UPPER[::-1], LOWER, "30 35"),
    "lednicer, no counts": lambda: f"TITLE\n{rows(UPPER[::-1])}\n{rows(LOWER)}",
    "lednicer, percent": lambda: lednicer(100.0 * UPPER[::-1], 100.0 * LOWER),
    "lednicer, no blank lines": lambda: lednicer(UPPER[::-1], LOWER).replace("\n\n", "\n"),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_section(form):
    section = parse_dat(FORMS[form](), "it")
    expected = normalise(torch.from_numpy(with_nose(POINTS)))[0]
    torch.testing.assert_close(section.pos, expected, rtol=0.0, atol=3e-6)
    assert geometry.area(section.pos) > 0.05


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16", "cp1252"])
def test_encodings(encoding, tmp_path):
    path = tmp_path / "it.dat"
    path.write_bytes(("Göttingen 398 für Segler\n" + rows(POINTS)).encode(encoding))
    section = read_dat(path)
    assert section.description == "Göttingen 398 für Segler"
    assert section.name == "it" and section.source == str(path)


def test_placement_tells_chord_and_rotation():
    turn = np.deg2rad(-3.0)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    plain = parse_dat(rows(POINTS, "{:.9f} {:.9f}"), "it")
    turned = parse_dat(rows(250.0 * POINTS @ matrix.T, "{:.9f} {:.9f}"), "it")
    torch.testing.assert_close(turned.pos, plain.pos, rtol=0.0, atol=1e-8)
    assert turned.placement.chord == pytest.approx(250.0 * plain.placement.chord)
    change = turned.placement.rotation_deg - plain.placement.rotation_deg
    assert change == pytest.approx(3.0, abs=1e-6)


BAD: dict[str, tuple[str, str]] = {
    "empty": ("", "0 lines of coordinates"),
    "prose": ("no numbers\nat all\n", "0 lines of coordinates"),
    "two points": ("TITLE\n1 0\n0 0\n", "2 lines of coordinates"),
    "nan": ("TITLE\n" + rows(POINTS).replace(f"{POINTS[7, 1]:.6f}", "nan"), "point 7 of 61"),
    "infinite": ("TITLE\n" + rows(POINTS).replace(f"{POINTS[7, 1]:.6f}", "1e999"), "not finite"),
    "one side": ("TITLE\n" + rows(UPPER), "open"),
    "cut short": ("TITLE\n" + rows(POINTS[:-12]), "open"),
    "crossing": (
        "TITLE\n" + rows(np.vstack([POINTS[:10], POINTS[10:20] * [1, -1], POINTS[20:]])),
        "crosses itself",
    ),
    "flat": ("TITLE\n" + rows(POINTS * [1.0, 0.001]), "no thickness"),
    "the same point": ("TITLE\n" + rows(np.ones((40, 2))), "different points"),
    "two elements": ("T\n" + rows(POINTS) + "999. 999.\n" + rows(POINTS), "several elements"),
    "four columns": ("T\n" + rows(POINTS, "{0:.6f} {1:.6f} {0:.6f} {1:.6f}"), "4 numbers a line"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_is_no_section_is_refused_by_name(what):
    text, words = BAD[what]
    with pytest.raises(SectionError, match=words) as caught:
        parse_dat(text, "my section")
    assert "'my section'" in str(caught.value)


def test_absent_file_is_a_named_error(tmp_path):
    with pytest.raises(SectionError, match="absent.dat"):
        read_dat(tmp_path / "absent.dat")
    with pytest.raises(SectionError, match="cannot read"):
        read_dat(tmp_path)


@settings(deadline=None, max_examples=60)
@given(st.text(st.characters(codec="latin-1"), max_size=400) | st.just(rows(POINTS)))
@example("1 0\n" * 30)
@example("1 0\n0 0\n" * 30)
@example("0.5 0.1\n" + "1 1\n" * 12)
def test_any_text_is_read_or_refused(text):
    try:
        assert isinstance(parse_dat(text, "any"), Section)
    except FormwrightError as error:
        assert "'any'" in str(error)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(st.floats(-2, 2, width=32), st.floats(-2, 2, width=32)), min_size=9, max_size=40
    )
)
def test_any_points_are_read_or_refused(points):
    text = "\n".join(f"{x!r} {y!r}" for x, y in points)
    try:
        section = parse_dat(text, "any")
    except SectionError:
        return
    assert bool(section.pos.isfinite().all())


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_decode(content):
    assert isinstance(decode(content), str)


def test_written_files_read_back(tmp_path):
    section = parse_dat(FORMS["selig"](), "a  name\nof two lines")
    write_dat(tmp_path / "sub" / "it.dat", section, decimals=9)
    again = read_dat(tmp_path / "sub" / "it.dat")
    torch.testing.assert_close(again.pos, section.pos, rtol=0.0, atol=2e-8)
    assert again.description == "a name of two lines"
    assert abs(again.placement.rotation_deg) < 1e-6


def test_unwritable_place_is_a_named_error(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="could not write"):
        write_dat(tmp_path / "file" / "it.dat", parse_dat(FORMS["selig"](), "it"))
