"""What surrounds an adsorbate and the surface atoms below it, in eight numbers.

========================  =========================================================================
number                    meaning
========================  =========================================================================
``bond``                  least distance of an adsorbate's atom from the slab, in sums of covalent
                          radii
``hold``                  logarithm of how many atoms of the slab hold the adsorbate
``depth``                 how one-sided the slab is, seen from the adsorbate within ``REACH``: 0 in
                          its middle, where all directions cancel
``bonds``                 pairs within the adsorbate that are bound
``spacing``               logarithm of the distance between neighbours in the surface, angstrom
``ring``                  logarithm of how many nearest neighbours a surface atom has: 9 on (111)
``next``                  the same of the second nearest and, softly, some beyond: more on (100)
``uneven``                deviation of the nearest neighbours over the surface atoms: 0 on a terrace
========================  =========================================================================

All are means or soft extremes over atoms, so that they depend neither on the frame nor on the size
of the cell, and are smooth. Given the elements of slab and adsorbate they hardly vary over ideal
slabs of one facet (``spacing`` by 1 %), but for the site: this is what ``support`` compares. The
network's own vectors do not tell desorbed from adsorbed: it was never asked to.
"""

from __future__ import annotations

import math
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from formwright.datasets.atoms.elements import COUNT, covalent_radii
from formwright.datasets.atoms.structures import ADSORBATE, SURFACE, case_of, with_neighbours
from formwright.datasets.cases import Case
from formwright.surrogate.uncertainty.support import Described

REACH: Final = 6.0
"""Neighbours looked at, angstrom."""
TOLERANCE: Final = (0.06, 0.2, 0.04, 0.15, 0.025, 0.03, 0.12, 0.35)
"""What relaxation, a rattle of .05 angstrom or another functional's lattice constant may change."""
WIDTH: Final = len(TOLERANCE)
GIVEN: Final = 3 * COUNT
_SHARP: Final = 20.0
_FARTHEST: Final = 2.5
_TINY: Final = 1e-9


def described(batch: Case) -> Described:
    """Return the surroundings of cases, and the elements that they are expected from.

    Args:
        batch: With neighbours within ``REACH``, or without: then they are found.
    """
    return Described(surroundings(batch), elements(batch))


def elements(batch: Case) -> Float[Tensor, "cases given"]:
    """Return shares of the elements in each slab, their squares, and the adsorbate's atoms.

    Linear in these, lattice constants are Vegard's with a bow for each element.
    """
    held = batch.mixture if "mixture" in batch else functional.one_hot(batch.z, COUNT)
    held, case, cases = held.double(), case_of(batch), len(batch.ptr) - 1
    own = batch.tags == ADSORBATE
    slab, adsorbate = (
        held.new_zeros(cases, COUNT).index_add(0, case[some], held[some]) for some in (~own, own)
    )
    shares = slab / slab.sum(1, keepdim=True).clamp_min(_TINY)
    return torch.cat([shares, shares.square(), adsorbate], 1)


def surroundings(batch: Case) -> Float[Tensor, "cases width"]:
    """Return the eight numbers of each case."""
    batch = batch if "edge_index" in batch else with_neighbours(batch, REACH)
    sender, receiver = batch["edge_index"]
    pos, case = batch["pos"].double(), case_of(batch)
    shift = (batch.edge_shift.double()[:, None] @ batch.cell.double()[case[receiver]]).squeeze(1)
    apart = pos[sender] + shift - pos[receiver]
    distance = apart.square().sum(-1).add(_TINY**2).sqrt()
    radii = covalent_radii().double()
    radius = batch.mixture.double() @ radii if "mixture" in batch else radii[batch.z]
    reduced = distance / (radius[sender] + radius[receiver])
    own, top = batch.tags == ADSORBATE, batch.tags == SURFACE
    up, across = own[receiver] & ~own[sender], own[receiver] & own[sender]
    flat = top[receiver] & ~own[sender]
    cases = len(batch.ptr) - 1
    held = _held(apart[up], distance[up], reduced[up], case[receiver[up]], cases)
    bonds = 0.5 * _sums(_within(reduced[across], 1.3, 0.08), case[receiver[across]], cases)
    return torch.stack(
        [*held, bonds, *_surface(distance[flat], receiver[flat], case, top, cases)], 1
    )


def _held(
    apart: Tensor, distance: Tensor, reduced: Tensor, case: Tensor, cases: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Return ``bond``, ``hold`` and ``depth`` from pairs of adsorbate and slab."""
    near = _sums((-_SHARP * reduced).exp(), case, cases)
    bond = -(near + math.exp(-_SHARP * _FARTHEST)).log() / _SHARP
    hold = (_sums(_within(reduced, 1.3, 0.08), case, cases) + 0.1).log()
    weight = (1.0 - (distance / REACH).square()).clamp_min(0.0).square()
    toward = apart / distance[:, None] * weight[:, None]
    pull = torch.stack([_sums(part, case, cases) for part in toward.unbind(1)], 1)
    length = pull.square().sum(1).add(_TINY).sqrt()
    return bond, hold, length / (_sums(weight, case, cases) + 1e-3)


def _surface(
    distance: Tensor, atom: Tensor, case: Tensor, top: Tensor, cases: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return ``spacing``, ``ring``, ``next`` and ``uneven`` from pairs of surface and slab."""
    atoms, log = len(case), distance.log()
    nearest = -(_sums((-_SHARP * log).exp(), atom, atoms) + 1e-60).log() / _SHARP
    beyond = log - nearest[atom]
    first = _within(beyond, 0.285, 0.05)
    count = _sums(first, atom, atoms)
    second = _sums(_within(beyond, 0.56, 0.05), atom, atoms) - count
    spacing = _sums(first * log, atom, atoms) / count.clamp_min(_TINY)
    how_many = _sums(top.double()[top], case[top], cases).clamp_min(1.0)

    def mean(values: Tensor) -> Tensor:
        return _sums(values[top], case[top], cases) / how_many

    ring = mean(count)
    uneven = (mean(count.square()) - ring.square()).clamp_min(0.0).add(_TINY).sqrt()
    return mean(spacing), (ring + 0.1).log(), (mean(second).clamp_min(0.0) + 0.5).log(), uneven


def _within(x: Tensor, end: float, width: float) -> Tensor:
    """Return 1 where x is below ``end``, 0 where it is above, softly."""
    return torch.sigmoid((end - x) / width)


def _sums(values: Tensor, index: Tensor, size: int) -> Tensor:
    """Return sums of values by index, (size,)."""
    return values.new_zeros(size).index_add(0, index, values)
