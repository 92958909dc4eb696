"""Boundary layers expressed through the edge speeds: the linearised march of a Newton step.

Linear in the changes of ``z`` = (ln theta, H, ln S), and on the sides (N, rate before) besides::

    z_i = step z_(i-1) + before w_(i-1) + after w_i + stop s + inverse residual_i

A march along given speeds ``u`` is singular at separation; along ``w = u - k d ln(delta*)`` it is
not, ``k`` being about what the outer flow answers at the station itself (``yielding``). This is a
change of variables: nothing is approximated. A sweep downstream collects the answer of every
station to every ``w`` and to the place ``s`` of the stagnation point (``side_sweep``,
``wake_sweep``) and, apart and with its graph, to the residuals (``side_shift``,
``wake_shift``). Unknowns are ordered:
``w`` of the top, of the bottom, of the wake without its first node; ``s``.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from formwright.datasets.solvers.panel import equations
from formwright.datasets.solvers.panel.boundary_layer import Layer, inverse3, local_stiffness
from formwright.datasets.solvers.panel.equations import Amplification


class Blocks(NamedTuple):
    """Coefficients of the linearised march, interval by interval."""

    step: Tensor
    before: Tensor
    after: Tensor
    stop: Tensor
    inverse: Tensor


def yielding(layer: Layer, arc: Tensor) -> Tensor:
    """Return ``k`` at the stations; zero at the first, whose speed is given."""
    k = local_stiffness(arc) * layer.speed * layer.displacement
    return torch.cat([torch.zeros_like(k[..., :1]), k[..., 1:]], -1)


def log_displacement(values: Tensor, shape: Tensor) -> Tensor:
    """Return d ln(delta*) from d ln theta and d H, rows 0 and 1 of ``values`` (..., rows, n)."""
    return values[..., 0, :] + values[..., 1, :] / shape[..., None]


def _yield(columns: Tensor, k: Tensor, shape: Tensor) -> Tensor:
    """Return derivatives by (ln theta, H, ln S) at given w from those and the one by u (fourth)."""
    by_speed = columns[:, 3] * k
    moved = torch.stack([by_speed, by_speed / shape, torch.zeros_like(by_speed)], 1)
    return columns[:, :3] + moved


class Growth(NamedTuple):
    """Derivatives of the amplification rate by ln theta, H and speed at the stations."""

    log_theta: Tensor
    shape: Tensor
    speed: Tensor


def rate_gradient(layer: Layer, reynolds: Tensor) -> Growth:
    """Return the derivatives of dN/ds at every station."""
    values = [v.detach().requires_grad_() for v in (layer.log_theta, layer.shape, layer.speed)]
    with torch.enable_grad():
        rates = equations.rate(*values, reynolds)  # pyright: ignore
        return Growth(*torch.autograd.grad(rates.sum(), values))


def _jacobians(
    layer: Layer, reynolds: Tensor, over: tuple[Tensor, ...], *, wake: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Return derivatives of the residuals, (3 residuals, columns, ...).

    Columns: (ln theta, H, ln S, speed) before; the same after; (start, end, turbulent fraction).
    """
    values = (layer.log_theta, layer.shape, layer.log_shear, layer.speed)
    *ends, was = over
    with torch.enable_grad():
        inputs = [v[..., :-1].detach().requires_grad_() for v in values]
        inputs += [v[..., 1:].detach().requires_grad_() for v in values]
        inputs += [v.detach().clone().requires_grad_() for v in ends]
        a, b = (
            equations.station(*x[:3], x[3].log(), reynolds, wake=wake)  # pyright: ignore
            for x in (inputs[:4], inputs[4:8])
        )
        rows = equations.residuals(a, b, equations.interval(*inputs[8:], was, wake=wake))  # pyright: ignore
        columns = [_gradients(rows[k].sum(), inputs, k < 2) for k in range(3)]
    full = torch.stack(columns)
    return full[:, :4], full[:, 4:8], full[:, 8:]


def _gradients(value: Tensor, inputs: list[Tensor], again: bool) -> Tensor:
    grads = torch.autograd.grad(value, inputs, retain_graph=again, allow_unused=True)
    pairs = zip(grads, inputs, strict=True)
    return torch.stack([torch.zeros_like(x) if g is None else g for g, x in pairs])


