"""The folder of a study: whose it is, what it was asked, where a stopped run goes on."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import platform
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from formwright.datasets.begun import changes, described, digest, file_digest, flat
from formwright.datasets.config import read_toml, to_mapping, to_toml
from formwright.datasets.errors import ConfigError
from formwright.datasets.files import write_record, write_text
from formwright.design.records import read_json

STATE: Final = "state"
TOML: Final = "study.toml"
_MARK: Final = "study.json"
_ADVICE: Final = "Give another folder, or resume=False (--no-resume) to replace it."
_LISTED: Final = 6


def requested(study: Any) -> dict[str, Any]:
    """Return everything that a study asks for."""
    return to_mapping(study) if dataclasses.is_dataclass(study) else described(study)


def fingerprint(study: Any) -> str:
    """Return what two equal studies have in common, and unequal ones have not."""
    text = json.dumps(requested(study), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def check(path: Path, study: Any) -> None:
    """Refuse a folder that is another study's; what differs is told by name.

    Raises:
        ConfigError: It is, or nobody knows whose it is.
    """
    known = read_json(path / STATE / _MARK)
    if known is None:
        if (path / "result.json").exists():
            raise ConfigError(
                f"{str(path)!r} holds a result.json of which nothing else is known. {_ADVICE}"
            )
        return
    now, before = _files(study), known.get("files", {})
    both = before.keys() & now.keys()
    told = changes({key: before[key] for key in both}, {key: now[key] for key in both})
    if known["fingerprint"] != fingerprint(study):
        told = _differences(path / TOML, study) or ["its study.toml was changed since it began"]
    if told:
        more = f"; and {len(told) - _LISTED} more" if len(told) > _LISTED else ""
        raise ConfigError(
            f"{str(path)!r} holds another study: {'; '.join(told[:_LISTED])}{more}. {_ADVICE}"
        )


def claim(path: Path, study: Any, written: Sequence[str], *, resume: bool) -> None:
    """Make a folder this study's: ``study.toml`` and a mark in ``state/``.

    Args:
        path: The folder; made if absent.
        study: The study.
        written: Files and folders that it writes, removed where it begins anew; ``{}`` stands for
            the index of a round.
        resume: Go on from what is there; else begin anew.
    """
    if not resume:
        for one in [path / STATE, *(p for name in written for p in path.glob(name.format("*")))]:
            shutil.rmtree(one, ignore_errors=True)
            one.unlink(missing_ok=True)
    if read_json(path / STATE / _MARK) is None:
        write_text(path / TOML, to_toml(requested(study)))
        mark = {"fingerprint": fingerprint(study), "files": _files(study), "started": now()}
        write_record(path / STATE / _MARK, mark)


def started(path: Path) -> str:
    """Return when the study of a folder began."""
    mark = read_json(path / STATE / _MARK)
    assert mark is not None
    return mark["started"]


def now() -> str:
    """Return the time, ISO 8601, UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def versions() -> dict[str, str]:
    """Return the versions that a number depends on."""
    packages = ("formwright", "torch", "numpy", "scipy")
    return {name: metadata.version(name) for name in packages} | {
        "python": platform.python_version()
    }


def _files(study: Any) -> dict[str, str]:
    """Return name and digest of each file, or folder of weights, that a study reads."""
    result = {}
    for key in study.reads:
        value = getattr(study, key)
        path = Path(value or "")
        if value and path.is_file():
            result[key] = f"{value}, content {file_digest(path)},"
        elif value and path.is_dir():
            weights = {one.name: file_digest(one) for one in path.glob("*.safetensors")}
            result[key] = f"{value}, content {digest(weights)},"
    return result


def _differences(toml: Path, study: Any) -> list[str]:
    """Return a phrase for each key of a study that is not as in its file."""
    try:
        there = flat(read_toml(toml))
    except ConfigError:
        return []
    here = {key: value for key, value in flat(requested(study)).items() if value is not None}
    return changes(there, here)
