"""The Gaussian process: exact where it must be, gradients, leaving out, believing itself."""

import numpy as np
import pytest
import torch
from scipy.linalg import cho_factor, cho_solve

from formwright.surrogate.uncertainty.gaussian import fit


def wave(x):
    return torch.sin(6.0 * x[:, 0]) + x[:, 1].square()


@pytest.fixture(scope="module")
def known():
    x = torch.rand(24, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return x, 3.0 + 20.0 * wave(x)


@pytest.fixture(scope="module")
def process(known):
    return fit(*known)


def test_it_says_what_is_known_and_is_unsure_elsewhere(process, known):
    x, y = known
    mean, std = process(x)
    assert torch.allclose(mean, y, atol=1e-2) and float(std.max()) < 0.1
    far = process(torch.tensor([[3.0, -2.0]], dtype=torch.float64))[1]
    assert float(far) > 20.0 * float(std.max())


def test_it_is_right_between(process):
    x = torch.rand(50, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    mean, _ = process(x)
    _, lower, upper = process.interval(x)
    truth = 3.0 + 20.0 * wave(x)
    assert float((mean - truth).abs().mean()) < 0.05 * float(truth.std())
    assert float(((lower <= truth) & (truth <= upper)).double().mean()) >= 0.8


def test_the_posterior_is_that_of_the_textbook(process, known):
    x, y = known
    at = torch.rand(5, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(2))

    def kernel(a, b):
        r = np.sqrt(5.0) * np.linalg.norm((a[:, None] - b[None]) / process.length.numpy(), axis=2)
        return process.variance * (1.0 + r + r**2 / 3.0) * np.exp(-r)

    z = (y.numpy() - y.numpy().mean()) / y.numpy().std()
    noise = (process.noise + 1e-9) * np.eye(len(x))
    factor = cho_factor(kernel(x.numpy(), x.numpy()) + noise)
    across = kernel(at.numpy(), x.numpy())
    mean = across @ cho_solve(factor, z)
    variance = process.variance - np.einsum("ij,ji->i", across, cho_solve(factor, across.T))
    found, std = process(at)
    assert found.numpy() == pytest.approx(y.numpy().mean() + y.numpy().std() * mean, rel=1e-6)
    assert std.numpy() == pytest.approx(y.numpy().std() * np.sqrt(variance), rel=1e-4)


def test_gradients_against_differences(process):
    at = torch.tensor([[0.3, 0.6]], dtype=torch.float64, requires_grad=True)
    mean, std = process(at)
    gradient = torch.autograd.grad(mean.sum() + std.sum(), at)[0][0]
    for i in range(2):
        step = torch.zeros(1, 2, dtype=torch.float64)
        step[0, i] = 1e-6
        both = [sum(float(part) for part in process(at.detach() + s * step)) for s in (1.0, -1.0)]
        assert float(gradient[i]) == pytest.approx((both[0] - both[1]) / 2e-6, rel=1e-5)


def test_leaving_out_is_that_of_a_process_without_the_number(known):
    x, y = known
    whole = fit(x, y)
    left = whole.left_out()
    scale = y.std(correction=0)
    for i in (0, 7):
        keep = torch.arange(len(x)) != i
        across = whole.variance * _matern(x[i : i + 1], x[keep], whole.length)
        square = whole.variance * _matern(x[keep], x[keep], whole.length)
        square = square + (whole.noise + 1e-9) * torch.eye(len(x) - 1)
        z = (y - y.mean()) / scale
        mean = across @ torch.linalg.solve(square, z[keep])
        variance = whole.variance + whole.noise + 1e-9
        variance = variance - (across @ torch.linalg.solve(square, across.T))[0, 0]
        assert float(left[i]) == pytest.approx(float((z[i] - mean) / variance.sqrt()), rel=1e-4)


def _matern(a, b, length):
    r = 5.0**0.5 * torch.cdist(a / length, b / length)
    return (1.0 + r + r.square() / 3.0) * (-r).exp()


def test_believing_its_own_mean_changes_no_mean_and_makes_it_sure(process):
    at = torch.tensor([[0.9, 0.1], [0.2, 0.2]], dtype=torch.float64)
    before, unsure = process(at)
    after, sure = process.extended(at)(at)
    assert torch.allclose(before, after, rtol=1e-3) and bool((sure < unsure).all())


def test_numbers_that_do_not_differ_are_said_as_they_are():
    x = torch.tensor([[0.1], [0.5], [0.9]], dtype=torch.float64)
    mean, std = fit(x, torch.full((3,), 7.0, dtype=torch.float64))(x)
    assert torch.allclose(mean, torch.full((3,), 7.0, dtype=torch.float64))
    assert bool(torch.isfinite(std).all())
