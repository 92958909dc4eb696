"""The sections that the package carries: one compact file, read when first asked for.

Points are kept as their files have them (in order, in the file's axes, to 1e-7 of the file's
unit); a section gets its nose point and is normalised when it is looked up.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Float

from formwright.datasets.airfoils.contour import normalise
from formwright.datasets.airfoils.nose import missing_nose
from formwright.datasets.airfoils.section import Section
from formwright.datasets.errors import CorpusError, UnknownNameError, did_you_mean
from formwright.datasets.families import hashed_split
from formwright.datasets.files import replacing

FILE: Final = Path(__file__).parents[1] / "data" / "sections.npz"
FORMAT_VERSION: Final = 1
_UNITS_A_POINT: Final = 1e7


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """What the file keeps of a section: ordered points in the file's axes, and what it is."""

    name: str
    points: Float[np.ndarray, "points 2"]
    family: str
    description: str


class Database(Mapping[str, Section]):
    """Sections by name; families and splits beside them.

    Attributes:
        provenance: Source, version, licence of the coordinates, and how the file was made.
        splits: ``"train"``, ``"validation"``, ``"test"`` or ``"none"`` (set aside: held out, but a
            near-copy of a section of another part) by family.
    """

    def __init__(self, path: Path) -> None:
        with np.load(path, allow_pickle=False) as file:
            table = json.loads(str(file["table"]))
            if table["format_version"] > FORMAT_VERSION:
                raise CorpusError(
                    f"{str(path)!r} is of version {table['format_version']}; this formwright reads "
                    f"up to version {FORMAT_VERSION}. Update formwright."
                )
            self._points: np.ndarray = file["points"]
            self._ends: np.ndarray = file["ends"]
            self._noses: np.ndarray = file["noses"]
            self._nose_rows: np.ndarray = file["nose_rows"]
        self.provenance: Mapping[str, Any] = table["provenance"]
        self.splits: Mapping[str, str] = table["splits"]
        self._families: list[str] = table["families"]
        self._descriptions: list[str] = table["descriptions"]
        self._rows = {name: row for row, name in enumerate(table["names"])}
        self._plain = {plain_name(name): name for name in reversed(self._rows)}

    def __getitem__(self, name: str) -> Section:
        """Return the section called ``name``.

        Raises:
            UnknownNameError: There is none; the message suggests others.
        """
        row = self._row(name)
        points = self.points(name)
        if self._nose_rows[row]:
            points = np.insert(points, self._nose_rows[row], self._noses[row], axis=0)
        pos, placement = normalise(torch.from_numpy(points))
        return Section(
            name=name,
            pos=pos,
            family=self._families[row],
            source=f"{self.provenance['source']}: {name}.dat",
            description=self._descriptions[row],
            placement=placement,
        )

    def __iter__(self) -> Iterator[str]:
        """Return the names, in alphabetical order."""
        return iter(self._rows)

    def __len__(self) -> int:
        """Return how many sections there are."""
        return len(self._rows)

    def __contains__(self, name: object) -> bool:
        """Return whether there is a section called ``name``."""
        return name in self._rows

    def spelled(self, text: str) -> str | None:
        """Return the name that ``text`` spells, whatever its case, blanks, hyphens, underscores."""
        return text if text in self._rows else self._plain.get(plain_name(text))

    def points(self, name: str) -> Float[np.ndarray, "points 2"]:
        """Return the points in the axes and the unit of their file, upper trailing edge first."""
        row = self._row(name)
        start = self._ends[row - 1] if row else 0
        return self._points[start : self._ends[row]] / _UNITS_A_POINT

    def family(self, name: str) -> str:
        """Return the family of the section called ``name``."""
        return self._families[self._row(name)]

    def split(self, name: str) -> str:
        """Return the split of the section called ``name``."""
        return self.splits[self.family(name)]

    def _row(self, name: str) -> int:
        row = self._rows.get(name)
        if row is None:
            raise UnknownNameError(
                f"no section of the database is called {name!r}.{did_you_mean(name, self._rows)} "
                f"It holds {len(self)}; list(database()) names them."
            )
        return row


def plain_name(text: str) -> str:
    """Return a name in lower case without blanks, hyphens and underscores."""
    return re.sub(r"[\s_-]+", "", text.lower())


@cache
def database() -> Database:
    """Return the shipped sections (2,173 of the UIUC database), read once.

    Example:
        >>> import formwright
        >>> sections = formwright.database()
        >>> len(sections), "e387" in sections
        (2173, True)
    """
    return Database(FILE)


def split_of(family: str) -> str:
    """Return the part that a family belongs to: ``"train"``, ``"validation"`` or ``"test"``."""
    return database().splits.get(family) or hashed_split(family)


def write_database(
    path: str | os.PathLike[str],
    entries: Sequence[Entry],
    splits: Mapping[str, str],
    provenance: Mapping[str, Any],
) -> None:
    """Write the compact file, atomically."""
    entries = sorted(entries, key=lambda entry: entry.name)
    points = np.round(np.concatenate([e.points for e in entries]) * _UNITS_A_POINT)
    ends = np.cumsum([len(entry.points) for entry in entries])
    noses = [
        missing_nose(part / _UNITS_A_POINT) or (0, np.zeros(2))
        for part in np.split(points, ends[:-1])
    ]
    table = {
        "format_version": FORMAT_VERSION,
        "provenance": dict(provenance),
        "splits": dict(sorted(splits.items())),
        "names": [entry.name for entry in entries],
        "families": [entry.family for entry in entries],
        "descriptions": [entry.description for entry in entries],
    }
    with replacing(path) as temporary, open(temporary, "wb") as handle:
        np.savez_compressed(
            handle,
            points=points.astype(np.int32),
            ends=ends.astype(np.int32),
            noses=np.stack([place for _, place in noses]),
            nose_rows=np.array([row for row, _ in noses], dtype=np.int32),
            table=np.array(json.dumps(table)),
        )
