"""Design space of ordered alloys: which element on each sublattice, strain, adsorbate's place.

A sublattice holds a mixture of elements, softmax(sharpness x scores), so that a gradient moves from
one element to another; as the sharpness grows the mixture becomes an element. With
``straight_through`` the case is always that of the elements with the highest scores, and the
gradient is that of the mixture (Bengio et al. 2013, arXiv 1308.3432). ``project`` goes to real
alloys in either form.

The lattice constants of a mixture are interpolated, bilinear in the two mixtures, between those of
all real alloys of the prototype; at a real alloy they are its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from formwright.datasets.atoms import mamun
from formwright.datasets.atoms.adsorbates import adsorbate
from formwright.datasets.atoms.bulks import lattice_of
from formwright.datasets.atoms.elements import COUNT, numbers
from formwright.datasets.atoms.mamun import Alloy, canonical
from formwright.datasets.atoms.slabs.ordered import PROTOTYPES, site_labels, slabs
from formwright.datasets.atoms.structures import join
from formwright.datasets.cases import Case
from formwright.datasets.errors import ConfigError
from formwright.design.spaces.space import DesignSpace

LETTERS: Final = ("A", "B")


@dataclass(frozen=True, kw_only=True)
class OrderedAlloys(DesignSpace):
    """(111) slabs of one prototype with an adsorbate on every site.

    ``decode`` returns, for every adsorbate and every site of ``places``, the cases of all designs
    in order, so a label of it reshapes to (places, designs).

    Attributes:
        prototype: ``A1``, ``L12`` or ``L10``.
        elements: That a sublattice may hold.
        adsorbates: Each is put on every site.
        sharpness: Of the mixtures; 4 mixes widely, 60 hardly at all.
        straight_through: Whether cases are those of the elements with the highest scores.
        strain: Lowest and highest strain of the surface cell; equal ends fix it.
        shift_angstrom: Lowest and highest displacement of the adsorbate along each axis.
        only: Pairs of adsorbate and site label to look at; all of them where empty.

    Example:
        >>> import formwright
        >>> space = formwright.OrderedAlloys(prototype="L12", elements=("Ni", "Cu", "Pt"))
        >>> space.letters, space.names[:3]
        (('A', 'B'), ('score_A_Ni', 'score_A_Cu', 'score_A_Pt'))
    """

    prototype: str = "L12"
    elements: tuple[str, ...] = mamun.metals()
    adsorbates: tuple[str, ...] = ("H",)
    sharpness: float = 8.0
    straight_through: bool = False
    strain: tuple[float, float] = (0.0, 0.0)
    shift_angstrom: tuple[float, float] = (0.0, 0.0)
    only: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        """Refuse what no slab can be made of."""
        if self.prototype not in PROTOTYPES:
            raise ConfigError(
                f"OrderedAlloys(prototype={self.prototype!r}): known are {', '.join(PROTOTYPES)}."
            )
        unknown = sorted(set(self.elements) - set(mamun.metals()))
        if unknown or len(set(self.elements)) < 2:
            raise ConfigError(
                f"OrderedAlloys needs two elements or more of {', '.join(mamun.metals())}; got "
                f"{', '.join(self.elements) or 'none'}."
            )

    @cached_property
    def letters(self) -> tuple[str, ...]:
        """The sublattices that are designed: A, or A and B."""
        return tuple(x for x in LETTERS if x in PROTOTYPES[self.prototype])

    @cached_property
    def places(self) -> tuple[tuple[str, str], ...]:
        """Adsorbate and site label of each group of cases."""
        labels = site_labels(self.prototype)
        every = tuple((name, label) for name in self.adsorbates for label in labels)
        return tuple(place for place in every if not self.only or place in self.only)

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each parameter."""
        scores = tuple(f"score_{letter}_{e}" for letter in self.letters for e in self.elements)
        return (*scores, "strain", "shift_x_angstrom", "shift_y_angstrom", "shift_z_angstrom")

    @cached_property
    def bounds(self) -> Float[Tensor, "2 parameters"]:
        """Lowest and highest value of each parameter; an end is moved by 1e-9 where both agree."""
        rows = [(0.0, 1.0)] * len(self.letters) * len(self.elements)
        rows += [self.strain, *[self.shift_angstrom] * 3]
        return torch.tensor([(low, max(high, low + 1e-9)) for low, high in rows]).double().T

    def sharpened(self, sharpness: float) -> OrderedAlloys:
        """Return the space with other mixtures; the parameters are the same."""
        return replace(self, sharpness=sharpness)

    def restricted(self, only: Sequence[tuple[str, str]]) -> OrderedAlloys:
        """Return the space with some of its places; the parameters are the same."""
        return replace(self, only=tuple(only))

    def mixtures(
        self, x: Float[Tensor, "designs parameters"]
    ) -> Float[Tensor, "designs letters elements"]:
        """Return the weights of ``elements`` on each sublattice."""
        count = len(self.letters) * len(self.elements)
        scores = x[:, :count].unflatten(1, (len(self.letters), len(self.elements)))
        soft = torch.softmax(self.sharpness * scores, -1)
        if not self.straight_through:
            return soft
        hard = torch.nn.functional.one_hot(scores.argmax(-1), len(self.elements)).to(soft)
        return hard + soft - soft.detach()

    def decode(self, x: Float[Tensor, "designs parameters"]) -> Case:
        """Return the designs, each with every adsorbate on every site, as one batch.

        The batch has ``weights``, (designs, letters, elements), for constraints on composition.
        """
        weights = self.mixtures(x)
        a, c = self._lattice(weights)
        rest = x[:, len(self.letters) * len(self.elements) :]
        order = [self.letters.index(k) for k in PROTOTYPES[self.prototype]]
        columns = torch.tensor(numbers(self.elements))
        full = weights.new_zeros(*weights.shape[:2], COUNT).index_copy(2, columns, weights)
        mixture = full[:, order]
        z = mixture.argmax(-1)
        sites = site_labels(self.prototype)
        parts = [
            slabs(
                a,
                c,
                z,
                sites[label],
                adsorbate(name),
                mixture=mixture,
                strain=rest[:, 0],
                shift=rest[:, 1:],
            )
            for name, label in self.places
        ]
        batch = join(parts)
        batch.weights = weights
        return batch

    def encode(self, case: Case) -> Float[Tensor, "designs parameters"]:
        """Return the parameters of a batch that ``decode`` made: its elements, without the rest."""
        weights = case.weights.detach().double()
        rest = weights.new_zeros(len(weights), 4)
        low, high = self.bounds
        return torch.cat([weights.flatten(1), rest], 1).clamp(low, high)

    def project(
        self, x: Float[Tensor, "designs parameters"]
    ) -> Float[Tensor, "designs parameters"]:
        """Return the nearest real alloys: score 1 for the chosen elements, 0 for the others."""
        low, high = self.bounds
        chosen = self.chosen(x)
        hard = torch.nn.functional.one_hot(chosen, len(self.elements)).to(x)
        return torch.cat([hard.flatten(1), x[:, hard[0].numel() :]], 1).clamp(low, high)

    def chosen(self, x: Float[Tensor, "designs parameters"]) -> Int[Tensor, "designs letters"]:
        """Return which element has the highest score on each sublattice."""
        count = len(self.letters) * len(self.elements)
        return x[:, :count].unflatten(1, (len(self.letters), len(self.elements))).argmax(-1)

    def alloys(self, x: Float[Tensor, "designs parameters"]) -> list[Alloy]:
        """Return the real alloy of each design by its one name; two equal elements are A1."""
        named = [[self.elements[i] for i in row] for row in self.chosen(x).tolist()]
        return [canonical(Alloy(self.prototype, row[0], row[-1])) for row in named]

    def parameters(self, alloys: list[Alloy]) -> Float[Tensor, "designs parameters"]:
        """Return the parameters of real alloys, unstrained."""
        x = torch.zeros(len(alloys), len(self.names), dtype=torch.float64)
        for row, alloy in zip(x, alloys, strict=True):
            for k, letter in enumerate(self.letters):
                element = alloy.a if letter == "A" else alloy.b
                row[k * len(self.elements) + self.elements.index(element)] = 1.0
        low, high = self.bounds
        return x.clamp(low, high)

    def _lattice(self, weights: Tensor) -> tuple[Float[Tensor, " designs"], ...]:
        """Return a and c of mixtures, angstrom."""
        tables = _lattices(self.prototype, self.elements).to(weights)
        first, last = weights[:, 0], weights[:, -1]
        if len(self.letters) == 1:
            return tuple((first * table.diagonal()).sum(1) for table in tables)
        return tuple(torch.einsum("di,ij,dj->d", first, table, last) for table in tables)


@cache
def _lattices(prototype: str, elements: tuple[str, ...]) -> Float[Tensor, "2 elements elements"]:
    """Return a and c of all alloys, A = row, B = column; two equal elements are the metal."""
    found = [
        lattice_of(Alloy(prototype if a != b else "A1", a, b)) for a in elements for b in elements
    ]
    table = torch.tensor([(one.a, one.c) for one in found], dtype=torch.float64)
    return table.T.unflatten(1, (len(elements), len(elements)))
