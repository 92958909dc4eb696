"""What a screening is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from formwright.datasets.atoms.elements import number
from formwright.datasets.atoms.free_energy import (
    CORRECTIONS,
    WATER,
    Correction,
    Process,
    free_energy_ev,
    needs,
    water_ev,
)
from formwright.datasets.atoms.mamun import LEVEL, REACTIONS
from formwright.datasets.atoms.reactions import parse_reaction
from formwright.datasets.errors import ConfigError, ReactionError, did_you_mean

Sites = Literal["all", "top", "bridge", "hollow", "one"]
_AT_LEAST: Final = 1
LARGEST_CORRECTION_EV: Final = 10.0


@dataclass(frozen=True, kw_only=True, slots=True)
class ScreenConfig:
    """What to screen for, and what to leave out.

    Attributes:
        reaction: ``HER``, ``ORR``, ``OER`` or ``CO2RR``.
        surrogate: Name of a shipped surrogate, or a folder.
        sites: Kinds of sites that are tried: all, one kind, or one site only (the first fcc hollow
            of an alloy, the first site of another slab): fast, and not the most stable one.
        prototypes: Of ``binaries:...``.
        miller: Surface that is cut from a crystal in a file.
        corrections: By adsorbate, eV: in place of those of ``datasets.atoms.free_energy``.
        water: What water around OH and OOH adds in the reduction of oxygen: ``pt111`` (-.575 and
            -.480 eV), or ``none``.
        exclude: Elements that no candidate may have.
        price_at_most: US dollars a kilogram; a candidate whose price is not known is left out.
        formation_at_most: Energy of formation from the fcc metals, eV an atom, by SevenNet; asked
            only where it is known, of alloys in Mamun's table.
        guesses: Also rank candidates outside of what the surrogate learned from: their elements,
            or the surroundings of an adsorbate.
        best: How many of the best are written as structures and drawn.
        chunk: Candidates worked on, and kept on disk, at once.

    Example:
        >>> import formwright
        >>> formwright.ScreenConfig(reaction="HER", exclude=("Pt",)).surrogate
        'adsorption-mamun'
    """

    reaction: str
    surrogate: str = "adsorption-mamun"
    sites: Sites = "all"
    prototypes: tuple[str, ...] = ("A1", "L12", "L10")
    miller: tuple[int, ...] = (1, 1, 1)
    corrections: Mapping[str, float] = field(default_factory=dict)
    water: str = "pt111"
    exclude: tuple[str, ...] = ()
    price_at_most: float | None = None
    formation_at_most: float | None = None
    guesses: bool = True
    best: int = 20
    chunk: int = 256

    def __post_init__(self) -> None:
        """Refuse an unknown process or element, and counts below one.

        Raises:
            UnknownNameError: There is no such process.
            StructureError: There is no such element.
            ConfigError: A count is none, a correction is no free energy, or no values of water have
                that name.
        """
        needs(self.reaction)
        if self.water not in WATER:
            raise ConfigError(
                f"water = {self.water!r} is not known.{did_you_mean(self.water, WATER)} Known: "
                f"{', '.join(WATER)}."
            )
        for symbol in self.exclude:
            number(symbol)
        if min(self.best, self.chunk) < _AT_LEAST:
            raise ConfigError(f"best = {self.best} and chunk = {self.chunk}: both are 1 or more.")
        for adsorbate, value in self.corrections.items():
            if not abs(value) <= LARGEST_CORRECTION_EV:
                raise ConfigError(
                    f"the correction {adsorbate} = {value:g} is no free energy: those of "
                    "adsorbates are some tenths of an eV, and "
                    f"{LARGEST_CORRECTION_EV:g} is the most taken."
                )

    @property
    def process(self) -> Process:
        """The process."""
        return Process(self.reaction)

    def correction_ev(self, adsorbate: str) -> float:
        """Return what is added to an adsorption energy, with water where it counts, eV.

        What was given in ``corrections`` is taken as it is.

        Raises:
            UnknownNameError: None is known for the adsorbate, and none was given.
            ReactionError: The one that is known belongs to other gases than the energy.
        """
        if adsorbate in self.corrections:
            return self.corrections[adsorbate]
        known: Mapping[str, Correction] = CORRECTIONS
        of = known[adsorbate].reaction if adsorbate in known else None
        text = REACTIONS.get(adsorbate)
        try:
            stated = of if text is None else parse_reaction(text, LEVEL)
            if stated is None:
                raise ConfigError(
                    f"no free-energy correction is known for {adsorbate!r}, and its reference "
                    f"gases are yours to choose: give one, --correction {adsorbate}=0.5 (eV: "
                    "change of zero-point energy less T times the change of entropy)."
                )
            water = water_ev(self.process, adsorbate, self.water)
            return float(free_energy_ev(0.0, stated, known)) + water
        except ReactionError as error:
            raise ReactionError(
                f"{error} On the command line: --correction {adsorbate}=..."
            ) from error
