"""The folder of a study: whose it is, what it was asked, where a stopped run goes on."""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from formwright.datasets.config import to_mapping
from formwright.datasets.errors import ConfigError
from formwright.datasets.files import write_record, write_text
from formwright.datasets.toml import to_toml
from formwright.design.records import read_json

STATE: Final = "state"
_MARK: Final = "study.json"


def fingerprint(study: Any) -> str:
    """Return what two equal studies have in common, and unequal ones have not."""
    text = json.dumps(to_mapping(study), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def open_folder(path: Path, study: Any, written: Sequence[str], *, resume: bool) -> None:
    """Make a folder this study's: ``study.toml`` and a mark in ``state/``.

    Args:
        path: The folder; made if absent.
        study: The study, a dataclass.
        written: Files and folders that a study of this kind writes, removed where it begins anew.
        resume: Go on from what is there; else begin anew.

    Raises:
        ConfigError: It is another study's.
    """
    mark = path / STATE / _MARK
    if not resume:
        for name in (STATE, *written):
            shutil.rmtree(path / name, ignore_errors=True)
            if (path / name).is_file():
                (path / name).unlink()
    known = read_json(mark)
    if known is not None and known["fingerprint"] != fingerprint(study):
        raise ConfigError(
            f"{str(path)!r} holds another study (its study.toml differs from the one asked for). "
            "Give another folder, or resume=False (--no-resume) to replace it."
        )
    if known is None:
        if (path / "result.json").exists():
            raise ConfigError(
                f"{str(path)!r} holds a result.json of which nothing else is known. Give another "
                "folder, or resume=False (--no-resume) to replace it."
            )
        write_text(path / "study.toml", to_toml(to_mapping(study)))
        write_record(mark, {"fingerprint": fingerprint(study), "started": now()})


def started(path: Path) -> str:
    """Return when the study of a folder began."""
    return read_json(path / STATE / _MARK)["started"]


def now() -> str:
    """Return the time, ISO 8601, UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def versions() -> dict[str, str]:
    """Return the versions that a number depends on."""
    packages = ("formwright", "torch", "numpy", "scipy")
    return {name: metadata.version(name) for name in packages} | {
        "python": platform.python_version()
    }
