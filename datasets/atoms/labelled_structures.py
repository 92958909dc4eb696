"""Structures of one's own with energies: from a file to parts for training and for judging."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from formwright.datasets.atoms.files.structures import iterate_structures
from formwright.datasets.atoms.slabs.frame import is_slab
from formwright.datasets.atoms.slabs.surface_atoms import tag
from formwright.datasets.atoms.structures import ADSORBATE, Structure
from formwright.datasets.errors import CorpusError, UnknownNameError, did_you_mean
from formwright.datasets.families import hashed


@dataclass(frozen=True, slots=True)
class LabelledStructures:
    """Structures, a label of each, and what a split keeps together.

    Attributes:
        structures: With their adsorbates tagged.
        label: One number a structure, in its own unit.
        level: Of theory, as the owner states it.
        groups: Of each: the column ``group`` or ``surface`` of the file, else the elements of the
            slab without its adsorbate.
    """

    structures: Sequence[Structure]
    label: Float[np.ndarray, " structures"]
    groups: Sequence[str]
    level: str = "own data"

    def take(self, index: Sequence[int]) -> LabelledStructures:
        """Return some of the structures."""
        return LabelledStructures(
            [self.structures[i] for i in index],
            self.label[list(index)],
            [self.groups[i] for i in index],
            self.level,
        )

    def parts(self) -> Mapping[str, LabelledStructures]:
        """Return ``train``, ``validation`` and ``test``, apart by group.

        Few groups are dealt out in the order of a hash of their names, 8 : 1 : 1 and one each at
        least; the result depends on nothing else.

        Raises:
            CorpusError: There are fewer than three groups.
        """
        names = sorted(set(self.groups), key=hashed)
        if len(names) < 3:
            raise CorpusError(
                f"the structures are of {len(names)} group(s) ({', '.join(names)}), and training, "
                "validation and test need one each: more alloys, or a column 'group' in the file."
            )
        held = max(1, len(names) // 10)
        of = dict.fromkeys(names, "train")
        of |= dict.fromkeys(names[:held], "test")
        of |= dict.fromkeys(names[held : 2 * held], "validation")
        return {
            part: self.take([i for i, group in enumerate(self.groups) if of[group] == part])
            for part in ("train", "validation", "test")
        }


def read_labelled(path: str | os.PathLike[str], label: str) -> LabelledStructures:
    """Read structures and a column of numbers from a file (``files.structures`` has the formats).

    Raises:
        UnknownNameError: A frame has no such column.
        CorpusError: Its value is no finite number.
        StructureError: The file or a frame of it cannot be read.
    """
    structures, values, groups = [], [], []
    for number, (one, columns) in enumerate(iterate_structures(path)):
        if label not in columns:
            raise UnknownNameError(
                f"{str(path)!r}, frame {number}, has no {label!r}.{did_you_mean(label, columns)} "
                f"Its columns: {', '.join(columns) or 'none'}."
            )
        structures.append(tag(one) if is_slab(one) else one)
        values.append(_number(columns[label], label, f"{str(path)!r}, frame {number}"))
        groups.append(group_of(structures[-1], columns))
    return LabelledStructures(structures, np.array(values), groups)


def _number(value: object, label: str, where: str) -> float:
    """Return a value as a finite number.

    Raises:
        CorpusError: It is none.
    """
    try:
        number = float(str(value))
    except ValueError:
        number = float("nan")
    if not np.isfinite(number):
        raise CorpusError(f"{where}: {label} = {value} is no finite number.")
    return number


def group_of(one: Structure, columns: Mapping[str, object]) -> str:
    """Return the group of a structure: its column of that name, or the elements it is made of."""
    return str(columns.get("group") or columns.get("surface") or _slab(one))


def _slab(one: Structure) -> str:
    """Return the elements of a structure without its adsorbate."""
    held = {e for e, kind in zip(one.elements, one.tags, strict=True) if kind != ADSORBATE}
    return "-".join(sorted(held))
