"""Anything -> a corpus: ``import_corpus(kind, source, out)``."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from formwright.datasets.corpus import Corpus
from formwright.datasets.errors import ConfigError, UnknownNameError, did_you_mean
from formwright.datasets.own.notes import Notes

KINDS: Final = ("table", "runs", "structures")


@dataclass(frozen=True, kw_only=True, slots=True)
class Imported:
    """What an import leaves.

    Attributes:
        corpus: On disk.
        notes: What was read, refused and guessed; the manifest holds the same.
    """

    corpus: Corpus
    notes: Notes


def import_corpus(kind: str, source: Any, out: str | os.PathLike[str], **options: Any) -> Imported:
    """Make a corpus of data of one's own, for ``fit`` and ``evaluate_pretraining``.

    ==============  ==============================================================================
    kind            source and options
    ==============  ==============================================================================
    ``table``       CSV, Parquet, DataFrame or mapping of columns; ``outputs`` (names), ``inputs``
                    (all others where absent), ``group``, ``units``. Rows without any output are
                    kept, to pretrain on
    ``runs``        ``.npz``, HDF5, The Well's layout, a folder of these, or a mapping of arrays:
                    fields (runs, points), (runs, times, x) or (runs, times, x, y), and one number
                    a run, the labels; ``group``, ``labels``, ``promises`` (label -> words of
                    ``datasets.pde.given_files.PROMISES``), ``periodic``, ``units``
    ``structures``  extxyz, CIF, POSCAR, ``.db``, pymatgen's JSON, a folder of these, or a list of
                    ``Atoms``; ``label`` (a column), ``unit``, ``group``, ``labels`` (a CSV with
                    the label by file), ``extensive``, ``level``
    ==============  ==============================================================================

    Every kind takes ``licence``. The split keeps groups together. The same call finds the corpus
    there; other data or options in the same folder are refused.

    Args:
        kind: ``"table"``, ``"runs"`` or ``"structures"``.
        source: Path, or data in memory.
        out: Folder of the corpus.
        options: See the table.

    Raises:
        CorpusError: The source cannot be read, or too little of it is left.
        UnknownNameError: There is no such kind or column; the message has those there are.
        ConfigError: An option that the kind does not have, or one that it needs.

    Example:
        >>> import formwright
        >>> x = [i / 20 for i in range(20)]
        >>> data = {"x": x, "y": [v * v for v in x]}
        >>> done = formwright.import_corpus("table", data, "corpora/own-table", outputs=["y"])
        >>> done.notes.read
        ['20 of 20 rows, 1 inputs, 1 outputs, 20 groups; 14 train, 3 test, 3 validation']
    """
    if kind not in KINDS:
        raise UnknownNameError(
            f"nothing imports {kind!r}.{did_you_mean(kind, KINDS)} Known: {', '.join(KINDS)}."
        )
    function = _function(kind)
    _check_options(kind, function, options)
    if isinstance(source, str | os.PathLike) and Path(source).resolve() == Path(out).resolve():
        raise ConfigError(f"--out {str(out)!r} is the source itself: give another folder.")
    corpus, notes = function(source, out, **options)
    return Imported(corpus=corpus, notes=notes)


def _function(kind: str) -> Callable[..., tuple[Corpus, Notes]]:
    """Return what imports a kind."""
    if kind == "table":
        from formwright.datasets.own.table import import_table

        return import_table
    if kind == "runs":
        from formwright.datasets.pde.given import import_runs

        return import_runs
    from formwright.datasets.atoms.given import import_structures

    return import_structures


def _check_options(kind: str, function: Callable[..., Any], options: Mapping[str, Any]) -> None:
    """Refuse options that a kind does not have, and say which it lacks.

    Raises:
        ConfigError: The message names them.
    """
    known = {
        name: one
        for name, one in inspect.signature(function).parameters.items()
        if one.kind is one.KEYWORD_ONLY
    }
    for name in options:
        if name not in known:
            raise ConfigError(
                f"{kind!r} has no option {name!r}.{did_you_mean(name, known)} It has "
                f"{', '.join(known)}."
            )
    for name, one in known.items():
        if one.default is one.empty and not options.get(name):
            raise ConfigError(f"importing {kind!r} needs {name!r} (--{name}).")
