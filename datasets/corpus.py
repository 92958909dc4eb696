"""The on-disk corpus: a folder with ``manifest.json`` and Parquet files, safe against any kill.

A finished case is one file, ``cases/<case id>.parquet``, whole or absent. ``compact`` joins many of
them into ``parts/part-NNNNN.parquet``; between writing a part and removing its case files the same
case may be in both, so reading takes each case id once. Rows are operating points; what belongs to
the case (its section, parents, split) is repeated in each of them and costs nothing in Parquet.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from formwright.datasets import integrity
from formwright.datasets.begun import check_same
from formwright.datasets.cases import Quantity
from formwright.datasets.errors import CorpusError, did_you_mean
from formwright.datasets.files import read_record, replacing, write_record
from formwright.datasets.names import file_of

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT_VERSION: Final = 1
MANIFEST: Final = "manifest.json"
CASE_ID: Final = "case_id"
_AGAIN: Final = (
    "Remove it and run the corpus command again: it computes the cases that are missing."
)
_MANIFEST_AGAIN: Final = (
    "Copy it again, or remove it and run the corpus command with the same settings: the rows stay."
)
_SEAL: Final = integrity.KEY.encode()
_ATTEMPTS: Final = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """What a corpus is, beside its rows.

    Attributes:
        name: Of the corpus, e.g. ``"polars"``.
        quantities: Conditions, labels and fields, with their units.
        solver: Name and version.
        settings: Everything else that determines the rows: the recipe and the solver's settings.
        seed: Of the recipe.
        licence: What may be done with it.
        split_rule: How the parts for training, validation and test were made.
    """

    name: str
    quantities: tuple[Quantity, ...]
    solver: str
    settings: Mapping[str, Any]
    seed: int
    licence: str
    split_rule: str

    def content(self) -> dict[str, Any]:
        """Return the manifest as JSON knows it, without when and with what it was made."""
        units = {q.name: {"unit": q.unit, "meaning": q.meaning} for q in self.quantities}
        content = {
            "format_version": FORMAT_VERSION,
            "name": self.name,
            "quantities": units,
            "solver": self.solver,
            "settings": dict(self.settings),
            "seed": self.seed,
            "licence": self.licence,
            "split_rule": self.split_rule,
        }
        return json.loads(json.dumps(content))


@dataclass(frozen=True, slots=True)
class Corpus:
    """A corpus on disk; ``open_corpus`` and ``start_corpus`` make one.

    Attributes:
        path: Its folder.
        manifest: The content of ``manifest.json``.
    """

    path: Path
    manifest: Mapping[str, Any]

    def write(self, case_id: str, rows: pa.Table) -> None:
        """Store a finished case; it is on disk, whole, when this returns.

        Raises:
            CorpusError: The id is no name of a file.
            StorageError: The disk is full; the corpus is as it was before.
        """
        _write_table(self._case_file(case_id), rows)

    def finished(self) -> set[str]:
        """Return the ids of the cases on disk; a damaged case file does not count.

        Raises:
            CorpusError: A part is damaged.
        """
        whole = {path.stem for path in self._case_files() if _whole(path)}
        return whole.union(*self._part_ids())

    def read(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Return the rows, ordered by case id, each case once; also while a run adds to it.

        Args:
            columns: Names of the columns wanted; all of them where None.

        Raises:
            CorpusError: A file is damaged, a column is absent, or there are no rows yet.
        """
        for attempt in range(_ATTEMPTS):
            try:
                return self._read(columns)
            except FileNotFoundError:
                if attempt == _ATTEMPTS - 1:
                    raise
        raise AssertionError("unreachable")

    def compact(self) -> None:
        """Join the case files into one more part, then remove them.

        Raises:
            CorpusError: A file is damaged.
        """
        import pyarrow as pa

        in_parts: set[str] = set().union(*self._part_ids())
        files = list(self._case_files())
        fresh = [path for path in files if path.stem not in in_parts]
        if fresh:
            tables = [_read_table(path) for path in fresh]
            table = pa.concat_tables(tables, promote_options="default")
            number = 1 + max((int(p.stem.split("-")[1]) for p in self._part_files()), default=-1)
            _write_table(self.path / "parts" / f"part-{number:05d}.parquet", table)
        for path in files:
            path.unlink()

    def _read(self, columns: Sequence[str] | None) -> pa.Table:
        """Read once; FileNotFoundError where a run compacts at this moment."""
        import pyarrow as pa
        import pyarrow.compute as pc

        tables, seen = [], set[str]()
        for path in [*self._part_files(), *self._case_files()]:
            table = _read_table(path)
            ids = set(table[CASE_ID].unique().to_pylist())
            if ids & seen:
                old = pa.array(sorted(ids & seen), type=table.schema.field(CASE_ID).type)
                table = table.filter(pc.invert(pc.is_in(table[CASE_ID], value_set=old)))  # pyright: ignore
            seen |= ids
            tables.append(_select(table, columns, self.path))
        if not tables:
            raise CorpusError(
                f"the corpus {str(self.path)!r} has no finished case yet. Wait for the run that "
                "fills it, or start it again: it goes on where it was."
            )
        rows = pa.concat_tables(tables, promote_options="default")
        order = pc.sort_indices(rows[CASE_ID])  # pyright: ignore
        rows = rows.take(order)
        return rows if columns is None else rows.select(list(columns))

    def _case_file(self, case_id: str) -> Path:
        return file_of(self.path / "cases", case_id, ".parquet")

    def _case_files(self) -> Iterator[Path]:
        return iter(sorted((self.path / "cases").glob("*.parquet")))

    def _part_files(self) -> list[Path]:
        return sorted((self.path / "parts").glob("part-*.parquet"))

    def _part_ids(self) -> Iterable[set[str]]:
        """Yield the case ids of each part."""
        for path in self._part_files():
            yield set(_read_table(path, [CASE_ID])[CASE_ID].unique().to_pylist())


