"""Splits of one's own data: what is of one group is in one part."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from formwright.datasets.errors import CorpusError
from formwright.datasets.families import hashed

SPLITS: Final = ("train", "validation", "test")
HELD_SHARE: Final = 0.15
RULE: Final = (
    "by group, in the order of a hash of its name: about 15 % of the cases for the test, 15 % for "
    "validation, the rest for training; each has one group at least"
)


def split_by_group(groups: Sequence[str]) -> list[str]:
    """Return the part of every case, one for all cases of a group.

    Args:
        groups: The group of every case.

    Raises:
        CorpusError: There are fewer than three groups.

    Example:
        >>> from formwright.datasets.own.groups import split_by_group
        >>> sorted(set(split_by_group(["a", "a", "b", "c"])))
        ['test', 'train', 'validation']
    """
    sizes = Counter(groups)
    if len(sizes) < len(SPLITS):
        raise CorpusError(
            f"the cases are of {len(sizes)} group(s) ({', '.join(map(repr, sizes))}), and "
            "training, validation and test need one each: give more groups, or another column "
            "as --group; without it every case is its own group."
        )
    room = HELD_SHARE * len(groups)
    names, part = sorted(sizes, key=lambda name: (hashed(name), name)), {}
    for held in ("test", "validation"):
        taken = 0
        for name in [name for name in names if name not in part]:
            left = len(names) - len(part)
            fits = taken + sizes[name] <= room
            if fits and left > (1 if held == "validation" else 2):
                part[name] = held
                taken += sizes[name]
        if not taken:
            smallest = min((n for n in names if n not in part), key=lambda n: (sizes[n], hashed(n)))
            part[smallest] = held
    return [part.get(name, "train") for name in groups]
