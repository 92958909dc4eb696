"""Figures as SVG text whose colours are CSS variables of the page that they are put into."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Literal

INK, SOFT, FAINT, START, BEST, PAPER = (f"#0a0b0{digit}" for digit in range(1, 7))
VARIABLES: Final = {
    INK: "--ink",
    SOFT: "--soft",
    FAINT: "--rule",
    START: "--start",
    BEST: "--best",
    PAPER: "--paper",
}
STYLE: Final[dict[Any, Any]] = {
    "svg.fonttype": "path",
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "axes.titlesize": 8.5,
    "axes.titlelocation": "left",
    "axes.labelsize": 8.5,
    "axes.edgecolor": SOFT,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "lines.linewidth": 1.6,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
}
WIDTH: Final = 8.6


@contextmanager
def drawing(
    name: str, height: float, layout: Literal["tight"] | None = "tight"
) -> Iterator[tuple[Any, list[str]]]:
    """Yield an empty figure and a list that holds its SVG once the block ends."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    drawn: list[str] = []
    with mpl.rc_context({**STYLE, "svg.hashsalt": name}):
        figure = Figure(figsize=(WIDTH, height), layout=layout)
        FigureCanvasSVG(figure)
        yield figure, drawn
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    drawn.append(_inline(buffer.getvalue(), name))


def literal(text: str) -> str:
    """Return a name as matplotlib shows it as it is: without mathematics, and in legends, too."""
    text = text.replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text


def _inline(svg: str, name: str) -> str:
    """Return the ``<svg>`` element alone: colours from the page, no fixed size, ids of its own."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r'\1 role="img"', svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r' xmlns(:xlink)?="[^"]*"', "", svg).replace("xlink:href", "href")
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r"(href=\"#|url\(#)", rf"\1{name}-", svg)
    for colour, variable in VARIABLES.items():
        svg = svg.replace(colour, f"var({variable})")
    return svg
