"""Each objective against a transcription of its paper's formula in NumPy, and its failure modes."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from formwright.datasets.errors import ObjectiveError
from formwright.surrogate.collapse import inspect
from formwright.surrogate.heads import update_target
from formwright.surrogate.objectives.barlow import BarlowTwins
from formwright.surrogate.objectives.byol import BYOL
from formwright.surrogate.objectives.loss import Loss, check_pair
from formwright.surrogate.objectives.sigreg import LeJEPA
from formwright.surrogate.objectives.simclr import SimCLR
from formwright.surrogate.objectives.vicreg import VICReg
from formwright.surrogate.training import TrainConfig, train

PAIRWISE = [VICReg(), BarlowTwins(), SimCLR(), LeJEPA()]


def pair(n: int = 24, d: int = 7, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    za = torch.randn(n, d, generator=generator, dtype=torch.float64) * 0.7 + 0.1
    return za, za + 0.3 * torch.randn(n, d, generator=generator, dtype=torch.float64)


def vicreg_reference(za: np.ndarray, zb: np.ndarray, lam, mu, nu, eps) -> float:
    def variance(z):
        stds = [math.sqrt(np.var(z[:, j], ddof=1) + eps) for j in range(z.shape[1])]
        return sum(max(0.0, 1.0 - std) for std in stds) / z.shape[1]

    def covariance(z):
        c = np.cov(z, rowvar=False, ddof=1)
        d = len(c)
        return sum(c[i, j] ** 2 for i in range(d) for j in range(d) if i != j) / d

    invariance = np.mean((za - zb) ** 2)
    spread = variance(za) + variance(zb)
    return lam * invariance + mu * spread + nu * (covariance(za) + covariance(zb))


def barlow_reference(za: np.ndarray, zb: np.ndarray, lam: float) -> float:
    d = za.shape[1]
    total = 0.0
    for i in range(d):
        for j in range(d):
            c = np.corrcoef(za[:, i], zb[:, j])[0, 1]
            total += (1 - c) ** 2 if i == j else lam * c**2
    return total


def simclr_reference(za: np.ndarray, zb: np.ndarray, temperature: float) -> float:
    z = np.concatenate([za, zb])
    n = len(za)

    def similarity(i, j):
        return z[i] @ z[j] / np.linalg.norm(z[i]) / np.linalg.norm(z[j]) / temperature

    losses = []
    for i in range(2 * n):
        j = (i + n) % (2 * n)
        rest = sum(math.exp(similarity(i, k)) for k in range(2 * n) if k != i)
        losses.append(-math.log(math.exp(similarity(i, j)) / rest))
    return float(np.mean(losses))


def epps_pulley_reference(x: np.ndarray, knots: int, reach: float) -> float:
    t = np.linspace(-reach, reach, 2 * knots - 1)
    empirical = np.exp(1j * t[:, None] * x[None]).mean(1)
    integrand = np.abs(empirical - np.exp(-(t**2) / 2)) ** 2 * np.exp(-(t**2) / 2)
    return len(x) * float(np.trapezoid(integrand, t))


def test_vicreg_is_the_papers_formula():
    za, zb = pair()
    got = VICReg(invariance=10.0, variance=20.0, covariance=3.0)(za, zb)
    want = vicreg_reference(za.numpy(), zb.numpy(), 10.0, 20.0, 3.0, 1e-4)
    assert got.total.item() == pytest.approx(want, rel=1e-12)
    terms = {k: v.item() for k, v in got.terms.items()}
    assert 10 * terms["invariance"] + 20 * terms["variance"] + 3 * terms[
        "covariance"
    ] == pytest.approx(want)


def test_vicreg_sums_the_variance_term_over_the_two_views():
    constant = torch.ones(8, 4, dtype=torch.float64)
    loss = VICReg(epsilon=0.0)(constant, constant)
    assert loss.terms["variance"].item() == pytest.approx(2.0)


def test_barlow_is_the_papers_formula():
    za, zb = pair()
    got = BarlowTwins(redundancy=0.02, epsilon=0.0)(za, zb).total.item()
    assert got == pytest.approx(barlow_reference(za.numpy(), zb.numpy(), 0.02), rel=1e-12)


def test_simclr_is_the_papers_formula():
    za, zb = pair()
    got = SimCLR(temperature=0.2)(za, zb).total.item()
    assert got == pytest.approx(simclr_reference(za.numpy(), zb.numpy(), 0.2), rel=1e-12)


def test_lejepa_statistic_is_the_papers_integral():
    x, _ = pair(n=50, d=3)
    objective = LeJEPA(knots=17, reach=3.0)
    want = np.mean([epps_pulley_reference(x[:, j].numpy(), 17, 3.0) for j in range(3)])
    assert objective.statistic(x).item() == pytest.approx(want, rel=1e-6)


def test_lejepa_weighs_invariance_by_one_minus_lambda_and_tests_each_view():
    za, zb = pair(d=1)
    objective = LeJEPA(weight=0.3, slices=1)
    got = objective(za, zb, torch.Generator().manual_seed(0)).total.item()
    centre = (za + zb) / 2
    s = 0.5 * ((za - centre).square().mean() + (zb - centre).square().mean()).item()
    g = 0.5 * sum(epps_pulley_reference(z[:, 0].numpy(), 17, 3.0) for z in (za, zb))
    assert got == pytest.approx(0.7 * s + 0.3 * g, rel=1e-6)


def test_lejepa_prefers_a_gaussian():
    generator = torch.Generator().manual_seed(1)
    gauss = torch.randn(512, 4, generator=generator)
    for other in (gauss * 0.3, gauss + 1.0, gauss.sign() * gauss.abs().sqrt(), gauss[:, :1] * 2):
        other = other.expand(-1, 4)
        terms = [LeJEPA()(z, z, generator).terms["sigreg"].item() for z in (gauss, other)]
        assert terms[0] < 0.5 * terms[1]


def test_byol_is_the_papers_formula_and_stops_the_gradient():
    p, t = (z.requires_grad_() for z in pair(seed=1))
    loss = BYOL()(p, t).total
    a, b = (z.detach().numpy() for z in (p, t))
    a, b = (z / np.linalg.norm(z, axis=1, keepdims=True) for z in (a, b))
    assert loss.item() == pytest.approx(((a - b) ** 2).sum(1).mean(), rel=1e-12)
    loss.backward()
    assert t.grad is None and p.grad is not None


def test_the_target_moves_by_one_minus_decay():
    online, target = nn.Linear(2, 2), nn.Linear(2, 2)
    want = 0.9 * target.weight.detach() + 0.1 * online.weight.detach()
    update_target(target, online, 0.9)
    assert torch.allclose(target.weight, want) and torch.isfinite(target.weight).all()


@pytest.mark.parametrize("objective", PAIRWISE, ids=lambda o: type(o).__name__)
class TestEveryPairwiseObjective:
    def test_gradients_agree_with_finite_differences(self, objective):
        za, zb = (z[:6, :3].clone().requires_grad_() for z in pair())

        def total(a, b):
            return objective(a, b, torch.Generator().manual_seed(0)).total

        assert torch.autograd.gradcheck(total, (za, zb))

    def test_the_order_of_the_cases_does_not_matter(self, objective):
        za, zb = pair()
        order = torch.randperm(len(za), generator=torch.Generator().manual_seed(3))
        totals = [
            objective(a, b, torch.Generator().manual_seed(0)).total
            for a, b in ((za, zb), (za[order], zb[order]))
        ]
        assert torch.allclose(*totals, rtol=1e-10)

    def test_matched_pairs_beat_shuffled_ones(self, objective):
        za, zb = pair(n=64)
        matched, shuffled = (
            objective(za, z, torch.Generator().manual_seed(0)).total for z in (zb, zb.roll(1, 0))
        )
        assert matched < shuffled

    def test_a_batch_of_one_is_refused(self, objective):
        with pytest.raises(ObjectiveError, match="batch holds 1 case"):
            objective(torch.ones(1, 4), torch.ones(1, 4))

    def test_a_nan_is_refused_with_its_row(self, objective):
        za, zb = pair()
        zb[5, 2] = math.nan
        with pytest.raises(ObjectiveError, match=r"second view.*row\(s\) \[5\]"):
            objective(za, zb)


def test_two_shapes_are_refused():
    with pytest.raises(ObjectiveError, match=r"VICReg compares .* \(4, 4\) and \(3, 4\)"):
        check_pair(torch.ones(4, 4), torch.ones(3, 4), "VICReg")


def toy_rank(objective) -> float:
    """Train a small network on two noisy views of 6 independent factors; return the rank."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 32), nn.GELU(), nn.Linear(32, 6))

    def step_loss(model, step, generator) -> Loss:
        x = torch.randn(128, 6, generator=generator)
        za, zb = (model(x + 0.5 * torch.randn(128, 6, generator=generator)) for _ in range(2))
        return objective(za, zb, generator)

    train(model, step_loss, TrainConfig(steps=200, learning_rate=1e-2, threads=1), progress=False)
    x = torch.randn(512, 6, generator=torch.Generator().manual_seed(9))
    report = inspect(model(x))
    return 0.0 if report.std_max < 0.05 else report.participation


@pytest.mark.parametrize(
    ("whole", "without_guard"),
    [
        (VICReg(), VICReg(variance=0.0)),
        (LeJEPA(slices=16), LeJEPA(weight=0.0, slices=16)),
        (BarlowTwins(redundancy=0.1), BarlowTwins(redundancy=0.0)),
    ],
    ids=["VICReg without variance", "LeJEPA without SIGReg", "Barlow without redundancy"],
)
def test_the_embedding_collapses_without_its_guard(whole, without_guard):
    assert toy_rank(whole) > 4.5
    assert toy_rank(without_guard) < 3.0
