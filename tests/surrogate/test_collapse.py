from __future__ import annotations

import math

import pytest
import torch

from formwright.surrogate.collapse import inspect


def gaussian(cases: int, dimensions: int) -> torch.Tensor:
    return torch.randn(cases, dimensions, generator=torch.Generator().manual_seed(0))


def test_a_healthy_embedding_raises_no_alarm():
    report = inspect(gaussian(4096, 16))
    assert report.alarm == "" and report.dead == 0
    assert report.rank == pytest.approx(16, rel=0.01)
    assert report.participation == pytest.approx(16, rel=0.02)
    assert report.std_median == pytest.approx(1.0, rel=0.05)


def test_equal_axes_have_their_number_as_rank():
    axes = torch.eye(5, dtype=torch.float64)
    report = inspect(torch.cat([axes, -axes]))
    assert report.rank == pytest.approx(5) and report.participation == pytest.approx(5)


def test_a_low_rank_embedding_is_named_in_words():
    z = gaussian(512, 2) @ gaussian(2, 64)
    assert inspect(z).alarm.startswith("2 of 64 dimensions carry all variance: collapsed; raise")


def test_one_embedding_for_every_case():
    assert "every case has the same embedding" in inspect(torch.ones(32, 8)).alarm


def test_dead_dimensions_are_counted():
    z = gaussian(512, 10)
    z[:, 3:] = 0.25
    report = inspect(z)
    assert report.dead == 7
    assert "7 of 10 dimensions do not vary" in report.alarm


def test_nan_is_an_alarm_and_not_a_crash():
    z = gaussian(8, 4)
    z[0, 0] = math.nan
    report = inspect(z)
    assert not report.finite and "NaN" in report.alarm


def test_the_scale_does_not_change_the_figures():
    z = gaussian(256, 8)
    a, b = inspect(z), inspect(1e3 * z)
    assert a.rank == pytest.approx(b.rank) and a.participation == pytest.approx(b.participation)


def test_figures_hold_the_alarm_only_if_there_is_one():
    assert "alarm" in inspect(torch.ones(4, 4)).figures()
    assert "alarm" not in inspect(gaussian(512, 8)).figures()
