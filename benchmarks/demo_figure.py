"""The README's picture: what the demo's study starts from, what it designs, and who says so.

formwright demo && python benchmarks/demo_figure.py runs/demo-airfoil
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from _curves import canvas, save_figure

from formwright.design.report.page import read

INK, START, BEST = "#22262e", "#8a8f9c", "#1f5fb4"


def main(folder: Path) -> None:
    """Draw the sections, and the drag at the operating points."""
    result, polars = read(folder, "result"), read(folder, "polars")
    figure, (left, right) = canvas(2, 9.0)
    figure.set_size_inches(9.0, 2.9)
    for side, colour, style in (("start", START, "--"), ("best", BEST, "-")):
        x, y = np.array(polars["sections"][side]["pos"]).T
        left.plot(x, y, style, color=colour, lw=1.8, label=polars["sections"][side]["name"])
        left.fill(x, y, color=colour, alpha=0.12, lw=0)
    left.set(aspect="equal", xlabel="x/c", ylabel="y/c", xticks=[0.0, 0.5, 1.0])
    left.legend(frameon=False, fontsize=8, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2)
    points = result["points"]
    cl = [point["target_cl"] for point in points]
    claimed = [point["best"]["claimed"]["labels"]["cd"] for point in points]
    mean, low, high = (
        1e4 * np.array([c[part] for c in claimed]) for part in ("mean", "lower", "upper")
    )
    told = {
        side: [1e4 * (point[side]["verified"]["labels"]["cd"] or np.nan) for point in points]
        for side in ("start", "best")
    }
    right.plot(cl, told["start"], "s", color=START, label="start, by XFoil")
    bars = (mean - low, high - mean)
    right.errorbar(cl, mean, bars, fmt="-", color=BEST, capsize=3, label="design, claimed, 90 %")
    right.plot(cl, told["best"], "o", color=INK, ms=4, label="design, by XFoil")
    right.set(xlabel="lift coefficient", ylabel="drag, counts")
    right.legend(frameon=False, fontsize=8)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
    save_figure(figure, "demo_design")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/demo-airfoil"))
