"""The report of a study of a simulator: one HTML file that needs nothing else."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from formwright.datasets.files import write_text
from formwright.design.records import SIMULATOR_FORMAT
from formwright.design.report.page import environment, flatten, read
from formwright.design.report.svg import BEST, SOFT, START, drawing, literal

TEMPLATE: Final = "simulator.html.j2"
ORDERS: Final = 100.0
"""An objective that is positive and spans this factor is drawn on a logarithmic axis."""


def write_report(folder: str | os.PathLike[str]) -> Path:
    """Write ``report.html`` into the folder of a study.

    Raises:
        ConfigError: ``result.json`` is absent, damaged, or of a version that is not known here.
        StorageError: The report could not be written.
    """
    path = Path(folder)
    result = read(path, "result", SIMULATOR_FORMAT)
    page = environment().get_template(TEMPLATE)
    figures = {"progress": progress(result), "inputs": inputs(result)}
    text = page.render(result=result, figures=figures, settings=flatten(result["study"]))
    write_text(path / "report.html", text)
    return path / "report.html"


def progress(result: Mapping[str, Any]) -> str:
    """Draw the objective of every case in the order they were run, claims beside verdicts."""
    known = result["objective"]
    rows = [(i, row) for i, row in enumerate(result["cases"], 1) if not row["reason"]]
    if not rows:
        return ""
    with drawing("progress", 3.0) as (figure, drawn):
        axis = figure.subplots()
        for i, row in rows:
            claim = row["claimed"].get(known["output"])
            if claim:
                axis.plot([i, i], [claim["lower"], claim["upper"]], color=START, lw=1.1)
                axis.plot(i, claim["mean"], "_", ms=9, mew=1.6, color=START)
        for kept in (True, False):
            some = [(i, row) for i, row in rows if (not row["missed"]) is kept]
            at = [i for i, _ in some]
            values = [row["outputs"][known["output"]] for _, row in some]
            label = "all constraints kept" if kept else "a constraint missed"
            axis.plot(at, values, "o" if kept else "x", ms=5.5, color=BEST, label=label)
        for i in range(1, len(result["cases"])):
            if result["cases"][i]["round"] != result["cases"][i - 1]["round"]:
                axis.axvline(i + 0.5, color=SOFT, lw=0.6, ls=(0, (1, 2)))
        _scale([axis], rows, known["output"])
        axis.set(xlabel="case", ylabel=literal(_titled(known["output"], known["unit"])))
        axis.legend(ncols=2, loc="lower left", bbox_to_anchor=(0, 1.0), borderaxespad=0.2)
    return drawn[0]


def inputs(result: Mapping[str, Any]) -> str:
    """Draw the objective against each input, the best case marked."""
    known, specs = result["objective"], result["study"]["inputs"]
    rows = [row for row in result["cases"] if not row["reason"]]
    if not rows:
        return ""
    columns = min(3, len(specs))
    lines = -(-len(specs) // columns)
    with drawing("inputs", 2.3 * lines + 0.2) as (figure, drawn):
        axes = np.atleast_1d(figure.subplots(lines, columns, sharey=True, squeeze=False).ravel())
        for axis in axes[len(specs) :]:
            axis.set_visible(False)
        for axis, (name, spec) in zip(axes, specs.items(), strict=False):
            for row in rows:
                value = row["outputs"][known["output"]]
                look = "x" if row["missed"] else "o"
                axis.plot(row["inputs"][name], value, look, ms=4, color=START)
            best = result["best"]
            axis.plot(best["inputs"][name], best["outputs"][known["output"]], "o", ms=7, color=BEST)
            axis.set_xlabel(literal(_titled(name, spec["unit"])))
            if spec["logarithmic"]:
                axis.set_xscale("log")
        _scale(axes[: len(specs)], list(enumerate(rows)), known["output"])
        for axis in axes[::columns]:
            axis.set_ylabel(literal(_titled(known["output"], known["unit"])))
    return drawn[0]


def _scale(axes: Iterable[Any], rows: Sequence[tuple[int, Any]], output: str) -> None:
    """Make the axes of the objective logarithmic where it spans orders of magnitude."""
    values = [row["outputs"][output] for _, row in rows]
    if min(values) > 0.0 and max(values) > ORDERS * min(values):
        for axis in axes:
            axis.set_yscale("log")
            axis.yaxis.set_major_formatter("{x:g}")
            axis.yaxis.minorticks_off()


def _titled(name: str, unit: str) -> str:
    return f"{name}, {unit}" if unit else name
