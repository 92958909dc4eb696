"""Whose a folder is: a note of what was begun in it, and the refusal to go on with anything else.

Whatever writes a folder that it can go on with notes in ``begun.json`` everything that decides what
it makes: a digest of the data, the whole configuration, the weights it begins with.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from formwright.datasets.cases import Case
from formwright.datasets.errors import CheckpointError, ConfigError, CorpusError, FormwrightError
from formwright.datasets.files import read_record, write_record

BEGUN: Final = "begun.json"
FILES: Final = "files.json"
MADE: Final = ("*.safetensors",)
_KIND: Final = ".is"
_LISTED: Final = 6
_DIGITS: Final = 16


def claim(
    folder: str | os.PathLike[str],
    requested: Mapping[str, Any],
    *,
    made: Sequence[str] = MADE,
    free: Collection[str] = (),
    error: type[FormwrightError] = ConfigError,
) -> None:
    """Note what is begun in a folder; refuse to go on with what was begun there otherwise.

    As long as nothing of ``made`` is there, the note may be of anything: there is nothing to go on
    with, and it is written anew.

    Args:
        folder: Where; made if absent.
        requested: Everything that decides what is made, of any kind that ``described`` knows.
        made: Patterns of the files whose presence means that there is something to go on with.
        free: Keys that may differ; see ``check_same``.
        error: What to raise.

    Raises:
        FormwrightError: Of the kind ``error``: the folder was begun with other data or another
            configuration, or it holds results and no note.
        StorageError: The note cannot be written.
    """
    path, wanted = Path(folder) / BEGUN, described(requested)
    results = sorted(found.name for pattern in made for found in path.parent.glob(pattern))
    if not results:
        write_record(path, wanted)
        return
    try:
        found = read_record(path, error, "Choose another folder (--out), or delete this one.")
    except OSError:
        raise error(
            f"{str(folder)!r} holds {results[0]!r} and no {BEGUN} that says what it was made "
            "from: an earlier version wrote it, or something else. Choose another folder (--out), "
            "or delete this one to begin anew."
        ) from None
    check_same(folder, found, wanted, free=free, error=error)


@contextmanager
def naming_files(folder: str | os.PathLike[str], paths: Sequence[Path]) -> Iterator[None]:
    """Name the files that are others, where what is done inside is refused (``claim``).

    Args:
        folder: What is begun in; the files are noted in it as long as it holds no results.
        paths: Files, or folders of them, that are learned from.

    Raises:
        FormwrightError: As inside; the message also says which files are others than noted.
    """
    note = Path(folder) / FILES
    if not any(found for pattern in MADE for found in note.parent.glob(pattern)):
        write_record(note, {"files": file_digests(paths)})
    try:
        yield
    except (ConfigError, CheckpointError) as error:
        there = _noted(note)
        here = file_digests(paths) if there else {}
        others = [name for name in sorted({*there, *here}) if there.get(name) != here.get(name)]
        if not others:
            raise
        more = f" and {len(others) - _LISTED} more" if len(others) > _LISTED else ""
        listed = ", ".join(
            f"{name!r} ({_how(name in there, name in here)})" for name in others[:_LISTED]
        )
        raise type(error)(f"{error} Files that differ: {listed}{more}.") from error


def _how(there: bool, here: bool) -> str:
    return "other content" if there and here else "there only" if there else "asked only"


def file_digests(paths: Sequence[Path]) -> dict[str, str]:
    """Return a digest of every file, by its path within the folder that was given."""
    found: dict[str, str] = {}
    for path in paths:
        inside = (
            sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]
        )
        for one in filter(Path.is_file, inside):
            found[str(one.relative_to(path.parent))] = file_digest(one)
    return found


def _noted(note: Path) -> Mapping[str, str]:
    """Return the files that are noted in a folder; none where the note is absent or damaged."""
    try:
        return read_record(note, CorpusError, "")["files"]
    except (OSError, CorpusError, LookupError):
        return {}


def check_same(
    where: str | os.PathLike[str],
    noted: Mapping[str, Any],
    requested: Mapping[str, Any],
    *,
    free: Collection[str] = (),
    error: type[FormwrightError] = ConfigError,
) -> None:
    """Refuse to go on with what was begun with other data or another configuration.

    Args:
        where: The folder or file, for the message.
        noted: What was noted there, as JSON or TOML give it; a key that is absent is None.
        requested: What is wanted now, likewise.
        free: Keys that may differ: whole ones, with dots, or their last part.
        error: What to raise.

    Raises:
        FormwrightError: Of the kind ``error``; the message names each key with both values.
    """
    changed = changes(flat(noted), flat(requested), free)
    if changed:
        more = f"; and {len(changed) - _LISTED} more" if len(changed) > _LISTED else ""
        raise error(
            f"{str(where)!r} was made from something else: {'; '.join(changed[:_LISTED])}{more}. "
            "Ask for the same to go on with it, choose another folder (--out), or delete this one "
            "to begin anew."
        )


def changes(
    there: Mapping[str, Any], here: Mapping[str, Any], free: Collection[str] = ()
) -> list[str]:
    """Return a phrase for each key that differs; of objects of two classes only the classes."""
    keys = [
        key
        for key in dict.fromkeys((*here, *there))
        if there.get(key) != here.get(key) and not {key, key.rsplit(".", 1)[-1]} & {*free}
    ]
    kinds = tuple(key.removesuffix(_KIND) for key in keys if key.endswith(_KIND))
    inner = {key for key in keys for kind in kinds if key.startswith(f"{kind}.")}
    return [
        f"{key.removesuffix(_KIND)} = {there.get(key)} there, {here.get(key)} asked"
        for key in keys
        if key not in inner or key.removesuffix(_KIND) in kinds
    ]


def check_recipe(
    path: str | os.PathLike[str], noted: Mapping[str, Any], requested: Mapping[str, Any]
) -> None:
    """Refuse to go on with a part of a corpus that another recipe made.

    Args:
        path: Of the part.
        noted: The recipe in its header; keys that are not asked for are not looked at.
        requested: The recipe that is wanted.

    Raises:
        CorpusError: They differ; the message names the keys.
    """
    check_same(path, {key: noted.get(key) for key in requested}, requested, error=CorpusError)


def flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """Return nested mappings, and lists of mappings, as one with dotted keys."""
    if isinstance(value, list | tuple) and any(isinstance(item, Mapping) for item in value):
        value = dict(enumerate(value))
    if not isinstance(value, Mapping):
        return {prefix: list(value) if isinstance(value, tuple) else value}
    result: dict[str, Any] = {}
    for key, item in value.items():
        result |= flat(item, f"{prefix}.{key}" if prefix else str(key))
    return result


def content(cases: Any) -> str:
    """Return how many cases there are and a digest of all that they hold."""
    return f"{len(cases)} cases, content {digest(cases)}"


def digest(value: Any) -> str:
    """Return what two equal values have in common, in every process; unequal ones have not."""
    text = json.dumps(described(value), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


def file_digest(path: str | os.PathLike[str]) -> str:
    """Return a digest of the bytes of a file."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()[:_DIGITS]


