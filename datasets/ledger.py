"""Values worked out once and kept as lines of a file, so that a killed run goes on."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from formwright.datasets.files import write_text


def read_lines(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Return the whole lines of a JSONL file; a last line cut short by a kill is left out.

    A file that is not there has none.
    """
    file = Path(path)
    if not file.exists():
        return []
    return [json.loads(line) for line in file.read_text(encoding="utf-8").split("\n")[:-1]]


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
        self.done: dict[str, Any] = {line["key"]: line["value"] for line in lines}
        if self._path.exists() and not self._path.read_bytes().endswith(b"\n"):
            write_text(path, "".join(json.dumps(line) + "\n" for line in lines))

    def once(self, key: str, work: Callable[[], Any]) -> Any:
        """Return the value of ``key``, worked out now if it was not before."""
        if key not in self.done:
            self.done[key] = work()
            with open(self._path, "a", encoding="utf-8") as file:
                file.write(json.dumps({"key": key, "value": self.done[key]}) + "\n")
            if self._tell:
                self._tell(key, self.done[key])
        return self.done[key]
