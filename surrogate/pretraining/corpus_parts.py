"""Corpora of tensors in parts of some sections each: what a killed run left is not made again."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from formwright.datasets.begun import check_recipe
from formwright.datasets.errors import CorpusError
from formwright.datasets.locks import writing
from formwright.surrogate.checkpoints import load_header


def generate_parts(
    recipe: Mapping[str, Any],
    folder: str | os.PathLike[str],
    kind: str,
    size: int,
    make: Callable[[range], Any],
) -> Iterator[int]:
    """Make the parts that ``folder`` does not hold yet; yield the sections done after each.

    Args:
        recipe: With how many ``sections``; section i is a function of i and the rest.
        folder: Where the parts go.
        kind: With which the names of their files begin.
        size: Sections a part.
        make: From numbers of sections to their part, which has ``save(path, header)``.

    Raises:
        CorpusError: The folder holds parts of another recipe.
        FolderInUseError: Another process makes them.
        StorageError: The disk is full; run it again when it is not.
    """
    for start in range(0, recipe["sections"], size):
        path = Path(folder) / f"{kind}-{start:06d}.safetensors"
        stop = min(start + size, recipe["sections"])
        requested = {"recipe": {**recipe, "sections": stop - start}}
        with writing(folder):
            if path.exists():
                check_recipe(path, load_header(path).get("recipe", {}), requested["recipe"])
            else:
                make(range(start, stop)).save(path, requested)
        yield stop


def part_files(folder: str | os.PathLike[str], kind: str, maker: str) -> list[Path]:
    """Return the files of a corpus in the order of their sections.

    Raises:
        CorpusError: There are none; the message names ``maker``.
    """
    paths = sorted(Path(folder).glob(f"{kind}-*.safetensors"))
    if not paths:
        raise CorpusError(f"{str(folder)!r} holds no {kind}; make them with {maker} first.")
    return paths
