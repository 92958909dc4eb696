"""What a screening is given: a file of structures, formulas, or all alloys of some elements.

``CANDIDATES`` is one of

- ``binaries:Pt,Ni,Cu``: every ordered alloy of these elements, and the metals; ``binaries:all`` is
  all 37 metals of Mamun's table;
- ``Pt3Ti,PtNi,Cu``: formulas, A3B is L1_2, AB is L1_0, a metal is fcc;
- a ``.csv`` with a column ``formula``, or ``prototype``, ``a`` and ``b``; or a ``.txt`` with one
  formula a line;
- a file of structures (``datasets.atoms.files.structures``): bare slabs, slabs with an adsorbate,
  or crystals, of which the surface is cut.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Final

from formwright.datasets.atoms.bulks import alloys, counts_of
from formwright.datasets.atoms.files.structures import iterate_frames
from formwright.datasets.atoms.mamun import Alloy, canonical, metals
from formwright.datasets.atoms.structures import Structure
from formwright.datasets.errors import ConfigError, FormwrightError, StructureError

BINARIES: Final = "binaries:"
TABLES: Final = (".csv", ".txt")
PROTOTYPE: Final = {(1,): "A1", (1, 3): "L12", (1, 1): "L10"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One thing to screen; exactly one of the last three says what it is.

    Attributes:
        index: Its place among the candidates.
        name: To speak of it.
        alloy: An ordered alloy, of which the (111) surface is meant.
        frames: Structures that belong together: a slab, bare or with adsorbates; or a crystal.
        reason: Why it could not be read.
    """

    index: int
    name: str
    alloy: Alloy | None = None
    frames: tuple[Structure, ...] = ()
    reason: str = ""


def entries(given: str, prototypes: tuple[str, ...] = ("A1", "L12", "L10")) -> Iterator[Entry]:
    """Yield the candidates one by one; what cannot be read is one of them, with its reason.

    Args:
        given: See above.
        prototypes: Of ``binaries``.

    Raises:
        ConfigError: It is nothing of the above.
        StructureError: An element of ``binaries`` is not known.
    """
    if given.startswith(BINARIES):
        return _numbered(alloys(_elements(given), prototypes))
    path = Path(given)
    if path.is_dir():
        raise ConfigError(f"{given!r} is a folder; give a file of structures or of formulas.")
    if path.is_file():
        return _table(path) if path.suffix.lower() in TABLES else _structures(path)
    texts = [text.strip() for text in given.split(",") if text.strip()]
    if not texts or any(not re.fullmatch(r"([A-Z][a-z]?\d*)+", text) for text in texts):
        raise ConfigError(
            f"{given!r} is neither a file, nor formulas such as Pt3Ti,PtNi, nor binaries:Pt,Ni,Cu."
        )
    return _numbered(texts)


def alloy_of(formula: str) -> Alloy:
    """Return the ordered alloy of a formula: ``Pt`` is A1, ``Pt3Ti`` L12, ``PtNi`` L10.

    L10 in either order is one alloy, by its one name (``mamun.canonical``): its sites are too.

    Raises:
        StructureError: It is no formula, or of another composition.
    """
    counts = counts_of(formula)
    a, b = max(counts, key=lambda s: counts[s]), list(counts)[-1]
    if len(counts) == 1:
        return Alloy("A1", a, a)
    prototype = PROTOTYPE.get(tuple(sorted(counts.values())))
    if prototype is None:
        raise StructureError(
            f"{formula!r} is neither a metal, nor A3B (L1_2), nor AB (L1_0): give its crystal or "
            "its slab as a structure in a file."
        )
    b = b if b != a else next(iter(counts))
    return canonical(Alloy(prototype, a, b))


def _elements(given: str) -> list[str]:
    """Return the elements of ``binaries:...``."""
    listed = given.removeprefix(BINARIES).strip()
    if listed == "all":
        return list(metals())
    elements = [part.strip() for part in listed.split(",") if part.strip()]
    if not elements:
        raise ConfigError("no element after 'binaries:'; write binaries:Pt,Ni,Cu or binaries:all.")
    return elements


def _numbered(some: Iterable[Alloy | str]) -> Iterator[Entry]:
    """Yield alloys, or formulas, as candidates."""
    for index, one in enumerate(some):
        if isinstance(one, Alloy):
            yield Entry(index=index, name=one.name, alloy=one)
            continue
        try:
            yield Entry(index=index, name=one, alloy=alloy_of(one))
        except StructureError as error:
            yield Entry(index=index, name=one, reason=str(error))


def _table(path: Path) -> Iterator[Entry]:
    """Yield the rows of a CSV, or the lines of a text.

    Raises:
        ConfigError: It is neither, or lacks the columns.
    """
    try:
        yield from _read_table(path)
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(
            f"{str(path)!r} is no table in UTF-8 ({error}). Save it as UTF-8, or copy it again."
        ) from error


def _read_table(path: Path) -> Iterator[Entry]:
    with path.open(encoding="utf-8-sig", newline="") as lines:
        if path.suffix.lower() == ".txt":
            texts = (line.partition("#")[0].strip() for line in lines)
            yield from _numbered(text for text in texts if text)
            return
        rows = csv.DictReader(lines)
        names = set(rows.fieldnames or ())
        if "formula" in names:
            yield from _numbered((row["formula"] or "").strip() for row in rows)
        elif {"prototype", "a", "b"} <= names:
            yield from _numbered(
                _named(*((row[k] or "").strip() for k in ("prototype", "a", "b"))) for row in rows
            )
        else:
            raise ConfigError(
                f"{str(path)!r} has neither a column 'formula' nor 'prototype', 'a' and 'b'; "
                f"found: {', '.join(map(repr, rows.fieldnames or ())) or 'none'}."
            )


def _named(prototype: str, a: str, b: str) -> Alloy:
    """Return an alloy by its one name; one element by two is refused later, as it was written."""
    return canonical(Alloy(prototype, a, b)) if a != b else Alloy(prototype, a, b)


def _structures(path: Path) -> Iterator[Entry]:
    """Yield the structures of a file; frames with one ``name`` that follow each other are one."""

    def named() -> Iterator[tuple[str, Structure | FormwrightError]]:
        for number, (one, columns) in enumerate(iterate_frames(path)):
            unnamed = path.name if isinstance(one, FormwrightError) else one.name
            yield str(columns.get("name") or f"{unnamed} (frame {number})"), one

    for index, (name, group) in enumerate(groupby(named(), key=lambda pair: pair[0])):
        some = [one for _, one in group]
        reason = next((str(one) for one in some if isinstance(one, FormwrightError)), "")
        frames = tuple(one for one in some if isinstance(one, Structure))
        yield Entry(index=index, name=name, frames=frames, reason=reason)