def open_corpus(path: str | os.PathLike[str]) -> Corpus:
    """Open a corpus for reading.

    Raises:
        CorpusError: There is none, its manifest is damaged, or a newer formwright wrote it.

    Example:
        >>> import formwright
        >>> corpus = formwright.open_corpus("corpora/polars")
        >>> corpus.read(["section", "alpha_deg", "cl"]).column_names
        ['section', 'alpha_deg', 'cl']
    """
    folder = Path(path)
    try:
        manifest = read_record(folder / MANIFEST, CorpusError, _MANIFEST_AGAIN)
    except OSError as error:
        raise CorpusError(
            f"{str(folder)!r} holds no corpus: cannot read its {MANIFEST} "
            f"({error.strerror}). `formwright corpus` makes one."
        ) from error
    version = manifest.get("format_version")
    if not isinstance(version, int) or version < 1:
        raise CorpusError(
            f"{str(folder / MANIFEST)!r} has no format_version: it is no corpus's manifest."
        )
    if version > FORMAT_VERSION:
        raise CorpusError(
            f"the corpus {str(folder)!r} has format version {version}; this formwright reads up "
            f"to {FORMAT_VERSION}. Install a newer formwright."
        )
    return Corpus(folder, manifest)


def start_corpus(
    path: str | os.PathLike[str], manifest: Manifest, *, extendable: Sequence[str] = ()
) -> Corpus:
    """Make a corpus, or open the one that is there to go on with it.

    Args:
        path: Its folder.
        manifest: What the run is about to write.
        extendable: Keys of ``settings`` that may differ (how many cases are wanted).

    Raises:
        CorpusError: The folder holds a corpus made with other settings; the message names them.
    """
    folder, content = Path(path), manifest.content()
    if (folder / MANIFEST).exists():
        free = {f"settings.{key}" for key in extendable} | {"created", "formwright"}
        check_same(folder, open_corpus(folder).manifest, content, free=free, error=CorpusError)
    import formwright

    content |= {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "formwright": formwright.__version__,
    }
    write_record(folder / MANIFEST, content)
    (folder / "cases").mkdir(exist_ok=True)
    return Corpus(folder, content)


def _write_table(path: Path, table: pa.Table) -> None:
    """Write a Parquet file, whole or not at all."""
    import pyarrow.parquet as pq

    sealed = {**(table.schema.metadata or {}), _SEAL: integrity.BLANK}
    with replacing(path) as temporary:
        table = table.replace_schema_metadata(sealed)
        pq.write_table(table, temporary, compression="zstd")


def _read_table(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a Parquet file.

    Raises:
        CorpusError: It is damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    content = pa.BufferReader(integrity.read(path, CorpusError, _AGAIN))
    try:
        table = pq.read_table(content, columns=None if columns is None else list(columns))
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise CorpusError(f"{str(path)!r} is damaged ({error}). {_AGAIN}") from error
    if CASE_ID not in table.column_names:
        raise CorpusError(f"{str(path)!r} is damaged: it lacks the column {CASE_ID!r}. {_AGAIN}")
    held = {k: v for k, v in (table.schema.metadata or {}).items() if k != _SEAL}
    return table.replace_schema_metadata(held or None)


def _whole(path: Path) -> bool:
    """Return whether a Parquet file can be read."""
    try:
        _read_table(path, [CASE_ID])
    except CorpusError:
        return False
    return True


def _select(table: pa.Table, columns: Sequence[str] | None, path: Path) -> pa.Table:
    """Return the wanted columns and the case id.

    Raises:
        CorpusError: A column is absent; the message names those there.
    """
    if columns is None:
        return table
    for column in columns:
        if column not in table.column_names:
            raise CorpusError(
                f"the corpus {str(path)!r} has no column {column!r}."
                f"{did_you_mean(column, table.column_names)} Its columns: "
                f"{', '.join(table.column_names)}."
            )
    return table.select(list(dict.fromkeys([CASE_ID, *columns])))
