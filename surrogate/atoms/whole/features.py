"""What an engineer would compute of a crystal, a molecule or a cluster, without learning."""

from __future__ import annotations

from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from formwright.datasets.atoms.elements import COUNT, properties
from formwright.datasets.atoms.structures import case_of, with_neighbours
from formwright.datasets.cases import Case

REACH: Final = 6.0
"""Angstrom."""
_CENTRES: Final = (1.2, 1.7, 2.2, 2.7, 3.2, 3.8, 4.6, 5.4)
_WIDTH: Final = 0.35


def features_width() -> int:
    """Return how many features ``hand_features`` gives."""
    return 2 * properties().shape[1] + len(_CENTRES)


def hand_features(batch: Case) -> Float[Tensor, "cases features"]:
    """Return mean and deviation of the elements' properties, and how many atoms lie how far."""
    if "edge_index" not in batch:
        batch = with_neighbours(batch, REACH)
    case, count = case_of(batch), batch.ptr.diff()[:, None]
    own = properties()[batch.z]
    mean = own.new_zeros(len(count), own.shape[1]).index_add(0, case, own) / count
    spread = (own - mean[case]).square()
    deviation = (own.new_zeros(mean.shape).index_add(0, case, spread) / count).sqrt()
    return torch.cat([mean, deviation, _shells(batch) / count], 1)


def shares(batch: Case) -> Float[Tensor, "cases elements"]:
    """Return the share of every element among the atoms of each case."""
    result = torch.zeros(len(batch.ptr) - 1, COUNT)
    ones = torch.ones(len(batch.z))
    return (
        result.index_put((case_of(batch), batch.z), ones, accumulate=True)
        / batch.ptr.diff()[:, None]
    )


def _shells(batch: Case) -> Float[Tensor, "cases shells"]:
    """Return the neighbours of all atoms, by distance, in smooth shells."""
    sender, receiver = batch.edge_index
    case = case_of(batch)[receiver]
    lattice = (batch.edge_shift[:, None].double() @ batch.cell[case].double())[:, 0]
    apart = (batch["pos"][sender] + lattice - batch["pos"][receiver]).norm(dim=1)
    near = (-((apart[:, None] - apart.new_tensor(_CENTRES)) / _WIDTH).square()).exp()
    return near.new_zeros(len(batch.ptr) - 1, len(_CENTRES)).index_add(0, case, near)
