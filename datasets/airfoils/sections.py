"""Airfoil sections from wherever a user has them: one call, ``load_section``."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from formwright.datasets.airfoils import cst
from formwright.datasets.airfoils import naca as naca_digits
from formwright.datasets.airfoils.contour import Placement, normalise, validate
from formwright.datasets.airfoils.database import Database, database, plain_name, split_of
from formwright.datasets.airfoils.files.dat import parse_dat, read_dat, write_dat
from formwright.datasets.airfoils.files.surfaces import SUFFIXES, read_section
from formwright.datasets.airfoils.section import Section, section_from_points
from formwright.datasets.errors import SectionError, UnknownNameError, did_you_mean
from formwright.datasets.families import family

__all__ = [
    "Database",
    "Placement",
    "Section",
    "SectionLike",
    "WithCoordinates",
    "database",
    "family",
    "load_section",
    "naca",
    "normalise",
    "parse_dat",
    "read_dat",
    "section_list",
    "split_of",
    "validate",
    "write_dat",
]


@runtime_checkable
class WithCoordinates(Protocol):
    """A section of another program, such as AeroSandbox's ``Airfoil``."""

    @property
    def coordinates(self) -> Any:
        """Points around the contour, (P, 2)."""
        ...


SectionLike: TypeAlias = Section | str | os.PathLike[str] | np.ndarray | Tensor | WithCoordinates
_KINDS: Final = (
    "Give a NACA name, a name of the database, the path of a file, points of shape (P, 2) or a CST "
    "vector of shape (2 n + 2,) as an array, a Section, or an object with 'coordinates'."
)


def section_list(sections: Any) -> tuple[list[Any], bool]:
    """Return sections as a list, and whether what was given is one alone.

    Args:
        sections: What ``load_section`` takes, or a list, an array or a column of these; arrays of
            contours, (N, P, 2), and of CST vectors, (N, 2 n + 2), are lists of N.

    Raises:
        SectionError: Something is no section by its type or shape; the message says which.
    """
    if _is_section(sections):
        return [sections], True
    if isinstance(sections, Mapping) or hasattr(sections, "columns"):
        raise SectionError(
            f"a table (of type {type(sections).__name__}) is no section: give its column of "
            "sections, and its conditions as arrays of shape (N, 1)."
        )
    scalar = isinstance(sections, np.ndarray | Tensor) and sections.ndim == 0
    if scalar or isinstance(sections, bytes) or not isinstance(sections, Iterable):
        raise SectionError(f"{_told(sections)} is no section. {_KINDS}")
    listed = list(sections)
    for i, one in enumerate(listed):
        if not _is_section(one):
            raise SectionError(f"section {i} is none: {_told(one)}. {_KINDS}")
    return listed, False


def _is_section(one: object) -> bool:
    """Return whether something may be a section, by its type and shape."""
    if isinstance(one, np.ndarray | Tensor):
        text = isinstance(one, np.ndarray) and one.dtype.kind not in "fiu"
        return not text and (one.ndim == 1 or (one.ndim == 2 and one.shape[1] == 2))
    return isinstance(one, Section | str | os.PathLike | WithCoordinates)


def _told(one: object) -> str:
    """Return type and value of something in a few words."""
    if isinstance(one, np.ndarray | Tensor):
        return f"an array of shape {tuple(one.shape)} and type {one.dtype}"
    return f"{str(one)[:60]!r} of type {type(one).__name__}"


