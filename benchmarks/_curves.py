"""Figures of errors against the number of labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from _common import ROOT

FIGURES: Final = ROOT / "docs" / "figures"
OURS: Final = 2
"""So many of the first curves are the project's own."""
Ends = tuple[float, float, float]
"""Mean, and the ends of its interval."""


def canvas(columns: int = 1, width: float = 7.0) -> tuple[Any, Any]:
    """Return a figure that is saved with the same bytes each time, and its axes."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.rcParams["svg.hashsalt"] = "formwright"
    return plt.subplots(1, columns, figsize=(width, 4.5), layout="constrained")


def error_curves(
    axes: Any, sizes: Sequence[int], curves: Mapping[str, Sequence[Ends]], labels: str, error: str
) -> None:
    """Draw errors against numbers of labels, both logarithmic, with intervals.

    Args:
        axes: Of matplotlib.
        sizes: Numbers of labels.
        curves: By name, one triple a size; the project's own first.
        labels: What is counted.
        error: What is measured.
    """
    for place, (name, triples) in enumerate(curves.items()):
        mean, low, high = np.array(triples).T
        axes.errorbar(
            np.array(sizes) * (1 + 0.02 * (place - OURS)),
            mean,
            (mean - low, high - mean),
            fmt="o-" if place < OURS else "s--",
            label=name,
            capsize=3,
            lw=2.2 if place < OURS else 1.2,
        )
    axes.set(xscale="log", yscale="log", xlabel=labels, ylabel=error, xticks=sizes)
    axes.set_xticklabels([f"{n:,}" for n in sizes])
    axes.minorticks_off()
    axes.grid(alpha=0.3, which="both")


def save_figure(figure: Any, name: str) -> None:
    """Write a figure of the documentation."""
    FIGURES.mkdir(parents=True, exist_ok=True)
    figure.savefig(FIGURES / f"{name}.svg", metadata={"Date": None})
