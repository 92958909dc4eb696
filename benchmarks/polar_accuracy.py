"""Error of ``airfoil-polar`` against XFoil on families of sections that it never saw.

The test corpus (``benchmarks/data/polars-test``, made by ``formwright corpus polars --split test``)
holds sections of test families and blends among them only. NeuralFoil is measured on the same
points; its own training data was split by case, so that these sections may be known to it.

    python benchmarks/polar_accuracy.py
"""

from __future__ import annotations

import numpy as np
from _common import DATA, Benchmark, kulfan, save

import formwright
from formwright.datasets.airfoils.polar_data import Polars, read_polars

TEST = DATA / "polars-test"
SIZES = ("large", "xlarge", "xxlarge", "xxxlarge")
NAMES = {"cl": "CL", "cd": "CD", "cm": "CM", "xtr_top": "Top_Xtr", "xtr_bottom": "Bot_Xtr"}
RESAMPLES = 1000


def errors(truth: Polars, answer: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return |error| by label, of the logarithm for the drag."""
    found = {name: np.abs(answer[name] - truth.labels[name]) for name in NAMES}
    found["ln_cd"] = np.abs(np.log(answer["cd"] / truth.labels["cd"]))
    return {name: found[name] for name in ("cl", "ln_cd", "cm", "xtr_top", "xtr_bottom")}


def means(found: dict[str, np.ndarray]) -> dict[str, float]:
    """Return the mean of each error."""
    return {name: float(values.mean()) for name, values in found.items()}


def intervals(truth: Polars, found: dict[str, np.ndarray]) -> dict[str, list[float]]:
    """Return 95 % intervals of the means, from sections drawn with replacement."""
    counts = np.bincount(truth.section)
    rng = np.random.default_rng(0)
    drawn = rng.integers(len(counts), size=(RESAMPLES, len(counts)))
    result = {}
    for name, values in found.items():
        sums = np.bincount(truth.section, values)
        resampled = sums[drawn].sum(1) / counts[drawn].sum(1)
        result[name] = np.quantile(resampled, [0.025, 0.975]).tolist()
    return result


def neuralfoil_answer(truth: Polars, size: str) -> dict[str, np.ndarray]:
    """Return NeuralFoil's labels at every point."""
    import neuralfoil

    answer = neuralfoil.get_aero_from_kulfan_parameters(
        kulfan(truth.cst[truth.section]),
        alpha=truth.conditions["alpha_deg"],
        Re=truth.conditions["reynolds"],
        n_crit=truth.conditions["ncrit"],
        model_size=size,
    )
    return {name: answer[key] for name, key in NAMES.items()}


def main() -> None:
    """Measure and write ``polar-accuracy.json``."""
    truth = read_polars([TEST])
    surrogate = formwright.load("airfoil-polar")
    conditions = [truth.conditions[name] for name in ("alpha_deg", "reynolds", "ncrit")]
    answer = surrogate.predict_rows(list(truth.cst), truth.section, *conditions)
    found = errors(truth, answer)
    inside = {
        name: float(
            np.mean(np.abs(answer[name] - truth.labels[name]) < 1.645 * answer[f"{name}_std"])
        )
        for name in NAMES
    }
    peers = {
        f"NeuralFoil 0.3.3 {size}": means(errors(truth, neuralfoil_answer(truth, size)))
        for size in SIZES
    }
    larger = formwright.load("airfoil-polar-large")
    also = larger.predict_rows(list(truth.cst), truth.section, *conditions)
    peers = {"airfoil-polar-large": means(errors(truth, also)), **peers}
    middle = {name: np.full(len(truth.section), np.median(truth.labels[name])) for name in NAMES}
    peers["median of the test labels (floor)"] = means(errors(truth, middle))
    shares = ", ".join(f"{name} {share:.2f}" for name, share in inside.items())
    save(
        Benchmark(
            name="polar-accuracy",
            claim="Mean absolute error against XFoil on section families held out of training, "
            f"{len(truth.section):,} converged points on {len(truth.cst)} sections.",
            value=means(found),
            unit="1 (CL, ln CD, CM), chord (transition)",
            better="lower",
            split="test families, benchmarks/data/polars-test; Re 5e4-1e7, -10..16 deg, Ncrit 3-13",
            bars={
                "bar": {"cl": 0.0130, "ln_cd": 0.0300, "cm": 0.0022},
                "stretch": {"cl": 0.0095, "ln_cd": 0.0180, "cm": 0.0015},
            },
            peers=peers,
            interval=intervals(truth, found),
            seeds=(1,),
            notes=f"share of points inside the 90 % interval: {shares}. Intervals of the means: "
            "bootstrap over sections. NeuralFoil may have been trained on these sections.",
        )
    )


if __name__ == "__main__":
    main()
