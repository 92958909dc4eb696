"""FIRE over a batch of structures, each with a time step of its own: ``init`` and ``step``.

Bitzek et al., PRL 97, 170201 (2006), as in ASE: masses are 1, and a move of a case is at most
``longest`` over all its atoms.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from formwright.datasets.atoms.structures import case_of, moved
from formwright.datasets.cases import Case
from formwright.surrogate.atoms.adsorption import AdsorptionSurrogate
from formwright.surrogate.atoms.forces import respond


@dataclass(frozen=True, kw_only=True, slots=True)
class Fire:
    """Constants of the method; those of the paper, step and time step in ASE's units.

    Attributes:
        time_step: First time step.
        longest_time_step: Bound on it.
        longest: Longest move of a case in one step, angstrom (the norm over its atoms).
        patience: Downhill steps before the time step grows.
        grow: Factor on it then.
        shrink: Factor on it after a step uphill.
        mixing: Share of the velocity turned along the force, at first.
        fade: Factor on that share.
    """

    time_step: float = 0.1
    longest_time_step: float = 1.0
    longest: float = 0.2
    patience: int = 5
    grow: float = 1.1
    shrink: float = 0.5
    mixing: float = 0.1
    fade: float = 0.99


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """What a step needs; forces on fixed atoms are zero.

    Attributes:
        pos: Positions, angstrom.
        velocity: In units where every mass is 1.
        forces: At ``pos``, eV/angstrom.
        energy: At ``pos``, eV.
        time_step: Of each case.
        mixing: Of each case.
        downhill: Steps downhill since the last uphill.
    """

    pos: Float[Tensor, "atoms 3"]
    velocity: Float[Tensor, "atoms 3"]
    forces: Float[Tensor, "atoms 3"]
    energy: Float[Tensor, " cases"]
    time_step: Float[Tensor, " cases"]
    mixing: Float[Tensor, " cases"]
    downhill: Int[Tensor, " cases"]


def init(surrogate: AdsorptionSurrogate, method: Fire, batch: Case) -> State:
    """Return the state before the first step: at rest."""
    pos = batch["pos"].detach().double()
    forces, energy = _forces(surrogate, batch, pos)
    return State(
        pos=pos,
        velocity=torch.zeros_like(pos),
        forces=forces,
        energy=energy,
        time_step=torch.full_like(energy, method.time_step),
        mixing=torch.full_like(energy, method.mixing),
        downhill=torch.zeros_like(energy, dtype=torch.int64),
    )


def step(surrogate: AdsorptionSurrogate, method: Fire, batch: Case, state: State) -> State:
    """Return the state after one step; fixed atoms are not touched."""
    case = case_of(batch)
    power = _sums(state.forces * state.velocity, case, len(state.energy))
    down = power > 0
    velocity = torch.where(down[case, None], _turned(state, case), torch.zeros(()).double())
    patient = down & (state.downhill > method.patience)
    grown = (state.time_step * method.grow).clamp_max(method.longest_time_step)
    kept = torch.where(patient, grown, state.time_step)
    uphill = ~down & (_sums(state.velocity.square(), case, len(power)) > 0)
    time_step = torch.where(uphill, state.time_step * method.shrink, kept)
    mixing = torch.where(patient, state.mixing * method.fade, state.mixing)
    velocity = velocity + time_step[case, None] * state.forces
    move = time_step[case, None] * velocity
    length = _sums(move * move, case, len(power)).sqrt()
    move = move * (method.longest / length.clamp_min(method.longest))[case, None]
    pos = torch.where(batch.fixed[:, None], state.pos, state.pos + move)
    forces, energy = _forces(surrogate, batch, pos)
    return State(
        pos=pos,
        velocity=velocity,
        forces=forces,
        energy=energy,
        time_step=time_step,
        mixing=torch.where(uphill, torch.full_like(mixing, method.mixing), mixing),
        downhill=torch.where(down, state.downhill + 1, torch.zeros_like(state.downhill)),
    )


def _turned(state: State, case: Int[Tensor, " atoms"]) -> Float[Tensor, "atoms 3"]:
    """Return the velocity, a share of it turned along the force."""
    cases = len(state.energy)
    speed = _sums(state.velocity.square(), case, cases).sqrt()
    force = _sums(state.forces.square(), case, cases).sqrt().clamp_min(1e-300)
    along = state.forces * (state.mixing * speed / force)[case, None]
    return (1.0 - state.mixing)[case, None] * state.velocity + along


def _sums(
    values: Float[Tensor, "atoms 3"], case: Int[Tensor, " atoms"], cases: int
) -> Float[Tensor, " cases"]:
    """Return the sums over the atoms of each case."""
    return values.new_zeros(cases).index_add(0, case, values.sum(1))


def _forces(
    surrogate: AdsorptionSurrogate, batch: Case, pos: Float[Tensor, "atoms 3"]
) -> tuple[Float[Tensor, "atoms 3"], Float[Tensor, " cases"]]:
    """Return forces, zero on fixed atoms, and energies."""
    said = respond(surrogate, moved(batch, pos=pos))
    return said.forces.masked_fill(batch.fixed[:, None], 0.0), said.energy
