"""From adsorption energies to free energies, and what a process asks for.

``dG = E_ads + (change of zero-point energy - T change of entropy)`` at 298.15 K and 0 V against the
standard or computational hydrogen electrode. The corrections hardly depend on the metal, so a
constant per adsorbate is the usual choice; they belong to a reference reaction like the energies.

A correction of one's own goes in a mapping: ``{**CORRECTIONS, "CO": Correction(...)}``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, TypeVar

from formwright.datasets.atoms.reactions import Reaction, reaction
from formwright.datasets.errors import ReactionError, UnknownNameError, did_you_mean

T = TypeVar("T", bound=Any)


class Process(StrEnum):
    """A catalysed process with its own set of adsorbates."""

    HER = "HER"
    ORR = "ORR"
    OER = "OER"
    CO2RR = "CO2RR"


ADSORBATES: Final[Mapping[Process, tuple[str, ...]]] = MappingProxyType(
    {
        Process.HER: ("H",),
        Process.ORR: ("OOH", "O", "OH"),
        Process.OER: ("OH", "O", "OOH"),
        Process.CO2RR: ("COOH", "CO", "CHO"),
    }
)
"""Intermediates of each process in their order along its usual path."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Correction:
    """What turns an adsorption energy into a free energy.

    Attributes:
        value_ev: Change of zero-point energy less T times the change of entropy, 298.15 K.
        reaction: The reaction it holds for; its level of theory says nothing here.
        source: Where the number is from.
    """

    value_ev: float
    reaction: Reaction
    source: str


_NORSKOV_2004: Final = "Norskov et al., J. Phys. Chem. B 108, 17886 (2004); water vapour at 35 mbar"
CORRECTIONS: Final[Mapping[str, Correction]] = MappingProxyType(
    {
        "H": Correction(
            value_ev=0.24,
            reaction=reaction("H", {"H2": 0.5}, ""),
            source="Norskov et al., J. Electrochem. Soc. 152, J23 (2005)",
        ),
        "O": Correction(
            value_ev=0.05,
            reaction=reaction("O", {"H2O": 1.0, "H2": -1.0}, ""),
            source=_NORSKOV_2004,
        ),
        "OH": Correction(
            value_ev=0.35,
            reaction=reaction("OH", {"H2O": 1.0, "H2": -0.5}, ""),
            source=_NORSKOV_2004,
        ),
        "OOH": Correction(
            value_ev=0.40,
            reaction=reaction("OOH", {"H2O": 2.0, "H2": -1.5}, ""),
            source=_NORSKOV_2004,
        ),
    }
)


WATER: Final[Mapping[str, Mapping[str, float]]] = MappingProxyType(
    {"pt111": MappingProxyType({"OH": -0.575, "OOH": -0.480}), "none": MappingProxyType({})}
)
"""What water around an adsorbate adds to its energy, eV, by name."""
WATER_SOURCES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "pt111": "Calle-Vallejo et al., Science 350, 185 (2015): water on Pt(111)",
        "none": "no water around the adsorbates",
    }
)
IN_WATER: Final = (Process.ORR,)
"""Processes that water counts for: on metals, where it stabilises OH most."""


def water_ev(process: Process, adsorbate: str, name: str) -> float:
    """Return what water around an adsorbate adds to its energy in a process, eV.

    Args:
        process: Of ``IN_WATER``; 0 for others.
        adsorbate: Its formula; 0 for one that is not known.
        name: Which values, of ``WATER``.
    """
    return WATER[name].get(adsorbate, 0.0) if process in IN_WATER else 0.0


def free_energy_ev(
    e_ads_ev: T, of: Reaction, corrections: Mapping[str, Correction] = CORRECTIONS
) -> T:
    """Return the free energy of an adsorbate at 298.15 K and 0 V.

    Args:
        e_ads_ev: Adsorption energy against ``of``; an array or a tensor as well.
        of: Its reaction.
        corrections: By adsorbate.

    Raises:
        UnknownNameError: There is no correction for the adsorbate.
        ReactionError: The correction belongs to other gases than the energy.
    """
    result = corrections.get(of.adsorbate)
    if result is None:
        raise UnknownNameError(
            f"no free-energy correction for {of.adsorbate!r}."
            f"{did_you_mean(of.adsorbate, corrections)} Known: {', '.join(corrections)}; give your "
            "own with the argument corrections."
        )
    if result.reaction.gas != of.gas:
        raise ReactionError(
            f"the energy belongs to {str(of)!r} and the correction to {str(result.reaction)!r}: "
            "convert the energy, or give a correction for its reaction."
        )
    return e_ads_ev + result.value_ev


def needs(process: str) -> tuple[str, ...]:
    """Return the adsorbates that a process asks for.

    Raises:
        UnknownNameError: There is no such process.
    """
    try:
        return ADSORBATES[Process(process)]
    except ValueError:
        raise UnknownNameError(
            f"no process {process!r}.{did_you_mean(process, Process)} Known: {', '.join(Process)}."
        ) from None
