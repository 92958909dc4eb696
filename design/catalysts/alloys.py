"""What alloys are designed for, and what a surrogate claims of them.

What is made large is the probability that the energy at the most stable site lies within a
tolerance of the target, by the surrogate's mean and deviation: a design has to be right and sure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from formwright.datasets.atoms import mamun
from formwright.datasets.atoms.bulks import formation_ev_per_atom
from formwright.datasets.atoms.elements import radioactive
from formwright.datasets.atoms.mamun import Alloy
from formwright.datasets.atoms.prices import alloy_usd_per_mole
from formwright.datasets.atoms.slabs.ordered import PROTOTYPES
from formwright.datasets.cases import Batch, Case
from formwright.datasets.errors import ConfigError
from formwright.design.catalysts.ordered_alloys import OrderedAlloys
from formwright.design.constraint import Constraint
from formwright.surrogate.atoms.adsorption import LABEL, AdsorptionSurrogate
from formwright.surrogate.model import Prediction

SOFT_EV: Final = 0.02
"""Width over which sites of nearly the same energy share the role of the most stable one."""
SHARP: Final = 2000.0
_AT_ONCE: Final = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """An adsorption energy that is wanted at the most stable site.

    Attributes:
        adsorbate: Of what.
        energy_ev: How large, eV.
        tolerance_ev: How far off is still a hit, eV.

    Example:
        >>> import formwright
        >>> formwright.Target(adsorbate="O", energy_ev=1.6).tolerance_ev
        0.1
    """

    adsorbate: str = "H"
    energy_ev: float = -0.24
    tolerance_ev: float = 0.1


def stable_metals() -> tuple[str, ...]:
    """Return the metals of the table that are not radioactive."""
    return tuple(symbol for symbol in mamun.metals() if not radioactive(symbol))


@dataclass(frozen=True, kw_only=True, slots=True)
class AlloyDesign:
    """What is designed, and how it is searched.

    Attributes:
        targets: All of them are to be met.
        prototypes: ``L12`` (A3B), ``L10`` (AB).
        elements: That may be used; unless named, the table's metals that are not radioactive.
        proposals: How many alloys are proposed.
        starts: Designs moved at once, for each prototype.
        sharpness: Of the mixtures, stage by stage.
        steps: Of each stage.
        learning_rate: Of the scores, which go from 0 to 1.
        straight_through: Look at rounded designs all the way, with the gradient of the mixture.
        exchanges: Elements tried on each sublattice when a rounded design is repaired; 0 for no
            repair.
        highest_price_usd_per_mol: Of the slab's atoms on average; None for no bound.
        highest_formation_ev: Energy of formation from the fcc metals, eV an atom: an alloy above
            it, or whose energy is not known, is not proposed; none is as high as 10.
        seed: Of the starts.

    Example:
        >>> import formwright
        >>> formwright.AlloyDesign(elements=("Ni", "Cu", "Pd")).prototypes
        ('L12', 'L10')
    """

    targets: tuple[Target, ...] = (Target(),)
    prototypes: tuple[str, ...] = ("L12", "L10")
    elements: tuple[str, ...] = field(default_factory=stable_metals)
    proposals: int = 20
    starts: int = 16
    sharpness: tuple[float, ...] = (4.0, 12.0, 40.0)
    steps: int = 20
    learning_rate: float = 0.08
    straight_through: bool = False
    exchanges: int = 3
    highest_price_usd_per_mol: float | None = None
    highest_formation_ev: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse a design without a target, or with one that is asked twice."""
        names = [target.adsorbate for target in self.targets]
        if not names or len(set(names)) != len(names):
            raise ConfigError(
                f"AlloyDesign takes one target for each adsorbate, and one at least; got {names}."
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """What the surrogate says of one adsorbate on an alloy.

    Attributes:
        energy_ev: At the most stable site, eV.
        std_ev: Standard deviation, eV.
        site: Label of that site.
    """

    energy_ev: float
    std_ev: float
    site: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Proposal:
    """A real alloy that was designed.

    Attributes:
        alloy: Which.
        hit: Probability by the surrogate that all targets are met.
        claims: By adsorbate.
    """

    alloy: Alloy
    hit: float
    claims: Mapping[str, Claim]


@dataclass(frozen=True, kw_only=True, slots=True)
class Proposals:
    """What a search proposes.

    Attributes:
        best: Most probable first.
        seen: All real alloys that the surrogate was asked about, by their probability.
        evaluations: Forward passes of one design, mixtures and real alloys alike.
        seconds: Wall time.
        trace: Probability of the best mixture at each step, by prototype.
    """

    best: tuple[Proposal, ...]
    seen: Mapping[Alloy, Proposal]
    evaluations: int
    seconds: float
    trace: Mapping[str, tuple[float, ...]]


def log_hit(
    mean: Float[Tensor, " *shape"], std: Float[Tensor, " *shape"], target: Target
) -> Float[Tensor, " *shape"]:
    """Return log P(|E - target| < tolerance) of a normal E, exact far out in its tails."""
    off = (mean - target.energy_ev).abs()
    near = torch.special.log_ndtr((target.tolerance_ev - off) / std)
    far = torch.special.log_ndtr((-target.tolerance_ev - off) / std)
    return near + torch.log1p(-(far - near).exp().clamp_max(1.0 - 1e-12))


def most_stable(
    energies: Float[Tensor, "sites designs"], stds: Float[Tensor, "sites designs"]
) -> tuple[Float[Tensor, " designs"], Float[Tensor, " designs"]]:
    """Return energy and deviation at the most stable site, smooth where two sites compete."""
    share = torch.softmax(-energies / SOFT_EV, 0)
    return (share * energies).sum(0), (share * stds).sum(0)


def objective_of(space: OrderedAlloys, targets: Sequence[Target]) -> Callable[..., Tensor]:
    """Return minus the log probability that a design meets all targets.

    Example:
        >>> import formwright
        >>> space = formwright.OrderedAlloys(prototype="L10", elements=("Ni", "Cu"))
        >>> problem = formwright.Problem(
        ...     space=space,
        ...     surrogate=formwright.load("adsorption-mamun"),
        ...     objective=formwright.objective_of(space, (formwright.Target(),)),
        ... )
        >>> bool(problem.evaluate(space.bounds.mean(0, keepdim=True)).objective > 0)
        True
    """

    def objective(prediction: Prediction, case: Case) -> Float[Tensor, " designs"]:
        places = len(space.places)
        mean, std = (part[LABEL].reshape(places, -1) for part in (prediction.mean, prediction.std))
        total = mean.new_zeros(mean.shape[1])
        for target in targets:
            own = [i for i, (name, _) in enumerate(space.places) if name == target.adsorbate]
            total = total - log_hit(*most_stable(mean[own], std[own]), target)
        return total

    return objective


def claim(
    surrogate: AdsorptionSurrogate, targets: Sequence[Target], alloys: Sequence[Alloy]
) -> list[Proposal]:
    """Return what the surrogate says of real alloys: every adsorbate on every site."""
    result: dict[Alloy, Proposal] = {}
    names = tuple(target.adsorbate for target in targets)
    for prototype in sorted({alloy.prototype for alloy in alloys}):
        own = [alloy for alloy in alloys if alloy.prototype == prototype]
        space = OrderedAlloys(prototype=prototype, adsorbates=names, sharpness=SHARP)
        for first in range(0, len(own), _AT_ONCE):
            some = own[first : first + _AT_ONCE]
            with torch.no_grad():
                predicted = surrogate(space.decode(space.parameters(some)))
            result |= dict(zip(some, _proposals(space, targets, some, predicted), strict=True))
    return [result[alloy] for alloy in alloys]


def _proposals(
    space: OrderedAlloys, targets: Sequence[Target], alloys: Sequence[Alloy], prediction: Prediction
) -> list[Proposal]:
    """Return one proposal an alloy from a prediction of all places."""
    places = len(space.places)
    mean, std = (part[LABEL].reshape(places, -1) for part in (prediction.mean, prediction.std))
    chance = (-objective_of(space, targets)(prediction, Batch())).exp().tolist()
    claims: list[dict[str, Claim]] = [{} for _ in alloys]
    for target in targets:
        own = [i for i, (name, _) in enumerate(space.places) if name == target.adsorbate]
        for k, site in enumerate(mean[own].argmin(0).tolist()):
            claims[k][target.adsorbate] = Claim(
                energy_ev=float(mean[own[site], k]),
                std_ev=float(std[own[site], k]),
                site=space.places[own[site]][1],
            )
    rows = zip(alloys, chance, claims, strict=True)
    return [Proposal(alloy=alloy, hit=hit, claims=prediction) for alloy, hit, prediction in rows]


def price_constraint(design: AlloyDesign, prototype: str) -> tuple[Constraint, ...]:
    """Return the bound on the price of a mole of atoms, none where the design has none.

    Raises:
        ConfigError: The price of an element that may be used is not known.
    """
    bound = design.highest_price_usd_per_mol
    if bound is None:
        return ()
    each = [alloy_usd_per_mole({element: 1}) for element in design.elements]
    unknown = [e for e, price in zip(design.elements, each, strict=True) if price != price]
    if unknown:
        raise ConfigError(
            f"no price is known for {', '.join(unknown)}: leave them out of the elements, or set "
            "no highest_price_usd_per_mol."
        )
    prices = torch.tensor(each, dtype=torch.float64)
    letters = PROTOTYPES[prototype]
    shares = [letters.count(letter) / len(letters) for letter in sorted(set(letters))]

    def price(prediction: Prediction, case: Case) -> Float[Tensor, " designs"]:
        return (case.weights @ prices) @ case.weights.new_tensor(shares)

    return (Constraint(name="price_usd_per_mol", function=price, upper=bound, scale=bound),)


def forms(alloy: Alloy, design: AlloyDesign) -> bool:
    """Return whether a real alloy keeps the bound on the energy of formation; metals do."""
    if alloy.prototype == "A1":
        return True
    energy = formation_ev_per_atom(alloy)
    return energy is not None and energy <= design.highest_formation_ev


def affordable(alloy: Alloy, design: AlloyDesign) -> bool:
    """Return whether a real alloy keeps the bound on the price."""
    bound = design.highest_price_usd_per_mol
    return bound is None or alloy_usd_per_mole(alloy.counts) <= bound
