"""What a study of catalysts is asked."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, Literal

from formwright.datasets.atoms import mamun
from formwright.datasets.atoms.elements import number
from formwright.datasets.errors import ConfigError, UnknownNameError, did_you_mean
from formwright.design.catalysts.alloys import AlloyDesign
from formwright.surrogate.atoms.adsorption import AdsorptionConfig

NO_ENCODER: Final = "none"


class Verifier(StrEnum):
    """Who says what an alloy's adsorption energy is.

    Example:
        >>> import formwright
        >>> [str(one) for one in formwright.Verifier]
        ['auto', 'table', 'chgnet']
    """

    AUTO = "auto"
    """The table where it has the alloy, else CHGNet where it is installed."""
    TABLE = "table"
    CHGNET = "chgnet"


@dataclass(frozen=True, kw_only=True, slots=True)
class CatalystSpec:
    """What a study of a catalyst is asked: labels, a surrogate, a search, who verifies.

    Attributes:
        kind: Tells the studies of catalysts from others.
        name: Of the study.
        design: What is wanted, and how it is searched.
        exclude: Elements that no alloy may have.
        labels: How many rows of the table train the first surrogate, drawn at random.
        held_share: Share of them that sets the intervals and is not trained on.
        encoder: Pretrained network that fine-tuning begins with, a shipped name or a folder;
            ``none`` for one that has learned nothing.
        network: Architecture of the surrogate; that of the encoder.
        surrogate: Use this one, a shipped name or a folder, and train none.
        steps: Of the first fine-tuning.
        more_steps: Of that of each later round, which goes on from the one before.
        learning_rate: Highest one.
        rounds: How often to train, propose and verify.
        verifier: Who verifies.
        relax: Whether the oracle relaxes slabs, or takes them as they are built.
        seed: Of the labels drawn, the training and the starts.
        threads: Of torch; None leaves them.

    Example:
        >>> import formwright
        >>> target = formwright.Target(adsorbate="H", energy_ev=-0.24)
        >>> design = formwright.AlloyDesign(targets=(target,), proposals=6)
        >>> formwright.CatalystStudy(design=design, exclude=("Pt", "Ir")).rounds
        2
    """

    kind: Literal["catalyst"] = "catalyst"
    name: str = "catalyst"
    design: AlloyDesign = field(default_factory=AlloyDesign)
    exclude: tuple[str, ...] = ()
    labels: int = 1638
    held_share: float = 0.1
    encoder: str = "atoms"
    network: AdsorptionConfig = field(default_factory=AdsorptionConfig)
    surrogate: str | None = None
    steps: int = 1500
    more_steps: int = 500
    learning_rate: float = 1e-3
    rounds: int = 2
    verifier: Verifier = Verifier.AUTO
    relax: bool = False
    seed: int = 0
    threads: int | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            ConfigError: A count below one, a share that leaves nothing, an element that is not to
                be had, or several rounds of a surrogate that is not trained.
            UnknownNameError: An adsorbate is none of the table.
            StructureError: There is no such element.
        """
        counts = {"labels": self.labels, "steps": self.steps, "more_steps": self.more_steps}
        for name, value in {**counts, "rounds": self.rounds}.items():
            if value < 1:
                raise ConfigError(f"CatalystStudy.{name} = {value} should be at least 1.")
        if not 0.0 < self.held_share < 1.0:
            raise ConfigError(
                f"CatalystStudy.held_share = {self.held_share:g} should lie between 0 and 1: some "
                "labels train, the others set the intervals."
            )
        if self.surrogate is not None and self.rounds > 1:
            raise ConfigError(
                f"rounds = {self.rounds} with surrogate = {self.surrogate!r}: a surrogate that is "
                "given is not trained, so a second round would repeat the first. Leave out "
                "surrogate, or set rounds = 1."
            )
        for symbol in self.exclude:
            number(symbol)
        for target in self.design.targets:
            if target.adsorbate not in mamun.REACTIONS:
                raise UnknownNameError(
                    f"{target.adsorbate!r} is none of the adsorbates of the table."
                    f"{did_you_mean(target.adsorbate, mamun.REACTIONS)} They are: "
                    f"{', '.join(mamun.REACTIONS)}."
                )
        if len(set(self.design.elements) - set(self.exclude)) < 2:
            raise ConfigError(
                "fewer than two elements are left to make alloys of; exclude fewer, or name more."
            )

    def search(self, index: int) -> AlloyDesign:
        """Return the search of a round: excluded elements left out, starts of its own."""
        kept = tuple(e for e in self.design.elements if e not in self.exclude)
        seed = self.seed + self.design.seed + 1000 * index
        return replace(self.design, elements=kept, seed=seed)
