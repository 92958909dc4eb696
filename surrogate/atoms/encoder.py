"""Encoder of atoms: an equivariant message-passing network in the class of PaiNN.

Every atom carries scalars s and vectors v (Schuett, Unke, Gastegger, ICML 2021, arXiv 2102.03150).
A layer sends, from atom j to atom i,

    ds_i = sum_j W0(r_ij) * phi_0(s_j)
    dv_i = sum_j W1(r_ij) * phi_1(s_j) * v_j + W2(r_ij) * phi_2(s_j) * r_ij / |r_ij|

and mixes scalars and vectors of each atom. The filters W are linear in a radial basis, so the sum
over the periodic images of j is taken in the basis, once, before any layer: what a layer costs does
not depend on the cutoff, and on cells of a dozen atoms a network that sees 6 angstrom is as fast as
one that sees the nearest neighbours. The sums over j are batched matrix products of cases that are
padded to the largest; beyond some hundred atoms a cell that wastes.

Invariant to translation, rotation and inversion, to the order of the atoms, and to the choice of
the cell; smooth at the cutoff. Elements enter as their properties plus a learned vector, and a
mixture of elements on a site is the mixture of these.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from formwright.datasets.atoms.elements import COUNT, properties
from formwright.datasets.atoms.structures import case_of, with_neighbours
from formwright.datasets.cases import Case
from formwright.surrogate.encoder import Embedding, Encoder

_TINY: Final = 1e-8


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the atoms of a batch are in a padded array.

    Attributes:
        cases: How many.
        size: Atoms of the largest case.
        slot: Place of each atom among cases x size, (atoms,).
    """

    cases: int
    size: int
    slot: Int[Tensor, " atoms"]

    def pad(self, values: Float[Tensor, "atoms ..."]) -> Float[Tensor, "cases size ..."]:
        """Return values of atoms in the padded array, zero elsewhere."""
        rest = values.shape[1:]
        flat = values.new_zeros(self.cases * self.size, *rest).index_copy(0, self.slot, values)
        return flat.unflatten(0, (self.cases, self.size))

    def take(self, padded: Float[Tensor, "cases size ..."]) -> Float[Tensor, "atoms ..."]:
        """Return the values of the atoms."""
        return padded.flatten(0, 1)[self.slot]


def layout(batch: Case) -> Layout:
    """Return the padded layout of a batch."""
    counts = batch.ptr.diff()
    size = int(counts.max())
    case = case_of(batch)
    place = torch.arange(len(case), device=case.device) - batch.ptr[case]
    return Layout(len(counts), size, case * size + place)


