from __future__ import annotations

import math

import pytest
import torch

from formwright.datasets.airfoils.cst import coordinates
from formwright.datasets.atoms import mamun
from formwright.datasets.cases import sections_batch
from formwright.surrogate.atoms.cases import AtomCases
from formwright.surrogate.encoder import each_image
from formwright.surrogate.pretraining.collapse import inspect
from formwright.surrogate.zoo import load


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


def test_one_strong_axis_among_living_ones_is_no_alarm():
    z = gaussian(512, 64)
    z[:, 0] *= 8.0
    report = inspect(z)
    assert report.participation < 5 and report.axes > 32 and report.alarm == ""


def test_noise_does_not_hide_a_collapse():
    z = gaussian(512, 2) @ gaussian(2, 64)
    z += 0.01 * torch.randn(512, 64, generator=torch.Generator().manual_seed(1))
    assert inspect(z).alarm.startswith("2 of 64 dimensions carry all variance")


def test_cases_that_hardly_differ_are_an_alarm():
    assert "cases differ by 4 % of the embedding" in inspect(gaussian(4096, 16) + 25.0).alarm


def test_a_spread_that_shrinks_is_an_alarm():
    z = gaussian(4096, 16)
    assert inspect(z, started=8.0).alarm == ""
    assert "has shrunk to 10 % of that before" in inspect(0.1 * z, started=4.0).alarm


def test_the_shipped_encoder_of_sections_raises_no_alarm():
    thickness = torch.linspace(0.1, 0.3, 6, dtype=torch.float64)[:, None, None]
    camber = torch.linspace(-0.05, 0.15, 6, dtype=torch.float64)[:, None]
    bumps = 0.04 * torch.sin(torch.arange(36.0).double()[:, None] * torch.arange(1.0, 17.0))
    sides = torch.stack([camber - thickness, camber + thickness], -1).expand(6, 6, 1, 2)
    weights = sides.reshape(36, 2, 1).expand(36, 2, 8).flatten(1) + bumps
    edges = torch.tensor([[0.0, 0.002]], dtype=torch.float64).expand(36, 2)
    pos = coordinates(torch.cat([weights, edges], 1))
    alpha = torch.linspace(-4.0, 12.0, 5, dtype=torch.float64).expand(len(pos), 5)
    reynolds = torch.logspace(5, 7, 5, dtype=torch.float64).expand(len(pos), 5)
    batch = sections_batch(pos, {"alpha_deg": alpha, "reynolds": reynolds.flip(1)})
    network = load("airfoil-encoder").eval()
    with torch.no_grad():
        vectors = [network(batch), network.encoder(batch).per_case]
    reports = [inspect(each_image(z, network.images)) for z in vectors]
    assert [report.alarm for report in reports] == ["", ""]
    assert min(report.axes for report in reports) > 5


def test_the_shipped_encoder_of_atoms_raises_no_alarm():
    rows, _ = mamun.labelled("validation")
    cases = AtomCases(mamun.build(rows[:: len(rows) // 96]))
    with torch.no_grad():
        z = load("atoms").eval()(cases.batch(torch.arange(len(cases)))).per_case
    report = inspect(z)
    assert report.participation < 2 and report.axes >= 3 and report.alarm == ""


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
