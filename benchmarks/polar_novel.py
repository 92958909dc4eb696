"""Polars of sections that exist in no database, and of thick ones with blunt edges; speed beside.

``benchmarks/data/polars-novel``: 300 blends of test families with noise of .02 on their weights.
``benchmarks/data/polars-blunt``: 200 blends of test families, 24 to 45 % thick, with trailing edges
of 1 to 10 %. Both by XFoil with 180 panels (``formwright corpus polars --split test``, recipes in
their manifests). ``polars-novel-160.npz`` holds the same points with 160 panels: XFoil's scatter.

    python benchmarks/polar_novel.py
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from _common import DATA, Benchmark, kulfan, save
from polar_accuracy import errors, intervals, means, neuralfoil_answer

import formwright
from formwright.datasets.airfoils.polar_data import Polars, read_polars

OURS = ("airfoil-polar", "airfoil-polar-large")
SIZES = ("xxsmall", "xsmall", "small", "medium", "large", "xlarge", "xxlarge", "xxxlarge")
JUDGED = ("cl", "ln_cd", "cm")
REPEATS = 3


def our_answer(truth: Polars, name: str) -> dict[str, np.ndarray]:
    """Return the labels of one of ours at every point."""
    conditions = [truth.conditions[key] for key in ("alpha_deg", "reynolds", "ncrit")]
    surrogate = formwright.load(name)
    return surrogate.predict_rows(list(truth.cst), truth.section, *conditions)


def judged(truth: Polars) -> dict[str, dict[str, float]]:
    """Return the mean errors of everyone."""
    found = {name: errors(truth, our_answer(truth, name)) for name in OURS}
    found |= {f"NeuralFoil 0.3.3 {s}": errors(truth, neuralfoil_answer(truth, s)) for s in SIZES}
    return {name: {k: means(e)[k] for k in JUDGED} for name, e in found.items()}


def coverage(truth: Polars, name: str) -> str:
    """Return the share of points inside the 90 % intervals, as text."""
    answer = our_answer(truth, name)
    shares = {
        key: np.mean(np.abs(answer[key] - truth.labels[key]) < 1.645 * answer[f"{key}_std"])
        for key in ("cl", "cd", "cm")
    }
    return ", ".join(f"{key} {share:.2f}" for key, share in shares.items())


def scatter(folder: Path) -> dict[str, float]:
    """Return the mean absolute difference of XFoil with 160 and with 180 panels."""
    rows = read_polars([folder], converged_only=False)
    with np.load(folder.with_name("polars-novel-160.npz")) as other:
        pairs = {k: (other[k].astype(float), rows.labels[k]) for k in ("cl", "cd", "cm")}
    gaps = {"cl": np.subtract(*pairs["cl"]), "cm": np.subtract(*pairs["cm"])}
    gaps["ln_cd"] = np.subtract(*map(np.log, pairs["cd"]))
    return {key: float(np.nanmean(np.abs(gaps[key]))) for key in JUDGED}


def accuracy(name: str, what: str, notes: str = "") -> dict[str, dict[str, float]]:
    """Judge everyone on one corpus and write the result."""
    truth = read_polars([DATA / f"polars-{name}"])
    found = judged(truth)
    large = our_answer(truth, OURS[1])
    told = "; ".join(f"{one}: {coverage(truth, one)}" for one in OURS)
    ends = intervals(truth, errors(truth, large))
    save(
        Benchmark(
            name=f"polar-{name}",
            claim=f"Mean absolute error against XFoil on {what}, "
            f"{len(truth.section):,} points; airfoil-polar-large.",
            value=found.pop(OURS[1]),
            unit="1 (CL, ln CD, CM)",
            better="lower",
            split="test families",
            peers=found,
            interval={key: ends[key] for key in JUDGED},
            notes=f"Inside the 90 % interval: {told}. {notes}".strip(),
        )
    )
    return found


def seconds(call: Callable[[], object]) -> float:
    """Return the least time of some calls."""
    found = []
    for _ in range(REPEATS + 1):
        start = time.perf_counter()
        call()
        found.append(time.perf_counter() - start)
    return min(found[1:])


def front() -> None:
    """Time everyone on the points of ``polars-novel``, from CST weights, and write the result."""
    import neuralfoil

    truth = read_polars([DATA / "polars-novel"])
    conditions = [truth.conditions[key] for key in ("alpha_deg", "reynolds", "ncrit")]
    given, rows = kulfan(truth.cst[truth.section]), len(truth.section)
    sections = list(truth.cst)
    rates = {}
    for name in OURS:
        surrogate = formwright.load(name)
        rates[name] = rows / seconds(
            lambda one=surrogate: one.predict_rows(sections, truth.section, *conditions)
        )
    for size in SIZES:
        rates[f"NeuralFoil 0.3.3 {size}"] = rows / seconds(
            lambda size=size: neuralfoil.get_aero_from_kulfan_parameters(
                given, alpha=conditions[0], Re=conditions[1], n_crit=conditions[2], model_size=size
            )
        )
    errs = judged(truth)
    table = {name: {"cases/s": rate, **errs[name]} for name, rate in rates.items()}
    save(
        Benchmark(
            name="polar-front",
            claim="Cases a second, from CST weights, with intervals and support, and errors on "
            "sections of no database; airfoil-polar-large.",
            value=table.pop(OURS[1]),
            unit="1/s; 1 (CL, ln CD, CM)",
            better="higher",
            split="test families",
            peers=table,
            notes="Errors: lower is better. Each of ours answers with intervals.",
        )
    )


def main() -> None:
    """Measure and write ``polar-novel.json``, ``polar-blunt.json`` and ``polar-front.json``."""
    own = scatter(DATA / "polars-novel")
    told = ", ".join(f"{key} {value:.4f}" for key, value in own.items())
    accuracy(
        "novel",
        "300 sections of no database (blends with noise)",
        f"XFoil with 160 against 180 panels: {told}.",
    )
    accuracy("blunt", "200 sections of 24 to 45 % with trailing edges of 1 to 10 %")
    front()


if __name__ == "__main__":
    main()