def side_blocks(
    layer: Layer,
    distance: Tensor,
    reynolds: Tensor,
    ncrit: Tensor,
    grown: Amplification,
    k: Tensor,
) -> Blocks:
    """Return the linearised march along both sides.

    Args:
        layer: Sides, (points, 2, stations).
        distance: From the stagnation point.
        reynolds: (points, 1, 1).
        ncrit: (points, 1, 1).
        grown: Amplification of ``layer``.
        k: Of ``yielding``.
    """
    was = torch.nn.functional.pad(grown.fraction[..., :-1] > 0, (1, 0))
    over = (distance[..., :-1], distance[..., 1:], grown.fraction, was)
    before, after, rest = _jacobians(layer, reynolds, over, wake=False)
    before_z = _yield(before, k[..., :-1], layer.shape[..., :-1])
    inverse = -inverse3(_yield(after, k[..., 1:], layer.shape[..., 1:]))
    growing = rate_gradient(layer, reynolds)
    by_theta = growing.log_theta + growing.speed * k
    by_shape = growing.shape + growing.speed * k / layer.shape
    rate = [g[..., :-1] for g in (by_theta, by_shape, growing.speed)]
    stretch = torch.tensor([[1.0], [-1.0]], dtype=distance.dtype, device=distance.device)
    stretch = stretch / distance[..., -1:]
    growth, growth_u, growth_stop = _growth_rows(distance, rate, grown, stretch)
    fraction, fraction_u, fraction_stop = _fraction_rows(
        grown, ncrit, growth, growth_u, growth_stop
    )
    zero = torch.zeros_like(growth_u)
    by_state = torch.cat([before_z, torch.zeros_like(before[:, :2])], 1)
    by_state = by_state + rest[:, 2:3] * fraction
    n_row = growth + torch.stack([zero, zero, zero, zero + 1.0, zero])
    rate_row = torch.stack([rate[0], rate[1], zero, zero, zero])
    top = (inverse[:, :, None] * by_state).sum(1)
    ends = (rest[:, 0] * distance[..., :-1] + rest[:, 1] * distance[..., 1:]) * stretch
    columns = (
        (before[:, 3] + rest[:, 2] * fraction_u, growth_u, rate[2]),
        (after[:, 3], zero, zero),
        (ends + rest[:, 2] * fraction_stop, growth_stop, zero),
    )
    moved = [
        torch.cat([(inverse * body).sum(1), torch.stack(tail)]).movedim(0, -1)
        for body, *tail in columns
    ]
    step = torch.cat([top, n_row[None], rate_row[None]]).movedim((0, 1), (-2, -1))
    return Blocks(step, *moved, inverse.movedim((0, 1), (-2, -1)))  # pyright: ignore


