from __future__ import annotations

import torch

from formwright.surrogate.label_efficiency.probes import (
    Rows,
    gaussian_process,
    pca_ridge,
    ridge,
    smooth_or_straight,
)


def rows(count: int, seed: int, function, features: int = 3) -> Rows:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, features, generator=generator, dtype=torch.float64)
    return Rows(features=x, label=function(x))


def linear(x):
    return 3.0 * x[:, 0] - 2.0 * x[:, 1] + 7.0


def curved(x):
    return torch.sin(1.5 * x[:, 0]) + 0.3 * x[:, 1] ** 2


def test_ridge_finds_a_linear_label():
    few, validation, test = (rows(n, i, linear) for i, n in enumerate((40, 50, 60)))
    assert torch.allclose(ridge(few, validation, test), test.label, atol=1e-4)


def test_ridge_penalises_more_where_the_label_is_noise():
    generator = torch.Generator().manual_seed(3)

    def noisy(x):
        return x[:, 0] + torch.randn(len(x), generator=generator, dtype=torch.float64)

    few, validation, test = (rows(n, i, noisy, 25) for i, n in enumerate((30, 400, 400)))
    noise = float((ridge(few, validation, test) - test.label).square().mean())
    exact = torch.linalg.lstsq(few.features, few.label[:, None]).solution[:, 0]
    assert noise < float((test.features @ exact - test.label).square().mean())


def test_features_that_never_vary_do_no_harm():
    few, validation, test = (rows(n, i, linear) for i, n in enumerate((40, 50, 60)))
    few, validation, test = (
        Rows(features=torch.cat([p.features, torch.ones(len(p.label), 1)], 1), label=p.label)
        for p in (few, validation, test)
    )
    assert torch.allclose(ridge(few, validation, test), test.label, atol=1e-4)
    assert torch.isfinite(gaussian_process(few, test)).all()


def test_components_carry_a_label_that_lies_along_them():
    generator = torch.Generator().manual_seed(1)
    axes = torch.linalg.qr(torch.randn(50, 4, generator=generator, dtype=torch.float64))[0]

    def part(count: int, seed: int) -> Rows:
        z = rows(count, seed, linear, 4)
        return Rows(features=z.features @ axes.T, label=z.label)

    few, validation, test = part(12, 1), part(60, 2), part(60, 3)
    answer = pca_ridge(part(500, 4).features, few, validation, test)
    assert float((answer - test.label).square().mean()) < 1e-3 * float(test.label.var())


def test_gaussian_process_beats_ridge_on_a_curved_label_and_interpolates():
    few, validation, test = (rows(n, i, curved) for i, n in enumerate((80, 80, 200)))
    curved_error = float((gaussian_process(few, test) - test.label).square().mean())
    straight_error = float((ridge(few, validation, test) - test.label).square().mean())
    assert curved_error < 0.1 * straight_error
    assert torch.allclose(gaussian_process(few, few), few.label, atol=0.05)


def test_gaussian_process_takes_the_mean_far_away():
    few = rows(60, 0, curved)
    far = Rows(features=few.features[:1] + 1e3, label=few.label[:1])
    assert torch.allclose(gaussian_process(few, far), few.label.mean(), atol=1e-6)


def test_few_labels_of_many_features_do_not_collapse_to_the_mean():
    def total(x):
        return x.sum(1)

    few, validation, test = (rows(n, i, total, 30) for i, n in enumerate((16, 99, 99)))
    size = float(test.label.var())
    assert float((gaussian_process(few, test) - test.label).square().mean()) > 0.8 * size
    answer = smooth_or_straight(few, validation, test)
    assert float((answer - test.label).square().mean()) < 0.6 * size


def test_a_curved_label_is_left_to_the_process():
    few, validation, test = (rows(n, i, curved) for i, n in enumerate((80, 80, 200)))
    answer = smooth_or_straight(few, validation, test)
    assert torch.allclose(answer, gaussian_process(few, test), atol=1e-9)
