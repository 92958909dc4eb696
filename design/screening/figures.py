"""The figures of a screening's report: volcano, periodic table, slabs from above and from aside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from formwright.datasets.atoms.elements import covalent_radii
from formwright.datasets.atoms.free_energy import Process
from formwright.datasets.atoms.structures import Structure
from formwright.design.report.svg import BEST, INK, PAPER, SOFT, START, WIDTH, drawing, literal
from formwright.design.screening.activity import PATHS, volcano
from formwright.design.screening.element_map import element_map

DESCRIPTORS: Final[Mapping[Process, str]] = {
    Process.HER: r"$\Delta G_\mathrm{H}$, eV",
    Process.ORR: r"$\Delta G_\mathrm{OH}$, eV",
    Process.OER: r"$\Delta G_\mathrm{O} - \Delta G_\mathrm{OH}$, eV",
    Process.CO2RR: r"$\Delta G_\mathrm{CO}$, eV",
}
NAMED: Final = 6
FURTHEST: Final = 1.5
"""Half of the widest range of descriptors that is shown, eV."""
COLUMNS: Final = 6
_ROUND: Final = 0.9
"""Radius of a drawn atom, in covalent radii."""


def volcano_plot(
    process: Process,
    points: Sequence[Sequence[float]],
    best: Sequence[Mapping[str, Any]],
) -> str:
    """Draw activity against the descriptor: every candidate, the best with intervals and names."""
    x, over = np.array(points, dtype=float).reshape(-1, 2).T
    optimum = PATHS[process].optimum_ev
    middle = float(np.median(x)) if optimum is None else optimum
    low, high = np.quantile(x, (0.01, 0.99))
    reach = min(max(abs(low - middle), abs(high - middle), 0.3), FURTHEST)
    low, high = max(low - 0.1, middle - reach), min(high + 0.1, middle + reach)
    low, high = min(low, middle - 0.3), max(high, middle + 0.3)
    with drawing("volcano", 4.2) as (figure, drawn):
        axis = figure.subplots()
        line = np.linspace(low, high, 401)
        theory = volcano(process, line)
        if theory is not None:
            axis.plot(line, -theory, color=SOFT, lw=1.0, label="scaling relations", zorder=2)
        label = f"{len(x):,} candidates".replace(",", "\u202f")
        axis.plot(x, -over, "o", ms=3, mew=0, color=START, alpha=0.55, label=label, zorder=3)
        _best(axis, best)
        axis.set_xlim(low, high)
        shown = -over[(x >= low) & (x <= high)]
        bottom = min(float(np.quantile(shown, 0.02)) if len(shown) else -1.0, -0.2)
        axis.set_ylim(1.08 * bottom, 0.22 * -bottom - min(float(over.min()), 0.0))
        axis.set(xlabel=DESCRIPTORS[process], ylabel="$-$ theoretical overpotential, V")
        axis.legend(loc="lower center", ncols=3, bbox_to_anchor=(0.5, 1.0))
    return drawn[0]


def periodic_table(elements: Mapping[str, Mapping[str, Any]]) -> str:
    """Draw the periodic table, coloured by the least overpotential with each element."""
    values = {symbol: entry["overpotential_v"] for symbol, entry in elements.items()}
    low = min([*values.values(), 0.0])
    top = max(float(np.quantile([*values.values()], 0.9)) if values else 1.0, 1e-3)
    shades = {s: min(max((value - low) / (top - low), 0.0), 1.0) for s, value in values.items()}
    texts = {symbol: f"{value:.2f}" for symbol, value in values.items()}
    return element_map("elements", shades, texts)


def slabs(found: Sequence[tuple[str, Structure]]) -> str:
    """Draw slabs from above (upper row) and from aside (lower row), with their names."""
    some = list(found)[:COLUMNS]
    heights = [1.0, 1.0]
    with drawing("slabs", WIDTH / COLUMNS * 2.0) as (figure, drawn):
        grid = figure.subplots(2, COLUMNS, squeeze=False, height_ratios=heights)
        for column in range(COLUMNS):
            above, aside = grid[:, column]
            for axis in (above, aside):
                axis.set_aspect("equal")
                axis.axis("off")
            if column < len(some):
                name, one = some[column]
                above.set_title(literal(name), loc="center", size=8)
                _view(above, one, (0, 1, 2))
                _view(aside, one, (0, 2, 1))
    return drawn[0]


def _best(axis: Any, best: Sequence[Mapping[str, Any]]) -> None:
    """Draw the best with their intervals, and name the first few beside a fan of lines."""
    for k, row in enumerate(best):
        x, y = row["descriptor_ev"], -row["overpotential_v"]
        ends = row["descriptor_ev_lower"], row["descriptor_ev_upper"]
        if k < NAMED:
            axis.plot(ends, (y, y), color=BEST, lw=0.8, alpha=0.35, zorder=1)
        label = f"the best {len(best)}" if k == 0 else None
        axis.plot(x, y, "o", ms=5, mew=0.6, mec=PAPER, color=BEST, zorder=4, label=label)
    named = sorted(best[:NAMED], key=lambda row: row["descriptor_ev"])
    for place, row in zip(np.linspace(0.08, 0.92, max(len(named), 2)), named, strict=False):
        axis.annotate(
            literal(row["candidate"]),
            (row["descriptor_ev"], -row["overpotential_v"]),
            xytext=(place, 0.95),
            textcoords="axes fraction",
            ha="center",
            va="center",
            color=INK,
            size=8,
            arrowprops={"arrowstyle": "-", "color": SOFT, "lw": 0.5},
            zorder=5,
        )


def _view(axis: Any, one: Structure, axes: tuple[int, int, int]) -> None:
    """Draw a structure's atoms as discs, those behind first; the cell from above."""
    from ase.data.colors import jmol_colors
    from matplotlib.colors import to_hex

    across, up, depth = axes
    from_above = up == 1
    radii = covalent_radii().numpy()
    discs: list[tuple[float, float, float, int]] = []
    for i in range(-2, 4):
        for j in range(-2, 3):
            moved = one.pos + i * one.cell[0] + j * one.cell[1]
            nearer = moved[:, depth] * (1.0 if from_above else -1.0)
            discs += zip(nearer, moved[:, across], moved[:, up], one.z.tolist(), strict=True)
    width = float(np.linalg.norm(one.cell[0]))
    if from_above:
        corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]) @ one.cell[:2, :2]
        axis.plot(corners[:, 0], corners[:, 1], color="#111111", lw=0.9, zorder=3)
        (left, bottom), (right, top) = corners.min(0) - 0.7, corners.max(0) + 0.7
    else:
        left, right = -0.25 * width, 1.75 * width
        bottom, top = one.pos[:, 2].min() - 1.5, one.pos[:, 2].max() + 1.2
    for _, x, y, z in sorted(discs):
        if left - 2.0 < x < right + 2.0 and bottom - 2.0 < y < top + 2.0:
            colour = to_hex(tuple(jmol_colors[z].tolist()))
            axis.add_patch(_disc(x, y, _ROUND * float(radii[z]), colour))
    axis.set(xlim=(left, right), ylim=(bottom, top))


def _disc(x: float, y: float, radius: float, colour: str) -> Any:
    from matplotlib.patches import Circle

    return Circle((x, y), radius, fc=colour, ec="#333333", lw=0.5)
