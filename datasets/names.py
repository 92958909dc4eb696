"""Names that come from a file or a table, as parts of paths: one convention for all of them.

A name that says which thing a file is of, and is read back from the file's name or asked for again
(a case, a part of a corpus), is taken as it is or refused: ``file_of``. A name that is there for
people to recognise, beside a number or a digest (a section of a table, a recipe), is made safe:
``slug``. Nothing else of a file's content becomes part of a path.
"""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import Path
from typing import Final

from formwright.datasets.errors import CorpusError, FormwrightError

LONGEST: Final = 200
"""Bytes of a name: file systems take 255, of which endings and temporary files need some."""
SLUG: Final = 40
_SEPARATORS: Final = frozenset('/\\:*?"<>|')
_RESERVED: Final = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def file_of(
    folder: str | os.PathLike[str],
    name: str,
    ending: str = "",
    *,
    error: type[FormwrightError] = CorpusError,
) -> Path:
    """Return the path of what is called ``name`` in ``folder``; it lies in it, and nowhere else.

    Refused are names that are empty, begin with a point (so ``.`` and ``..``), end with a point or
    a space, hold a separator or another character that a file system has a use for, a control
    character or half a character, are a device of some system, or are longer than ``LONGEST``
    bytes.

    Args:
        folder: Where.
        name: From a file or a table.
        ending: Of the file.
        error: What to raise.

    Raises:
        FormwrightError: Of the kind ``error``: see above.
    """
    check_name(name, error=error)
    return Path(folder) / f"{name}{ending}"


def check_name(name: str, *, error: type[FormwrightError] = CorpusError) -> str:
    """Return a name that can be that of a file in any folder; see ``file_of``.

    Raises:
        FormwrightError: Of the kind ``error``.
    """
    why = _fault(name)
    if why:
        shown = name if len(name) <= LONGEST else f"{name[:LONGEST]}..."
        raise error(
            f"the name {shown!r} {why}, and files are called by it: names may hold letters, "
            f"digits, '.', '_', '-', '+' and the like, {LONGEST} bytes at most. Rename it where it "
            "comes from."
        )
    return name


def slug(text: str, longest: int = SLUG) -> str:
    """Return the last letters and digits of a text, all else as hyphens; never empty."""
    return re.sub(r"[^A-Za-z0-9]+", "-", text)[-longest:] or "-"


def _fault(name: str) -> str:
    """Return what keeps a name from being that of a file, or nothing."""
    if not name:
        return "is empty"
    if name[0] == "." or name[-1] in ". ":
        return "begins with a point, or ends with a point or a space"
    if any(c in _SEPARATORS or unicodedata.category(c) in ("Cc", "Cs") for c in name):
        return "holds a separator, a control character or one that file systems have a use for"
    if _RESERVED.fullmatch(name):
        return "is that of a device"
    if len(name.encode()) > LONGEST:
        return f"is longer than {LONGEST} bytes"
    return ""
