"""How well ``adsorption-mamun`` predicts alloys that it has not seen.

python benchmarks/adsorption_accuracy.py
"""

from __future__ import annotations

import numpy as np
import torch
from _adsorption import FUNCTIONAL, split, tree_error, trees
from _common import Benchmark, save
from scipy.stats import spearmanr

from formwright import load
from formwright.datasets.atoms import mamun

NAME = "adsorption-mamun"
BARS = {"trees, the figure asked for": 0.196, "a universal potential after offset": 0.19}


def main() -> None:
    """Judge on the test pairs."""
    torch.set_num_threads(1)
    known, held, test = (split(name) for name in ("train", "validation", "test"))
    said = load(NAME).predict(mamun.build(test.rows))
    off = np.abs(said["e_ads_ev"] - test.energies)
    names = np.array([row.adsorbate for row in test.rows])
    middle = {
        name: np.median(known.energies[[r.adsorbate == name for r in known.rows]])
        for name in mamun.REACTIONS
    }
    inside = (said["e_ads_ev_lower"] <= test.energies) & (test.energies <= said["e_ads_ev_upper"])
    half = 0.5 * (said["e_ads_ev_upper"] - said["e_ads_ev_lower"])
    narrow, wide = np.quantile(half, [0.1, 0.9])
    rank = float(spearmanr(half, off).statistic)
    by_pair = np.array([" ".join(pair) for pair in mamun.pairs(test.rows)])
    low, high = bootstrap(off, by_pair)
    each = {name: float(off[names == name].mean()) for name in mamun.REACTIONS}
    prototypes = np.array([row.alloy.prototype for row in test.rows])
    of_prototype = {k: float(off[prototypes == k].mean()) for k in np.unique(prototypes).tolist()}
    mean, floor = float(off.mean()), tree_error(trees(known, held, 0), test)
    save(
        Benchmark(
            name="adsorption-accuracy",
            claim=f"Adsorption energies of 11 species on alloys of pairs of elements not seen in "
            f"training: mean absolute error {mean:.3f} eV [{low:.3f}, {high:.3f}]; gradient-"
            f"boosted trees on the same split {floor:.3f} eV.",
            value=mean,
            unit="eV, mean absolute error",
            better="lower",
            peers={
                "gradient-boosted trees, hand features": floor,
                "median of each adsorbate": float(
                    np.abs(test.energies - [middle[name] for name in names]).mean()
                ),
            },
            bars={"bar": 0.15, "stretch": 0.12, **BARS},
            interval=[low, high],
            split=f"by pair of elements: {len(known):,} rows for training, {len(held):,} for "
            f"validation, {len(test):,} rows of {len(set(by_pair))} pairs for the test; "
            f"{len(mamun.moved())} rows whose site no ideal slab has are left out",
            notes=f"The 90 % intervals hold {100 * inside.mean():.0f} % of the test rows; their "
            f"half-width goes from {narrow:.2f} to {wide:.2f} eV (10 % and 90 % of the rows), rank "
            f"correlation with the error {rank:.2f}. The interval of the error is a bootstrap over "
            f"pairs. {FUNCTIONAL}",
            details={"by adsorbate, eV": each, "by prototype, eV": of_prototype},
        )
    )


def bootstrap(values: np.ndarray, groups: np.ndarray, draws: int = 2000) -> tuple[float, float]:
    """Return the 95 % interval of the mean when whole groups are drawn again."""
    names, index = np.unique(groups, return_inverse=True)
    sums, counts = np.bincount(index, values), np.bincount(index)
    picks = np.random.default_rng(0).integers(len(names), size=(draws, len(names)))
    means = sums[picks].sum(1) / counts[picks].sum(1)
    return float(np.quantile(means, 0.025)), float(np.quantile(means, 0.975))


if __name__ == "__main__":
    main()
