"""From free energies of intermediates to limiting potential, overpotential and descriptor.

The computational hydrogen electrode (Norskov et al. 2004): every step passes one proton and one
electron, so at a potential U each step shifts by eU, and the worst step at 0 V gives the limiting
potential. ``STATES`` are the free energies along the path, eV at 0 V.

=======  =============================  =====================  =====================================
process  states                         equilibrium            descriptor, and where it is best
=======  =============================  =====================  =====================================
HER      0, H, 0                        0 V                    G_H, 0 eV
ORR      4.92, OOH, O, OH, 0            1.23 V                 G_OH, .86 eV
OER      0, OH, O, OOH, 4.92            1.23 V                 G_O - G_OH, 1.6 eV
CO2RR    0, COOH, CO, CHO               .17 V (to methane)     G_CO, not known
=======  =============================  =====================  =====================================

Where a surrogate knows no OOH, its free energy is that of OH plus 3.2 eV: the scaling that holds on
metals and oxides to about .2 eV (Rossmeisl et al. 2007; Man et al., ChemCatChem 3, 1159 (2011)).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float

from formwright.datasets.atoms.free_energy import Process
from formwright.datasets.errors import ConfigError

SCALING: Final = 3.2
WATER: Final = 4.92
_GRID: Final = {1: 129, 2: 17, 3: 7}
Energies = Mapping[str, Float[np.ndarray, " candidates"]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Path:
    """The path of a process.

    Attributes:
        states: Free energies at 0 V: a number, or the name of an intermediate.
        reduction: Whether electrons go in.
        equilibrium_v: Potential at which nothing is lost.
        descriptor: Intermediates whose free energies add up to it, with their signs.
        optimum_ev: The best descriptor; None where no such rule holds.
    """

    states: tuple[float | str, ...]
    reduction: bool
    equilibrium_v: float
    descriptor: tuple[tuple[str, float], ...]
    optimum_ev: float | None


PATHS: Final[Mapping[Process, Path]] = {
    Process.HER: Path(
        states=(0.0, "H", 0.0),
        reduction=True,
        equilibrium_v=0.0,
        descriptor=(("H", 1.0),),
        optimum_ev=0.0,
    ),
    Process.ORR: Path(
        states=(WATER, "OOH", "O", "OH", 0.0),
        reduction=True,
        equilibrium_v=1.23,
        descriptor=(("OH", 1.0),),
        optimum_ev=(WATER - SCALING) / 2,
    ),
    Process.OER: Path(
        states=(0.0, "OH", "O", "OOH", WATER),
        reduction=False,
        equilibrium_v=1.23,
        descriptor=(("O", 1.0), ("OH", -1.0)),
        optimum_ev=SCALING / 2,
    ),
    Process.CO2RR: Path(
        states=(0.0, "COOH", "CO", "CHO"),
        reduction=True,
        equilibrium_v=0.17,
        descriptor=(("CO", 1.0),),
        optimum_ev=None,
    ),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Activity:
    """How active candidates are, each (candidates,).

    Attributes:
        descriptor_ev: See the table above, with its lower and upper end.
        limiting_v: Limiting potential.
        overpotential_v: What is lost at the limiting potential, with its lower and upper end: the
            least and the most over the box of the free energies' intervals.
    """

    descriptor_ev: tuple[np.ndarray, np.ndarray, np.ndarray]
    limiting_v: np.ndarray
    overpotential_v: tuple[np.ndarray, np.ndarray, np.ndarray]


def adsorbates_of(process: Process, known: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return the adsorbates whose energies are to be predicted.

    Args:
        process: The process.
        known: Adsorbates that a surrogate was trained on; empty where that is not known. Without
            OOH among them it is left out, and scaled from OH.

    Raises:
        ConfigError: The process needs one that the surrogate was not trained on.
    """
    needed = [state for state in PATHS[process].states if isinstance(state, str)]
    if known and "OOH" in needed and "OOH" not in known:
        needed.remove("OOH")
    lacking = [name for name in needed if known and name not in known]
    if lacking:
        can = [p.value for p in PATHS if not set(_plain(p)) - {"OOH"} - set(known)]
        raise ConfigError(
            f"{process.value} needs energies of {', '.join(lacking)}, and this surrogate was "
            f"trained on {', '.join(known)} only. It can screen for {', '.join(can)}; "
            f"for {process.value} fine-tune one on such energies and name its folder."
        )
    return tuple(needed)


def activity(process: Process, mean: Energies, lower: Energies, upper: Energies) -> Activity:
    """Return descriptor and overpotential of candidates from free energies, eV.

    Args:
        process: The process.
        mean: Free energy of each intermediate.
        lower: Its lower end.
        upper: Its upper end.
    """
    path = PATHS[process]
    ends = [mean, lower, upper]
    signed = [
        sum(
            sign * ends[way if sign > 0 else (0, 2, 1)[way]][name] for name, sign in path.descriptor
        )
        for way in range(3)
    ]
    limiting = _limiting(path, mean)
    over = overpotential(path, limiting)
    least, most = over, over
    names = list(mean)
    grid = np.linspace(0.0, 1.0, _GRID.get(len(names), 5))
    places = [
        {
            name: lower[name] + share * (upper[name] - lower[name])
            for name, share in zip(names, shares, strict=True)
        }
        for shares in itertools.product(grid, repeat=len(names))
    ]
    if len(names) == 1 and path.optimum_ev is not None:
        nearest = np.clip(path.optimum_ev, lower[names[0]], upper[names[0]])
        places.append({names[0]: nearest})
    for at in places:
        value = overpotential(path, _limiting(path, at))
        least, most = np.minimum(least, value), np.maximum(most, value)
    return Activity(
        descriptor_ev=(np.asarray(signed[0]), np.asarray(signed[1]), np.asarray(signed[2])),
        limiting_v=limiting,
        overpotential_v=(over, least, most),
    )


def overpotential(path: Path, limiting_v: np.ndarray) -> np.ndarray:
    """Return what is lost at the limiting potential, V."""
    return path.equilibrium_v - limiting_v if path.reduction else limiting_v - path.equilibrium_v


def volcano(process: Process, descriptor_ev: np.ndarray) -> np.ndarray | None:
    """Return the overpotential that scaling relations give a descriptor, V; None where none do."""
    if process is Process.HER:
        return np.abs(descriptor_ev)
    if process is Process.ORR:
        return 1.23 - np.minimum(descriptor_ev, WATER - SCALING - descriptor_ev)
    if process is Process.OER:
        return np.maximum(descriptor_ev, SCALING - descriptor_ev) - 1.23
    return None


def _limiting(path: Path, energies: Energies) -> np.ndarray:
    """Return the limiting potential, V."""
    some = next(iter(energies.values()))
    states = [
        _state(state, energies) if isinstance(state, str) else np.full_like(some, state)
        for state in path.states
    ]
    worst = np.max([after - before for before, after in itertools.pairwise(states)], axis=0)
    return -worst if path.reduction else worst


def _state(name: str, energies: Energies) -> np.ndarray:
    """Return the free energy of an intermediate; that of OOH may be scaled."""
    return energies["OH"] + SCALING if name == "OOH" and name not in energies else energies[name]


def _plain(process: Process) -> list[str]:
    return [state for state in PATHS[process].states if isinstance(state, str)]
