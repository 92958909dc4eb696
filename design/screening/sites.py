"""The sites of a candidate, and the structures that are predicted on them."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from formwright.datasets.atoms.adsorbates import adsorbate
from formwright.datasets.atoms.bulks import lattice_of
from formwright.datasets.atoms.mamun import Alloy
from formwright.datasets.atoms.slabs.cut import cut
from formwright.datasets.atoms.slabs.frame import (
    ends_differ,
    shortest_turns_deg,
    up,
    upright,
    widest_gaps,
)
from formwright.datasets.atoms.slabs.ordered import Site, find_site, site_labels, slabs
from formwright.datasets.atoms.slabs.placement import place
from formwright.datasets.atoms.slabs.sites import find_sites
from formwright.datasets.atoms.slabs.surface_atoms import TagWarning, check_whole, has_layers, tag
from formwright.datasets.atoms.structures import (
    ADSORBATE,
    BELOW,
    LEAST_VACUUM,
    SURFACE,
    Structure,
    check_apart,
    check_slab,
    structures_of,
)
from formwright.datasets.errors import FormwrightError, StructureError
from formwright.design.screening.config import ScreenConfig, Sites
from formwright.surrogate.atoms.adsorption import AdsorptionSurrogate
from formwright.surrogate.atoms.checks import checked


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """An adsorbate on a site of a candidate.

    Attributes:
        adsorbate: Its name.
        site: Label.
        structure: To be predicted.
        flags: What makes its number a guess.
    """

    adsorbate: str
    site: str
    structure: Structure
    flags: tuple[str, ...] = ()


def alloy_sites(prototype: str, wanted: Sites) -> list[str]:
    """Return the labels of the sites that are tried on an ordered alloy.

    Raises:
        StructureError: The prototype is not known.
    """
    labels: dict[str, Site] = site_labels(prototype)
    if wanted == "one":
        return [next(label for label, site in labels.items() if site.stacking == "FCC")]
    return [label for label, site in labels.items() if wanted in ("all", site.kind)]


def trials(
    frames: Sequence[Structure],
    names: Sequence[str],
    config: ScreenConfig,
    surrogate: AdsorptionSurrogate,
) -> Iterator[Trial]:
    """Yield what is to be predicted for structures of one name.

    Every slab is brought into the standard frame (``slabs.frame``). One with an adsorbate is taken
    as it is, and its site is called ``as given``. On a bare slab every adsorbate is put on every
    site. From a crystal the surface is cut first.

    Args:
        frames: The structures.
        names: Adsorbates that are asked for.
        config: Which sites and which surface.
        surrogate: To check elements by.

    Raises:
        StructureError: A structure is none of these.
    """
    for frame in frames:
        if _crystal(frame):
            for slab in cut(frame, config.miller):
                yield from _on_sites(slab, names, config.sites, surrogate, f"{slab.name} ")
            continue
        tagged, flags = _tagged(frame)
        if (tagged.tags == ADSORBATE).any():
            yield _as_given(tagged, names, surrogate, flags)
        else:
            for trial in _on_sites(tagged, names, config.sites, surrogate):
                yield replace(trial, flags=(*flags, *trial.flags))


def alloy_structure(alloy: Alloy, name: str, site: str) -> Structure:
    """Return the slab of an ordered alloy with an adsorbate."""
    size = lattice_of(alloy)
    a, c = (torch.tensor([value], dtype=torch.float64) for value in (size.a, size.c))
    where = find_site(site, alloy.prototype)
    batch = slabs(a, c, torch.tensor([alloy.z]), where, adsorbate(name))
    return replace(structures_of(batch)[0], name=f"{alloy.name} {name} {site}")


def _crystal(frame: Structure) -> bool:
    """Return whether a structure fills its cell.

    Raises:
        StructureError: Its cell is none, or atoms overlap.
    """
    check_apart(frame)
    return bool(frame.pbc.all() and (widest_gaps(frame) < LEAST_VACUUM).all())


def _tagged(frame: Structure) -> tuple[Structure, list[str]]:
    """Return a slab in the standard frame with tags, and a word about what was guessed."""
    if set(frame.tags.tolist()) == {BELOW, SURFACE} and not has_layers(frame):
        return upright(frame), []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", TagWarning)
        tagged = tag(frame)
    if (tagged.tags == ADSORBATE).any():
        return tagged, [str(one.message) for one in caught]
    if not has_layers(frame) and not up(tagged, np.zeros(len(frame))) and ends_differ(tagged):
        return tagged, [
            "the two ends of the slab differ, and neither held atoms nor tags say which is the top;"
            " taken: the end that its third cell vector points to"
        ]
    return tagged, []


def _on_sites(
    slab: Structure,
    names: Sequence[str],
    wanted: Sites,
    surrogate: AdsorptionSurrogate,
    where: str = "",
) -> Iterator[Trial]:
    """Yield every adsorbate on every site of a bare slab; a site where it does not fit is left.

    One that does not stand upright is turned along each of the slab's shortest surface vectors.
    """
    found = find_sites(slab)
    some = found[:1] if wanted == "one" else [s for s in found if wanted in ("all", s.kind)]
    turns = shortest_turns_deg(slab)
    last: FormwrightError | None = None
    placed = 0
    for site, name in itertools.product(some, names):
        what = adsorbate(name)
        for turn in turns if what.offsets[:, :2].any() else (0.0,):
            try:
                one, flags = checked(surrogate, place(slab, site, what, turn_deg=turn))
            except FormwrightError as error:
                last = error
                continue
            placed += 1
            label = where + site.label + (f" {turn:.0f}deg" if turn else "")
            yield Trial(adsorbate=name, site=label, structure=one, flags=tuple(flags))
    if last is not None and not placed:
        raise last


def _as_given(
    frame: Structure, names: Sequence[str], surrogate: AdsorptionSurrogate, flags: list[str]
) -> Trial:
    """Return a structure with an adsorbate if that is one that is asked for."""
    check_slab(frame)
    check_whole(frame)
    own = sorted(frame.z[frame.tags == ADSORBATE].tolist())
    for name in names:
        if sorted(adsorbate(name).z.tolist()) == own:
            one, more = checked(surrogate, frame)
            return Trial(adsorbate=name, site="as given", structure=one, flags=(*flags, *more))
    raise StructureError(
        f"{frame.name}: its adsorbate is none of {', '.join(names)}, which this reaction asks for."
    )
