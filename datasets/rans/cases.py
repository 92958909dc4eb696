"""What the cases of the RANS corpus are: sections and conditions from a Sobol sequence.

Case i is a function of the recipe and i alone: a point of a scrambled Sobol sequence chooses where
its section comes from, which one, the incidence and the Reynolds number, so that every beginning of
the corpus is a fair and even sample. A share of the cases are design points like those of AirfRANS
(NACA sections of four and five digits, Re 2e6 to 6e6); they belong to the training families. Every
section is its CST vector; thin blunt trailing edges, behind which the steady equations shed
vortices instead of settling, are closed in it.

Source of the design points: F. Bonnet et al., "AirfRANS", NeurIPS Datasets and Benchmarks (2022).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cache
from typing import Final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from formwright.datasets.airfoils import cst, naca
from formwright.datasets.airfoils.blends import DECIMALS, WEIGHTS, database_vector, pool
from formwright.datasets.airfoils.contour_checks import first_crossing
from formwright.datasets.airfoils.sections import database
from formwright.datasets.errors import ConfigError
from formwright.datasets.solvers.openfoam.levels import coarsened
from formwright.datasets.solvers.openfoam.solver import MESH, OpenFOAM

POINTS_PER_SIDE: Final = 200
SOURCES: Final = ("airfrans", "train", "validation", "test")
AIRFRANS_REYNOLDS: Final = (2e6, 6e6)
AIRFRANS_ALPHA_DEG: Final = (-5.0, 15.0)
AIRFRANS_THICKNESS: Final = (5.0, 20.0)
AIRFRANS_CAMBER: Final = (0.0, 7.0)
AIRFRANS_PLACE: Final = (1.5, 7.0)
FOUR_DIGIT_SHARE: Final = 0.5
_DIMENSIONS: Final = 7


@dataclass(frozen=True, kw_only=True, slots=True)
class RansCorpus:
    """The recipe.

    Attributes:
        cases: How many; a later run may ask for more of the same.
        seed: Of the Sobol sequence.
        shares: Of the NACA design points, and of database sections of the training, validation and
            test families.
        alpha_deg: Lowest and highest incidence, degrees.
        reynolds: Lowest and highest Reynolds number, log-uniform.
        closed_below: Trailing edges thinner than this are closed where that leaves a section,
            chords.
        solver: What computes the labels.
    """

    cases: int = 400
    seed: int = 1
    shares: tuple[float, float, float, float] = (0.2, 0.5, 0.1, 0.2)
    alpha_deg: tuple[float, float] = (-5.0, 15.0)
    reynolds: tuple[float, float] = (1e6, 9e6)
    closed_below: float = 0.01
    solver: OpenFOAM = field(default_factory=OpenFOAM)

    def __post_init__(self) -> None:
        """Refuse shares that are none."""
        if min(self.shares) < 0.0 or abs(sum(self.shares) - 1.0) > 1e-9:
            raise ConfigError(f"shares = {self.shares!r} must be four that add up to 1.")


COARSE: Final = RansCorpus(
    cases=280,
    seed=2,
    shares=(0.28, 0.72, 0.0, 0.0),
    solver=OpenFOAM(
        mesh=replace(coarsened(MESH, 2), first_cell=MESH.first_cell), y_plus=0.8, levels=2
    ),
)
"""To pretrain on: every second line of the mesh, design points and training families alone."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DrawnCase:
    """A case of the corpus.

    Attributes:
        section: Name of the database section, or the NACA numbers.
        source: One of ``SOURCES``.
        family: Of the section.
        vector: CST vector, (18,).
        alpha_deg: Incidence, degrees.
        reynolds: On the chord.
    """

    section: str
    source: str
    family: str
    vector: Float[np.ndarray, " parameters"]
    alpha_deg: float
    reynolds: float

    @property
    def split(self) -> str:
        """The part that the case belongs to."""
        return "train" if self.source == "airfrans" else self.source

    @property
    def pos(self) -> Float[Tensor, "points 2"]:
        """The contour."""
        return cst.coordinates(torch.from_numpy(self.vector), POINTS_PER_SIDE)


def draw(recipe: RansCorpus, index: int) -> DrawnCase:
    """Return case ``index``, a function of the recipe and the index alone."""
    where, which, alpha, reynolds, *shape = sobol(recipe.seed, index)
    place = int(np.searchsorted(np.cumsum(recipe.shares)[:-1], where, side="right"))
    source = SOURCES[place]
    if source == "airfrans":
        name, vector = naca_section(which, *shape)
        alphas, range_re, family = AIRFRANS_ALPHA_DEG, AIRFRANS_REYNOLDS, "naca"
    else:
        names = pool(source)
        name = names[int(which * len(names))]
        vector, family = database_vector(name), database().family(name)
        alphas, range_re = recipe.alpha_deg, recipe.reynolds
    if vector[-1] < recipe.closed_below:
        vector = closed(vector)
    low, high = np.log(range_re)
    return DrawnCase(
        section=name,
        source=source,
        family=family,
        vector=vector,
        alpha_deg=round(alphas[0] + (alphas[1] - alphas[0]) * alpha, 3),
        reynolds=float(np.round(np.exp(low + (high - low) * reynolds), -3)),
    )


def closed(
    vector: Float[np.ndarray, " parameters"],
) -> Float[np.ndarray, " parameters"]:
    """Return a CST vector without its blunt trailing edge, unless its sides would cross then."""
    sharp = np.append(vector[:-1], 0.0)
    contour = cst.coordinates(torch.from_numpy(sharp), POINTS_PER_SIDE)
    return vector if first_crossing(contour.numpy()) else sharp


def naca_section(
    which: float, camber: float, place: float, thickness: float
) -> tuple[str, Float[np.ndarray, " parameters"]]:
    """Return name and CST vector of a NACA section from four numbers in [0, 1).

    The four-digit series takes its numbers as they come (``"naca 3.94 5.42 16.3"``: camber in
    hundredths, its place in tenths, thickness in hundredths); the five-digit series has the camber
    lines that are tabulated.
    """
    if which >= FOUR_DIGIT_SHARE:
        lines = [line for line in naca.CAMBER_LINES if line != "10"]
        percent = int(AIRFRANS_THICKNESS[0] + thickness * np.diff(AIRFRANS_THICKNESS)[0])
        number = f"{1 + int(4 * camber)}{lines[int(len(lines) * place)]}{percent:02d}"
        return f"naca{number}", _fitted(naca.coordinates(number, points_per_side=POINTS_PER_SIDE))
    scales = (AIRFRANS_CAMBER, AIRFRANS_PLACE, AIRFRANS_THICKNESS)
    numbers = [
        round(float(low + u * (high - low)), 2)
        for u, (low, high) in zip((camber, place, thickness), scales, strict=True)
    ]
    pos = naca.four_digit(*numbers, points_per_side=POINTS_PER_SIDE)
    return f"naca {numbers[0]:g} {numbers[1]:g} {numbers[2]:g}", _fitted(pos)


def _fitted(pos: Float[Tensor, "points 2"]) -> Float[np.ndarray, " parameters"]:
    """Return the CST vector of a contour."""
    return cst.fit(pos, WEIGHTS).numpy().round(DECIMALS)


@cache
def sobol(seed: int, index: int) -> tuple[float, ...]:
    """Return point ``index`` of the scrambled sequence."""
    from scipy.stats.qmc import Sobol

    sequence = Sobol(_DIMENSIONS, scramble=True, rng=np.random.default_rng(seed))
    if index:
        sequence.fast_forward(index)
    return tuple(sequence.random(1)[0].tolist())
