"""Candidates of a screening: every site of every slab, each with where it comes from."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from formwright.datasets.atoms.adsorbates import Adsorbate
from formwright.datasets.atoms.slabs.cut import cut
from formwright.datasets.atoms.slabs.placement import place, species
from formwright.datasets.atoms.slabs.sites import SlabSite, find_sites
from formwright.datasets.atoms.structures import Structure
from formwright.datasets.errors import FormwrightError

Failed = Callable[[str, FormwrightError], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Provenance:
    """Where a structure comes from: enough to build it again.

    Attributes:
        bulk: Name of the crystal.
        miller: Index of the surface.
        termination: Which of its ends, in the order of ``slabs.cut``.
        site: Label of the site.
        adsorbate: Name of what is on it.
        turn_deg: Turned about the normal by this angle, degrees.
    """

    bulk: str
    miller: tuple[int, ...]
    termination: int
    site: str
    adsorbate: str
    turn_deg: float = 0.0

    @property
    def name(self) -> str:
        """Everything in one line."""
        index = "".join(map(str, self.miller))
        turn = f" {self.turn_deg:g}deg" if self.turn_deg else ""
        end = f"-{self.termination}" if self.termination else ""
        return f"{self.bulk}({index}){end} {self.adsorbate} {self.site}{turn}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """A slab with an adsorbate, and where it comes from."""

    structure: Structure
    provenance: Provenance


def candidates(
    bulks: Iterable[Structure],
    millers: Sequence[tuple[int, ...]],
    adsorbates: Sequence[str | Adsorbate | Structure],
    *,
    kinds: Sequence[str] = ("top", "bridge", "hollow"),
    turns_deg: Sequence[float] = (0.0,),
    failed: Failed | None = None,
    **slab: Any,
) -> Iterator[Candidate]:
    """Yield every adsorbate on every site of every surface, one after another.

    Args:
        bulks: Conventional cells; their names go into the provenance.
        millers: Indices of the surfaces.
        adsorbates: See ``placement.species``.
        kinds: Kinds of sites.
        turns_deg: Angles about the normal; of an atom only the first.
        failed: Told the name and the reason of what cannot be built, and the rest goes on. Where
            not given, the error is raised.
        slab: Further arguments of ``slabs.cut``.

    Raises:
        UnknownNameError: There is no such adsorbate.
    """
    known = [species(what) for what in adsorbates]
    for bulk, miller in itertools.product(bulks, millers):
        for number, clean, site in _sites(bulk, miller, kinds, failed, slab):
            for what in known:
                for turn in turns_deg if len(what.elements) > 1 else turns_deg[:1]:
                    about = Provenance(
                        bulk=bulk.name,
                        miller=tuple(miller),
                        termination=number,
                        site=site.label,
                        adsorbate=what.name,
                        turn_deg=turn,
                    )
                    yield from _placed(clean, site, what, about, failed)


def _sites(
    bulk: Structure,
    miller: tuple[int, ...],
    kinds: Sequence[str],
    failed: Failed | None,
    slab: dict[str, Any],
) -> Iterator[tuple[int, Structure, SlabSite]]:
    """Yield the number of a termination, its slab, and a site of it."""
    name = f"{bulk.name}({''.join(map(str, miller))})"
    try:
        found = [(slab, find_sites(slab)) for slab in cut(bulk, miller, **slab)]
    except FormwrightError as error:
        if failed is None:
            raise
        failed(name, error)
        return
    for number, (clean, sites) in enumerate(found):
        yield from ((number, clean, site) for site in sites if site.kind in kinds)


def _placed(
    clean: Structure, site: SlabSite, what: Adsorbate, about: Provenance, failed: Failed | None
) -> Iterator[Candidate]:
    try:
        made = place(clean, site, what, turn_deg=about.turn_deg)
    except FormwrightError as error:
        if failed is None:
            raise
        failed(about.name, error)
        return
    yield Candidate(structure=made, provenance=about)
