"""Floors of the probes on 1-D runs: what needs no pretraining, from nothing to all of physics."""

from __future__ import annotations

import numpy as np
import torch
from _probe import Split
from torch import Tensor

from formwright.datasets.pde.runs import grid_values

MODES = 16


def windows(split: Split) -> Tensor:
    """Return the windows of a split, (cases, frames, points), in double precision."""
    return grid_values(split.whole())[:, :, 0].double()


def raw(split: Split) -> Tensor:
    """Return every value of the windows as a feature."""
    return windows(split).flatten(1)


def hand_features(split: Split) -> Tensor:
    """Return what an engineer would tabulate, (cases, 20).

    Logarithms of the mean power of the first 16 modes and of the root mean square; skewness and
    flatness of the slope; the logarithm of the ratio of slope to size.
    """
    u = windows(split)
    modes = torch.fft.rfft(u - u.mean(-1, keepdim=True))
    power = modes.abs().square().mean(1)[:, 1 : MODES + 1]
    floor = 1e-10 * power.sum(1, keepdim=True) + 1e-30
    slope = u.roll(-1, -1) - u
    second = slope.square().mean((1, 2))
    skew = slope.pow(3).mean((1, 2)) / second.clamp_min(1e-30) ** 1.5
    flat = slope.pow(4).mean((1, 2)) / second.clamp_min(1e-30) ** 2
    size = u.square().mean((1, 2)).clamp_min(1e-30)
    more = torch.stack([0.5 * size.log(), skew, flat, 0.5 * (second / size).log()], 1)
    return torch.cat([(power + floor).log(), more], 1)


def energy_balance(split: Split) -> Tensor:
    """Return the viscosity by which the energy decays as the equation has it, without any label.

    viscosity = -d/dt <u^2 / 2> / <u_x^2>, the derivative from the first to the last frame.
    """
    case, u = split.whole(), windows(split)
    points = u.shape[-1]
    length = points * case.spacing[:, 0].double()
    k = 2.0 * np.pi * torch.arange(points // 2 + 1).double() / length[:, None]
    slope = torch.fft.irfft(1j * k[:, None] * torch.fft.rfft(u), n=points)
    loss = slope.square().mean(-1)
    time = case.interval.double() * (u.shape[1] - 1)
    within = torch.trapezoid(loss, dim=1) * case.interval.double()
    energy = 0.5 * u.square().mean(-1)
    assert (time > 0).all()
    return ((energy[:, 0] - energy[:, -1]) / within.clamp_min(1e-30)).clamp_min(1e-8)


def gaussian_process(known: Tensor, y: Tensor, asked: Tensor, restarts: int = 3) -> Tensor:
    """Predict by a Gaussian process: a smooth and a linear kernel and noise, by maximum evidence.

    Args:
        known: Standardised features of the labelled cases.
        y: Their labels.
        asked: Standardised features of the cases to predict.
        restarts: Starts of the search, of which the best is taken.
    """
    offset, width = y.mean(), known.shape[1]
    near = torch.cdist(known, known).square() / width
    inner = known @ known.T / width

    def kernel(theta: Tensor, near: Tensor, inner: Tensor) -> Tensor:
        size, scale, line = theta[:3].exp()
        return size * torch.exp(-0.5 * near / scale**2) + line * inner

    def loss(theta: Tensor) -> Tensor:
        whole = kernel(theta, near, inner) + (theta[3].exp() + 1e-6) * torch.eye(len(y)).double()
        lower = torch.linalg.cholesky(whole)
        a = torch.cholesky_solve((y - offset)[:, None], lower)[:, 0]
        prior = 0.01 * theta.square().sum()
        return 0.5 * (y - offset) @ a + lower.diagonal().log().sum() + prior

    best: tuple[float, Tensor] | None = None
    for start in range(restarts):
        theta = torch.tensor([0.0, float(start) - 0.5, -1.0, -3.0], dtype=torch.float64)
        theta.requires_grad_()
        search = torch.optim.LBFGS([theta], max_iter=60, line_search_fn="strong_wolfe")

        def closure(theta: Tensor = theta, search: torch.optim.LBFGS = search) -> Tensor:
            search.zero_grad()
            value = loss(theta)
            value.backward()
            return value

        value = float(search.step(closure).detach())
        if np.isfinite(value) and (best is None or value < best[0]):
            best = (value, theta.detach())
    assert best is not None
    theta = best[1]
    whole = kernel(theta, near, inner) + (theta[3].exp() + 1e-6) * torch.eye(len(y)).double()
    a = torch.linalg.solve(whole, y - offset)
    cross = kernel(theta, torch.cdist(asked, known).square() / width, asked @ known.T / width)
    return cross @ a + offset
