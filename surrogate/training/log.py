"""What a training run says of itself: a JSONL file, a progress bar, and TensorBoard if asked."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any, Final

from formwright.datasets.errors import ConfigError
from formwright.datasets.files import write_text
from formwright.datasets.ledger import appending, check_keys, line_of, read_lines

BOARD: Final = "tensorboard"


class TrainingLog:
    """Writes one JSON line a report, and shows the latest on a terminal.

    Use as a context manager. Lines of steps that a resumed run will do again are dropped at the
    start, so no step stands in the file twice.

    Attributes:
        history: The reports written since the start, oldest first.
    """

    def __init__(
        self,
        path: Path | None,
        steps: int,
        done: int,
        progress: bool,
        *,
        tensorboard: bool = False,
    ) -> None:
        """Open the log of a run of ``steps`` steps of which ``done`` are behind it.

        Raises:
            ConfigError: TensorBoard is asked for and not installed.
        """
        self._board = None
        if tensorboard and path is not None:
            self._board = board(path.parent / BOARD, done)
        self.history: list[dict[str, Any]] = []
        self._path = path
        self._bar = self._task = None
        self._steps, self._done = steps, done
        self._progress = progress and sys.stderr.isatty()

    def __enter__(self) -> TrainingLog:
        """Read and tidy the file, open the bar.

        Raises:
            CorpusError: A line of it is damaged.
        """
        if self._path is not None:
            lines = read_lines(self._path)
            check_keys(self._path, lines, "step")
            self.history = [r for r in lines if r["step"] <= self._done]
            write_text(self._path, "".join(map(line_of, self.history)))
        if self._progress:
            from rich.console import Console
            from rich.progress import Progress

            self._bar = Progress(console=Console(stderr=True))
            self._bar.start()
            self._task = self._bar.add_task("training", total=self._steps, completed=self._done)
        return self

    def __exit__(self, *exception: object) -> None:
        """Close what is open."""
        if self._bar is not None:
            self._bar.stop()
        if self._board is not None:
            self._board.close()

    def report(self, step: int, figures: dict[str, Any]) -> None:
        """Write the figures of ``step``; an entry ``alarm`` is shown as a warning."""
        line = {"step": step, **figures}
        self.history.append(line)
        if self._path is not None:
            with appending(self._path) as file:
                file.write(line_of({k: _finite(v) for k, v in line.items()}))
        if self._board is not None:
            write_scalars(self._board, step, figures)
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=step, description=f"loss {line['loss']:.4g}")
            if line.get("alarm"):
                self._bar.console.print(
                    f"step {step}: {line['alarm']}", style="yellow", markup=False
                )


def _finite(figure: Any) -> Any:
    """Return a figure as a line of the log can hold it: None where it is not finite."""
    return figure if not isinstance(figure, float) or math.isfinite(figure) else None


def board(folder: Path, done: int) -> Any:
    """Open TensorBoard's writer; lines of steps after ``done`` are hidden from its display.

    Raises:
        ConfigError: The package is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ConfigError(
            "tensorboard = true needs the package tensorboard, which is not installed: "
            "pip install 'formwright[tensorboard]', or leave the setting out; log.jsonl holds the "
            "same figures."
        ) from error
    return SummaryWriter(str(folder), purge_step=done + 1)


def write_scalars(writer: Any, step: int, figures: dict[str, Any]) -> None:
    """Write every number as a scalar, and an alarm as text."""
    for name, value in figures.items():
        if isinstance(value, str):
            writer.add_text(name, value, step)
        else:
            writer.add_scalar(name, value, step)
