"""The reference reaction of an adsorption energy, as an object.

An adsorption energy is the energy of a reaction that makes the adsorbate out of gases on a site::

    H2O(g) - H2(g) + * -> O*        E = E(slab + O) - E(slab) - E(H2O) + E(H2)

The same surface has another number when O comes from O2, and another one by another functional.
So energies travel with their reaction, and ``check_same`` stands before everything that joins them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from formwright.datasets.atoms.elements import table
from formwright.datasets.errors import ReactionError, did_you_mean

_ATOM: Final = re.compile(r"([A-Z][a-z]?)(\d*)")
_LABEL: Final = re.compile(r"\[[^\[\]]*\]$")
_TERM: Final = re.compile(r"([+-]?)(\d+\.?\d*|\.\d+)?([A-Z][A-Za-z0-9]*(?:\[[^\[\]]*\])?)\(g\)")
_SITE: Final = re.compile(r"(?:^|\+)\*(?=[+-]|$)")
_TOLERANCE: Final = 1e-6


def composition(formula: str) -> dict[str, int]:
    """Return how many atoms of each element a formula names, e.g. ``"COOH"``.

    A label in brackets behind it tells isomers apart and does not count: ``"C2H6O[ethanol]"``.

    Raises:
        ReactionError: It is no formula, or names an element that does not exist.
    """
    bare = _LABEL.sub("", formula)
    found = _ATOM.findall(bare)
    if not found or "".join(a + n for a, n in found) != bare:
        raise ReactionError(
            f"{formula!r} is no formula: write element symbols and counts, e.g. 'CH2' or 'COOH'."
        )
    counts: dict[str, int] = {}
    for element, count in found:
        if element not in table():
            raise ReactionError(
                f"{formula!r} names {element!r}, which is no element."
                f"{did_you_mean(element, table())}"
            )
        counts[element] = counts.get(element, 0) + int(count or 1)
    return counts


@dataclass(frozen=True, slots=True)
class Reaction:
    """Gases + a free site -> an adsorbate; make one with ``reaction`` or ``parse_reaction``.

    Attributes:
        adsorbate: Its formula, e.g. ``"OH"``; isomers carry a label in brackets.
        gas: Formula and coefficient of each gas, consumed ones (positive) first, then by name.
        level: The level of theory of its energies, e.g. ``"QE BEEF-vdW"``.
    """

    adsorbate: str
    gas: tuple[tuple[str, float], ...]
    level: str

    def __post_init__(self) -> None:
        """Refuse a reaction that loses or makes atoms."""
        balance = _sum(self.gas)
        for element, count in composition(self.adsorbate).items():
            balance[element] = balance.get(element, 0.0) - count
        wrong = {k: v for k, v in balance.items() if abs(v) > _TOLERANCE}
        if wrong:
            listed = ", ".join(f"{-v:+g} {k}" for k, v in wrong.items())
            raise ReactionError(
                f"{str(self)!r} does not balance: right less left is {listed}. Adjust the "
                "coefficients of the gases."
            )

    def __str__(self) -> str:
        """Return the text that ``parse_reaction`` reads, without the level of theory."""
        terms = [f"{'-' if c < 0 else '+'} {_number(abs(c))}{name}(g)" for name, c in self.gas]
        left = " ".join([*terms, "+ *"]).removeprefix("+ ")
        return f"{left} -> {self.adsorbate}*"

    @property
    def atoms(self) -> dict[str, int]:
        """Elements and counts of the adsorbate."""
        return composition(self.adsorbate)


def reaction(adsorbate: str, gas: Mapping[str, float | int], level: str) -> Reaction:
    """Return the reaction that makes ``adsorbate`` from gases.

    Args:
        adsorbate: Formula, e.g. ``"O"``.
        gas: Coefficients; positive is consumed, negative made: ``{"H2O": 1, "H2": -1}``.
        level: Level of theory.

    Raises:
        ReactionError: It does not balance, or a formula is none.
    """
    kept = [(name, float(c)) for name, c in gas.items() if abs(c) > _TOLERANCE]
    return Reaction(adsorbate, tuple(sorted(kept, key=lambda t: (t[1] < 0, t[0]))), level)


def parse_reaction(text: str, level: str) -> Reaction:
    """Return the reaction that a text such as ``"H2O(g) - H2(g) + * -> O*"`` states.

    Args:
        text: Gases with ``(g)`` and a coefficient before them, ``*`` for the site, ``->``, and the
            adsorbate with ``*`` behind it.
        level: Level of theory.

    Raises:
        ReactionError: The text cannot be read, or the reaction does not balance.
    """
    left, arrow, right = text.replace(" ", "").partition("->")
    gases, sites = _SITE.subn("", left)
    terms = list(_TERM.finditer(gases))
    whole = "".join(term.group(0) for term in terms) == gases
    signed = all(term.group(1) for term in terms[1:])
    if not (arrow and sites == 1 and right.endswith("*") and terms and whole and signed):
        raise ReactionError(
            f"{text!r} is no reaction of adsorption: write it as 'H2O(g) - H2(g) + * -> O*'."
        )
    gas: dict[str, float] = {}
    for sign, count, name in (term.groups() for term in terms):
        gas[name] = gas.get(name, 0.0) + float(f"{sign}{count or 1}")
    return reaction(right[:-1], gas, level)


def convert(
    e_ads_ev: float, source: Reaction, target: Reaction, gas_energies_ev: Mapping[str, float | int]
) -> float:
    """Return the energy of the same adsorbate against other gases.

    The surface drops out: ``E_target = E_source + sum(c_source E(gas)) - sum(c_target E(gas))``.

    Args:
        e_ads_ev: Energy against ``source``.
        source: Its reaction.
        target: The wanted one, of the same adsorbate and level of theory.
        gas_energies_ev: Energy of each gas that the two do not share in equal number, by that
            level of theory and against any common zero (total or formation energies).

    Raises:
        ReactionError: Adsorbate or level differ, or the energy of a gas is missing.
    """
    if (source.adsorbate, source.level) != (target.adsorbate, target.level):
        raise ReactionError(
            f"cannot turn {_full(source)} into {_full(target)}: only the gases may differ. Two "
            "levels of theory have no exact conversion; give each its own offset in training."
        )
    change = dict(source.gas)
    for name, coefficient in target.gas:
        change[name] = change.get(name, 0.0) - coefficient
    change = {name: c for name, c in change.items() if abs(c) > _TOLERANCE}
    missing = sorted(set(change) - set(gas_energies_ev))
    if missing:
        raise ReactionError(
            f"turning {str(source)!r} into {str(target)!r} needs the energies of "
            f"{', '.join(sorted(change))} by {source.level}; {', '.join(missing)} not given."
        )
    return e_ads_ev + sum(c * gas_energies_ev[name] for name, c in change.items())


def check_same(reactions: Iterable[Reaction]) -> None:
    """Refuse to treat energies of different references as one quantity.

    Fine are: one level of theory, one reaction for each adsorbate, and gases that no reaction among
    themselves links (CH4, H2O, H2), so that each element has one reference. Molecules that adsorb
    whole, each from its own gas, are fine with each other too.

    Raises:
        ReactionError: They differ; the message lists them.
    """
    distinct = sorted(set(reactions), key=lambda r: (r.adsorbate, r.level, str(r)))
    if len({r.level for r in distinct}) > 1:
        _refuse(distinct, "levels of theory")
    if len({r.adsorbate for r in distinct}) < len(distinct):
        _refuse(distinct, "references of one adsorbate")
    gases = sorted({name for r in distinct for name, _ in r.gas})
    if all(r.gas == ((r.adsorbate, 1.0),) for r in distinct) or not gases:
        return
    counts = [composition(name) for name in gases]
    elements = sorted({element for each in counts for element in each})
    matrix = np.array([[each.get(element, 0) for element in elements] for each in counts])
    if np.linalg.matrix_rank(matrix) < len(gases):
        _refuse(distinct, f"references of one element (among {', '.join(gases)})")


def _refuse(distinct: list[Reaction], what: str) -> None:
    """Raise the error that lists reactions which do not go together."""
    shown = "; ".join(_full(one) for one in distinct[:6])
    more = f"; and {len(distinct) - 6} more" if len(distinct) > 6 else ""
    raise ReactionError(
        f"these energies have different {what}: {shown}{more}. Restate them against one reference "
        "(convert, with the energies of the gases), or keep them apart as data sets of their own, "
        "each with its offset."
    )


def _full(one: Reaction) -> str:
    """Return a reaction with its level of theory."""
    return f"{str(one)!r} [{one.level}]"


def _number(coefficient: float) -> str:
    """Return a coefficient as text; 1 is not written."""
    return "" if coefficient == 1.0 else repr(coefficient)


def _sum(gas: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Return the atoms of all gases together."""
    total: dict[str, float] = {}
    for name, coefficient in gas:
        for element, count in composition(name).items():
            total[element] = total.get(element, 0.0) + coefficient * count
    return total
