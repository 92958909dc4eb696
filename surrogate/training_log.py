"""What a training run says of itself: a JSONL file and a progress bar."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from formwright.datasets.files import write_text


class TrainingLog:
    """Writes one JSON line a report, and shows the latest on a terminal.

    Use as a context manager. Lines of steps that a resumed run will do again are dropped at the
    start, so no step stands in the file twice.

    Attributes:
        history: The reports written since the start, oldest first.
    """

    def __init__(self, path: Path | None, steps: int, done: int, progress: bool) -> None:
        """Open the log of a run of ``steps`` steps of which ``done`` are behind it."""
        self.history: list[dict[str, Any]] = []
        self._path = path
        self._file = None
        self._bar = self._task = None
        self._steps, self._done = steps, done
        self._progress = progress and sys.stderr.isatty()

    def __enter__(self) -> TrainingLog:
        """Open the file and the bar."""
        if self._path is not None:
            self.history = [r for r in _read(self._path) if r["step"] <= self._done]
            write_text(self._path, "".join(json.dumps(r) + "\n" for r in self.history))
            self._file = open(self._path, "a", encoding="utf-8")
        if self._progress:
            from rich.console import Console
            from rich.progress import Progress

            self._bar = Progress(console=Console(stderr=True))
            self._bar.start()
            self._task = self._bar.add_task("training", total=self._steps, completed=self._done)
        return self

    def __exit__(self, *exception: object) -> None:
        """Close both."""
        if self._file is not None:
            self._file.close()
        if self._bar is not None:
            self._bar.stop()

    def report(self, step: int, figures: dict[str, Any]) -> None:
        """Write the figures of ``step``; an entry ``alarm`` is shown as a warning."""
        line = {"step": step, **figures}
        self.history.append(line)
        if self._file is not None:
            self._file.write(json.dumps(line) + "\n")
            self._file.flush()
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=step, description=f"loss {line['loss']:.4g}")
            if line.get("alarm"):
                self._bar.console.print(f"[yellow]step {step}: {line['alarm']}[/yellow]")


def _read(path: Path) -> list[dict[str, Any]]:
    """Return the whole lines of a log; a last line cut short by a kill is left out."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]
    return [json.loads(line) for line in lines]
