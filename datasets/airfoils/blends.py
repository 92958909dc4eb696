"""Random sections for a corpus: database sections of one split, and blends of their CST vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
import torch
from jaxtyping import Float

from formwright.datasets.airfoils import cst
from formwright.datasets.airfoils.sections import database

WEIGHTS: Final = 8
DECIMALS: Final = 9
SPLITS: Final = ("train", "validation", "test")


@dataclass(frozen=True, kw_only=True, slots=True)
class Blending:
    """How sections are drawn.

    Attributes:
        whole_database: Begin with every database section of the split, once.
        database_share: Share of plain database sections among the others.
        three_share: Share of blends with three parents instead of two.
        noise_share: Share of blends with noise on their weights.
        noise: Standard deviation of that noise.
        thick_share: Share of blends whose thickness is drawn anew.
        thickness: Least and largest thickness that is drawn, in chords.
        blunt_share: Share of blends whose trailing edge is drawn anew.
        edge: Least and largest thickness of a trailing edge that is drawn, in chords.
    """

    whole_database: bool = False
    database_share: float = 0.15
    three_share: float = 0.25
    noise_share: float = 0.5
    noise: float = 0.02
    thick_share: float = 0.0
    thickness: tuple[float, float] = (0.04, 0.45)
    blunt_share: float = 0.0
    edge: tuple[float, float] = (0.0, 0.1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Drawn:
    """A section of the corpus and where it comes from.

    Attributes:
        name: Of the database section, or the parents with their weights.
        vector: CST vector, (18,).
        parents: Database sections, one or more.
        blend: Their weights, which sum to 1.
        noise: Whether noise was added.
    """

    name: str
    vector: Float[np.ndarray, " parameters"]
    parents: tuple[str, ...]
    blend: tuple[float, ...]
    noise: bool


@cache
def pool(split: str) -> tuple[str, ...]:
    """Return the names of the database sections of a split whose CST fit is a section."""
    sections = database()
    names = [name for name in sections if sections.split(name) == split]
    return tuple(name for name in names if is_section(database_vector(name)))


@cache
def database_vector(name: str) -> Float[np.ndarray, " parameters"]:
    """Return the CST vector, 8 + 8, of a database section, rounded beyond any solver's notice."""
    return cst.fit(database()[name].pos, WEIGHTS).numpy().round(DECIMALS)


def is_section(vector: Float[np.ndarray, " parameters"]) -> bool:
    """Return whether a CST vector is between 3 and 46 % thick and nowhere crosses itself."""
    x, thickness = _thickness(vector)
    inside = (x > 0.001) & (x < 0.995)
    room = np.minimum(0.004 * np.sqrt(x), 0.05 * (1.0 - x))[inside]
    return bool(np.all(thickness[inside] > room) and 0.03 < thickness.max() < 0.46)


def _thickness(
    vector: Float[np.ndarray, " parameters"], n: int = 101
) -> tuple[Float[np.ndarray, " stations"], Float[np.ndarray, " stations"]]:
    """Return stations from the nose to the trailing edge, and the thickness at each, in chords."""
    pos = cst.coordinates(torch.from_numpy(vector), n).numpy()
    return pos[n - 1 :, 0], pos[n - 1 :: -1, 1] - pos[n - 1 :, 1]


def draw_section(recipe: Blending, split: str, index: int, rng: np.random.Generator) -> Drawn:
    """Draw section ``index`` of a corpus; what is no section is drawn again.

    Args:
        recipe: How.
        split: Whose families all parents belong to.
        index: Of the section; it matters where the whole database comes first.
        rng: Of everything random.
    """
    names = pool(split)
    if recipe.whole_database and index < len(names):
        return _plain(names[index])
    while True:
        if rng.random() < recipe.database_share:
            return _plain(names[rng.integers(len(names))])
        drawn = _blend(recipe, names, rng)
        if is_section(drawn.vector):
            return drawn


def _plain(name: str) -> Drawn:
    """Return a database section."""
    vector = database_vector(name)
    return Drawn(name=name, vector=vector, parents=(name,), blend=(1.0,), noise=False)


def _blend(recipe: Blending, names: Sequence[str], rng: np.random.Generator) -> Drawn:
    """Return a blend of two or three sections, with noise or without."""
    n = 3 if rng.random() < recipe.three_share else 2
    parents = tuple(str(names[i]) for i in rng.choice(len(names), n, replace=False))
    blend = rng.dirichlet(np.ones(n))
    vector = blend @ np.stack([database_vector(name) for name in parents])
    noisy = bool(rng.random() < recipe.noise_share)
    if noisy:
        vector[:-1] += recipe.noise * rng.standard_normal(len(vector) - 1)
    drawn = _redrawn(recipe, vector, rng)
    parts = "+".join(f"{w:.2f}*{p}" for w, p in zip(blend, parents, strict=True))
    name = parts + ("+noise" if noisy else "") + drawn
    return Drawn(
        name=name, vector=vector.round(DECIMALS), parents=parents, blend=tuple(blend), noise=noisy
    )


def _redrawn(
    recipe: Blending, vector: Float[np.ndarray, " parameters"], rng: np.random.Generator
) -> str:
    """Give a share of the vectors another thickness or edge, and return how that is named."""
    name = ""
    if recipe.blunt_share and rng.random() < recipe.blunt_share:
        vector[-1] = rng.uniform(*recipe.edge)
        name += f"+edge {vector[-1]:.3f}"
    if recipe.thick_share and rng.random() < recipe.thick_share:
        wanted, (lower, upper) = rng.uniform(*recipe.thickness), vector[:-2].reshape(2, -1)
        edge = vector[-1]
        vector[-1] = 0.0
        scale = (wanted - 0.3 * edge) / _thickness(vector)[1].max()
        camber, half = 0.5 * (upper + lower), 0.5 * scale * (upper - lower)
        vector[:-2], vector[-1] = np.concatenate([camber - half, camber + half]), edge
        name += f"+thickness {_thickness(vector)[1].max():.3f}"
    return name
