from __future__ import annotations

import torch

from formwright.surrogate.floors import gaussian_process, ridge, standard


def data(seed: int, rows: int) -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.rand(rows, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return x, torch.stack([2.0 * x[:, 0] - x[:, 2], (4.0 * x[:, 1]).sin()], 1)


def test_ridge_finds_a_line_and_the_process_a_curve() -> None:
    (x, y), (held, truth) = data(0, 60), data(1, 30)
    known, other = standard(x, held)
    line, curve = ridge(known, other, y), gaussian_process(known, other, y)
    assert (line[:, 0] - truth[:, 0]).abs().max() < 1e-4
    assert (curve[:, 1] - truth[:, 1]).abs().mean() < 0.02
    assert (line[:, 1] - truth[:, 1]).abs().mean() > 5 * (curve[:, 1] - truth[:, 1]).abs().mean()


def test_what_does_not_vary_is_left_out() -> None:
    x = torch.cat([data(0, 20)[0], torch.ones(20, 1).double()], 1)
    assert standard(x, x)[0].shape == (20, 3)
