from __future__ import annotations

import numpy as np
import pytest
import torch

from formwright.datasets.airfoils.contours import read_contours
from formwright.datasets.airfoils.nose import missing_noses, with_nose
from formwright.datasets.airfoils.section import section_from_points
from formwright.datasets.airfoils.sections import database
from formwright.datasets.airfoils.surface import stations_y
from formwright.datasets.errors import SectionError

NAMES = list(database())[::60]


def awkward() -> list[np.ndarray]:
    """Contours turned, scaled, without their nose, from the lower side, repeated, Lednicer."""
    found = []
    for i, name in enumerate(NAMES):
        pos = database()[name].pos.numpy()
        nose = int(pos[:, 0].argmin())
        turn = np.deg2rad(3.0 * i - 50.0 if i % 2 else 2.0)
        matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        choices = [
            pos,
            np.delete(pos, nose, 0),
            pos[::-1],
            np.repeat(pos, 2, 0),
            np.concatenate([pos[nose::-1], pos[nose:]]),
            100.0 + 7.0 * pos @ matrix.T if abs(turn) < 0.5 else pos,
        ]
        found.append(choices[i % len(choices)])
    return found


def test_many_at_once_are_what_one_by_one_would_be():
    contours = awkward()
    seen = set()
    for group in read_contours(contours):
        for row, pos, rotation in zip(group.rows, group.pos, group.rotation_deg, strict=True):
            one = section_from_points(contours[row], "points")
            assert rotation == pytest.approx(one.placement.rotation_deg, abs=1e-12)
            assert torch.allclose(stations_y(pos, 32), stations_y(one.pos, 32), atol=1e-13)
            seen.add(int(row))
    assert seen == set(range(len(contours)))


def test_sound_contours_go_as_one_array():
    contours = [section_from_points(c, "x").pos.numpy() for c in awkward()]
    lengths = {len(c) for c in contours}
    groups = list(read_contours(contours))
    assert len(groups) <= len(lengths) + 0.2 * len(contours)


def test_the_bad_one_of_many_is_refused():
    contours = awkward()
    contours[3] = contours[3].copy()
    contours[3][5] = np.nan
    with pytest.raises(SectionError, match="not finite: point 5"):
        list(read_contours(contours))
    mirrored = database()[NAMES[0]].pos.numpy()[::-1] * [-1.0, 1.0]
    with pytest.raises(SectionError, match="nose at the larger x"):
        list(read_contours([mirrored]))
    with pytest.raises(SectionError, match="higher than long"):
        list(read_contours([database()[NAMES[0]].pos.numpy() * [1.0, 100.0]]))
    with pytest.raises(SectionError, match="4 different points"):
        list(read_contours([np.zeros((4, 2)) + [[0.0], [1.0], [0.0], [1.0]]]))


def test_noses_of_many_are_those_of_each():
    stack = np.stack([database()[n].pos.numpy()[:31] for n in NAMES if len(database()[n].pos) > 31])
    rows, places = missing_noses(stack)
    for contour, row, place in zip(stack, rows, places, strict=True):
        longer = with_nose(contour)
        assert len(longer) == len(contour) + (row > 0)
        if row:
            assert np.array_equal(longer[row], place)
