"""The report of a study of catalysts: one HTML file that needs nothing else."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from formwright.datasets.atoms.files.structures import iterate_structures
from formwright.datasets.atoms.mamun import ERROR_BAR, REFERENCES
from formwright.datasets.atoms.structures import Structure
from formwright.datasets.files import write_text
from formwright.design.catalysts import figures
from formwright.design.records import CATALYST_FORMAT
from formwright.design.report.page import environment, flatten, read
from formwright.design.screening.figures import slabs

TEMPLATE: Final = "catalyst.html.j2"
PICTURES: Final = 6


def write_report(folder: str | os.PathLike[str]) -> Path:
    """Write ``report.html`` into the folder of a study of catalysts.

    Raises:
        ConfigError: ``result.json`` is absent, damaged, or of a version that is not known here.
        StorageError: The report could not be written.
    """
    path = Path(folder)
    result = read(path, "result", CATALYST_FORMAT)
    write_text(path / "report.html", render(result, best_slabs(path, result)))
    return path / "report.html"


def best_slabs(folder: Path, result: Mapping[str, Any]) -> list[tuple[str, Structure]]:
    """Return title and structure of the first alloys of ``best.extxyz``."""
    file = folder / "best.extxyz"
    first = result["targets"][0]["adsorbate"]
    found: list[tuple[str, Structure]] = []
    if not file.exists():
        return found
    for one, columns in iterate_structures(file):
        if columns["adsorbate"] == first and len(found) < PICTURES:
            verified = columns["verified_ev"]
            text = "" if isinstance(verified, str) else f"\n{verified:.2f} eV".replace("-", "−")
            found.append((f"{columns['alloy']}{text}", one))
    return found


def render(result: Mapping[str, Any], pictures: list[tuple[str, Structure]]) -> str:
    """Return the report as HTML."""
    judged = any(row["hit"] is not None for row in result["proposals"])
    return (
        environment()
        .get_template(TEMPLATE)
        .render(
            result=result,
            headline=headline(result),
            functional=f"Energies: {REFERENCES}. {ERROR_BAR}",
            names=[target["adsorbate"] for target in result["targets"]],
            settings=flatten(result["study"]),
            figures={
                "claims": figures.claims(result) if judged else "",
                "rounds": figures.rounds(result) if judged and len(result["rounds"]) > 1 else "",
                "search": figures.search(result),
                "elements": figures.elements(result),
                "slabs": slabs(pictures) if pictures else "",
            },
        )
    )


def headline(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the tiles say."""
    rows, found = result["proposals"], result["rounds"]
    judged = [row for row in rows if row["hit"] is not None]
    hits = sum(row["hit"] for row in judged)
    share, claims = result["chance"]["share"], sum(entry["claims"] for entry in found)
    off = sum((entry["mae_ev"] or 0.0) * entry["claims"] for entry in found)
    return {
        "hits": hits,
        "judged": len(judged),
        "proposed": len(rows),
        "expected": sum(row["probability"] for row in judged),
        "times": hits / len(judged) / share if judged and share else None,
        "kept": sum(entry["kept"] for entry in found),
        "claims": claims,
        "mae_ev": off / claims if claims else None,
        "labels": sum(result["surrogate"]["labels"].values()),
        "outside": sum(
            "table" not in one["source"].lower() for row in rows for one in row["verdicts"].values()
        ),
    }
