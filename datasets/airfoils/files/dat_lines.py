"""The lines of a coordinate file: each one is numbers, a remark or a separator, or it is named."""

from __future__ import annotations

import itertools
import re
import unicodedata
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float

from formwright.datasets.errors import SectionError, SectionWarning

_SIGNS: Final = "\u2010\u2011\u2012\u2013\u2014\u2212\ufe63\uff0d\x96"
_QUOTES: Final = "\"'`\u2018\u2019\u201c\u201d\u00ab\u00bb"
_PLAIN: Final = {
    **dict.fromkeys(map(ord, _SIGNS), "-"),
    **dict.fromkeys(map(ord, _QUOTES), " "),
    **{ord("\u066b"): ".", ord("\uff0e"): ".", ord("\uff0c"): ",", ord("\uff0b"): "+"},
}
_EXPONENT: Final = r"(?:[eEdD][-+]?[0-9]+)?"
_PLAIN_NUMBER: Final = rf"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+){_EXPONENT}"
_COMMA_NUMBER: Final = rf"[-+]?(?:[0-9]*,)?[0-9]+{_EXPONENT}"
_NUMBER: Final = re.compile(_PLAIN_NUMBER)
_DECIMAL: Final = re.compile(rf"[-+]?[0-9]*\.([0-9]+){_EXPONENT}")
_PAIR: Final = re.compile(rf"\s*({_PLAIN_NUMBER})[\s,;]+({_PLAIN_NUMBER})[\s,;]*")
_BETWEEN: Final = r"[\s;|()\[\]{}]"
_COMMAS: Final = re.compile(
    rf"{_BETWEEN}*{_COMMA_NUMBER}(?:{_BETWEEN}+{_COMMA_NUMBER})+{_BETWEEN}*"
)
_SEPARATORS: Final = re.compile(r"[\s,;|()\[\]{}]+")
_REMARK: Final = re.compile(
    r"(?:^|(?<=[\s,;]))(?:#|!|//|;(?!\s*[-+.]?[0-9])(?=.*[^\W\d_]{2})).*|^\s*%.*"
)
_NO_VALUE: Final = re.compile(rf"\s*{_PLAIN_NUMBER}\s+(?:\.{{2,}}|-{{2,}})\s*")
_CHANGE: Final = "->"
_SIDES: Final = re.compile(
    "upper|lower|top|bottom|suction|pressure|side|surface|ober|unter|extrados|intrados|dessus"
    "|dessous",
    re.IGNORECASE,
)
_HEADINGS: Final = frozenset("x y z x/c y/c z/c xu yu xl yl m mm - %".split())
_DOMAIN: Final = 4
_FINE: Final = 4
_LONGEST: Final = 60


@dataclass(frozen=True, kw_only=True, slots=True)
class Lines:
    """What a coordinate file holds.

    Attributes:
        title: Its first line, if that is no coordinates.
        header: All lines in front of the coordinates.
        table: The numbers of the lines of coordinates.
    """

    title: str
    header: tuple[str, ...]
    table: Float[np.ndarray, "rows columns"]


def read_lines(text: str, name: str, at_least: int) -> Lines:
    """Sort the lines of a coordinate file.

    Lines that have as many numbers as most are coordinates; counts of points, or a title of
    numbers, in front of them are none. All others must be remarks or separators.

    Args:
        text: Its content.
        name: Of the section, for errors.
        at_least: Lines of coordinates.

    Raises:
        SectionError: Too few lines of coordinates, or one that is neither these nor a remark.
    """
    raw = text.splitlines()
    rows = _numbers(raw)
    widths = np.fromiter(map(len, rows), int, len(rows))
    columns = int(np.bincount(widths[widths > 1], minlength=3).argmax() or 2)
    at = np.flatnonzero(widths == columns)
    if len(at) < at_least:
        raise _too_few(name, raw, columns, len(at), at_least)
    numbers = itertools.chain.from_iterable(row for row in rows if len(row) == columns)
    table = np.fromiter(numbers, np.float64, columns * len(at)).reshape(-1, columns)
    headings = 0
    while headings < 2 and _is_heading(table[headings:]):
        headings += 1
    faults = _faults(raw, rows, at[headings:], columns)
    if faults:
        raise SectionError(
            f"section {name!r}: {_quoted(raw, faults[0])}{_more(len(faults) - 1)} is neither "
            "coordinates nor a remark. Write it like the others, or put '#' in front of it."
        )
    if headings:
        _tell_counts(table[headings - 1 :], name, int(at[headings - 1]) + 1)
    first = int(at[headings])
    opening = next(line for line in raw if line.strip())
    title = "" if raw.index(opening) == first else opening
    if all(token.lower() in _HEADINGS for token in _tokens(_plain(title))):
        title = title.strip("#!%/; \t") if title.lstrip()[:1] in "#!%/;" else ""
    return Lines(title=" ".join(title.split()), header=tuple(raw[:first]), table=table[headings:])


def _numbers(raw: Sequence[str]) -> list[tuple[float, ...]]:
    """Return the numbers of each line; nothing for one that holds anything else."""
    plain = [_plain(line) for line in raw]
    bare = {i: _REMARK.sub("", line) for i, line in enumerate(plain) if "," in line}
    commas = [i for i, line in bare.items() if _COMMAS.fullmatch(line)]
    if 2 * len(commas) > len(bare):
        for i in commas:
            plain[i] = bare[i].replace(",", ".")
    return [_numbers_of(line) for line in plain]


def _plain(line: str) -> str:
    """Return a line without quotes, its digits, blanks and signs those of ASCII."""
    if line.isascii() and '"' not in line and "'" not in line:
        return line
    return "".join(map(_ascii, line.translate(_PLAIN)))