def _growth_rows(
    distance: Tensor, rate: list[Tensor], grown: Amplification, stretch: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return derivatives of the growth of N by the state before, the speed before, the stop."""
    step = distance[..., 1:] - distance[..., :-1]
    ratio = step / torch.cat([distance[..., :1], step[..., :-1]], -1)
    growing = (grown.growth > 0).to(step.dtype)
    now, old = (1.0 + 0.5 * ratio) * step * growing, -0.5 * ratio * step * growing
    zero = torch.zeros_like(step)
    rows = torch.stack([now * rate[0], now * rate[1], zero, zero, old])
    return rows, now * rate[2], grown.growth * stretch


def _fraction_rows(
    grown: Amplification, ncrit: Tensor, growth: Tensor, growth_u: Tensor, growth_stop: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the same derivatives of the turbulent fraction."""
    inside = ((grown.fraction > 0) & (grown.fraction < 1)).to(growth_u.dtype)
    size = grown.growth.clamp_min(1e-12)
    by_n, by_growth = inside / size, -inside * (grown.n - ncrit) / size.square()
    both = by_n + by_growth
    rows = both * growth
    rows = torch.cat([rows[:3], (rows[3] + by_n)[None], rows[4:]])
    return rows, both * growth_u, both * growth_stop


def wake_blocks(layer: Layer, arc: Tensor, reynolds: Tensor, k: Tensor) -> Blocks:
    """Return the linearised march along the wake; ``reynolds`` is (points, 1)."""
    one = torch.ones_like(layer.shape[:, 1:])
    over = (arc[:, :-1], arc[:, 1:], one, one > 0)
    before, after, _ = _jacobians(layer, reynolds, over, wake=True)
    inverse = -inverse3(_yield(after, k[..., 1:], layer.shape[..., 1:]))
    before_z = _yield(before, k[..., :-1], layer.shape[..., :-1])
    step = (inverse[:, :, None] * before_z).sum(1)
    first, second = ((inverse * side[:, 3]).sum(1).movedim(0, -1) for side in (before, after))
    return Blocks(
        step.movedim((0, 1), (-2, -1)),
        first,
        second,
        torch.zeros_like(second),
        inverse.movedim((0, 1), (-2, -1)),
    )


def side_sweep(layer: Layer, blocks: Blocks, distance: Tensor) -> Tensor:
    """Return the answers of a side to its own speeds and the stop: (points, 2, K, 3, K + 1)."""
    points, _, count = layer.shape.shape
    z = distance.new_zeros(points, 2, 5, count + 1)
    stretch = torch.tensor([0.5, -0.5], dtype=z.dtype, device=z.device)
    z[..., 0, 0] = -0.5 / layer.speed[..., 0]
    z[..., 0, -1] = stretch / distance[..., -1]
    out = [z[..., :3, :]]
    for i in range(1, count):
        z = blocks.step[..., i - 1, :, :] @ z
        z[..., i - 1] += blocks.before[..., i - 1, :]
        z[..., i] += blocks.after[..., i - 1, :]
        z[..., -1] += blocks.stop[..., i - 1, :]
        out.append(z[..., :3, :])
    return torch.stack(out, 2)


def first_speed(sides: Layer, k: Tensor, side: Tensor, wake: int) -> Tensor:
    """Return the answer of the wake's first speed, the mean of the sides', to all unknowns."""
    n = side.shape[2]
    last = 0.5 * k[..., -1:] * log_displacement(side[:, :, -1], sides.shape[..., -1])
    row = side.new_zeros(len(side), 2 * n + wake)
    row[:, :n], row[:, n : 2 * n] = last[:, 0, :n], last[:, 1, :n]
    row[:, -1] = last[..., -1].sum(1)
    row[:, n - 1] += 0.5
    row[:, 2 * n - 1] += 0.5
    return row


def wake_sweep(wake: Layer, blocks: Blocks, side: Tensor, join: Tensor, first: Tensor) -> Tensor:
    """Return the answers of the wake to all unknowns: (points, W, 3, unknowns)."""
    k, count = side.shape[2], wake.shape.shape[1]
    z = side.new_zeros(len(side), 3, 2 * k + count)
    last = join @ side[:, :, -1]
    z[..., :k], z[..., k : 2 * k] = last[:, 0, :, :k], last[:, 1, :, :k]
    z[..., -1] = last[..., -1].sum(1)
    out = [z]
    for i in range(1, count):
        z = blocks.step[:, i - 1] @ z
        before = blocks.before[:, i - 1]
        if i == 1:
            z += before[..., None] * first[:, None]
        else:
            z[..., 2 * k + i - 2] += before
        z[..., 2 * k + i - 1] += blocks.after[:, i - 1]
        out.append(z)
    return torch.stack(out, 1)


def side_shift(first: Tensor, residual: Tensor, blocks: Blocks) -> Tensor:
    """Return what the residuals (3 first) ask of the sides: (points, 2, K, 3)."""
    z = torch.nn.functional.pad(-first.movedim(0, -1), (0, 2))
    push = (blocks.inverse * residual.movedim(0, -1)[..., None, :]).sum(-1)
    return _shift(z, torch.nn.functional.pad(push, (0, 2)), blocks.step)[..., :3]


def wake_shift(
    first: Tensor, residual: Tensor, blocks: Blocks, shift: Tensor, join: Tensor, speed: Tensor
) -> Tensor:
    """Return what the residuals ask of the wake, given the shift of the sides: (points, W, 3).

    ``speed`` is the shift of the wake's first speed.
    """
    z = (join * shift[:, :, -1, None, :]).sum((1, -1)) - first.movedim(0, -1)
    push = (blocks.inverse * residual.movedim(0, -1)[..., None, :]).sum(-1)
    given = blocks.before[:, 0] * speed[:, None]
    push = torch.cat([push[:, :1] + given[:, None], push[:, 1:]], 1)
    return _shift(z, push, blocks.step)


def _shift(z: Tensor, push: Tensor, step: Tensor) -> Tensor:
    out = [z]
    for i in range(push.shape[-2]):
        z = (step[..., i, :, :] * z[..., None, :]).sum(-1) + push[..., i, :]
        out.append(z)
    return torch.stack(out, -2)


def join_matrix(sides: Layer) -> Tensor:
    """Return the derivative of ``boundary_layer.join`` by each side's z: (points, 2, 3, 3)."""
    theta, shape = sides.log_theta[..., -1].exp(), sides.shape[..., -1]
    shear = sides.log_shear[..., -1].exp()
    weight = theta / theta.sum(-1, keepdim=True)
    mean = (weight * shape).sum(-1, keepdim=True)
    share = shear / (weight * shear).sum(-1, keepdim=True)
    zero = torch.zeros_like(weight)
    rows = (
        torch.stack([weight, zero, zero], -1),
        torch.stack([weight * (shape - mean), weight, zero], -1),
        torch.stack([weight * (share - 1.0), zero, weight * share], -1),
    )
    return torch.stack(rows, -2)
