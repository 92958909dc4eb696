"""Coordinate files in every form seen in the wild give the same section."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from formwright.datasets.airfoils import cst, geometry
from formwright.datasets.airfoils.contour import normalise
from formwright.datasets.airfoils.database import database
from formwright.datasets.airfoils.files.dat import (
    decode,
    parse_dat,
    parse_points,
    read_dat,
    write_dat,
)
from formwright.datasets.airfoils.nose import with_nose
from formwright.datasets.airfoils.section import Section, section_from_points
from formwright.datasets.errors import FormwrightError, SectionError, SectionWarning, StorageError

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
    "second column": lambda: "TITLE\n" + rows(POINTS, "{:.6f} 0.0 {:.6f}"),
    "first column": lambda: "TITLE\n" + rows(POINTS, "2.5 {:.6f} {:.6f}"),
    "numbered, with a span": lambda: "\n".join(
        f"{i},{x},0.5,{y}" for i, (x, y) in enumerate(POINTS)
    ),
    "quoted table": lambda: '"x","y"\n' + rows(POINTS, '"{:.6f}","{:.6f}"'),
    "quoted decimal commas": lambda: "x;y\n" + rows(POINTS, "'{:.6f}';'{:.6f}'").replace(".", ","),
    "some whole numbers among decimal commas": lambda: rows(POINTS, "{:g} {:g}").replace(".", ","),
    "true minus signs": lambda: "TITLE\n" + rows(POINTS).replace("-", "\u2212"),
    "dashes and hard blanks": lambda: rows(POINTS, "\u00a0{:.6f}\u2009{:.6f}").replace(
        "-", "\u2013"
    ),
    "digits of full width": lambda: rows(POINTS).translate(
        {ord(str(i)): chr(0xFF10 + i) for i in range(10)}
    ),
    "remarks": lambda: "# TITLE\n" + rows(POINTS, "{:.6f} {:.6f}  # a point"),
    "remarks of other kinds": lambda: "".join(
        f"{x:.6f} {y:.6f} {('! 1', '// 2', '; point 3')[i % 3]}\n"
        for i, (x, y) in enumerate(POINTS)
    ),
    "no value": lambda: f"T\n1.0 ......\n{rows(UPPER[::-1])}0.0 ......\n{rows(LOWER)}",
    "numbered": lambda: "TITLE\n" + "\n".join(f"{i} {x} {y}" for i, (x, y) in enumerate(POINTS, 1)),
    "domain of a mesh": lambda: "TITLE\n-2.0 3.0 -2.6 3.4\n" + rows(POINTS),
    "point on the base": lambda: "TITLE\n1.0 0.0\n" + rows(POINTS) + "1.0 0.0\n",
    "closed over the base": lambda: "TITLE\n" + rows(np.vstack([POINTS, POINTS[:1]])),
    "end mark": lambda: "TITLE\n" + rows(POINTS) + "999.0 999.0\n",
    "lednicer": lambda: lednicer(UPPER[::-1], LOWER),
    "lednicer, lower first": lambda: lednicer(LOWER, UPPER[::-1]),
    "lednicer, both backwards": lambda: lednicer(UPPER, LOWER[::-1]),
    "lednicer, one backwards": lambda: lednicer(UPPER[::-1], LOWER[::-1]),
    "lednicer, numbers for a title": lambda: "63 415\n" + lednicer(UPPER[::-1], LOWER)[6:],
    "lednicer, a count a side": lambda: f"TITLE\n31\n{rows(UPPER[::-1])}\n31\n{rows(LOWER)}",
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


def test_half_of_a_symmetric_section_is_mirrored():
    half = UPPER[::-1] * [1.0, 1.5] - [0.0, UPPER[-1, 1] * 1.5]
    header = "OPENVSP\nits name\n{}\tSym Flag (0 - No, 1 - Yes)\n31\tNum Pnts Upper\n0\tLower\n"
    section = parse_dat(header.format(1) + rows(half), "it")
    torch.testing.assert_close(section.pos[:, 1], -section.pos[:, 1].flip(0), rtol=0.0, atol=1e-6)
    assert len(section.pos) == 61 and float(section.pos[:, 1].max()) > 0.05
    with pytest.raises(SectionError, match="open.*symmetric"):
        parse_dat(header.format(0) + rows(half), "it")


def test_counts_of_other_points_are_told():
    with pytest.warns(SectionWarning, match="'it': line 2 announces 65 points, and 62 follow"):
        parse_dat(lednicer(UPPER[::-1], LOWER, "30 35"), "it")


def test_what_is_odd_is_told_with_its_place():
    back, moved = 80.0 * POINTS, POINTS.copy()
    back[13] = back[11] + [-0.1, 0.2]
    place = f"x = {back[12, 0]:.6g}, y = {back[12, 1]:.6g}"
    with pytest.warns(SectionWarning, match=f"'it' .* goes back at {re.escape(place)}"):
        parse_dat(rows(back), "it")
    moved[45, 1] -= 0.01
    with pytest.warns(SectionWarning, match="kink of .* degrees at x = 0.5, y = -0.053316"):
        parse_dat(rows(moved), "it")
    with pytest.warns(SectionWarning, match="ends are 0.011 chord apart"):
        parse_dat(rows(POINTS[:-2]), "it")


def styled(points: np.ndarray, style: dict[str, Any]) -> str:
    """Return points as a file of some style writes them."""
    lines = [style["line"].format(i=i, x=x, y=y) for i, (x, y) in enumerate(points.tolist())]
    lines = [line.replace("-", style["minus"]) for line in lines]
    if style["comma"]:
        lines = [line.replace(".", ",") for line in lines]
    lines = [line + style["behind"] for line in lines]
    return style["end"].join([*style["header"], *lines, *style["footer"]])


PLAIN: dict[str, Any] = {
    "line": "{x:.6f} {y:.6f}",
    "minus": "-",
    "comma": False,
    "behind": "",
    "end": "\n",
    "header": [],
    "footer": [],
}
STYLES = st.fixed_dictionaries(
    {
        "line": st.sampled_from(
            [
                "{x:.6f} {y:.6f}",
                "{x:10.6f}\t{y:10.6f}",
                "{x:.6f} ; {y:.6f};",
                "'{x:.6f}' '{y:.6f}'",
                "{i}  {x:.6f}  {y:.6f}",
                "{x:.6f}  0  {y:.6f}",
                "[{x:.6f} {y:.6f}]",
            ]
        ),
        "minus": st.sampled_from(["-", "\u2212", "\u2013"]),
        "comma": st.booleans(),
        "behind": st.sampled_from(["", "   ", "  # here", " ! 12.5 0.25", " // x y"]),
        "end": st.sampled_from(["\n", "\r\n", "\r", "\n\n"]),
        "header": st.sampled_from(
            [
                [],
                ["NACA 63 415"],
                ["2412"],
                ["63 415"],
                ["a", "x y"],
                ["# 1.0 2.0"],
                ["S1", "30 31"],
            ]
        ),
        "footer": st.sampled_from([[], ["", "12/10/2005", "Thickness: 8 %"], ["# 0.5 0.5"]]),
    }
)


@settings(deadline=None, max_examples=80)
@given(STYLES)
def test_any_style_gives_the_same_points(style):
    found = parse_points(styled(POINTS, style), "any")[1]
    np.testing.assert_allclose(found, POINTS, rtol=0.0, atol=1e-12)


@settings(deadline=None, max_examples=150)
@given(STYLES, st.integers(0, 60), st.integers(0, 30), st.sampled_from("x@?Q~^*=_\u00b2\u00b0 ,"))
@example({**PLAIN}, 0, 0, "x")
@example({**PLAIN}, 60, 10, " ")
@example({**PLAIN, "line": "{x:.6f}  0  {y:.6f}"}, 0, 1, " ")
def test_a_damaged_line_is_named_or_does_no_harm(style, row, column, garbage):
    style = {**style, "behind": "", "comma": False, "end": "\n"}
    lines = styled(POINTS, style).split("\n")
    number = len(style["header"]) + row
    line = lines[number]
    lines[number] = line[:column] + garbage + line[column:]
    try:
        found = parse_points("\n".join(lines), "any")[1]
    except SectionError as error:
        assert f"line {number + 1}, " in str(error)
        return
    np.testing.assert_allclose(found, POINTS, rtol=0.0, atol=1e-12)


BAD: dict[str, tuple[str, str]] = {
    "empty": ("", "0 lines of coordinates"),
    "prose": ("no numbers\nat all\n", "0 lines of coordinates"),
    "two points": ("TITLE\n1 0\n0 0\n", "2 lines of coordinates"),
    "nan": ("TITLE\n" + rows(POINTS).replace(f"{POINTS[7, 1]:.6f}", "nan"), "line 9, .*nan"),
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
    "higher than long": (rows(POINTS * [1.0, 100.0]), "higher than long: 1 along x"),
    "a line of another width": (
        rows(POINTS).replace("\n", " 0.1\n", 7).replace(" 0.1", "", 6),
        "line 7, ",
    ),
    "a lost number": (rows(POINTS) + "0.5\n" + rows(POINTS[-1:]), "line 62, '0.5'"),
    "words between": (rows(UPPER) + "what is this\n" + rows(LOWER), "line 32, 'what is this'"),
    "words behind": (rows(POINTS, "{:.6f} {:.6f}  te"), "line 1, '1.000000 0.002000 te'"),
    "a stray sign": (rows(POINTS, "{:.6f} \u00ac{:.6f}"), "line 1, .* 60 more. cannot be read"),
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


@pytest.mark.filterwarnings("ignore::formwright.datasets.errors.SectionWarning")
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


@pytest.mark.filterwarnings("ignore::formwright.datasets.errors.SectionWarning")
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


@pytest.mark.parametrize("name", ["e387", "goe451", "fx77w153", "naca0021"])
@pytest.mark.parametrize(("chord", "turn_deg"), [(1.0, 0.0), (237.5, -7.0), (0.05, 20.0)])
def test_written_files_stand_where_they_stood(name, chord, turn_deg, tmp_path):
    turn = np.deg2rad(turn_deg)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    points = chord * database().points(name) @ matrix.T + [3.0 * chord, -chord]
    section = section_from_points(points, name)
    write_dat(tmp_path / "it.dat", section)
    np.testing.assert_allclose(
        parse_points((tmp_path / "it.dat").read_text(), name)[1],
        points,
        rtol=0.0,
        atol=1e-9 * chord,
    )
    again = read_dat(tmp_path / "it.dat").placement
    assert again.chord == pytest.approx(section.placement.chord, rel=1e-8)
    assert again.rotation_deg == pytest.approx(section.placement.rotation_deg, abs=1e-6)
    assert again.nose == pytest.approx(section.placement.nose, rel=1e-7)


def test_unwritable_place_is_a_named_error(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="could not write"):
        write_dat(tmp_path / "file" / "it.dat", parse_dat(FORMS["selig"](), "it"))
