"""Each objective against a transcription of its paper's formula in NumPy, and its failure modes."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest
import torch
from torch import nn

from formwright.datasets.errors import ObjectiveError
from formwright.surrogate.objectives.barlow import BarlowTwins
from formwright.surrogate.objectives.byol import BYOL
from formwright.surrogate.objectives.denoise import Denoise
from formwright.surrogate.objectives.jepa import JEPA
from formwright.surrogate.objectives.loss import Target, check_pair
from formwright.surrogate.objectives.masked import Masked
from formwright.surrogate.objectives.siamese import Siamese
from formwright.surrogate.objectives.sigreg import LeJEPA
from formwright.surrogate.objectives.simclr import SimCLR
from formwright.surrogate.objectives.simsiam import SimSiam
from formwright.surrogate.objectives.vicreg import VICReg
from formwright.surrogate.objectives.visreg import VISReg
from formwright.surrogate.pretraining.heads import update_target

PAIRWISE = [VICReg(), BarlowTwins(), SimCLR(), Siamese(margin=3.0), LeJEPA(), VISReg()]
PREDICTIVE = [BYOL(), SimSiam(), JEPA(), JEPA(variance=3.0, covariance=2.0), Masked(), Denoise()]
SMOOTH = [*(o for o in PAIRWISE if not isinstance(o, VISReg)), VISReg(shape=0.0)]


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
    got = BarlowTwins(redundancy=0.02, epsilon=1e-14)(za, zb).total.item()
    assert got == pytest.approx(barlow_reference(za.numpy(), zb.numpy(), 0.02), rel=1e-10)


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


def siamese_reference(za: np.ndarray, zb: np.ndarray, margin: float, weight: float) -> float:
    n = len(za)
    pull = sum(0.5 * np.linalg.norm(za[i] - zb[i]) ** 2 for i in range(n)) / n
    push = 0.0
    for i in range(n):
        for j in range(n):
            if i != j:
                push += 0.5 * max(0.0, margin - np.linalg.norm(za[i] - zb[j])) ** 2
    return pull + weight * push / (n * (n - 1))


def visreg_reference(za: np.ndarray, zb: np.ndarray, a: np.ndarray, lam: float, eps: float):
    def regular(z):
        mean, std = z.mean(0), z.std(0)
        x = np.sort(((z - mean) / (std + eps)) @ a, axis=0)
        n = len(z)
        q = np.array([NormalDist().inv_cdf((k + 1) / (n + 1)) for k in range(n)])
        shape = ((x - q[:, None]) ** 2).mean()
        return ((1 - std) ** 2).mean() + shape + (mean**2).mean()

    centre = (za + zb) / 2
    invariance = 0.5 * (((za - centre) ** 2).mean() + ((zb - centre) ** 2).mean())
    return (1 - lam) * invariance + lam * 0.5 * (regular(za) + regular(zb))


def test_siamese_is_the_papers_formula():
    za, zb = pair()
    got = Siamese(margin=2.5, negatives=0.7, epsilon=1e-16)(za, zb).total.item()
    assert got == pytest.approx(siamese_reference(za.numpy(), zb.numpy(), 2.5, 0.7), rel=1e-10)
    far = Siamese(margin=0.01)(za, zb).terms["push"].item()
    assert far == 0.0


def test_visreg_is_the_papers_formula():
    za, zb = pair()
    generator = torch.Generator().manual_seed(4)
    got = VISReg(weight=0.7, slices=9)(za, zb, generator).total.item()
    a = torch.randn(7, 9, generator=torch.Generator().manual_seed(4)).double().numpy()
    a = a / np.linalg.norm(a, axis=0)
    want = visreg_reference(za.numpy(), zb.numpy(), a, 0.7, 1e-4)
    assert got == pytest.approx(want, rel=1e-6)


def test_the_shape_term_of_visreg_leaves_the_scale_alone():
    za, _ = pair(n=64)
    gradients = []
    for scale in (1.0, 3.0):
        z = (scale * za).requires_grad_()
        only_shape = VISReg(weight=1.0, scale=0.0, centre=0.0, epsilon=1e-12)
        only_shape(z, z.detach(), torch.Generator().manual_seed(0)).total.backward()
        assert z.grad is not None
        gradients.append(z.grad)
    assert torch.allclose(gradients[0], 3.0 * gradients[1], rtol=1e-8)
    assert gradients[0].norm() > 0


def test_visreg_still_pulls_where_sigreg_has_lost_its_gradient():
    generator = torch.Generator().manual_seed(0)
    flat = 1e-4 * torch.randn(64, 8, generator=generator, dtype=torch.float64)
    norms = []
    for objective in (VISReg(weight=1.0), LeJEPA(weight=1.0)):
        z = flat.clone().requires_grad_()
        objective(z, z.detach(), generator).total.backward()
        norms.append((z.grad * flat).sum().abs() / flat.norm())
    assert norms[0] > 100 * norms[1]


def test_simsiam_is_the_papers_formula_and_stops_the_gradient():
    p, t = (z.requires_grad_() for z in pair(seed=1))
    loss = SimSiam()(p, t).total
    a, b = (z.detach().numpy() for z in (p, t))
    cosine = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    assert loss.item() == pytest.approx(-0.5 * cosine.mean(), rel=1e-12)
    loss.backward()
    assert t.grad is None and p.grad is not None


def test_jepa_is_a_squared_error_and_variance_and_covariance_of_the_target():
    p, t = pair(seed=3)
    objective = JEPA(prediction=2.0, variance=3.0, covariance=0.5, target=Target.SHARED)
    constant = np.zeros_like(t.numpy())
    spread = vicreg_reference(t.numpy(), constant, 0.0, 3.0, 0.5, 1e-4)
    spread -= 3.0 * (1.0 - math.sqrt(1e-4))
    want = 2.0 * np.mean((p.numpy() - t.numpy()) ** 2) + spread
    assert objective(p, t).total.item() == pytest.approx(want, rel=1e-10)
    p, t = (z.requires_grad_() for z in pair(seed=3))
    JEPA()(p, t).total.backward()
    assert t.grad is None and p.grad is not None
    objective(p, t).total.backward()
    assert t.grad is not None


def test_masked_and_denoising_are_mean_squares():
    p, t = pair()
    want = np.mean((p.numpy() - t.numpy()) ** 2)
    assert Masked()(p, t).total.item() == pytest.approx(want, rel=1e-12)
    assert Denoise()(p, t).total.item() == pytest.approx(want, rel=1e-12)


def test_masked_classes_are_a_cross_entropy():
    logits, _ = pair(n=5, d=4)
    classes = torch.tensor([0, 3, 1, 1, 2])
    got = Masked()(logits, classes)
    rows = np.exp(logits.numpy())
    want = -np.mean([math.log(rows[i, c] / rows[i].sum()) for i, c in enumerate(classes.tolist())])
    assert got.total.item() == pytest.approx(want, rel=1e-12)
    assert got.terms["accuracy"].item() == (logits.argmax(1) == classes).double().mean().item()


def test_nothing_hidden_is_refused():
    with pytest.raises(ObjectiveError, match="no hidden point"):
        Masked()(torch.ones(0, 3), torch.ones(0, 3))


@pytest.mark.parametrize("objective", PREDICTIVE, ids=repr)
class TestEveryPredictiveObjective:
    def test_gradients_agree_with_finite_differences(self, objective):
        p, t = (z[:6, :3].clone() for z in pair())
        assert torch.autograd.gradcheck(lambda p: objective(p, t).total, p.requires_grad_())

    def test_the_right_prediction_is_the_best(self, objective):
        p, t = pair()
        assert objective(t, t).total < objective(p, t).total

    def test_a_nan_is_refused_with_its_row(self, objective):
        p, t = pair()
        p[5, 2] = math.nan
        with pytest.raises(ObjectiveError, match=r"not finite in row\(s\) \[5\]"):
            objective(p, t)


@pytest.mark.parametrize("objective", [BYOL(), SimSiam(), JEPA()], ids=repr)
def test_predictions_of_a_batch_of_one_are_refused(objective):
    with pytest.raises(ObjectiveError, match="batch holds 1 case"):
        objective(torch.ones(1, 4), torch.ones(1, 4))


@pytest.mark.parametrize("objective", SMOOTH, ids=repr)
def test_gradients_agree_with_finite_differences(objective):
    za, zb = (z[:6, :3].clone().requires_grad_() for z in pair())

    def total(a, b):
        return objective(a, b, torch.Generator().manual_seed(0)).total

    assert torch.autograd.gradcheck(total, (za, zb))


def test_the_target_moves_by_one_minus_decay():
    online, target = nn.Linear(2, 2), nn.Linear(2, 2)
    want = 0.9 * target.weight.detach() + 0.1 * online.weight.detach()
    update_target(target, online, 0.9)
    assert torch.allclose(target.weight, want) and torch.isfinite(target.weight).all()


@pytest.mark.parametrize("objective", PAIRWISE, ids=lambda o: type(o).__name__)
class TestEveryPairwiseObjective:
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
