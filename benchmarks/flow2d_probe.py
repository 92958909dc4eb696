"""Does pretraining find the viscosity of a forced 2-D flow? Error at 16, 64 and 256 labels.

``python benchmarks/flow2d_probe.py --out runs/flow2d-probe``

Kolmogorov-forced flow from random initial states; a labelled case is one window of 6 frames at a
random time of a run. What has been worked out is a line of ``results.jsonl``, so a killed run goes
on.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from _common import Benchmark, save
from _probe import Split, interval, probe
from _probe_runs import LABEL_SEEDS, PRETRAIN_SEEDS, TRAIN_SEEDS, Experiment, Plan

from formwright.datasets.fields import grid_values
from formwright.datasets.wave_corpus import RECIPES
from formwright.surrogate.objectives.barlow import BarlowTwins
from formwright.surrogate.objectives.vicreg import VICReg
from formwright.surrogate.pretexts import ViewMatch
from formwright.surrogate.views.field_symmetries import Parity, Shift, ShiftReflect
from formwright.surrogate.views.fields import TimeLag, Window

SIZES: Final = (16, 64, 256)
KIND: Final = "flow2d"
FRAMES: Final = 6
WAVES: Final = 4
SHIFT: Final = Shift(equation=KIND, waves=WAVES)
TRUE: Final = (SHIFT, Parity(equation=KIND), ShiftReflect(waves=WAVES))
LAG: Final = TimeLag(equation=KIND, frames=FRAMES)
SAME: Final = Window(equation=KIND, frames=FRAMES)
MATCH: Final = ViewMatch(objective=VICReg(), projector=16)
BEST: Final = "VICReg, time-lag + symmetries"
PLAN: Final = Plan(
    label="viscosity",
    corpus=replace(
        RECIPES[KIND],
        parameters={"viscosity": (0.02, 0.2), "drag": (0.1, 0.1), "forcing": (1.0, 1.0)},
        amplitude=(2.0, 2.0),
        points=48,
        frames=24,
        seed=13,
    ),
    runs={"train": 1024, "validation": 256, "test": 512},
    sizes=SIZES,
    network={"dimensions": 2, "frames": FRAMES, "stages": (24, 48, 64), "kernel": 3},
    recipes={
        BEST: (MATCH, (LAG, *TRUE)),
        "VICReg, time-lag + shift": (MATCH, (LAG, SHIFT)),
        "VICReg, same window, shift": (MATCH, (SAME, SHIFT)),
        "Barlow Twins, time-lag + symmetries": (
            replace(MATCH, objective=BarlowTwins(), projector=64),
            (LAG, *TRUE),
        ),
    },
    best=BEST,
    augment=TRUE,
    waiting=LAG,
    steps=300,
    batch=96,
    settings=((1e-3, 150), (3e-3, 150), (3e-3, 400)),
)


def raw(split: Split) -> torch.Tensor:
    """Return the logarithms of the power spectrum, averaged over a window, as features."""
    w = grid_values(split.whole())[:, :, 0].double()
    power = torch.fft.rfft2(w).abs().square().mean(1).flatten(1)
    return (power + 1e-8 * power.sum(1, keepdim=True)).log()


def report(experiment: Experiment) -> None:
    """Finish the comparison and save it."""
    wanted: dict[str, tuple[int, ...]] = {**dict.fromkeys(PLAN.recipes, (0,)), BEST: PRETRAIN_SEEDS}
    runs: dict[str, list[Any]] = {
        name: [experiment.frozen(name, seed, "test") for seed in seeds]
        for name, seeds in wanted.items()
    }
    runs["random encoder"] = [experiment.frozen(None, seed, "test") for seed in PRETRAIN_SEEDS]
    pooled = {
        name: {str(n): np.mean([run[str(n)] for run in found], 0).tolist() for n in SIZES}
        for name, found in runs.items()
    }
    best, same = pooled.pop(BEST), pooled["VICReg, same window, shift"]
    scratch = experiment.curve("from scratch", TRAIN_SEEDS)
    known, asked = experiment.parts["train"], experiment.parts["test"]

    def spectrum() -> Any:
        return probe(raw(known), known.y, raw(asked), asked.y, SIZES, LABEL_SEEDS)

    truth = asked.y.double()
    curves = {
        "from scratch, tuned": scratch,
        **pooled,
        "spectrum + PCA + ridge": experiment.log.once("floor|spectrum", spectrum),
        "mean": dict.fromkeys(map(str, SIZES), [float(truth.var(correction=0))]),
    }
    gains = {
        f"{name}, {size} labels": interval(
            [a - b for a, b in zip(best[size], other[size], strict=False)]
        )
        for name, other in (("from scratch", scratch), ("same window, shift", same))
        for size in map(str, SIZES)
    }
    shown = "; ".join(f"{k}: {a:+.4f} to {b:+.4f}" for k, (a, b) in gains.items())
    below = [n for n in map(str, SIZES) if np.mean(best[n]) < np.mean(scratch[n])]
    verdict = f"below it at {', '.join(below)} labels" if below else "above it at every size"
    times = np.mean(same["64"]) / np.mean(best["64"])
    save(
        Benchmark(
            name="flow2d-probe",
            claim="Viscosity of a forced 2-D flow, frozen probe: pretrained by waiting the error "
            f"is {times:.0f} times below that of shifts of one window (64 labels); against the "
            f"same network trained and tuned on the labels it is {verdict}.",
            value={size: float(np.mean(values)) for size, values in best.items()},
            unit="mean squared error of the log viscosity, of variance 1, by number of labels",
            better="lower",
            peers={k: {n: float(np.mean(e)) for n, e in v.items()} for k, v in curves.items()},
            interval={size: interval(values) for size, values in best.items()},
            seeds=list(LABEL_SEEDS),
            split=f"runs drawn apart: {len(known.y)} unlabeled, {len(asked.y)} test",
            notes=f"{len(PRETRAIN_SEEDS)} pretraining seeds x {len(LABEL_SEEDS)} label sets "
            f"(trained networks: {len(TRAIN_SEEDS)}; other recipes: 1 x {len(LABEL_SEEDS)}). Ours "
            f"minus theirs, 95 %: {shown}.",
        )
    )


def main() -> None:
    """Run what has not run yet, and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default="runs/flow2d-probe")
    options = parser.parse_args()
    torch.set_flush_denormal(True)
    start = time.perf_counter()
    report(Experiment(PLAN, Path(options.out)))
    print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
