"""Values worked out once and kept as lines of a file, so that a killed run goes on.

A line is a JSON object whose last entry is the CRC-32 of what stands before it.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TextIO

from formwright.datasets import integrity
from formwright.datasets.errors import CorpusError, StorageError
from formwright.datasets.files import finite, write_text

REMEDY: Final = "Remove that line, or the file,"
"""What to do about a damaged line where every line is worked out by itself."""
_MARK: Final = ', "crc": "'


def line_of(value: Mapping[str, Any]) -> str:
    """Return a line with its checksum.

    Raises:
        ValueError: A number is not finite.
    """
    body = json.dumps(value, allow_nan=False)[:-1]
    return f'{body}{_MARK}{zlib.crc32(body.encode()):08x}"}}\n'


def read_lines(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Return the whole lines of a JSONL file; a last line cut short by a kill is left out.

    A file that is not there has none.

    Raises:
        CorpusError: A line is no JSON object, or not what was written; the message names it.
    """
    file = Path(path)
    if not file.exists():
        return []
    lines = file.read_bytes().split(b"\n")[:-1]
    return [read_line(line, number, file) for number, line in enumerate(lines, 1)]


def check_keys(path: str | os.PathLike[str], rows: Sequence[Mapping[str, Any]], *keys: str) -> None:
    """Refuse lines that lack a key.

    Raises:
        CorpusError: One does; the message names it.
    """
    for number, row in enumerate(rows, 1):
        for key in keys:
            if key not in row:
                raise damaged(Path(path), number, f"it lacks {key!r}")


def read_line(line: bytes, number: int, path: Path, remedy: str = REMEDY) -> dict[str, Any]:
    """Return what a line holds.

    Args:
        line: Its bytes.
        number: Of the line, from 1.
        path: Of the file.
        remedy: What to do before the same command is run again.

    Raises:
        CorpusError: It is no JSON object, or its checksum is not that of what was written.
    """
    body, mark, rest = line.rstrip().rpartition(_MARK.encode())
    if not mark:
        integrity.tell(path)
    elif rest != f'{zlib.crc32(body):08x}"}}'.encode():
        raise damaged(path, number, "its checksum is not that of what was written", remedy)
    try:
        result = json.loads(line, parse_constant=finite, parse_float=finite)
    except (ValueError, RecursionError) as error:
        raise damaged(path, number, f"not valid JSON ({error})", remedy) from error
    if not isinstance(result, dict):
        raise damaged(path, number, f"{result!r:.80} is no JSON object", remedy)
    result.pop("crc", None)
    return result


def damaged(path: Path, number: int, why: str, remedy: str = REMEDY) -> CorpusError:
    """Return the error of a damaged line."""
    return CorpusError(
        f"line {number} of {str(path)!r} is damaged: {why}. {remedy} and run the same command "
        "again: what it held is worked out again."
    )


@contextmanager
def appending(path: str | os.PathLike[str]) -> Iterator[TextIO]:
    """Open a file to add lines at its end.

    Raises:
        StorageError: The disk is full or the folder cannot be written.
    """
    try:
        with open(path, "a", encoding="utf-8") as file:
            yield file
    except OSError as error:
        raise StorageError(
            f"could not add to {str(Path(path))!r}: {error.strerror or error}. What was there "
            "before is intact; free some space, then run the same command again."
        ) from error


class Ledger:
    """What has been worked out, by key.

    Attributes:
        done: Values by key, those of earlier runs included.
    """

    def __init__(
        self, path: str | os.PathLike[str], tell: Callable[[str, Any], None] | None = None
    ) -> None:
        """Read what is there; ``tell`` is called with every new key and value."""
        self._path, self._tell = Path(path), tell
        self._path.parent.mkdir(parents=True, exist_ok=True)
        lines = read_lines(path)
        check_keys(path, lines, "key", "value")
        self.done: dict[str, Any] = {line["key"]: line["value"] for line in lines}
        if self._path.exists() and not self._path.read_bytes().endswith(b"\n"):
            write_text(path, "".join(map(line_of, lines)))

    def once(self, key: str, work: Callable[[], Any]) -> Any:
        """Return the value of ``key``, worked out now if it was not before."""
        if key not in self.done:
            self.done[key] = work()
            with appending(self._path) as file:
                file.write(line_of({"key": key, "value": self.done[key]}))
            if self._tell:
                self._tell(key, self.done[key])
        return self.done[key]
