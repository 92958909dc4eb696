"""Families of sections, and the split that is made by family.

A family is what shares a designer or a series: the letters before the first digit of a name, with
spellings of the same series joined. Sections of the shipped database have theirs in its table,
where near-copies across families have been joined as well (see the data card).
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

import numpy as np
from jaxtyping import Bool

TEST_SHARE: Final = 0.10
VALIDATION_SHARE: Final = 0.05
LARGEST_HELD_OUT: Final = 0.03

_PREFIXES: Final = (
    (r"naca|n(?=\d)|v(?=\d{5})|usnps|m(?=\d{1,2}$)", "naca"),
    (r"goe", "goettingen"),
    (r"ea?(?=\d)", "eppler"),
    (r"fx", "wortmann"),
    (r"s(?=\d)|s[adg](?=\d{4})|as(?=\d{4})", "selig"),
    (r"clar", "clark"),
    (r"mh(?=\d)", "hepperle"),
    (r"hq", "quabeck"),
    (r"hn", "habbe"),
    (r"ag(?=\d)|dae|tasopt", "drela"),
    (r"nasasc|sc(?=2)|whitcomb", "supercritical"),
    (r"nlf|ls(?=\d)|ms3(?=1[37])|hsnlf", "nasa"),
    (r"ah(?=\d)", "althaus"),
    (r"rg(?=\d)|rhodesg", "girsberger"),
    (r"du(?=[-\d])", "delft"),
    (r"mid", "midic"),
    (r"az(?!combat)|salaz", "zutter"),
    (r"giii", "gulfstream"),
    (r"b7\d\d|boe|kc135|bac", "boeing"),
    (r"davis", "davis"),
    (r"prandtl", "prandtl"),
    (r"hobie", "hobie"),
    (r"edge", "edge"),
    (r"daytonwright", "daytonwright"),
)


def family(name: str) -> str:
    """Return the family that a name belongs to, e.g. ``"naca"`` for ``"NACA 2412"``."""
    plain = re.sub(r"[\s_]+", "", name.lower())
    for pattern, known in _PREFIXES:
        if re.match(pattern, plain):
            return known
    letters = re.match(r"[a-z]+", plain)
    return letters.group(0) if letters else "unnamed"


def hashed(name: str) -> float:
    """Return a number in [0, 1) that depends on the name only, the same everywhere."""
    digest = hashlib.sha256(name.encode()).digest()
    return int.from_bytes(digest[:7], "big") / 2.0**56


def join_near_copies(
    families: Sequence[str], near: Bool[np.ndarray, "sections sections"]
) -> list[str]:
    """Return the family of each section once near-copies share one.

    A cluster (sections linked by a chain of near-copies) goes to the family that most of it has,
    the larger family where there are as many.

    Args:
        families: By section, from its name.
        near: Which sections are near-copies of which; symmetric.
    """
    sizes: Counter[str] = Counter(families)
    joined = list(families)
    unseen = set(range(len(families)))
    while unseen:
        cluster: set[int] = set()
        frontier = {unseen.pop()}
        while frontier:
            cluster |= frontier
            frontier = {j for i in frontier for j in np.flatnonzero(near[i]).tolist()} - cluster
        unseen -= cluster
        votes: Counter[str] = Counter(families[i] for i in cluster)
        chosen = max(votes, key=lambda known: (votes[known], sizes[known], known))
        for i in cluster:
            joined[i] = chosen
    return joined


def make_split(families: Sequence[str]) -> dict[str, str]:
    """Return the split of every family: test and validation are filled in the order of a hash.

    Families with more than 3 % of the sections are always in the training part, so that no single
    family makes the test.

    Args:
        families: By section.
    """
    sizes: Counter[str] = Counter(families)
    total = len(families)
    room = {"test": TEST_SHARE * total, "validation": VALIDATION_SHARE * total}
    split: dict[str, str] = {}
    for name in sorted(sizes, key=lambda known: hashed(known)):
        small = sizes[name] <= LARGEST_HELD_OUT * total
        part = next((p for p in room if small and sizes[name] <= room[p]), "train")
        split[name] = part
        if part in room:
            room[part] -= sizes[name]
    return split


def hashed_split(name: str) -> str:
    """Return the split of a family that the shipped table does not know."""
    place = hashed(name)
    if place < TEST_SHARE:
        return "test"
    return "validation" if place < TEST_SHARE + VALIDATION_SHARE else "train"
