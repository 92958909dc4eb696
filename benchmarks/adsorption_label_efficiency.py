"""Few DFT labels: pretrained encoders against the same network from scratch, and against trees.

Encoders come from ``benchmarks/pretrain_atoms.py``; of those not trained here only the shipped one
(``cheap``) is compared. The pretext and, for both methods alike, the learning rate (at 300 labels,
and at 1,000 for this number and more) are chosen on the validation pairs; then five seeds (other
labels, other first weights) are judged on the test pairs. Killed, the same command goes on.

    python benchmarks/adsorption_label_efficiency.py --tune     (validation only)
    python benchmarks/adsorption_label_efficiency.py
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from _adsorption import FUNCTIONAL, error_of, split, tree_error, trees, tuned
from _common import ROOT, Benchmark, save, tell
from _curves import canvas, error_curves, save_figure

from formwright.datasets.ledger import Ledger
from formwright.surrogate.label_efficiency.curves import interval

SIZES = (100, 300, 1000, 3000, 10000)
STEPS = {100: 250, 300: 400, 1000: 800, 3000: 1500, 10000: 2500}
RATES = (5e-4, 2e-3)
SEEDS = (0, 1, 2, 3, 4)
SCRATCH, PRETRAINED, TREE, MEDIAN = "from scratch", "pretrained", "trees", "median"
PRETEXTS = ("cheap", "denoise", "barlow", "vicreg", "masked")
TUNED_AT = {100: 300, 300: 300, 1000: 1000, 3000: 1000, 10000: 1000}
FOLDER = ROOT / "runs" / "adsorption-labels"


SHIPPED = {"cheap": "atoms"}


def encoder(pretext: str) -> str | None:
    """Return where the encoder of a pretext is: a folder, a shipped name, None if not trained."""
    folder = f"runs/atoms-{pretext}"
    return folder if (ROOT / folder).exists() else SHIPPED.get(pretext)


def train(ledger: Ledger, key: str, size: int, where: str | None, rate: float, seed: int, on: str):
    """Return the error of one training, worked out once."""

    def work() -> float:
        few = split("train").few(size, seed)
        return error_of(tuned(few, where, STEPS[size], rate, seed), split(on))

    return ledger.once(f"{key}/{size}/{rate:g}/{seed}/{on}", work)


def choose_pretext(ledger: Ledger) -> dict[str, Any]:
    """Return the validation error of every pretext at two numbers of labels, one seed."""
    return {
        pretext: {
            size: min(
                train(ledger, pretext, size, encoder(pretext), rate, 0, "validation")
                for rate in RATES
            )
            for size in sorted(set(TUNED_AT.values()))
        }
        for pretext in PRETEXTS
        if encoder(pretext)
    }


def rates(ledger: Ledger, pretext: str) -> dict[str, dict[int, float]]:
    """Return the learning rates that validation chooses."""
    arms = {SCRATCH: (SCRATCH, None), PRETRAINED: (pretext, encoder(pretext))}
    found: dict[str, dict[int, float]] = {arm: {} for arm in arms}
    for arm, (key, where) in arms.items():
        for size, near in TUNED_AT.items():
            errors = [train(ledger, key, near, where, rate, 0, "validation") for rate in RATES]
            found[arm][size] = RATES[int(np.argmin(errors))]
    return found


def judge(ledger: Ledger, pretext: str) -> dict[str, dict[int, list[float]]]:
    """Return the test errors of all seeds."""
    chosen = rates(ledger, pretext)
    found: dict[str, dict[int, list[float]]] = {}
    arms = {PRETRAINED: (pretext, encoder(pretext)), SCRATCH: (SCRATCH, None)}
    for arm, (key, where) in arms.items():
        found[arm] = {
            size: [train(ledger, key, size, where, chosen[arm][size], s, "test") for s in SEEDS]
            for size in SIZES
        }
    found[TREE] = {size: [floor(ledger, TREE, size, s) for s in SEEDS] for size in SIZES}
    found[MEDIAN] = {size: [floor(ledger, MEDIAN, size, s) for s in SEEDS] for size in SIZES}
    return found


def floor(ledger: Ledger, name: str, size: int, seed: int) -> float:
    """Return the test error of trees, or of the median of each adsorbate."""

    def work() -> float:
        few, test = split("train").few(size, seed), split("test")
        if name == TREE:
            return tree_error(trees(few, split("validation"), seed), test)
        names = np.array([row.adsorbate for row in few.rows])
        middle = np.median(few.energies)
        by = {n: np.median(few.energies[names == n]) for n in set(names)}
        guess = np.array([by.get(row.adsorbate, middle) for row in test.rows])
        return float(np.abs(guess - test.energies).mean())

    return ledger.once(f"{name}/{size}/{seed}/test", work)


def main() -> None:
    """Tune, judge, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tune", action="store_true", help="validation only")
    given = parser.parse_args()
    ledger = Ledger(FOLDER / "results.jsonl", tell)
    pretexts = choose_pretext(ledger)
    best = min(pretexts, key=lambda name: sum(np.log(e) for e in pretexts[name].values()))
    if given.tune:
        tell("validation", pretexts)
        tell("rates", rates(ledger, best))
        return
    found = judge(ledger, best)
    draw(found)
    means = {arm: {str(n): float(np.mean(e)) for n, e in by.items()} for arm, by in found.items()}
    gains = {
        str(n): interval(
            [1.0 - a / b for a, b in zip(found[PRETRAINED][n], found[SCRATCH][n], strict=True)]
        )
        for n in SIZES
    }
    said = ", ".join(
        f"{-100 * g:+.0f} % [{-100 * high:+.0f}, {-100 * low:+.0f}] at {int(n):,}"
        for n, (g, low, high) in gains.items()
    )
    errors = ", ".join(f"{means[PRETRAINED][str(n)]:.2f}" for n in SIZES)
    floors = ", ".join(f"{means[TREE][str(n)]:.2f}" for n in SIZES)
    save(
        Benchmark(
            name="adsorption-label-efficiency",
            claim=f"Adsorption energies of alloys not seen from {SIZES[0]} to {SIZES[-1]:,} DFT "
            f"labels: {errors} eV, against trees {floors}; against the same network from scratch "
            f"{said}.",
            value=means[PRETRAINED],
            unit="eV, mean absolute error",
            better="lower",
            peers={arm: by for arm, by in means.items() if arm != PRETRAINED},
            bars={"trees, the figure asked for": dict(zip(map(str, SIZES), ISSUE, strict=True))},
            interval={f"gain at {n}": list(g[1:]) for n, g in gains.items()},
            seeds=SEEDS,
            split="by alloy pair; labels drawn from the training pairs, judged on the test pairs; "
            f"pretext chosen on validation: {best} of {', '.join(pretexts)}",
            notes=FUNCTIONAL,
            details={"validation errors of the pretexts": pretexts},
        )
    )


def draw(found: dict[str, dict[int, list[float]]]) -> None:
    """Draw error against labels, with 95 % intervals over the seeds."""
    figure, axes = canvas()
    curves = {name: [interval(by[n]) for n in SIZES] for name, by in found.items()}
    error_curves(axes, SIZES, curves, "DFT labels", "mean absolute error on alloys not seen, eV")
    axes.legend(frameon=False, fontsize=8)
    save_figure(figure, "adsorption_label_efficiency")


ISSUE = (1.02, 0.54, 0.39, 0.30, 0.24)

if __name__ == "__main__":
    main()
