"""Does the distance from what was learned go with the error, and is nonsense flagged?

Spearman's rank correlation of ``support`` with the absolute error against XFoil, on sections of no
database and on thick ones with blunt edges (``polar_novel``), by point and by section.

    python benchmarks/support.py
"""

from __future__ import annotations

import numpy as np
from _common import DATA, Benchmark, save
from scipy.stats import spearmanr

import formwright
from formwright.datasets.airfoils.polar_data import Polars, read_polars

NAMES = ("airfoil-polar", "airfoil-polar-large")
SETS = {"novel": "polars-novel", "blunt": "polars-blunt"}
ANGLES = np.linspace(0.0, 2.0 * np.pi, 201)


def ranks(truth: Polars, name: str) -> dict[str, float]:
    """Return the correlations of one surrogate, and the share of points that are flagged."""
    conditions = [truth.conditions[key] for key in ("alpha_deg", "reynolds", "ncrit")]
    answer = formwright.load(name).predict_rows(list(truth.cst), truth.section, *conditions)
    errors = {
        "cl": np.abs(answer["cl"] - truth.labels["cl"]),
        "ln_cd": np.abs(np.log(answer["cd"] / truth.labels["cd"])),
    }
    far, found = answer["support"], {"flagged": float(np.mean(answer["support"] > 1.0))}
    for label, error in errors.items():
        pairs = {
            "point": (far, error),
            "section": (by_section(truth, far), by_section(truth, error)),
        }
        for each, (distance, off) in pairs.items():
            found[f"{label} a {each}"] = float(spearmanr(distance, off).statistic)
        width = answer[f"{'cd' if label == 'ln_cd' else label}_std"]
        width = width / answer["cd"] if label == "ln_cd" else width
        found[f"{label} a point, by the interval's width"] = float(
            spearmanr(width, error).statistic
        )
    return found


def by_section(truth: Polars, values: np.ndarray) -> np.ndarray:
    """Return the mean of each section."""
    return np.bincount(truth.section, values) / np.bincount(truth.section)


def nonsense() -> dict[str, np.ndarray]:
    """Return contours that are no wing's."""
    cosine, sine = np.cos(ANGLES), np.sin(ANGLES)
    radius = 0.5 * (1.0 + 0.5 * np.cos(5.0 * ANGLES))
    return {
        "circle": np.stack([0.5 + 0.5 * cosine, 0.5 * sine], 1),
        "ellipse of 60 %": np.stack([0.5 + 0.5 * cosine, 0.3 * sine], 1),
        "star": np.stack([0.5 + radius * cosine / 1.5, radius * sine / 1.5], 1),
    }


def main() -> None:
    """Measure and write ``support.json``."""
    table = {}
    for name in NAMES:
        found = {s: ranks(read_polars([DATA / folder]), name) for s, folder in SETS.items()}
        table[name] = {f"{s}: {key}": v for s, row in found.items() for key, v in row.items()}
        surrogate = formwright.load(name)
        far = {
            called: float(surrogate.predict(pos, alpha_deg=0.0, reynolds=1e6).support)
            for called, pos in nonsense().items()
        }
        table[name] |= {f"support of a {called}": value for called, value in far.items()}
    save(
        Benchmark(
            name="support",
            claim="Spearman's correlation of support with the absolute error against XFoil on "
            "sections of no database, and the support of nonsense (beyond 1 it is flagged); "
            "airfoil-polar.",
            value=table.pop(NAMES[0]),
            unit="1",
            better="higher",
            split="test families",
            peers=table,
            notes="By point the distance of airfoil-polar stays below .5 on novel sections; the "
            "width of its interval, which is learned, goes with the error better than that.",
        )
    )


if __name__ == "__main__":
    main()