def _ascii(character: str) -> str:
    kind = "" if character.isascii() else unicodedata.category(character)
    if kind == "Nd":
        return str(unicodedata.decimal(character))
    return " " if kind == "Zs" else "" if kind == "Cf" else character


def _numbers_of(line: str) -> tuple[float, ...]:
    pair = _PAIR.fullmatch(line)
    tokens = pair.groups() if pair else _tokens(line)
    if not pair and not all(map(_NUMBER.fullmatch, tokens)):
        return ()
    try:
        return tuple(map(float, tokens))
    except ValueError:
        return tuple(float(token.lower().replace("d", "e")) for token in tokens)


def _tokens(line: str) -> list[str]:
    """Return what stands between separators, in front of a remark."""
    return [token for token in _SEPARATORS.split(_REMARK.sub("", line)) if token]


def _is_heading(table: Float[np.ndarray, "rows columns"]) -> bool:
    """Return whether the first row holds counts of points, or a title: whole numbers, outside."""
    first, rest = table[0], table[1:]
    if (first != np.round(first)).any() or first.min() < 0.0 or first.max() < 2.0:
        return False
    if (first > 1.5 * np.abs(rest).max()).any():
        return True
    if table.shape[1] != 2 or first.sum() != len(rest):
        return False
    low, high = rest.min(0), rest.max(0)
    jumps = np.count_nonzero(np.abs(np.diff(rest[:, 0])) > 0.5 * (high - low)[0])
    return bool((first > high).any() or (first < low).any()) or jumps == 1


def _tell_counts(table: Float[np.ndarray, "rows columns"], name: str, line: int) -> None:
    """Warn of counts that are nearly, but not, those of the points."""
    counted, points = int(table[0].sum()), len(table) - 1
    if table.shape[1] == 2 and counted != points and 0.5 * points <= counted <= 2 * points:
        warnings.warn(
            f"section {name!r}: line {line} announces {counted} points, and {points} follow. Some "
            "may be lacking.",
            SectionWarning,
            stacklevel=2,
        )


def _faults(
    raw: Sequence[str], rows: Sequence[tuple[float, ...]], at: np.ndarray, columns: int
) -> list[int]:
    """Return the lines that are neither coordinates nor remarks."""
    first, last = int(at[0]), int(at[-1])
    counted = np.zeros(len(raw), dtype=bool)
    counted[at] = True
    others = [i for i in np.flatnonzero(~counted).tolist() if raw[i].strip()]
    ends = [*others, len(raw)][1:]
    opening = min([*others[:1], first])
    faults = []
    for i, end in zip(others, ends, strict=True):
        follow = int(np.searchsorted(at, end) - np.searchsorted(at, i))
        line, row = _plain(raw[i]), rows[i]
        if i < first and _heads(row, i == opening) or row == (follow,) or _NO_VALUE.fullmatch(line):
            continue
        if row or (_unread if first < i < last else _damaged)(line, columns, i == opening):
            faults.append(i)
    return faults


def _heads(row: tuple[float, ...], opening: bool) -> bool:
    """Return whether numbers may stand in front: a title, a count, the size of a mesh under one."""
    whole = all(value == round(value) for value in row)
    domain = len(row) == _DOMAIN and not opening
    return bool(row) and (domain or whole and (opening or len(row) < 3))


def _unread(line: str, columns: int, opening: bool) -> bool:
    """Return whether a line between coordinates is none that separates them."""
    tokens = _tokens(line)
    if not any(map(str.isalnum, "".join(tokens))):
        return False
    if all(token.lower() in _HEADINGS for token in tokens):
        return False
    return bool(re.search("[0-9]", line)) or not _SIDES.search(line)


def _damaged(line: str, columns: int, opening: bool) -> bool:
    """Return whether a line around the coordinates looks like one of them."""
    tokens = _tokens(line)
    if not tokens or _CHANGE in line:
        return False
    number = [_NUMBER.fullmatch(token) is not None for token in tokens]
    digits = [len(found[1]) if (found := _DECIMAL.fullmatch(token)) else 0 for token in tokens]
    least = _FINE if opening else 1
    if all(number[:2]) and len(tokens) > 1 and max(digits[:2]) >= least:
        return True
    word = re.search(r"[^\W\d_]{2}", tokens[0])
    if not word and any(min(pair) >= _FINE for pair in itertools.pairwise(digits)):
        return True
    if len(tokens) > columns + 1:
        return False
    mixed = all(re.search("[0-9]", t) or not re.search(r"[^\W\d_]", t) for t in tokens)
    alike = number[0] and mixed and len(tokens) == columns and not opening
    return digits[0] >= least or alike or mixed and max(digits) >= _FINE


def _too_few(name: str, raw: Sequence[str], columns: int, found: int, least: int) -> SectionError:
    odd = [i for i, line in enumerate(raw) if _damaged(_plain(line), columns, False)]
    odd = [i for i in odd if not _numbers_of(_plain(raw[i]))]
    unread = f" {_quoted(raw, odd[0])}{_more(len(odd) - 1)} cannot be read." if odd else ""
    return SectionError(
        f"section {name!r} holds {found} lines of coordinates; at least {least} are needed."
        f"{unread} Give a file of x y pairs, one a line."
    )


def _quoted(raw: Sequence[str], line: int) -> str:
    text = " ".join(raw[line].split())
    return f"line {line + 1}, {text[:_LONGEST] + '...' if len(text) > _LONGEST else text!r}"


def _more(count: int) -> str:
    return f" (and {count} more)" if count else ""
