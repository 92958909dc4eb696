"""Structures of one's own: from files of any kind and a column of labels to a corpus."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Float

from formwright.datasets.atoms.files.structures import iterate_frames, structure_list
from formwright.datasets.atoms.labelled_structures import group_of
from formwright.datasets.atoms.structures import ADSORBATE, Structure, check_cell, structure
from formwright.datasets.cases import Quantity
from formwright.datasets.corpus import Corpus
from formwright.datasets.errors import CorpusError, FormwrightError, UnknownNameError, did_you_mean
from formwright.datasets.own.corpus import GROUP, SPLIT, open_own, rows_of, start_own, write_rows
from formwright.datasets.own.groups import SPLITS, split_by_group
from formwright.datasets.own.notes import Notes
from formwright.datasets.own.table_checks import look_for_outliers

FEWEST: Final = 12
FILES: Final = (".extxyz", ".xyz", ".cif", ".vasp", ".json", ".db", ".gz", ".aselmdb", ".lmdb")
POSCAR: Final = ("poscar", "contcar")
_EXTENSIVE: Final = 0.9
_ARRAYS: Final = ("z", "tags", "fixed")


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnStructures:
    """A part of an imported corpus of structures.

    Attributes:
        structures: With their tags.
        label: One number a structure, in ``quantity``'s unit.
        groups: Of each.
        quantity: What is predicted.
        extensive: Whether the label grows with the number of atoms.
        level: Of theory, or what else the numbers are true of; empty where not stated.
        adsorbates: Formulas of what tags mark as adsorbed.
    """

    structures: tuple[Structure, ...]
    label: Float[np.ndarray, " structures"]
    groups: tuple[str, ...]
    quantity: Quantity
    extensive: bool
    level: str
    adsorbates: tuple[str, ...]


def import_structures(
    source: Any,
    out: str | os.PathLike[str],
    *,
    label: str,
    unit: str = "",
    group: str | None = None,
    labels: str | os.PathLike[str] | None = None,
    extensive: bool | None = None,
    level: str = "",
    licence: str = "not stated",
) -> tuple[Corpus, Notes]:
    """Write structures as a corpus; see ``datasets.own.importing.import_corpus``.

    Raises:
        StructureError: A file cannot be read.
        UnknownNameError: No frame has such a column.
        CorpusError: Too few structures are left.
    """
    notes = Notes()
    result, values, groups, seen = [], [], [], dict[str, None]()
    beside = {} if labels is None else _beside(Path(labels), label)
    for where, one, columns in _frames(source, label):
        seen |= dict.fromkeys(columns)
        try:
            kept, value = _labelled(one, {**columns, **beside.get(_stem(where), {})}, label)
        except FormwrightError as error:
            notes.refused.append(f"{where}: {error}")
            continue
        result.append(kept)
        values.append(value)
        named = columns.get(group) if group else None
        groups.append(str(named) if named is not None else group_of(kept, columns))
    if group and group not in seen:
        raise UnknownNameError(
            f"no frame has a column {group!r}.{did_you_mean(group, seen)} Columns: "
            f"{', '.join(seen) or 'none'}."
        )
    _check_enough(result, notes, label, seen)
    sizes = np.array([len(one) for one in result], float)
    label_values = np.array(values)
    extensive = _grows(sizes, label_values, label, notes) if extensive is None else extensive
    good = np.ones(len(result), bool)
    each = label_values / sizes if extensive else label_values
    look_for_outliers({label: each}, [label], good, notes)
    rows = np.flatnonzero(good).tolist()
    names = _named([groups[i] for i in rows], group, notes)
    split = split_by_group(names)
    if not unit:
        notes.guessed.append(f"the unit of {label!r} is not stated; answers are in the file's own")
    kept = [result[i] for i in rows]
    adsorbates = sorted({_adsorbed(one) for one in kept} - {""})
    notes.read.append(
        f"{len(kept)} structures of {int(sizes[rows].min())} to {int(sizes[rows].max())} atoms, "
        f"{len(set(names))} groups; " + ", ".join(f"{split.count(s)} {s}" for s in SPLITS)
    )
    quantity = Quantity(label, unit, "label of a structure")
    more = {
        "label": label,
        "extensive": bool(extensive),
        "level": level,
        "adsorbates": adsorbates,
    }
    corpus = start_own(out, "structures", source, [quantity], notes, licence=licence, more=more)
    data: dict[str, Any] = {GROUP: names, SPLIT: split, "label": label_values[rows].tolist()}
    data |= {name: [getattr(one, name).tolist() for one in kept] for name in _ARRAYS}
    data |= {name: [getattr(o, name).ravel().tolist() for o in kept] for name in ("pos", "cell")}
    data |= {"pbc": [one.pbc.tolist() for one in kept], "name": [one.name for one in kept]}
    write_rows(corpus, data)
    return corpus, notes


def read_structure_corpus(path: str | os.PathLike[str], split: str) -> OwnStructures:
    """Return a split of an imported corpus of structures.

    Raises:
        CorpusError: It is none.
    """
    corpus = open_own(path, "structures")
    settings, rows = corpus.manifest["settings"], rows_of(corpus, split).to_pylist()
    quantity = Quantity(settings["label"], **corpus.manifest["quantities"][settings["label"]])
    return OwnStructures(
        structures=tuple(_structure(row) for row in rows),
        label=np.array([row["label"] for row in rows]),
        groups=tuple(row[GROUP] for row in rows),
        quantity=quantity,
        extensive=settings["extensive"],
        level=settings["level"],
        adsorbates=tuple(settings["adsorbates"]),
    )


def _structure(row: Mapping[str, Any]) -> Structure:
    """Return a row as a structure."""
    return structure(
        np.array(row["z"], dtype=np.int64),
        np.array(row["pos"]).reshape(-1, 3),
        np.array(row["cell"]).reshape(3, 3),
        np.array(row["pbc"]),
        tags=row["tags"],
        fixed=row["fixed"],
        name=row["name"],
    )


def _frames(
    source: Any, label: str
) -> Iterator[tuple[str, Structure | FormwrightError, dict[str, Any]]]:
    """Yield where each structure stands, it or why it is none, and its columns."""
    if not isinstance(source, str | os.PathLike):
        given = list(source)
        for i, (one, raw) in enumerate(zip(structure_list(given).structures, given, strict=True)):
            results = getattr(getattr(raw, "calc", None), "results", {}) or {}
            yield f"structure {i}", one, {**getattr(raw, "info", {}), **results}
        return
    path = Path(source)
    files = [path]
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if _is_structure_file(p))
        if not files:
            raise CorpusError(f"{str(path)!r} holds no file of structures ({', '.join(FILES)}).")
    elif not path.is_file():
        raise CorpusError(f"there is no file or folder {str(path)!r}.")
    for file in files:
        for i, (one, columns) in enumerate(iterate_frames(file)):
            yield f"{file.name}, frame {i}", one, columns


def _is_structure_file(path: Path) -> bool:
    name = path.name.lower()
    return path.is_file() and (path.suffix.lower() in FILES or name.startswith(POSCAR))


def _stem(where: str) -> str:
    """Return the name of the file without its endings."""
    return where.split(", frame ")[0].split(".")[0]


def _beside(path: Path, label: str) -> dict[str, dict[str, str]]:
    """Return labels from a table: its first column names the file.

    Raises:
        CorpusError: It cannot be read.
        UnknownNameError: It has no such column.
    """
    if not path.is_file():
        raise CorpusError(f"there is no file {str(path)!r}.")
    with path.open(newline="", encoding="utf-8-sig") as handle:
        rows = list(csv.reader(handle))
    if not rows or label not in rows[0]:
        header = rows[0] if rows else []
        raise UnknownNameError(
            f"{str(path)!r} has no column {label!r}.{did_you_mean(label, header)} It has "
            f"{', '.join(header)}."
        )
    place = rows[0].index(label)
    return {row[0].split(".")[0]: {label: row[place]} for row in rows[1:] if len(row) > place}


def _labelled(
    one: Structure | FormwrightError, columns: Mapping[str, Any], label: str
) -> tuple[Structure, float]:
    """Return a structure with its label.

    Raises:
        FormwrightError: Why it is none, or has none.
    """
    if isinstance(one, FormwrightError):
        raise one
    check_cell(one.pos, one.cell, one.pbc, one.name)
    if label not in columns:
        raise UnknownNameError(
            f"no {label!r}.{did_you_mean(label, columns)} Columns: {', '.join(columns) or 'none'}."
        )
    try:
        value = float(columns[label])
    except (TypeError, ValueError):
        value = np.nan
    if not np.isfinite(value):
        raise CorpusError(f"{label} = {columns[label]!s} is no finite number.")
    return one, value


def _check_enough(
    result: Sequence[Structure], notes: Notes, label: str, seen: Mapping[str, None]
) -> None:
    """Refuse too few.

    Raises:
        CorpusError: Fewer than a dozen are left.
    """
    if len(result) < FEWEST:
        first = f" The first refused: {notes.refused[0]}" if notes.refused else ""
        raise CorpusError(
            f"{len(result)} structures with a {label!r} are left, and {FEWEST} are the fewest that "
            f"can be split in three. Columns: {', '.join(seen) or 'none'}.{first}"
        )


def _grows(
    sizes: Float[np.ndarray, " structures"],
    values: Float[np.ndarray, " structures"],
    label: str,
    notes: Notes,
) -> bool:
    """Return whether a label seems to grow with the number of atoms."""
    varies = sizes.std() > 0 and values.std() > 0
    grows = bool(varies and abs(np.corrcoef(sizes, values)[0, 1]) > _EXTENSIVE)
    word = "grows with" if grows else "does not grow with"
    other = "--intensive" if grows else "--extensive"
    notes.guessed.append(f"{label!r} {word} the number of atoms; if not so, give {other}")
    return grows


def _named(groups: list[str], group: str | None, notes: Notes) -> list[str]:
    """Return groups; every structure its own where there would be fewer than three."""
    if group is not None:
        return groups
    if len(set(groups)) >= len(SPLITS):
        notes.guessed.append(
            "structures of one composition (of the slab, where tags mark an adsorbate) are a group"
        )
        return groups
    notes.guessed.append("all are of one or two compositions, so every structure is its own group")
    return [f"structure-{i}" for i in range(len(groups))]


def _adsorbed(one: Structure) -> str:
    """Return the formula of the adsorbate's atoms, empty where there are none."""
    held = [e for e, t in zip(one.elements, one.tags, strict=True) if t == ADSORBATE]
    counts = {e: held.count(e) for e in sorted(set(held))}
    return "".join(e + (str(n) if n > 1 else "") for e, n in counts.items())
