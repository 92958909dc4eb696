"""OpenFOAM's text files: dictionaries, lists and fields, written and read; a cut-off file is told.

Written in the syntax that version 1912 and later versions share: numbers only, no variables.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from formwright.datasets.errors import FlowFileError

_HEADER: Final = (
    "FoamFile\n{{\n    version 2.0;\n    format ascii;\n    class {};\n    object {};\n}}\n"
)
_KINDS: Final = {1: "scalar", 3: "vector"}
_WIDTH: Final = {"scalar": 1, "vector": 3, "symmTensor": 6, "tensor": 9}
_UNIFORM: Final = re.compile(r"\s*uniform\s+(\([^()]*\)|[^\s;]+)\s*;")
_LIST: Final = re.compile(r"\s*nonuniform\s+List<(\w+)>\s*(\d+)\s*\(")
_PATCH: Final = re.compile(r'([\w".*|()]+)\s*\{([^{}]*)\}')


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """A field of one case as its file holds it.

    Attributes:
        internal: (cells,) or (cells, components); one row where the file says ``uniform``.
        patches: The values on each patch that lists them, in the same form.
    """

    internal: np.ndarray
    patches: Mapping[str, np.ndarray] = field(default_factory=dict)


def dictionary(name: str, entries: Mapping[str, Any], kind: str = "dictionary") -> str:
    """Return a file: its header, then the entries; mappings become blocks, True ``yes``."""
    return _HEADER.format(kind, name) + block(entries)


def block(entries: Mapping[str, Any], indent: str = "") -> str:
    """Return entries as text, without a header."""
    lines = []
    for key, value in entries.items():
        title = key if re.fullmatch(r"[\w()./,*+-]+", key) else f'"{key}"'
        if isinstance(value, Mapping):
            inner = block(value, indent + "    ")
            lines.append(f"{indent}{title}\n{indent}{{\n{inner}{indent}}}\n")
        else:
            lines.append(f"{indent}{title} {_value(value)};\n")
    return "".join(lines)


def values(array: np.ndarray) -> str:
    """Return ``uniform ...`` for a number or a vector, ``nonuniform List<...> ...`` for a field.

    Args:
        array: (), (3,) for a uniform vector, (cells,) or (cells, 3). A field of three scalars
            would look like a vector and does not occur.
    """
    if array.ndim == 0 or array.shape == (3,):
        return f"uniform {_value(array)}"
    width = array.shape[1] if array.ndim == 2 else 1
    return f"nonuniform List<{_KINDS[width]}> {rows(array)}"


def rows(array: np.ndarray) -> str:
    """Return a list: its length, then a row a line, vectors and faces in brackets."""
    number = "%d" if np.issubdtype(array.dtype, np.integer) else "%.11g"
    row = number if array.ndim == 1 else f"({' '.join([number] * array.shape[1])})"
    return f"{len(array)}\n(\n" + (f"{row}\n" * len(array)) % tuple(array.ravel().tolist()) + ")\n"


def read_field(path: str | os.PathLike[str]) -> Field:
    """Read a field file of scalars, vectors or tensors.

    Raises:
        FlowFileError: It is absent, cut off, in another form, or holds another number of values
            than it says.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise FlowFileError(f"cannot read the field {str(path)!r}: {error}.") from error
    start = text.find("internalField")
    boundary = text.find("boundaryField", start + 1)
    if start < 0 or boundary < 0:
        raise FlowFileError(
            f"{str(path)!r} has no {'internalField' if start < 0 else 'boundaryField'}: it is cut "
            "off or no field. Compute the case again."
        )
    internal, _ = _read_values(text, start + len("internalField"), path)
    depth = text.count("{", boundary)
    if not depth or depth != text.count("}", boundary):
        raise FlowFileError(f"{str(path)!r} is cut off in its boundaryField.")
    return Field(internal=internal, patches=_read_patches(text, boundary, path))


def _read_patches(text: str, start: int, path: Path) -> dict[str, np.ndarray]:
    """Return the ``value`` of each patch that has one."""
    result = {}
    for match in _PATCH.finditer(text, text.index("{", start) + 1):
        entry = re.search(r"\bvalue\s", match.group(2))
        if entry is not None:
            result[match.group(1)] = _read_values(text, match.start(2) + entry.end() - 1, path)[0]
    return result


def _read_values(text: str, start: int, path: Path) -> tuple[np.ndarray, int]:
    """Return the values that begin at ``start``, and where they end."""
    uniform = _UNIFORM.match(text, start)
    if uniform is not None:
        return _numbers(uniform.group(1), path), uniform.end()
    listed = _LIST.match(text, start)
    if listed is None or listed.group(1) not in _WIDTH:
        excerpt = " ".join(text[start : start + 60].split())
        raise FlowFileError(f"{str(path)!r} is cut off or in another form near {excerpt!r}.")
    width, count = _WIDTH[listed.group(1)], int(listed.group(2))
    end = _closing(text, listed.end())
    if end < 0:
        raise FlowFileError(f"{str(path)!r} is cut off within a list of {count} values.")
    result = _numbers(text[listed.end() : end], path)
    if result.size != width * count:
        raise FlowFileError(
            f"{str(path)!r} announces {count} values of {width} numbers and holds {result.size} "
            "numbers. Compute the case again."
        )
    return (result if width == 1 else result.reshape(count, width)), end


def _closing(text: str, start: int) -> int:
    """Return where the list that opened before ``start`` closes; -1 if it does not."""
    end = text.find(";", start)
    return -1 if end < 0 else text.rfind(")", start, end)


def _numbers(text: str, path: Path) -> np.ndarray:
    """Return the numbers in a text with brackets."""
    words = text.replace("(", " ").replace(")", " ").split()
    try:
        numbers = np.array(words, dtype=np.float64)
    except ValueError as error:
        raise FlowFileError(f"{str(path)!r} holds something that is no number: {error}.") from error
    return numbers.reshape(()) if len(numbers) == 1 and "(" not in text else numbers


def _value(value: Any) -> str:
    """Return a value of a dictionary as text."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, np.ndarray | tuple | list):
        array = np.asarray(value)
        return _value(array.item()) if array.ndim == 0 else f"({' '.join(map(_value, array))})"
    if isinstance(value, float | np.floating):
        return f"{float(value):.11g}"
    return str(value)
