"""Tensors and a JSON header in one safetensors file: no pickle, and never half a file.

The header is a string in the metadata of the file, so tensors and header are renamed into place
together: a reader sees the old pair or the new one. Every header carries ``format_version``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from formwright.datasets import integrity
from formwright.datasets.errors import CheckpointError
from formwright.datasets.files import from_json, replacing

FORMAT_VERSION: Final = 1
_HEADER: Final = "formwright"
_LISTED: Final = 6
_AGAIN: Final = "Copy it again, or remove it and run what made it again."
_SHIPPED: Final = Path(__file__).resolve().parent / "weights"


def save_tensors(
    path: str | os.PathLike[str], tensors: Mapping[str, Tensor], header: Mapping[str, Any]
) -> None:
    """Write tensors and a header as one file, atomically.

    Args:
        path: Where to; what is there is replaced when the new file is whole.
        tensors: By name, any dtype and device.
        header: What JSON can hold; ``format_version`` is added.

    Raises:
        StorageError: The file cannot be written; what was there before is intact.
    """
    marked = {"format_version": FORMAT_VERSION, integrity.KEY: integrity.BLANK, **header}
    text = json.dumps(marked, allow_nan=False)
    whole = {name: t.detach().cpu().clone().contiguous() for name, t in tensors.items()}
    with replacing(path) as temporary:
        try:
            save_file(whole, temporary, metadata={_HEADER: text})
        except SafetensorError as error:
            raise OSError(str(error)) from error


def load_tensors(path: str | os.PathLike[str]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what ``save_tensors`` wrote, onto the CPU.

    Raises:
        CheckpointError: The file is absent, damaged, not ours, or of a newer format.
    """
    with _opened(path) as handle:
        header = _header(handle, path)
        return {name: handle.get_tensor(name) for name in handle.keys()}, header


def load_header(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read the header only.

    Raises:
        CheckpointError: The file is absent, damaged, not ours, or of a newer format.
    """
    with _opened(path) as handle:
        return _header(handle, path)


@contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[Any]:
    """Open a safetensors file."""
    try:
        integrity.check(path, CheckpointError, _AGAIN, ours=False)
        with safe_open(path, framework="pt") as handle:
            yield handle
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"cannot read weights from {str(path)!r}: {error}. The file is absent or damaged; "
            f"{_AGAIN[0].lower()}{_AGAIN[1:]}"
        ) from error


def _header(handle: Any, path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the header of an open file if this version can read it."""
    text = (handle.metadata() or {}).get(_HEADER)
    if text is None:
        raise CheckpointError(
            f"{str(path)!r} is a safetensors file, but not one that formwright wrote: its metadata "
            f"holds no {_HEADER!r} header."
        )
    try:
        header = from_json(text)
    except ValueError as error:
        raise CheckpointError(
            f"the header of {str(path)!r} is no JSON ({error}). {_AGAIN}"
        ) from error
    version = header.get("format_version") if isinstance(header, dict) else None
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise CheckpointError(
            f"the header of {str(path)!r} has the format_version {version!r}, which is no version: "
            f"it is damaged. {_AGAIN}"
        )
    if version > FORMAT_VERSION:
        raise CheckpointError(
            f"{str(path)!r} has format_version {version}, and this formwright "
            f"reads up to {FORMAT_VERSION}: it was written by a newer one; upgrade formwright."
        )
    if header.pop(integrity.KEY, None) is None and not _guarded(path, header):
        integrity.tell(path)
    return header


def _guarded(path: str | os.PathLike[str], header: Mapping[str, Any]) -> bool:
    """Return whether something else than a seal tells that weights are what they were."""
    return "answers" in header or Path(path).resolve().parent == _SHIPPED


def save_weights(
    module: nn.Module, path: str | os.PathLike[str], header: Mapping[str, Any] | None = None
) -> None:
    """Write the parameters and buffers of ``module``, with a header of one's own."""
    save_tensors(path, module.state_dict(), header or {})


def load_weights(module: nn.Module, path: str | os.PathLike[str]) -> dict[str, Any]:
    """Load what ``save_weights`` wrote into ``module``; return the header.

    Raises:
        CheckpointError: The file cannot be read, or is of another architecture; the message lists
            what differs, and ``module`` is untouched.
    """
    tensors, header = load_tensors(path)
    load_state(module, tensors, str(path))
    return header


def load_state(module: nn.Module, tensors: Mapping[str, Tensor], source: str) -> None:
    """Copy ``tensors`` into the parameters and buffers of ``module`` if every one fits.

    Args:
        module: Its own state is the architecture that is asked for.
        tensors: By name in ``module.state_dict()``.
        source: Where they come from, for the message.

    Raises:
        CheckpointError: Names or shapes differ, or a number is none; ``module`` is untouched.
    """
    differences = _differences(module.state_dict(), tensors)
    if differences:
        more = len(differences) - _LISTED
        tail = f"; and {more} more" if more > 0 else ""
        raise CheckpointError(
            f"the weights of {source!r} are of another architecture than this "
            f"{type(module).__name__}: {'; '.join(differences[:_LISTED])}{tail}. Build the model "
            "with the configuration that was saved beside the weights."
        )
    wrong = [name for name, value in tensors.items() if value.isnan().any()]
    if wrong:
        raise CheckpointError(
            f"the weights of {source!r} hold NaN ({', '.join(map(repr, wrong[:_LISTED]))}): they "
            f"are damaged, or their training failed. {_AGAIN}"
        )
    module.load_state_dict(dict(tensors))


def _differences(wanted: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> list[str]:
    """Return one phrase for each name or shape that differs."""
    missing = [f"{name!r} is missing" for name in wanted if name not in given]
    extra = [f"{name!r} is not part of the model" for name in given if name not in wanted]
    shapes = [
        f"{name!r} has shape {tuple(given[name].shape)}, the model wants {tuple(value.shape)}"
        for name, value in wanted.items()
        if name in given and given[name].shape != value.shape
    ]
    return shapes + missing + extra


def unpack(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors whose name starts with ``prefix``, without it."""
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