class AtomGNN(Encoder):
    """Scalars and vectors on atoms, a few layers, and means over adsorbate and slab.

    Good values: 64 channels, 3 layers and 6 angstrom for slabs of a dozen atoms.

    Attributes:
        cutoff: Angstrom.
        width: Length of ``Embedding.per_case``.
        channels: Length of ``Embedding.per_point``, the scalars of an atom.
    """

    def __init__(
        self,
        *,
        channels: int = 64,
        layers: int = 3,
        cutoff: float = 6.0,
        radial: int = 10,
        embedding: int = 128,
    ) -> None:
        """Build the layers.

        Args:
            channels: Scalars, and vectors, of an atom.
            layers: Rounds of messages.
            cutoff: Angstrom; atoms further apart do not see each other.
            radial: Functions of the distance.
            embedding: Length of the vector of a case.
        """
        super().__init__()
        self.cutoff, self.channels, self.width = cutoff, channels, embedding
        self.radial = radial
        self.properties = nn.Buffer(properties().float())
        self.of_properties = nn.Linear(self.properties.shape[1], channels)
        self.of_element = nn.Embedding(COUNT, channels)
        nn.init.normal_(self.of_element.weight, std=0.1)
        self.of_tag = nn.Embedding(3, channels)
        self.scale = nn.Buffer(torch.full((radial,), 0.3))
        self.layers = nn.ModuleList(_Layer(channels, radial) for _ in range(layers))
        self.read_out = nn.Sequential(
            nn.Linear(3 * channels, 2 * embedding), nn.SiLU(), nn.Linear(2 * embedding, embedding)
        )

    def forward(self, batch: Case) -> Embedding:
        """Encode the cases of a batch."""
        where = layout(batch)
        near = batch["basis"] if "basis" in batch else self.basis(batch, where)
        s = where.pad(self.elements(batch))
        v = s.new_zeros(*s.shape[:2], 3, s.shape[2])
        for layer in self.layers:
            s, v = layer(s, v, near)
        scalars = where.take(s)
        return Embedding(self.read_out(_means(scalars, batch)), scalars)

    def elements(self, batch: Case) -> Float[Tensor, "atoms channels"]:
        """Return the first scalars: what element an atom is, or which mixture, and where it is."""
        table = self.of_properties(self.properties) + self.of_element.weight
        mixed = batch.mixture.to(table) @ table if "mixture" in batch else table[batch.z]
        return mixed + self.of_tag(batch.tags)

    def basis(self, batch: Case, where: Layout | None = None) -> Float[Tensor, "cases i width j"]:
        """Return what the layers need of the geometry.

        Returns:
            For atoms i and j, the radial functions summed over the images of j, and the same times
            the unit vector from i to j: (cases, size, 4 radial, size).
        """
        where = layout(batch) if where is None else where
        batch = batch if "edge_index" in batch else with_neighbours(batch, self.cutoff)
        sender, receiver = batch["edge_index"]
        pos, case = batch["pos"], case_of(batch)[receiver]
        shift = (batch.edge_shift.to(pos)[:, None] @ batch.cell.to(pos)[case]).squeeze(1)
        apart = (pos[sender] + shift - pos[receiver]).to(self.scale.dtype)
        distance = apart.square().sum(-1).add(_TINY**2).sqrt()
        radial = self._radial(distance)
        unit = apart / distance[:, None]
        both = torch.cat([radial[:, None], unit[:, :, None] * radial[:, None]], 1).flatten(1)
        to, start = where.slot[receiver], where.slot[sender]
        place = to * where.size + start % where.size
        flat = both.new_zeros(where.cases * where.size**2, both.shape[1]).index_add(0, place, both)
        dense = flat.unflatten(0, (where.cases, where.size, where.size)).transpose(2, 3)
        return dense.contiguous()

    def _radial(self, distance: Float[Tensor, " edges"]) -> Float[Tensor, "edges k"]:
        """Return sin(n pi r / rc) / r with a smooth end (Gasteiger et al. 2020, p = 5)."""
        x = distance / self.cutoff
        order = torch.arange(1, self.radial + 1, device=x.device, dtype=x.dtype) * math.pi
        end = 1.0 - 21.0 * x**5 + 35.0 * x**6 - 15.0 * x**7
        end = torch.where(x < 1.0, end, torch.zeros_like(end))
        return (order * x[:, None]).sin() * (end / x)[:, None] * self.scale.to(x)


class _Layer(nn.Module):
    """Messages over the sums of a basis, then a mix of scalars and vectors of each atom."""

    def __init__(self, channels: int, radial: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.phi = nn.Sequential(
            nn.Linear(channels, channels), nn.SiLU(), nn.Linear(channels, 3 * channels)
        )
        self.filters = nn.Parameter(torch.randn(3, radial, channels) / math.sqrt(radial))
        self.two = nn.Linear(channels, 2 * channels, bias=False)
        self.mix = nn.Sequential(
            nn.Linear(2 * channels, channels), nn.SiLU(), nn.Linear(channels, 3 * channels)
        )

    def forward(self, s: Tensor, v: Tensor, near: Tensor) -> tuple[Tensor, Tensor]:
        """Return new scalars (cases, size, F) and vectors (cases, size, 3, F)."""
        cases, size, channels = s.shape
        radial = near.shape[2] // 4
        plain, along, turned = self.phi(self.norm(s)).split(channels, -1)
        sent = torch.cat([plain[:, :, None], along[:, :, None] * v], 2).flatten(2)
        r0 = near[:, :, :radial].flatten(1, 2)
        r1 = near[:, :, radial:].flatten(1, 2)
        got = (r0 @ sent).reshape(cases, size, radial, 4, channels)
        pushed = (r1 @ turned).reshape(cases, size, 3, radial, channels)
        w0, w1, w2 = self.filters
        s = s + (got[:, :, :, 0] * w0).sum(2)
        v = v + (got[:, :, :, 1:] * w1[:, None]).sum(2) + (pushed * w2).sum(3)
        left, right = self.two(v).split(channels, -1)
        length = right.square().sum(2).add(_TINY).sqrt()
        gate, cross, add = self.mix(torch.cat([s, length], -1)).split(channels, -1)
        return s + add + cross * (left * right).sum(2), v + gate[:, :, None] * left


def _means(scalars: Float[Tensor, "atoms channels"], batch: Case) -> Float[Tensor, "cases width"]:
    """Return means over the adsorbate's atoms, over the surface and over all others."""
    group = case_of(batch) * 3 + batch.tags
    sums = scalars.new_zeros(3 * (len(batch.ptr) - 1), scalars.shape[1])
    counts = torch.bincount(group, minlength=len(sums)).clamp_min(1)
    means = sums.index_add(0, group, scalars) / counts[:, None]
    return means.reshape(-1, 3 * scalars.shape[1])
