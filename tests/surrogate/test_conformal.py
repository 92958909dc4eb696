from __future__ import annotations

import pytest
import torch

from formwright.surrogate.conformal import conformal_factor


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
