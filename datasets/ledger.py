"""Values worked out once and kept as lines of a file, so that a killed run goes on."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from formwright.datasets.errors import CorpusError, StorageError
from formwright.datasets.files import finite, write_text


def read_lines(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Return the whole lines of a JSONL file; a last line cut short by a kill is left out.

    A file that is not there has none.

    Raises:
        CorpusError: A line is no JSON object; the message names it.
    """
    file = Path(path)
    if not file.exists():
        return []
    lines = file.read_bytes().split(b"\n")[:-1]
    return [_object(line, number, file) for number, line in enumerate(lines, 1)]


def check_keys(path: str | os.PathLike[str], rows: Sequence[Mapping[str, Any]], *keys: str) -> None:
    """Refuse lines that lack a key.

    Raises:
        CorpusError: One does; the message names it.
    """
    for number, row in enumerate(rows, 1):
        for key in keys:
            if key not in row:
                raise _damaged(Path(path), number, f"it lacks {key!r}")


def _object(line: bytes, number: int, path: Path) -> dict[str, Any]:
    """Return what a line holds."""
    try:
        result = json.loads(line, parse_constant=finite, parse_float=finite)
    except (ValueError, RecursionError) as error:
        raise _damaged(path, number, f"not valid JSON ({error})") from error
    if not isinstance(result, dict):
        raise _damaged(path, number, f"{result!r} is no JSON object")
    return result


def _damaged(path: Path, number: int, why: str) -> CorpusError:
    return CorpusError(
        f"line {number} of {str(path)!r} is damaged: {why}. Remove that line, or the file, and run "
        "the same command again: what it held is worked out again."
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
            write_text(path, "".join(json.dumps(line) + "\n" for line in lines))

    def once(self, key: str, work: Callable[[], Any]) -> Any:
        """Return the value of ``key``, worked out now if it was not before."""
        if key not in self.done:
            self.done[key] = work()
            with appending(self._path) as file:
                file.write(json.dumps({"key": key, "value": self.done[key]}) + "\n")
            if self._tell:
                self._tell(key, self.done[key])
        return self.done[key]
