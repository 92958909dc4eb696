"""The labels of a study of catalysts: rows of the table, those held back, the verdicts added."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

import numpy as np

from formwright.datasets.atoms import mamun
from formwright.datasets.atoms.mamun import Alloy, Row
from formwright.design.catalysts.alloys import AlloyDesign, Target, affordable, forms
from formwright.surrogate.atoms.adsorption import LABEL
from formwright.surrogate.atoms.cases import AtomCases
from formwright.surrogate.atoms.encoder import AtomGNN

Use = Literal["train", "held", "verdict"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Label:
    """One energy that is known.

    Attributes:
        row: Alloy, adsorbate and site.
        energy_ev: Of adsorption, by DFT, eV.
        use: ``train``; ``held`` sets the intervals; ``verdict`` was found on the way.
        round: The round that it was found in; 0 for those of the beginning.
    """

    row: Row
    energy_ev: float
    use: Use
    round: int = 0


_FIRST: Final[dict[bool, Use]] = {True: "held", False: "train"}


def drawn(count: int, held_share: float, seed: int) -> list[Label]:
    """Return rows of the table at random, of any adsorbate, some of them held back."""
    rows, energies = mamun.table()
    fit = [i for i, split in enumerate(mamun.splits()) if split]
    chosen = np.random.default_rng(seed).permutation(fit)[:count].tolist()
    held = max(1, round(held_share * len(chosen)))
    return [
        Label(row=rows[i], energy_ev=float(energies[i]), use=_FIRST[k < held])
        for k, i in enumerate(chosen)
    ]


def verdict_labels(
    alloys: Collection[Alloy], adsorbates: Collection[str], found_in: int
) -> list[Label]:
    """Return every row of the table of some adsorbates on some alloys."""
    wanted = set(alloys)
    return [
        Label(row=row, energy_ev=float(energy), use="verdict", round=found_in)
        for row, energy, split in zip(*mamun.table(), mamun.splits(), strict=True)
        if split and row.adsorbate in adsorbates and row.alloy in wanted
    ]


def shipped_rows(targets: Sequence[Target], seed: int) -> list[Label]:
    """Return the rows of the targets that a shipped surrogate was trained on, in random order."""
    rows, energies = mamun.labelled("train")
    wanted = {target.adsorbate for target in targets}
    order = np.random.default_rng(seed).permutation(len(rows)).tolist()
    return [
        Label(row=rows[i], energy_ev=float(energies[i]), use="train")
        for i in order
        if rows[i].adsorbate in wanted
    ]


def shipped_labels(targets: Sequence[Target]) -> set[Alloy]:
    """Return the alloys that a surrogate trained on the table's splits has seen."""
    wanted = {target.adsorbate for target in targets}
    seen = {row.alloy for row in mamun.table()[0] if row.adsorbate in wanted}
    return {alloy for alloy in seen if mamun.split_of(alloy.pair) != "test"}


def labelled_alloys(labels: Collection[Label], targets: Sequence[Target]) -> set[Alloy]:
    """Return the alloys of which an energy of a target's adsorbate is among the labels."""
    wanted = {target.adsorbate for target in targets}
    return {one.row.alloy for one in labels if one.row.adsorbate in wanted}


def judged_by_table(targets: Sequence[Target]) -> dict[Alloy, dict[str, tuple[float, str]]]:
    """Return, for each alloy with rows of every target, energy and site by adsorbate."""
    result = {target.adsorbate: mamun.most_stable(target.adsorbate) for target in targets}
    common = set.intersection(*(set(one) for one in result.values()))
    return {alloy: {name: one[alloy] for name, one in result.items()} for alloy in common}


def chance(design: AlloyDesign, known: Collection[Alloy]) -> tuple[int, int]:
    """Return how many alloys of the table could be proposed, and how many of them are hits."""
    judged = judged_by_table(design.targets)
    able = [a for a in judged if a not in known and fits(a, design)]
    return len(able), sum(hit(judged[alloy], design.targets) for alloy in able)


def fits(alloy: Alloy, design: AlloyDesign) -> bool:
    """Return whether a design could be this alloy; two equal elements make a metal."""
    elements = set(alloy.pair) <= set(design.elements)
    prototype = alloy.prototype in {"A1", *design.prototypes}
    return elements and prototype and affordable(alloy, design) and forms(alloy, design)


def hit(energies: Mapping[str, tuple[float, str]], targets: Sequence[Target]) -> bool:
    """Return whether all targets are met."""
    return all(abs(energies[t.adsorbate][0] - t.energy_ev) < t.tolerance_ev for t in targets)


def cases(labels: Sequence[Label], encoder: AtomGNN) -> AtomCases:
    """Return the ideal structures of labels, prepared for an encoder."""
    energies = {LABEL: [one.energy_ev for one in labels]}
    return AtomCases(mamun.build([one.row for one in labels]), energies, prepared_for=encoder)


def row_of(one: Label) -> dict[str, Any]:
    """Return a label as a line of ``labels.jsonl``."""
    row = {**asdict(one.row.alloy), "adsorbate": one.row.adsorbate, "site": one.row.site}
    return {**row, "e_ads_ev": one.energy_ev, "use": one.use, "round": one.round}
