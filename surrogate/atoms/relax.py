"""Relaxation of many small structures at once, each stopping by itself.

Of what the energy is, and so of what a minimum of it means, see ``calculator``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from formwright.datasets.atoms.structures import (
    Structure,
    case_of,
    check_apart,
    check_slab,
    collate,
)
from formwright.datasets.cases import Case
from formwright.datasets.errors import ConfigError, StructureError
from formwright.surrogate.atoms.adsorption import AdsorptionSurrogate
from formwright.surrogate.atoms.calculator import check_tags
from formwright.surrogate.atoms.fire import Fire, State, init, step

_AT_ONCE: Final = 64
_OF_CASES: Final = ("energy", "time_step", "mixing", "downhill")


@dataclass(frozen=True, kw_only=True, slots=True)
class Relaxed:
    """What became of a structure.

    Attributes:
        structure: Where its atoms ended; fixed ones are where they were, bit for bit.
        start_ev: Energy before the first step; NaN where it was refused.
        energy_ev: Energy at the end; NaN where it was refused.
        fmax: Largest force on a free atom at the end, eV/angstrom.
        steps: Taken.
        reason: Empty if it converged, else why not.
    """

    structure: Structure
    start_ev: float
    energy_ev: float
    fmax: float
    steps: int
    reason: str = ""

    @property
    def converged(self) -> bool:
        """Whether every force is below the bound and nothing speaks against the structure."""
        return not self.reason


def relax(
    surrogate: AdsorptionSurrogate,
    structures: Sequence[Structure],
    fmax: float = 0.05,
    steps: int = 200,
    *,
    reach: float = 2.0,
    method: Fire | None = None,
    level: int = 0,
) -> list[Relaxed]:
    """Relax structures, some dozens at a time, in their cells as they are.

    Args:
        surrogate: Of their energies.
        structures: Slabs with an adsorbate; one that cannot be computed is answered with the
            reason, and the others go on.
        fmax: A case is done when no force on a free atom is larger, eV/angstrom.
        steps: At most so many.
        reach: A case is stopped when an atom has gone this far, angstrom: what the surrogate was
            trained on is behind it.
        method: Constants of FIRE.
        level: Index of the level of theory.

    Returns:
        One result a structure, in their order.

    Raises:
        ConfigError: ``fmax``, ``steps`` or ``reach`` is not positive.
    """
    for name, value in (("fmax", fmax), ("steps", steps), ("reach", reach)):
        if not value > 0:
            raise ConfigError(f"{name} = {value}: give a positive number.")
    stop = _Stop(fmax, steps, reach)
    refused = {i: reason for i, one in enumerate(structures) if (reason := _refusal(one))}
    results = {i: _refused(structures[i], reason) for i, reason in refused.items()}
    rest = sorted(set(range(len(structures))) - set(refused), key=lambda i: len(structures[i]))
    for first in range(0, len(rest), _AT_ONCE):
        index = rest[first : first + _AT_ONCE]
        some = [structures[i] for i in index]
        found = _relax_batch(surrogate, some, stop, method or Fire(), level)
        results |= {i: found[k] for k, i in enumerate(index)}
    return [results[i] for i in range(len(structures))]


@dataclass(frozen=True, slots=True)
class _Stop:
    """When a case is done, or given up."""

    fmax: float
    steps: int
    reach: float

    def reason(self, peak: float, gone: float, energy: float, count: int) -> str | None:
        """Return the empty string for a case that converged, None for one that goes on."""
        if not (math.isfinite(peak) and math.isfinite(energy)):
            return f"energy or forces are not finite after {count} steps"
        if gone > self.reach:
            return (
                f"an atom went {gone:.2f} angstrom, beyond {self.reach:g}: the surrogate does not "
                "know such structures"
            )
        if peak <= self.fmax:
            return ""
        if count >= self.steps:
            return f"took its {count} steps, the largest force is {peak:.3g} eV/angstrom"
        return None


def _relax_batch(
    surrogate: AdsorptionSurrogate,
    structures: Sequence[Structure],
    stop: _Stop,
    method: Fire,
    level: int,
) -> dict[int, Relaxed]:
    """Return the result of each structure by its place; cases that are done leave the batch."""
    going = torch.arange(len(structures))
    batch = _batch(structures, level)
    state = init(surrogate, method, batch)
    start, done = state.energy.tolist(), {}
    for count in range(stop.steps + 1):
        peaks, gone = _peaks(state.forces, batch), _peaks(state.pos - batch["pos"], batch)
        rows = zip(peaks.tolist(), gone.tolist(), state.energy.tolist(), strict=True)
        reasons = [stop.reason(*row, count) for row in rows]
        for k, reason in enumerate(reasons):
            if reason is not None:
                i, own = int(going[k]), slice(int(batch.ptr[k]), int(batch.ptr[k + 1]))
                ended = replace(structures[i], pos=state.pos[own].numpy().copy())
                done[i] = Relaxed(
                    structure=ended,
                    start_ev=start[i],
                    energy_ev=float(state.energy[k]),
                    fmax=float(peaks[k]),
                    steps=count,
                    reason=reason or _overlap(ended),
                )
        keep = torch.tensor([reason is None for reason in reasons])
        if not keep.any():
            break
        if not keep.all():
            state, going = _kept(state, batch, keep), going[keep]
            batch = _batch([structures[i] for i in going.tolist()], level)
        state = step(surrogate, method, batch, state)
    return done


def _batch(structures: Sequence[Structure], level: int) -> Case:
    """Return structures as a batch of one level of theory."""
    return collate(structures, level=torch.full((len(structures),), level))


def _kept(state: State, batch: Case, keep: Bool[Tensor, " cases"]) -> State:
    """Return the state of some cases."""
    atoms = keep[case_of(batch)]
    names = [field.name for field in fields(State)]
    return State(**{n: getattr(state, n)[keep if n in _OF_CASES else atoms] for n in names})


def _peaks(vectors: Float[Tensor, "atoms 3"], batch: Case) -> Float[Tensor, " cases"]:
    """Return the length of the longest vector of each case; NaN where there is one."""
    length = vectors.norm(dim=1)
    start = length.new_zeros(len(batch.ptr) - 1)
    return start.scatter_reduce(0, case_of(batch), length, "amax")


def _overlap(one: Structure) -> str:
    """Return which atoms overlap, or the empty string."""
    try:
        check_apart(one)
    except StructureError as error:
        return str(error)
    return ""


def _refused(one: Structure, reason: str) -> Relaxed:
    """Return the result of a structure that cannot be computed."""
    nan = math.nan
    return Relaxed(structure=one, start_ev=nan, energy_ev=nan, fmax=nan, steps=0, reason=reason)


def _refusal(one: Structure) -> str:
    """Return why a structure cannot be computed, or the empty string."""
    try:
        check_tags(one)
        check_slab(one)
    except StructureError as error:
        return str(error)
    return ""
