"""Titles of columns that say their unit: ``span [m]``, ``load (N)``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from formwright.datasets.errors import CorpusError

_UNIT: Final = re.compile(r"^(?P<name>.*\S)\s*[\[(](?P<unit>[^\[\]()]*)[\])]$")


def title_of(text: str) -> tuple[str, str]:
    """Return the name and the unit of a title; without one the unit is empty."""
    held = _UNIT.match(text.strip())
    return (held["name"], held["unit"].strip()) if held else (text.strip(), "")


def titled(
    columns: Mapping[str, Sequence[str]],
) -> tuple[dict[str, Sequence[str]], dict[str, str]]:
    """Return columns by their names without units, and the units that the titles say.

    Raises:
        CorpusError: Two columns have one name.
    """
    result: dict[str, Sequence[str]] = {}
    units: dict[str, str] = {}
    for title, cells in columns.items():
        name, unit = title_of(title)
        if name in result:
            raise CorpusError(f"the table has two columns {name!r}: rename one.")
        result[name] = cells
        if unit:
            units[name] = unit
    return result, units
