"""CST vectors: closed forms, round trips, and the fit over real sections."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from formwright.datasets.airfoils import cst
from formwright.datasets.airfoils.sections import database
from formwright.datasets.airfoils.sections import naca as naca_section
from formwright.datasets.errors import SectionError


def random_vector(seed: int, n: int = 8) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    spread = torch.rand(2 * n + 2, generator=generator, dtype=torch.float64)
    offset = torch.cat([-torch.ones(n), torch.zeros(n + 2)]).double() * 0.3
    return torch.cat([(offset + 0.3 * spread)[:-2], 0.1 * spread[-2:-1], 0.01 * spread[-1:]])


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.integers(4, 10), st.integers(40, 120))
def test_fit_inverts_coordinates(seed, n, points_per_side):
    vector = random_vector(seed, n)
    pos = cst.coordinates(vector, points_per_side)
    again = cst.coordinates(cst.fit(pos, n, ridge=1e-14), points_per_side)
    assert float((again - pos).abs().max()) < 1e-6


def test_mirrored_vector_gives_the_mirrored_contour():
    vector = random_vector(3)
    lower, upper, rest = vector[:8], vector[8:16], vector[16:]
    rest = rest * rest.new_tensor([-1.0, 1.0])
    pos = cst.coordinates(torch.cat([-upper, -lower, rest]), 50)
    mirror = cst.coordinates(vector, 50).flip(0) * pos.new_tensor([1.0, -1.0])
    torch.testing.assert_close(pos, mirror, rtol=0.0, atol=1e-14)


def test_batch_equals_loop_and_order_is_upper_first():
    vectors = torch.stack([random_vector(i) for i in range(4)])
    pos = cst.coordinates(vectors, 41)
    assert pos.shape == (4, 81, 2)
    torch.testing.assert_close(pos[2], cst.coordinates(vectors[2], 41), rtol=0.0, atol=1e-15)
    assert bool((pos[:, 20, 1] > pos[:, 60, 1]).all())
    assert torch.equal(pos[:, 40], torch.zeros(4, 2, dtype=torch.float64))
    torch.testing.assert_close(pos[:, 0, 1] - pos[:, -1, 1], vectors[:, -1])


def test_gradient_agrees_with_finite_differences():
    assert torch.autograd.gradcheck(
        lambda v: cst.coordinates(v, 15), (random_vector(1).requires_grad_(),)
    )


def test_negative_trailing_edge_is_fitted_as_sharp():
    pos = cst.coordinates(random_vector(5), 60)
    pos = pos + torch.stack([torch.zeros(119), 0.01 * torch.linspace(-1, 1, 119)], -1)
    assert float(cst.fit(pos)[-1]) == 0.0


@pytest.mark.parametrize("name", ["0012", "2412", "23012", "23112"])
def test_naca_sections_are_described_closely(name):
    assert float(fit_error(naca_section(name).pos)) < 3e-4


def test_median_largest_error_over_a_sample_of_the_database():
    sections = database()
    errors = [float(fit_error(sections[name].pos)) for name in list(sections)[::80]]
    assert float(np.median(errors)) <= 0.0008


def fit_error(pos: torch.Tensor) -> torch.Tensor:
    """Return the largest distance in y between a contour and its CST fit."""
    upper, lower = cst.design_matrices(pos[:, 0].clamp(0.0, 1.0), 8)
    side = torch.arange(len(pos)) <= int(pos[:, 0].argmin())
    vector = cst.fit(pos)
    return (torch.where(side, upper @ vector, lower @ vector) - pos[:, 1]).abs().max()


@pytest.mark.parametrize("size", [3, 5, 17])
def test_wrong_length_is_refused(size):
    with pytest.raises(SectionError, match=f"got {size}"):
        cst.coordinates(torch.zeros(size, dtype=torch.float64))
