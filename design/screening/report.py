"""The report of a screening: one HTML file that needs nothing else, read from its folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from formwright.datasets.atoms.files.structures import iterate_structures
from formwright.datasets.atoms.free_energy import (
    CORRECTIONS,
    WATER_SOURCES,
    Process,
    water_ev,
)
from formwright.datasets.atoms.structures import Structure
from formwright.datasets.files import write_text
from formwright.design.records import SCREEN_FORMAT
from formwright.design.report.page import environment, flatten, grouped, read
from formwright.design.screening import figures as screen_figures
from formwright.design.screening.activity import PATHS, SCALING

TEMPLATE: Final = "screen.html.j2"
SUMMARY: Final = "screen"


def write_report(folder: str | os.PathLike[str]) -> Path:
    """Write ``report.html`` into a screening's folder.

    Raises:
        ConfigError: ``screen.json`` is absent, damaged, or of a version that is not known here.
        StorageError: The report could not be written.
    """
    path = Path(folder)
    write_text(path / "report.html", render(read(path, SUMMARY, SCREEN_FORMAT), best_slabs(path)))
    return path / "report.html"


def best_slabs(folder: Path) -> list[tuple[str, Structure]]:
    """Return name and structure of the best candidates, one each, from ``best.extxyz``."""
    file = folder / "best.extxyz"
    if not file.exists():
        return []
    result: dict[str, Structure] = {}
    for one, columns in iterate_structures(file):
        result.setdefault(f"{columns['rank']}. {columns['candidate']}", one)
        if len(result) > screen_figures.COLUMNS:
            break
    return list(result.items())[: screen_figures.COLUMNS]


def render(summary: Mapping[str, Any], found: list[tuple[str, Structure]]) -> str:
    """Return the report as HTML."""
    process, result = Process(summary["config"]["reaction"]), summary["result"]
    path = PATHS[process]
    ranked = result["counts"]["ranked"]
    return (
        environment()
        .get_template(TEMPLATE)
        .render(
            summary=summary,
            result=result,
            process=process.value,
            path=path,
            names=summary["adsorbates"],
            states=[state if isinstance(state, str) else f"{state:g}" for state in path.states],
            scaled=("OOH" in path.states and "OOH" not in summary["adsorbates"]) * SCALING,
            sources={
                name: _source(process, name, summary["config"]) for name in summary["adsorbates"]
            },
            lead=lead(process, result),
            settings=flatten(summary["config"]),
            flagged=sum(bool(row["flag"]) for row in result["best"]),
            figures={
                "volcano": screen_figures.volcano_plot(process, result["points"], result["best"])
                if ranked
                else "",
                "elements": screen_figures.periodic_table(result["elements"]) if ranked else "",
                "slabs": screen_figures.slabs(found) if found else "",
            },
        )
    )


def _source(process: Process, name: str, config: Mapping[str, Any]) -> str:
    """Return where the correction of an adsorbate is from, water with it."""
    if name in config["corrections"] or name not in CORRECTIONS:
        return "given"
    water = config.get("water", "none")
    wet = f"; {WATER_SOURCES[water]}" if water_ev(process, name, water) else ""
    return CORRECTIONS[name].source + wet


def lead(process: Process, result: Mapping[str, Any]) -> str:
    """Return the first sentence of the report."""
    counts = result["counts"]
    if not counts["ranked"]:
        return f"No candidate could be ranked for {process.value}: the reasons are below."
    best = result["best"][0]
    low, high = best["overpotential_v_lower"], best["overpotential_v_upper"]
    return (
        f"Of {grouped(float(sum(counts.values())))} candidates {best['candidate']} comes out first "
        f"for {process.value}: theoretical overpotential {best['overpotential_v']:.2f} V, "
        f"{low:.2f} to {high:.2f} V within the intervals of its energies."
    )