def load_section(spec: SectionLike, *, points_per_side: int = 100) -> Section:
    """Return the section that ``spec`` means.

    Args:
        spec: A section; a NACA name (``"NACA 2412"``, ``"naca23012"``, ``"2412"``); a name of the
            shipped database; the path of a ``.dat`` file, or of an extruded surface (``.stl``,
            ``.obj``, ``.ply``, ``.vtk``, ``.vtp``, ``.vtu``); points of shape (P, 2); a CST
            vector of shape (2 n + 2,); or an object whose ``coordinates`` are points. Four and
            five digits are computed even where the database has a table of them.
        points_per_side: Points a side where the contour is computed (NACA, CST).

    Raises:
        UnknownNameError: A name that is none of these; the message suggests others.
        SectionError: What it means is no section.
        FlowFileError: A surface file that cannot be read.

    Example:
        >>> import formwright
        >>> formwright.load_section("NACA 2412").name
        'naca2412'
        >>> formwright.load_section("e388x")
        Traceback (most recent call last):
        ...
        formwright.datasets.errors.UnknownNameError: no section is called 'e388x'. Did you mean ...
    """
    if isinstance(spec, Section):
        return spec
    if isinstance(spec, np.ndarray | Tensor):
        return _from_numbers(spec, points_per_side)
    if isinstance(spec, WithCoordinates):
        return _from_coordinates(spec)
    if not isinstance(spec, str | os.PathLike):
        raise SectionError(f"{_told(spec)} is no section. {_KINDS}")
    text = os.fspath(spec)
    if Path(text).suffix.lower() in SUFFIXES:
        return read_section(text)
    if isinstance(spec, os.PathLike) or text.lower().endswith((".dat", ".txt")) or "/" in text:
        return read_dat(text)
    plain = plain_name(text)
    in_database = database().spelled(text)
    if re.fullmatch(r"(naca)?(\d{4}|\d{5})", plain):
        try:
            return naca(plain, points_per_side=points_per_side)
        except SectionError:
            if in_database is None:
                raise
    if in_database is not None:
        return database()[in_database]
    if Path(text).is_file():
        return read_dat(text)
    raise UnknownNameError(
        f"no section is called {text!r}.{did_you_mean(text, database())} Give a NACA name "
        "('naca2412'), a name of the database (list(database())), or the path of a file (.dat, "
        ".stl)."
    )


def naca(designation: str, *, points_per_side: int = 100, closed: bool = True) -> Section:
    """Return a NACA section of four or five digits, normalised like every other.

    A cambered one has its nose a little in front of and below the origin of its own axes, so that
    its ``placement`` holds a rotation of a fraction of a degree.

    Args:
        designation: E.g. ``"2412"``, ``"NACA 23012"``, ``"23112"`` (reflexed).
        points_per_side: Points on each side, the nose counted in both.
        closed: Sharp trailing edge; else the original blunt one.

    Raises:
        SectionError: The designation does not exist.

    Example:
        >>> import formwright
        >>> formwright.naca("0012", points_per_side=50).pos.shape
        torch.Size([99, 2])
    """
    pos = naca_digits.coordinates(designation, points_per_side=points_per_side, closed=closed)
    name = "naca" + naca_digits.digits(designation)
    return section_from_points(pos.numpy(), name, source="NACA equations")


def _from_numbers(spec: np.ndarray | Tensor, points_per_side: int) -> Section:
    """Return the section of an array: points if it has two dimensions, else CST parameters."""
    values = torch.as_tensor(spec).detach().to("cpu", torch.float64)
    if values.ndim == 2 and values.shape[1] == 2:
        return section_from_points(values.numpy(), "points")
    if values.ndim != 1:
        raise SectionError(
            f"an array of shape {tuple(values.shape)} is no section; give points of shape (P, 2) "
            "or a CST vector of shape (2 n + 2,)."
        )
    pos = cst.coordinates(values, points_per_side)
    validate(pos, "cst")
    return Section(name="cst", pos=pos, family="cst", source="CST parameters")


def _from_coordinates(spec: WithCoordinates) -> Section:
    """Return the section of another program's object."""
    name = str(getattr(spec, "name", "") or "points")
    points = np.asarray(spec.coordinates)
    if points.ndim != 2 or points.shape[1] != 2 or points.dtype.kind not in "fiu":
        raise SectionError(
            f"section {name!r}, of type {type(spec).__name__}, has the coordinates "
            f"{str(spec.coordinates)[:60]!r}, which are no points of shape (P, 2)."
        )
    return section_from_points(points, name, source=type(spec).__name__)
