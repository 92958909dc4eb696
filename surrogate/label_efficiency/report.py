"""The report of an evaluation of pretraining: one HTML page without anything to fetch."""

from __future__ import annotations

import io
import os
import re
from typing import Any, Final

import numpy as np

from formwright.datasets.files import write_text
from formwright.surrogate.label_efficiency.curves import (
    COMPONENTS,
    MEAN,
    RANDOM,
    SCRATCH,
    Evaluation,
    interval,
)

TEMPLATE: Final = "pretraining.html.j2"
INK: Final = "#3a4048"
COLOURS: Final = ("#1a5fb4", "#1d7a46", "#b35900", "#7b3fa0", "#b3261e", "#00808a", "#8a6d00")


def write_report(evaluation: Evaluation, path: str | os.PathLike[str]) -> None:
    """Write the page, atomically.

    Raises:
        StorageError: It cannot be written.
    """
    from jinja2 import Environment, PackageLoader

    loader = PackageLoader("formwright.surrogate", "templates")
    environment = Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    page = environment.get_template(TEMPLATE).render(
        evaluation=evaluation,
        verdicts=evaluation.verdicts(),
        table=table(evaluation),
        chart=svg(evaluation),
    )
    write_text(path, page)


def table(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Return one row a method: its name, and at each size mean, ends of the interval, gain."""
    rows = []
    for method, curve in evaluation.errors.items():
        cells = []
        for size in evaluation.sizes:
            middle, low, high = interval(list(curve[size]))
            gain = None if method == SCRATCH else evaluation.gain(method, size)
            setting = evaluation.chosen.get(method, {}).get(size)
            cells.append(
                {"mean": middle, "low": low, "high": high, "gain": gain, "setting": setting}
            )
        rows.append({"method": method, "cells": cells})
    return rows


def figure(evaluation: Evaluation) -> Any:
    """Return a matplotlib figure: error against labels, floors in grey."""
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(8.4, 4.8), layout="constrained")
    axes = drawn.subplots()
    places = np.array(evaluation.sizes, dtype=float)
    methods = [method for method in evaluation.errors if method != MEAN]
    own = [m for m in methods if m.endswith(", fine-tuned") or m.endswith(", frozen + ridge")]
    recipes = list(dict.fromkeys(m.rsplit(", ", 1)[0] for m in own))
    for place, method in enumerate(methods):
        ends = np.array([interval(list(evaluation.errors[method][n])) for n in evaluation.sizes])
        shift = places * 1.012 ** (place - len(methods) / 2)
        axes.errorbar(
            shift,
            ends[:, 0],
            np.abs(ends[:, 1:] - ends[:, :1]).T,
            label=method.replace("$", r"\$"),
            capsize=2.5,
            **_style(method, recipes),
        )
    axes.axhline(1.0, color="#b8bbb6", lw=1.0, ls=":")
    axes.annotate("the mean", (places[0], 1.0), va="bottom", color="#6b7178", fontsize=8)
    axes.set(xscale="log", yscale="log", xlabel="labelled cases")
    label = evaluation.label.replace("$", r"\$")
    axes.set_ylabel(f"error of {label} (mean square / variance)")
    axes.set_xticks(places, [f"{n:,}" for n in evaluation.sizes])
    axes.minorticks_off()
    axes.grid(alpha=0.35, lw=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=7.5, loc="center left", bbox_to_anchor=(1.01, 0.5))
    return drawn


def svg(evaluation: Evaluation) -> str:
    """Return the figure as one ``<svg>`` element."""
    import matplotlib

    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "path", "svg.hashsalt": "formwright"}):
        figure(evaluation).savefig(
            buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None}
        )
    return re.sub(r"^.*?(?=<svg)", "", buffer.getvalue(), flags=re.DOTALL)


def _style(method: str, recipes: list[str]) -> dict[str, Any]:
    """Return how a method is drawn: floors grey, scratch black, a colour a recipe."""
    if method == SCRATCH:
        return {"color": INK, "fmt": "o-", "lw": 2.0, "ms": 4}
    recipe = method.rsplit(", ", 1)[0]
    if recipe not in recipes:
        dashes = {RANDOM: "^:", COMPONENTS: "D-."}.get(method, "s--")
        return {"color": "#9a9f98", "fmt": dashes, "lw": 1.1, "ms": 3.5}
    colour = COLOURS[recipes.index(recipe) % len(COLOURS)]
    if method.endswith("fine-tuned"):
        return {"color": colour, "fmt": "o-", "lw": 2.0, "ms": 4}
    return {"color": colour, "fmt": "o--", "lw": 1.1, "ms": 3, "mfc": "white"}
