"""Coordinate files of sections (``.dat``): Selig's form, Lednicer's, and what became of them.

Selig: a title, then the contour from the trailing edge over the nose and back. Lednicer: a title,
the number of points on each side, then both sides from the nose to the trailing edge. In the wild
there are headers of several lines or none, remarks behind and between, commas, tabs, parentheses,
percent and millimetres, sides swapped or reversed, repeated points, and a third column.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float

from formwright.datasets.airfoils.contour import MIN_POINTS
from formwright.datasets.airfoils.section import Section, section_from_points
from formwright.datasets.errors import SectionError
from formwright.datasets.files import write_text

_DECIMAL_COMMA: Final = re.compile(r"^\s*[-+]?\d*,\d+[\s;]+[-+]?\d*,\d+\s*$")
_SEPARATORS: Final = re.compile(r"[\s,;()\[\]]+")
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
    return section_from_points(points, name, source=source, description=header)


def parse_points(text: str, name: str) -> tuple[str, Float[np.ndarray, "points 2"]]:
    """Return the header line and the points of a coordinate file, as it lists them.

    Raises:
        SectionError: Too few lines of coordinates, several elements, or too many columns.
    """
    header, rows = _numeric_rows(text)
    points = _without_counts(_columns(rows, name))
    marks = np.flatnonzero((points > _ELEMENT_MARK).all(1))
    if len(marks) and marks[0] < len(points) - 1:
        raise SectionError(
            f"section {name!r} has several elements (separated by {points[marks[0]].tolist()} "
            f"after {marks[0]} points); give one file an element."
        )
    return header, points[: marks[0]] if len(marks) else points


def write_dat(path: str | os.PathLike[str], section: Section, *, decimals: int = 7) -> None:
    """Write a section in Selig's form, atomically.

    Args:
        path: The file.
        section: What to write, in its normalised axes.
        decimals: Digits behind the point.
    """
    width = decimals + 4
    lines = [" ".join(section.name.split()) or "section"]
    lines += [
        f"{x:{width}.{decimals}f} {y:{width}.{decimals}f}" for x, y in section.pos.detach().tolist()
    ]
    write_text(path, "\n".join(lines) + "\n")


def _numeric_rows(text: str) -> tuple[str, list[list[float]]]:
    """Return the first line of text before the numbers, and every line that is only numbers."""
    header, rows = "", []
    for line in text.splitlines():
        row = _numbers(line)
        if row:
            rows.append(row)
        elif not rows and not header:
            header = " ".join(line.split())
    return header, rows


def _numbers(line: str) -> list[float]:
    """Return the numbers of a line; nothing if it holds anything else."""
    if _DECIMAL_COMMA.match(line):
        line = line.replace(",", ".")
    tokens = [token for token in _SEPARATORS.split(line) if token]
    try:
        return [float(re.sub(r"(?<=\d)[dD](?=[-+\d])|(?<=\.)[dD]", "e", t)) for t in tokens]
    except ValueError:
        return []


def _columns(rows: list[list[float]], name: str) -> np.ndarray:
    """Return x and y of the rows that have the usual number of columns."""
    widths = [len(row) for row in rows if len(row) > 1]
    if len(widths) < MIN_POINTS:
        raise SectionError(
            f"section {name!r} holds {len(widths)} lines of coordinates; at least {MIN_POINTS} are "
            "needed. Give a file of x y pairs, one a line."
        )
    usual = max(set(widths), key=widths.count)
    table = np.array([row for row in rows if len(row) == usual], dtype=np.float64)
    if usual == 2:
        return table
    if usual == 3 and np.array_equal(np.diff(table[:, 0]), np.ones(len(table) - 1)):
        return table[:, 1:]
    if usual == 3 and np.ptp(table[:, 2]) == 0:
        return table[:, :2]
    raise SectionError(
        f"section {name!r} has {usual} numbers a line, e.g. {table[0].tolist()}; give two, x and y."
    )


def _without_counts(points: np.ndarray) -> np.ndarray:
    """Drop Lednicer's line of point counts, whether or not the counts are right."""
    first, rest = points[0], points[1:]
    whole = bool((first == np.round(first)).all() and (first >= 2).all())
    right = abs(first.sum() - len(rest)) <= 2
    beyond = bool((first > 1.5 * np.abs(rest).max()).all())
    return rest if whole and right or (first >= 1.5).all() and beyond else points
