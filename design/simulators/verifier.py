"""A program, or a function, that answers a case: every answer on disk, a failure is an answer."""

from __future__ import annotations

import json
import math
import os
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from formwright.datasets.errors import ConfigError, MissingSolverError
from formwright.datasets.files import write_record
from formwright.design.records import plain, read_json

Function = Callable[[dict[str, float]], Mapping[str, float]]
_CASE: Final = "{case}"
_SHOWN: Final = 300


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What a simulator said of one case.

    Attributes:
        outputs: Numbers by name; empty where it failed.
        reason: Why it failed, or empty.
        seconds: How long it took.
    """

    outputs: Mapping[str, float] = field(default_factory=dict)
    reason: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """A program that is given the path of a case.

    Attributes:
        words: Program and arguments, ``{case}`` among them.
        timeout_s: Longest that it may take.
    """

    words: tuple[str, ...]
    timeout_s: float

    @classmethod
    def of(cls, text: str, timeout_s: float) -> Command:
        """Read ``PROGRAM {case} ...``.

        Raises:
            ConfigError: It does not say where the case goes, or its quotes do not close.
            MissingSolverError: There is no such program.
        """
        try:
            words = tuple(shlex.split(text))
        except ValueError as error:
            raise ConfigError(f"verifier = {text!r}: {error}.") from error
        if not any(_CASE in word for word in words):
            raise ConfigError(
                f"verifier = {text!r} has no {_CASE}: write where the path of the case goes, e.g. "
                "'command: ./run.sh {case}'."
            )
        if shutil.which(words[0]) is None:
            raise MissingSolverError(
                f"there is no program {words[0]!r} to run here ({os.getcwd()!r}), or it may not be "
                "executed: chmod +x, or give its path."
            )
        return cls(words=words, timeout_s=timeout_s)

    def __call__(self, case: Path) -> Mapping[str, float]:
        """Run it and return the JSON object of its last line.

        Raises:
            ValueError: It ended with an error, took too long, or printed no such line.
        """
        words = [word.replace(_CASE, str(case.resolve())) for word in self.words]
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            printed, errors = process.communicate(timeout=self.timeout_s)
        except subprocess.TimeoutExpired:
            raise ValueError(f"it took more than {self.timeout_s:g} s") from None
        finally:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
        if process.returncode:
            last = errors.decode(errors="replace").strip()[-_SHOWN:]
            raise ValueError(f"it ended with exit code {process.returncode}: {last}")
        lines = printed.decode(errors="replace").strip().splitlines() or [""]
        try:
            result = json.loads(lines[-1])
        except (ValueError, RecursionError):
            raise ValueError(f"its last line is no JSON object: {lines[-1][:_SHOWN]!r}") from None
        if not isinstance(result, dict):
            raise ValueError(f"its last line is no JSON object: {lines[-1][:_SHOWN]!r}")
        return result


def answered(
    ask: Command | Function,
    cases: Sequence[Mapping[str, float]],
    place: Path,
    outputs: Sequence[str],
    workers: int,
) -> list[Answer]:
    """Return the answers to all cases, in order; those that are on disk are not asked again.

    Args:
        ask: Who answers.
        cases: Inputs by name.
        place: Folder; gets ``case-N.json`` and ``answer-N.json``.
        outputs: Names that an answer must have, as finite numbers.
        workers: Cases at once.
    """
    place.mkdir(parents=True, exist_ok=True)

    def one(number: int) -> Answer:
        kept = place / f"answer-{number}.json"
        known = read_json(kept)
        if known is None:
            case = place / f"case-{number}.json"
            inputs = dict(cases[number])
            case.write_text(json.dumps({"inputs": inputs}, indent=2) + "\n", encoding="utf-8")
            began = time.perf_counter()
            found, reason = _outputs(ask, case, inputs, outputs)
            seconds = time.perf_counter() - began
            known = plain({"outputs": found, "reason": reason, "seconds": seconds})
            write_record(kept, known)
        return Answer(**{name: known[name] for name in ("outputs", "reason", "seconds")})

    with ThreadPoolExecutor(max_workers=workers) as pool:
        return list(pool.map(one, range(len(cases))))


def _outputs(
    ask: Command | Function, case: Path, inputs: dict[str, float], outputs: Sequence[str]
) -> tuple[dict[str, float], str]:
    """Return outputs, or why there are none."""
    try:
        answer: Any = ask(case) if isinstance(ask, Command) else ask(inputs)
        numbers = {str(name): float(value) for name, value in dict(answer).items()}
    except Exception as error:
        return {}, str(error) or type(error).__name__
    missing = [name for name in outputs if not math.isfinite(numbers.get(name, math.nan))]
    if missing:
        return {}, f"no finite number {', '.join(map(repr, missing))} among {numbers}"
    return numbers, ""
