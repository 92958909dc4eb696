from __future__ import annotations

import pytest
import torch
from torch import nn

from formwright.surrogate.uncertainty.conformal import conformal_factor, cross_fitted, fit_log_error


def test_the_factor_is_the_finite_sample_quantile():
    residual = torch.tensor([1.0, -2.0, 3.0, -4.0, 5.0, 6.0, 7.0, 8.0, 9.0])
    assert conformal_factor(residual, torch.ones(9), 0.5) == 5.0
    assert conformal_factor(residual, torch.ones(9), 0.9) == 9.0
    assert conformal_factor(residual, torch.ones(9), 0.99) == 9.0
    assert conformal_factor(residual, torch.full((9,), 2.0), 0.5) == 2.5


def test_unknown_residuals_do_not_count():
    residual = torch.tensor([1.0, torch.nan, 3.0, torch.nan, 5.0])
    assert conformal_factor(residual, torch.ones(5), 0.5) == 3.0


@pytest.mark.parametrize("level", [0.5, 0.9])
def test_new_cases_are_covered_whatever_the_noise(level):
    generator = torch.Generator().manual_seed(0)
    covered = []
    for _ in range(300):
        expected = torch.rand(80, generator=generator) + 0.1
        residual = expected * torch.randn(80, generator=generator) ** 3
        factor = conformal_factor(residual[:40], expected[:40], level)
        covered.append((residual[40:].abs() <= factor * expected[40:]).float().mean())
    assert float(torch.stack(covered).mean()) == pytest.approx(level, abs=0.02)


def test_the_fit_finds_the_scale_of_the_error():
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(4000, 3, generator=generator)
    x[:, 2] = 7.0
    truth = -1.0 + 0.8 * x[:, 0] - 0.5 * x[:, 1]
    laplace = torch.empty(4000).exponential_(generator=generator)
    layer = nn.Linear(3, 1)
    fit_log_error(layer, x, truth.exp() * laplace, prior=1e-6)
    assert torch.allclose(layer(x)[:, 0], truth, atol=0.12)
    assert layer.weight[0, 2] == 0.0


def test_a_heavy_prior_leaves_the_mean_error():
    x, residual = torch.randn(50, 2), torch.rand(50)
    layer = nn.Linear(2, 1)
    fit_log_error(layer, x, residual, prior=1e9)
    assert torch.allclose(layer(x)[:, 0].exp(), residual.mean().expand(50), rtol=1e-3)


def test_the_error_of_a_group_is_learned_from_the_others():
    x, residual = torch.zeros(20, 1), torch.ones(20)
    groups = torch.arange(20) % 2
    residual[groups == 1] = 5.0
    expected = cross_fitted(x, residual, groups, prior=1.0)
    assert torch.allclose(expected[groups == 1], torch.ones(10).double(), atol=1e-6)
    assert torch.allclose(expected[groups == 0], torch.full((10,), 5.0).double(), atol=1e-6)


def test_one_group_teaches_itself():
    expected = cross_fitted(torch.zeros(5, 1), torch.full((5,), 2.0), torch.zeros(5).long(), 1.0)
    assert torch.allclose(expected, torch.full((5,), 2.0).double())
