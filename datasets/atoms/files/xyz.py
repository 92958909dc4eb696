"""Extended XYZ frame by frame, so that a bad one costs itself alone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from io import StringIO
from itertools import islice
from typing import TYPE_CHECKING, Final

from formwright.datasets.errors import StructureError

if TYPE_CHECKING:
    from ase import Atoms

_PROPERTIES: Final = re.compile(r"\bproperties=\"?([^\s\"]+)", re.IGNORECASE)
_HEAVY_HYDROGEN: Final = re.compile(r"^(\s*)[DT](?=\s)")


def split_frames(lines: Iterable[str]) -> Iterator[str]:
    """Yield the text of one frame after another; blank lines between them do not count.

    Raises:
        StructureError: A frame does not begin with its number of atoms, or is cut off.
    """
    following = iter(lines)
    head = _next_head(following)
    while head:
        if not head.strip().isdecimal():
            raise StructureError(
                f"a frame begins with its number of atoms, and this one with {head.strip()!r}."
            )
        wanted = int(head) + 1
        block = list(islice(following, wanted))
        if len(block) < wanted:
            raise StructureError(
                f"the file ends after {max(len(block) - 1, 0)} of {int(head)} atoms: it was cut "
                "off."
            )
        head_line, head = head, _next_head(following)
        while head.lstrip().startswith("VEC"):
            block.append(head)
            head = _next_head(following)
        yield "".join([head_line, *block])


def parse_frame(text: str) -> Atoms:
    """Return the atoms of one frame; deuterium and tritium are hydrogen."""
    from ase.io.extxyz import read_xyz

    lines = text.splitlines(keepends=True)
    _check_width(lines)
    atoms = [_HEAVY_HYDROGEN.sub(r"\1H", line) for line in lines[2:]]
    return next(read_xyz(StringIO("".join([*lines[:2], *atoms])), 0))


def _check_width(lines: list[str]) -> None:
    """Refuse a frame that announces more columns than its lines hold.

    Raises:
        StructureError: It does.
    """
    found = _PROPERTIES.search(lines[1]) if len(lines) > 2 else None
    if found is None:
        return
    counts = found.group(1).split(":")[2::3]
    wanted = sum(int(count) for count in counts if count.isdecimal())
    there = len(lines[2].split())
    if wanted > there:
        raise StructureError(
            f"Properties announces {wanted} columns, and the first atom has {there}."
        )


def _next_head(lines: Iterator[str]) -> str:
    """Return the next line that is not blank, or nothing at the end."""
    return next((line for line in lines if line.strip()), "")
