"""Airfoil sections from wherever a user has them: one call, ``load_section``."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TypeAlias

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
    "database",
    "family",
    "load_section",
    "naca",
    "normalise",
    "parse_dat",
    "read_dat",
    "split_of",
    "validate",
    "write_dat",
]

SectionLike: TypeAlias = Section | str | os.PathLike[str] | np.ndarray | Tensor


def load_section(spec: SectionLike, *, points_per_side: int = 100) -> Section:
    """Return the section that ``spec`` means.

    Args:
        spec: A section; a NACA name (``"NACA 2412"``, ``"naca23012"``, ``"2412"``); a name of the
            shipped database; the path of a ``.dat`` file, or of an extruded surface (``.stl``,
            ``.obj``, ``.ply``, ``.vtk``, ``.vtp``, ``.vtu``); points of shape (P, 2); or a CST
            vector of shape (2 n + 2,). Four and five digits are computed even where the database
            has a table of them.
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
