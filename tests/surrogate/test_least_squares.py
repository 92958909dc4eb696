from __future__ import annotations

import pytest
import torch
from torch import nn

from formwright.surrogate.least_squares import LeastSquares


def data(rows: int = 60) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(rows, 4, generator=generator)
    weights = torch.tensor([[1.0, -2.0, 0.0, 0.5], [0.0, 3.0, 1.0, -1.0]])
    return x, x @ weights.T + torch.tensor([2.0, -1.0])


@pytest.mark.parametrize("parts", [1, 7])
def test_it_finds_a_linear_map_from_batches(parts):
    x, y = data()
    layer = nn.Linear(4, 2)
    fit = LeastSquares(layer)
    for some in torch.arange(len(x)).chunk(parts):
        fit.add(x[some], y[some])
    fit.solve(1e-9)
    torch.testing.assert_close(layer(x), y, rtol=0, atol=1e-5)


def test_the_ridge_shrinks_the_weights_and_not_the_bias():
    x, y = data()
    layer = nn.Linear(4, 2)
    fit = LeastSquares(layer)
    fit.add(x - x.mean(0), y)
    fit.solve(1e6)
    assert layer.weight.abs().max() < 1e-4
    torch.testing.assert_close(layer.bias, y.mean(0), rtol=0, atol=1e-5)


def test_a_layer_without_bias_goes_through_the_origin():
    x, y = data()
    layer = nn.Linear(4, 2, bias=False)
    fit = LeastSquares(layer)
    fit.add(x, y - torch.tensor([2.0, -1.0]))
    fit.solve(1e-9)
    assert not layer(torch.zeros(1, 4)).any()
    torch.testing.assert_close(layer(x), y - torch.tensor([2.0, -1.0]), rtol=0, atol=1e-5)


def test_rows_without_a_target_are_left_out_and_none_changes_nothing():
    x, y = data()
    y[::3, 1] = torch.nan
    layers = [nn.Linear(4, 2), nn.Linear(4, 2)]
    for layer, keep in zip(layers, (slice(None), y[:, 1].isfinite()), strict=True):
        fit = LeastSquares(layer)
        fit.add(x[keep], y[keep])
        fit.solve(1e-3)
    torch.testing.assert_close(layers[0].weight, layers[1].weight)
    before = layers[0].weight.clone()
    empty = LeastSquares(layers[0])
    empty.add(x, torch.full_like(y, torch.nan))
    empty.solve(1e-3)
    assert torch.equal(layers[0].weight, before)
