"""Normalisation and its refusals."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from formwright.datasets.airfoils import cst, naca
from formwright.datasets.airfoils.contour import (
    in_file_axes,
    normalise,
    order,
    points_backward,
    validate,
)
from formwright.datasets.airfoils.contour_checks import first_crossing, kinks
from formwright.datasets.airfoils.database import database
from formwright.datasets.airfoils.nose import with_nose
from formwright.datasets.airfoils.section import section_from_points
from formwright.datasets.errors import SectionError

POS = torch.from_numpy(with_nose(naca.coordinates("4412", points_per_side=40).numpy()))

ANGLE = np.linspace(0.0, 2.0 * np.pi, 80, endpoint=False)


def placed(pos: torch.Tensor, chord: float, turn_deg: float, shift: tuple[float, float]):
    turn = np.deg2rad(turn_deg)
    matrix = pos.new_tensor([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return chord * pos @ matrix.T + pos.new_tensor(shift)


@settings(deadline=None)
@given(
    st.floats(1e-3, 1e3),
    st.floats(-60.0, 60.0),
    st.tuples(st.floats(-5.0, 5.0), st.floats(-5.0, 5.0)),
)
def test_normalising_undoes_any_placement(chord, turn_deg, shift):
    reference, placement = normalise(POS)
    pos, moved = normalise(placed(POS, chord, turn_deg, shift))
    torch.testing.assert_close(pos, reference, rtol=0.0, atol=1e-9 + 1e-13 / chord)
    assert moved.chord == pytest.approx(chord * placement.chord, rel=1e-9)
    assert moved.rotation_deg == pytest.approx(placement.rotation_deg - turn_deg, abs=1e-9 / chord)
    corner = POS.new_tensor([placement.nose])
    assert moved.nose == pytest.approx(placed(corner, chord, turn_deg, shift)[0].tolist())


def test_which_end_is_the_nose():
    some = list(database())[::20]
    contours = [database()[name].pos.numpy() for name in some]
    assert not any(points_backward(pos) for pos in contours)
    missed = [n for n, pos in zip(some, contours, strict=True) if not points_backward(-pos)]
    assert len(missed) <= 0.01 * len(some)
    ellipse = np.stack([np.cos(ANGLE), 0.1 * np.sin(ANGLE)], -1)
    wedge = np.array([[1.0, 0.05], [0.0, 0.0], [1.0, -0.05]])
    assert not points_backward(ellipse) and not points_backward(wedge)
    with pytest.raises(SectionError, match="'back' has its nose at the larger x"):
        section_from_points(contours[0] * [-1.0, 1.0], "back")


def test_normalised_axes():
    pos, _ = normalise(POS)
    torch.testing.assert_close(0.5 * (pos[0] + pos[-1]), pos.new_tensor([1.0, 0.0]))
    nose = int(pos[:, 0].argmin())
    assert float(pos[nose].abs().max()) < 1e-15
    assert float(pos[:, 0].min()) >= 0.0


def test_rotation_is_to_be_added_to_the_incidence():
    stream_deg = 5.0
    stream = torch.tensor([np.cos(np.deg2rad(stream_deg)), np.sin(np.deg2rad(stream_deg))])
    pos = placed(POS, 1.0, -2.0, (0.0, 0.0))
    normalised, placement = normalise(pos)
    incidence = np.deg2rad(stream_deg + placement.rotation_deg)
    there = torch.tensor([np.cos(incidence), np.sin(incidence)])
    ahead = (pos - pos.mean(0)) @ stream.double()
    behind = (normalised - normalised.mean(0)) @ there.double()
    torch.testing.assert_close(behind * placement.chord, ahead, rtol=0.0, atol=1e-9)


def test_normalise_is_differentiable():
    pos = placed(POS[::4], 3.0, 7.0, (1.0, 2.0)).requires_grad_()
    assert torch.autograd.gradcheck(lambda p: normalise(p)[0], (pos,))


def test_nose_is_found_whatever_the_points():
    fine = naca.coordinates("4412", points_per_side=1200).numpy()
    truth = normalise(torch.from_numpy(with_nose(fine)))[1].rotation_deg
    for points_per_side in (30, 33, 47, 80):
        coarse = naca.coordinates("4412", points_per_side=points_per_side).numpy()
        found = normalise(torch.from_numpy(with_nose(coarse)))[1].rotation_deg
        assert found == pytest.approx(truth, abs=0.02)
    assert with_nose(np.asarray(POS)) is not None
    assert len(with_nose(with_nose(fine))) == len(with_nose(fine))


def test_symmetric_section_keeps_its_points():
    points = naca.coordinates("0012", points_per_side=40).numpy()
    assert with_nose(points) is points


def test_order_leaves_an_ordered_contour_alone():
    points = cst.coordinates(
        torch.tensor([-0.1, -0.1, -0.1, 0.2, 0.2, 0.2, 0.0, 0.003], dtype=torch.float64), 30
    ).numpy()
    assert np.array_equal(order(points), points)


@settings(deadline=None)
@given(st.integers(0, 77))
def test_a_closed_contour_may_start_anywhere_near_the_nose(start):
    points = naca.coordinates("2412", points_per_side=40).numpy()[:-1]
    x = points[start, 0]
    if x < 0.45:
        rolled = np.roll(points, -start, axis=0)
        found = order(np.vstack([rolled, rolled[:1]]))
        assert np.allclose(found, np.vstack([points, points[:1]]))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda p: p[:2], "2 different points"),
        (lambda p: torch.where(torch.arange(len(p))[:, None] == 5, torch.nan, p), "point 5 of 80"),
        (lambda p: p[: len(p) // 2], "open"),
        (lambda p: p[:-9], "open"),
        (lambda p: p * p.new_tensor([1.0, 1e-3]), "no thickness"),
        (lambda p: p.flip(0), "no thickness"),
        (lambda p: torch.cat([p[:20], p[20:30].flip(0), p[30:]]), "crosses itself near x = 0."),
    ],
)
def test_refusals_quote_name_and_numbers(change, words):
    with pytest.raises(SectionError, match=words) as caught:
        validate(change(POS), "mine")
    assert "'mine'" in str(caught.value)


def test_crossing_is_located():
    bow_tie = np.array([[0.0, 0.0], [1.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    found = first_crossing(bow_tie)
    assert found is not None
    first, second, place = found
    assert (first, second) == (0, 2) and np.allclose(place, 0.5)
    assert first_crossing(np.asarray(POS)) is None


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(3, 60), st.floats(0.01, 0.5))
def test_a_crossing_is_found_where_there_is_one(seed, count, step):
    points = np.random.default_rng(seed).normal(0.0, [step, 0.2], (count, 2)).cumsum(0)
    found = first_crossing(points)
    if found is None:
        assert not any(
            meet(points, i, j) for i in range(count - 1) for j in range(i + 2, count - 1)
        )
    else:
        assert found[1] >= found[0] + 2 and meet(points, found[0], found[1], least=0.0)


def meet(points: np.ndarray, i: int, j: int, least: float = 1e-9) -> bool:
    """Return whether each of two segments has the ends of the other on both sides."""

    def side(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> float:
        return float((b - a)[0] * (c - a)[1] - (b - a)[1] * (c - a)[0])

    a, b, c, d = points[i], points[i + 1], points[j], points[j + 1]
    return side(a, b, c) * side(a, b, d) < -least and side(c, d, a) * side(c, d, b) < -least


@settings(deadline=None)
@given(
    st.floats(1e-3, 1e3),
    st.floats(-60.0, 60.0),
    st.tuples(st.floats(-5.0, 5.0), st.floats(-5.0, 5.0)),
)
def test_a_contour_goes_back_to_the_axes_of_its_file(chord, turn_deg, shift):
    pos = placed(POS, chord, turn_deg, shift)
    torch.testing.assert_close(in_file_axes(*normalise(pos)), pos, rtol=1e-12, atol=1e-12)


def test_the_database_has_hardly_a_kink():
    some = list(database())[::20]
    odd = [name for name in some if len(kinks(database()[name].pos.numpy())[0])]
    assert len(odd) <= 0.01 * len(some)


def test_crossing_is_found_among_many_points():
    pos = naca.coordinates("2412", points_per_side=900)
    assert first_crossing(pos.numpy()) is None
    pos[1500:1510, 1] += 0.2
    found = first_crossing(pos.numpy())
    assert found is not None and found[1] in (1499, 1509)
