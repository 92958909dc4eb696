from __future__ import annotations

import pytest

from formwright.datasets.errors import CorpusError
from formwright.datasets.own.groups import split_by_group


def test_a_group_is_in_one_part_and_parts_have_their_share() -> None:
    groups = [f"g{i // 3}" for i in range(300)]
    parts = split_by_group(groups)
    of = dict(zip(groups, parts, strict=True))
    assert [of[group] for group in groups] == parts
    assert 40 <= parts.count("test") <= 45 and 40 <= parts.count("validation") <= 45


def test_the_split_does_not_depend_on_the_order() -> None:
    groups = [f"g{i}" for i in range(40)]
    forward = dict(zip(groups, split_by_group(groups), strict=True))
    assert forward == dict(zip(groups[::-1], split_by_group(groups[::-1]), strict=True))


@pytest.mark.parametrize("sizes", [(50, 1, 1), (10, 10, 10), (5, 40, 300), (100, 100, 100, 1)])
def test_every_part_has_a_group_however_uneven_they_are(sizes: tuple[int, ...]) -> None:
    parts = split_by_group([str(k) for k, size in enumerate(sizes) for _ in range(size)])
    assert set(parts) == {"train", "validation", "test"}


def test_two_groups_are_refused() -> None:
    with pytest.raises(CorpusError, match=r"2 group\(s\) \('a', 'b'\)"):
        split_by_group(["a", "b", "a"])
