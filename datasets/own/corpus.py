"""The folder of imported data: rows with their group and split, and a manifest that tells all."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from formwright.datasets.cases import Quantity
from formwright.datasets.corpus import CASE_ID, Corpus, Manifest, open_corpus, start_corpus
from formwright.datasets.errors import CorpusError
from formwright.datasets.locks import writing
from formwright.datasets.own.groups import RULE
from formwright.datasets.own.notes import Notes

if TYPE_CHECKING:
    import pyarrow as pa

GROUP: Final = "group"
SPLIT: Final = "split"
OWN: Final = "own"
UNLABELED: Final = "unlabeled"
"""What is in no split, because its outputs are not known."""
_CHUNK: Final = 1 << 20


def checksums(source: Any) -> dict[str, str]:
    """Return the SHA-256 of every file of a source, by name; empty for data in memory."""
    if not isinstance(source, str | os.PathLike):
        return {}
    path = Path(source)
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    return {
        file.name if file == path else str(file.relative_to(path)): _sha(file) for file in files
    }


def _sha(path: Path) -> str:
    """Return the SHA-256 of a file."""
    result = hashlib.sha256()
    with path.open("rb") as handle:
        while chunk := handle.read(_CHUNK):
            result.update(chunk)
    return result.hexdigest()


def start_own(
    out: str | os.PathLike[str],
    kind: str,
    source: Any,
    quantities: Sequence[Quantity],
    notes: Notes,
    *,
    licence: str,
    more: Mapping[str, Any],
) -> Corpus:
    """Write the manifest of an imported corpus, or find the same one there.

    Args:
        out: Folder.
        kind: ``"table"``, ``"runs"`` or ``"structures"``.
        source: Where the data came from: a path, or something in memory.
        quantities: Columns, with units.
        notes: The report.
        licence: Of the data.
        more: What else the reader of the kind has to know.

    Raises:
        CorpusError: The folder holds something else.
    """
    at = isinstance(source, str | os.PathLike)
    settings = {
        "import": kind,
        "source": str(source) if at else f"a {type(source).__name__} in memory",
        "checksums": checksums(source),
        "report": notes.content(),
        **more,
    }
    manifest = Manifest(
        name=f"{OWN}-{kind}",
        quantities=tuple(quantities),
        solver="the source",
        settings=settings,
        seed=0,
        licence=licence,
        split_rule=RULE,
    )
    return start_corpus(out, manifest)


def write_rows(corpus: Corpus, columns: Mapping[str, Any]) -> None:
    """Write the rows of an imported corpus, once and whole."""
    import pyarrow as pa

    if any((corpus.path / "parts").glob("part-*.parquet")):
        return
    count = len(next(iter(columns.values())))
    ids = [f"row-{i:08d}" for i in range(count)]
    with writing(corpus.path):
        corpus.write("imported", pa.table({CASE_ID: ids, **columns}))
        corpus.compact()


def open_own(path: str | os.PathLike[str], kind: str) -> Corpus:
    """Open an imported corpus of a kind.

    Raises:
        CorpusError: It is none, or of another kind.
    """
    corpus = open_corpus(path)
    result = corpus.manifest.get("settings", {}).get("import")
    if result != kind:
        raise CorpusError(
            f"{str(path)!r} holds {result or corpus.manifest.get('name')!r}, not an imported "
            f"{kind!r}: make one with `formwright import {kind} SOURCE --out CORPUS`."
        )
    return corpus


def rows_of(corpus: Corpus, split: str) -> pa.Table:
    """Return the rows of a split.

    Raises:
        CorpusError: There are none.
    """
    import pyarrow.compute as pc

    rows = corpus.read()
    chosen = rows.filter(pc.equal(rows[SPLIT], split))  # pyright: ignore
    if not len(chosen):
        raise CorpusError(f"{str(corpus.path)!r} has no case in its split {split!r}.")
    return chosen