def described(value: Any, _within: tuple[int, ...] = ()) -> Any:
    """Return what JSON can hold of a value, the same in every process.

    Arrays and tensors become type, shape and a digest of their numbers, functions and classes their
    names. Objects become the name of
    their class and their attributes, or what their method ``fingerprint()`` returns where they have
    one (for those that read from disk, or keep what was worked out from the rest).
    """
    if isinstance(value, Enum):
        return described(value.value)
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, np.generic):
        return described(value.item())
    if isinstance(value, Tensor | np.ndarray):
        return _array(value)
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if id(value) in _within:
        return "itself"
    return _parts(value, (*_within, id(value)))


def _parts(value: Any, within: tuple[int, ...]) -> Any:
    """Return a container or an object with what it holds."""
    if isinstance(value, Case):
        value = value.to_dict()
    if isinstance(value, Mapping):
        return {str(key): described(item, within) for key, item in value.items()}
    if isinstance(value, tuple | list | range):
        return [described(item, within) for item in value]
    if isinstance(value, set | frozenset):
        return sorted(str(described(item, within)) for item in value)
    if hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    return {_KIND[1:]: type(value).__qualname__, **_attributes(value, within)}


def _attributes(value: Any, within: tuple[int, ...]) -> dict[str, Any]:
    """Return what an object says of itself, or what it holds."""
    if hasattr(value, "fingerprint"):
        return {"fingerprint": described(value.fingerprint(), within)}
    if dataclasses.is_dataclass(value):
        held = {one.name: getattr(value, one.name) for one in dataclasses.fields(value)}
    else:
        held = getattr(value, "__dict__", {})
    return {name: described(item, within) for name, item in held.items()}


def _array(value: Tensor | np.ndarray) -> Any:
    """Return type, shape and a digest of the numbers of an array."""
    if isinstance(value, Tensor):
        flat_bytes = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        kind, shape, data = str(value.dtype), tuple(value.shape), flat_bytes.numpy().data
    elif value.dtype.hasobject:
        return described(value.tolist())
    else:
        kind, shape, data = value.dtype.str, value.shape, value.tobytes()
    return f"{kind} {list(shape)} {hashlib.sha256(data).hexdigest()[:_DIGITS]}"
