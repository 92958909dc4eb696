"""Passes between outer flow and boundary layer until they agree, and the gradient of the agreement.

Each point is frozen at the pass in which it converges, so a batch gives what a loop gives. The state
``v`` solves ``v = G(v, p)``; its gradient solves ``lambda = g + lambda dG/dv`` by the same passes,
backwards (implicit function theorem), and costs about as much as the solution.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import torch
from jaxtyping import Float
from torch import Tensor

from formwright.datasets.solvers import interaction
from formwright.datasets.solvers.interaction import Conditions, Coupled, Layers
from formwright.datasets.solvers.vortex_panels import Flow

FIRST_NEWTON: Final = 8
RELAXATION: Final = 0.7
LARGEST_CHANGE: Final = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """Stations a side, passes at most, tolerance on the relative change of the displaced flux."""

    stations: int
    passes: int
    tolerance: float


def solve(
    flow: Flow, conditions: Conditions, settings: Settings
) -> tuple[Coupled, Layers, Float[Tensor, "sections points"]]:
    """Return the agreed state, its layers, and the relative change of the last pass."""
    with torch.no_grad():
        share = interaction.fractions(settings.stations, flow.nodes)
        speed = interaction.node_speed(flow, conditions.alpha, None)
        answer = interaction.stiffness(flow, interaction.stagnation(flow, speed), share)
        state, layers, change = _iterate(flow, conditions, answer, settings)
    inputs = (flow.nodes, conditions.alpha, conditions.reynolds, conditions.ncrit)
    if not (torch.is_grad_enabled() and any(t.requires_grad for t in inputs)):
        return state, layers, change

    def again(*values: Tensor) -> tuple[Coupled, Layers]:
        return interaction.advance(
            flow,
            conditions,
            Coupled(*values),
            layers,
            answer,
            stations=settings.stations,
            newton=2,
        )

    start = [t.detach().requires_grad_() for t in state]
    after, _ = again(*start)
    agreed = _Agreement.apply(settings, start, list(after), *after)
    return *again(*agreed), change  # pyright: ignore


def _iterate(
    flow: Flow, conditions: Conditions, answer: Tensor, settings: Settings
) -> tuple[Coupled, Layers, Tensor]:
    kind = {"stations": settings.stations}
    state, layers = interaction.advance(
        flow, conditions, None, None, answer, newton=FIRST_NEWTON, **kind
    )
    shape = conditions.alpha.shape
    change = torch.full(shape, torch.inf, dtype=flow.nodes.dtype, device=flow.nodes.device)
    active = torch.ones(shape, dtype=torch.bool, device=change.device)
    for _ in range(settings.passes):
        after, layers = interaction.advance(
            flow, conditions, state, layers, answer, newton=1, active=active, **kind
        )
        new = _change(state, after)
        change = torch.where(active, new, change)
        weight = RELAXATION * (LARGEST_CHANGE / new.clamp_min(1e-12)).clamp_max(1.0)
        state = Coupled(*(_mix(a, b, weight, active) for a, b in zip(state, after, strict=True)))
        active = active & ~(change < settings.tolerance)
        if not active.any():
            break
    return state, layers, change


def _mix(old: Tensor, new: Tensor, weight: Tensor, active: Tensor) -> Tensor:
    shape = (*weight.shape, *(1,) * (old.ndim - weight.ndim))
    moved = old + weight.reshape(shape) * (new - old)
    return torch.where(active.reshape(shape), moved, old)


def _change(old: Coupled, new: Coupled) -> Float[Tensor, "sections points"]:
    """Return the largest change of the displaced flux over the largest flux."""
    before, after = old.displacement * old.speed, new.displacement * new.speed
    sides = (after - before).abs().amax((-1, -2)) / before.amax((-1, -2))
    before, after = old.wake_displacement * old.wake_speed, new.wake_displacement * new.wake_speed
    return torch.maximum(sides, (after - before).abs().amax(-1) / before.amax(-1))


class _Agreement(torch.autograd.Function):
    """Pass the agreed state on; backwards, solve for the gradient of the agreement."""

    @staticmethod
    def forward(
        context: Any, settings: Settings, start: list[Tensor], after: list[Tensor], *values: Tensor
    ) -> tuple[Tensor, ...]:
        """Keep the graph of one pass."""
        context.settings, context.start, context.after = settings, start, after
        return tuple(v.detach().clone() for v in values)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Solve lambda = g + lambda dG/dv by relaxed passes."""
        total = [g.clone() for g in gradients]
        for _ in range(2 * context.settings.passes):
            pulled = torch.autograd.grad(
                context.after, context.start, total, retain_graph=True, allow_unused=True
            )
            moves = [
                RELAXATION * (g + (0.0 if p is None else p) - t)
                for g, p, t in zip(gradients, pulled, total, strict=True)
            ]
            total = [t + m for t, m in zip(total, moves, strict=True)]
            size = max(float(t.abs().max()) for t in total)
            if max(float(m.abs().max()) for m in moves) < 1e-10 * size:
                break
        return None, None, None, *total
