"""A periodic table whose cells are coloured by a number, as SVG text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from formwright.datasets.atoms.elements import table
from formwright.design.report.svg import FAINT, SOFT, drawing

_LANTHANIDES: Final = range(57, 72)
_ACTINIDES: Final = range(89, 104)


def element_map(name: str, shades: Mapping[str, float], texts: Mapping[str, str]) -> str:
    """Draw the periodic table.

    Args:
        name: Of the figure; parts its ids from those of others on a page.
        shades: By symbol, from 0 to 1; large is dark. Elements without one are outlined only.
        texts: Below the symbols.
    """
    from matplotlib import colormaps
    from matplotlib.colors import to_hex
    from matplotlib.patches import Rectangle

    colours = colormaps["viridis_r"]
    middle = {"ha": "center", "va": "center"}
    with drawing(name, 4.9) as (figure, drawn):
        axis = figure.subplots()
        for symbol, row in table().items():
            column, line = cell(int(row["z"]), row["group"], row["period"])
            shade = shades.get(symbol)
            colour = "none" if shade is None else to_hex(colours(shade))
            ink = SOFT if shade is None else _ink(colour)
            axis.add_patch(Rectangle((column, line), 0.94, 0.94, fc=colour, ec=FAINT, lw=0.6))
            at = 0.36 if symbol in texts else 0.5
            axis.text(column + 0.47, line + at, symbol, color=ink, size=8, **middle)
            if symbol in texts:
                axis.text(column + 0.47, line + 0.72, texts[symbol], color=ink, size=6.2, **middle)
        axis.set(xlim=(0.9, 19.1), ylim=(9.8, 0.9))
        axis.set_aspect("equal")
        axis.axis("off")
    return drawn[0]


def cell(z: int, group: float, period: float) -> tuple[float, float]:
    """Return column and line of an element; the f block lies below."""
    for line, block in ((7.8, _LANTHANIDES), (8.8, _ACTINIDES)):
        if z in block:
            return 3.0 + z - block[0], line
    return group, period


def _ink(colour: str) -> str:
    """Return black or white, whichever can be read on a colour."""
    red, green, blue = (int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5))
    return "#111111" if 0.3 * red + 0.59 * green + 0.11 * blue > 0.5 else "#ffffff"
