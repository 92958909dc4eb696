"""Coordinate files of sections (``.dat``): Selig's form, Lednicer's, and what became of them.

Selig: a title, then the contour from the trailing edge over the nose and back. Lednicer: a title,
the number of points on each side, then both sides from the nose to the trailing edge. In the wild
there are headers of several lines or none, remarks behind and between, commas, tabs, parentheses,
percent and millimetres, sides swapped or reversed, repeated points, and a third column.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float

from formwright.datasets.airfoils.contour import MIN_POINTS, in_file_axes
from formwright.datasets.airfoils.files.dat_lines import read_lines
from formwright.datasets.airfoils.nose import without_nose
from formwright.datasets.airfoils.section import Section, section_from_points, tell_odd
from formwright.datasets.errors import SectionError
from formwright.datasets.files import write_text

_SYMMETRIC: Final = re.compile(r"\s*1\s+sym", re.IGNORECASE)
_ELEMENT_MARK: Final = 900.0


def read_dat(path: str | os.PathLike[str], name: str | None = None) -> Section:
    """Read a coordinate file.

    Args:
        path: A ``.dat`` file in Selig's or Lednicer's form.
        name: Of the section; the file's stem by default.

    Raises:
        SectionError: The file cannot be read, or describes no section.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SectionError(
            f"cannot read the section {str(path)!r}: {error.strerror or error}. Check the path."
        ) from error
    return parse_dat(decode(content), name or path.stem, source=str(path))


def decode(content: bytes) -> str:
    """Return the text of a coordinate file: UTF-8 or 16 with or without a mark, else Latin-1."""
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def parse_dat(text: str, name: str, *, source: str = "text") -> Section:
    """Read the text of a coordinate file.

    Args:
        text: Its content.
        name: Of the section.
        source: Where the text came from.

    Raises:
        SectionError: The text describes no section.
    """
    header, points = parse_points(text, name)
    section = section_from_points(points, name, source=source, description=header)
    tell_odd(section, stacklevel=2)
    return section


def parse_points(text: str, name: str) -> tuple[str, Float[np.ndarray, "points 2"]]:
    """Return the header line and the points of a coordinate file, as it lists them.

    Raises:
        SectionError: Too few lines of coordinates, a line that is neither coordinates nor a remark,
            several elements, or too many columns.
    """
    lines = read_lines(text, name, MIN_POINTS)
    points = _columns(lines.table, name)
    marks = np.flatnonzero((points > _ELEMENT_MARK).all(1))
    if len(marks) and marks[0] < len(points) - 1:
        raise SectionError(
            f"section {name!r} has several elements (separated by {points[marks[0]].tolist()} "
            f"after {marks[0]} points); give one file an element."
        )
    points = points[: marks[0]] if len(marks) else points
    return lines.title, _mirrored(points) if _half_of_symmetric(lines.header, points) else points


def write_dat(path: str | os.PathLike[str], section: Section, *, decimals: int = 10) -> None:
    """Write a section in Selig's form, atomically, in the axes and the unit of its file.

    What is read again is the same section with the same ``placement``, so that one incidence means
    the same for both; a nose that reading had to add is left out. A section without a file (of a
    study, of CST parameters) stands in its own axes: nose at (0, 0), trailing edge at (1, 0).

    Args:
        path: The file.
        section: What to write.
        decimals: Digits behind the point of a number in chords; a longer chord needs fewer.

    Example:
        >>> import formwright
        >>> formwright.write_dat("mine.dat", formwright.load_section("e387"))
        >>> formwright.load_section("mine.dat").name
        'mine'
    """
    points = without_nose(in_file_axes(section.pos.detach(), section.placement).numpy())
    digits = max(decimals - round(math.log10(section.placement.chord)), 0)
    lines = [" ".join(section.name.split()) or "section"]
    lines += [f"{x:{digits + 4}.{digits}f} {y:{digits + 4}.{digits}f}" for x, y in points.tolist()]
    write_text(path, "\n".join(lines) + "\n")


def _columns(table: Float[np.ndarray, "rows columns"], name: str) -> np.ndarray:
    """Return x and y: the two columns that neither count the points nor stay what they are."""
    if table.shape[1] == 2:
        return table
    counts = np.array_equal(np.diff(table[:, 0]), np.ones(len(table) - 1))
    varies = np.ptp(table, axis=0) > 0.0
    varies[0] &= not counts
    if varies.sum() == 2:
        return np.ascontiguousarray(table[:, varies])
    raise SectionError(
        f"section {name!r} has {table.shape[1]} numbers a line, e.g. {table[0].tolist()}; give "
        "two, x and y."
    )


def _half_of_symmetric(header: Sequence[str], points: Float[np.ndarray, "points 2"]) -> bool:
    """Return whether the header says that the section is symmetric, and one side is given."""
    x = points[:, 0]
    flagged = any(_SYMMETRIC.match(line) for line in header)
    return flagged and bool(abs(x[-1] - x[0]) > 0.5 * np.ptp(x))


def _mirrored(points: Float[np.ndarray, "points 2"]) -> np.ndarray:
    return np.concatenate([points, points * [1.0, -1.0]])
