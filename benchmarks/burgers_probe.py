"""Does pretraining find the viscosity of Burgers' equation? Error at 16, 64 and 256 labels.

``python benchmarks/burgers_probe.py --out runs/burgers-probe`` (``--quick``: the headline alone)

Unlabeled: 4,096 drawn runs, initial speed 1, log-uniform viscosity. A labelled case is one window
of 8 frames at a random time of a run. Encoders are frozen; the probe is linear. What has been
worked out is a line of ``results.jsonl``, so a killed run goes on. The test split is looked at by
the last lines only; every choice was made on the validation split.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from _common import ROOT, Benchmark, save
from _probe import draw, interval, probe
from _probe_floors import energy_balance, gaussian_process, hand_features, raw
from _probe_runs import LABEL_SEEDS, PRETRAIN_SEEDS, STARTS, TRAIN_SEEDS, Experiment, Plan

from formwright.datasets.wave_corpus import RECIPES
from formwright.surrogate.objectives.barlow import BarlowTwins
from formwright.surrogate.objectives.byol import BYOL
from formwright.surrogate.objectives.jepa import JEPA
from formwright.surrogate.objectives.siamese import Siamese
from formwright.surrogate.objectives.sigreg import LeJEPA
from formwright.surrogate.objectives.simclr import SimCLR
from formwright.surrogate.objectives.simsiam import SimSiam
from formwright.surrogate.objectives.vicreg import VICReg
from formwright.surrogate.objectives.visreg import VISReg
from formwright.surrogate.pretexts import ViewMatch
from formwright.surrogate.views.field_symmetries import Galilean, Parity, Shift
from formwright.surrogate.views.fields import Amplitude, TimeLag, Window

SIZES: Final = (16, 64, 256)
BARS: Final = {"16": 0.041, "64": 0.018, "256": 0.009}
LAG: Final = (TimeLag(), Shift())
TRUE: Final = (*LAG, Parity())
MATCH: Final = ViewMatch(objective=VICReg(), projector=16)
WIDE: Final = replace(MATCH, projector=64)
BEST: Final = "VICReg, time-lag + parity"
RECIPES_: Final[dict[str, tuple[ViewMatch, tuple[Any, ...]]]] = {
    BEST: (MATCH, TRUE),
    "VICReg, time-lag": (MATCH, LAG),
    "VICReg, time-lag + parity + Galilean": (MATCH, (*TRUE, Galilean())),
    "VICReg, time-lag + amplitude (false)": (MATCH, (*LAG, Amplitude())),
    "VICReg, same window, shift": (MATCH, (Window(), Shift())),
    "Barlow Twins, time-lag + parity": (replace(WIDE, objective=BarlowTwins()), TRUE),
    "SimCLR, time-lag + parity": (replace(WIDE, objective=SimCLR()), TRUE),
    "Siamese, time-lag + parity": (replace(WIDE, objective=Siamese()), TRUE),
    "LeJEPA, time-lag + parity": (replace(MATCH, objective=LeJEPA()), TRUE),
    "VISReg, time-lag + parity": (replace(MATCH, objective=VISReg()), TRUE),
    "BYOL, time-lag + parity": (replace(WIDE, objective=BYOL()), TRUE),
    "SimSiam, time-lag + parity": (replace(WIDE, objective=SimSiam()), TRUE),
    "JEPA, time-lag + parity": (replace(MATCH, objective=JEPA(), projector=0), TRUE),
}
PLAN: Final = Plan(
    label="viscosity",
    corpus=replace(RECIPES["burgers"], seed=11),
    runs={"train": 4096, "validation": 512, "test": 1024},
    sizes=SIZES,
    recipes=RECIPES_,
    best=BEST,
    augment=TRUE[1:],
    waiting=TimeLag(),
    steps=900,
)


def floors(experiment: Experiment) -> dict[str, Any]:
    """Return the errors of what needs no network."""
    known, asked = experiment.parts["train"], experiment.parts["test"]
    y, truth = known.y.double(), asked.y.double()

    def pca() -> Any:
        return probe(raw(known), known.y, raw(asked), asked.y, SIZES, LABEL_SEEDS)

    def hand() -> Any:
        a, b = hand_features(known), hand_features(asked)
        mean, std = a.mean(0), a.std(0)
        a, b, found = (a - mean) / std, (b - mean) / std, {}
        for size in SIZES:
            rows = [draw(len(y), size, seed) for seed in LABEL_SEEDS]
            guesses = [gaussian_process(a[r], y[r], b) for r in rows]
            found[str(size)] = [float((g - truth).square().mean()) for g in guesses]
        return found

    mean, std = experiment.scale
    physics = float((((energy_balance(asked).log() - mean) / std) - truth).square().mean())
    return {
        "mean": dict.fromkeys(map(str, SIZES), [float(truth.var(correction=0))] * 2),
        "PCA + ridge": experiment.log.once("floor|pca", pca),
        "spectrum + Gaussian process": experiment.log.once("floor|hand", hand),
        "energy balance (knows the equation)": dict.fromkeys(map(str, SIZES), [physics] * 2),
    }


def summary(errors: dict[str, list[float]]) -> dict[str, float]:
    """Return the mean error by size."""
    return {size: float(np.mean(values)) for size, values in errors.items()}


def report(experiment: Experiment, partial: bool = False) -> None:
    """Finish the comparison, save it and draw it; ``partial`` leaves out recipes not yet run."""
    wanted = {**dict.fromkeys(RECIPES_, (0,)), BEST: PRETRAIN_SEEDS}
    frozen = {
        name: [experiment.frozen(name, seed, "test") for seed in seeds]
        for name, seeds in wanted.items()
        if name == BEST
        or not partial
        or f"moments|{name}|{PLAN.steps}|{seeds[-1]}|test" in experiment.log.done
    }
    frozen["random encoder"] = [experiment.frozen(None, seed, "test") for seed in PRETRAIN_SEEDS]
    frozen["ours, probed one layer later"] = [
        experiment.frozen(BEST, seed, "test", layer="embedding") for seed in PRETRAIN_SEEDS
    ]
    pooled = {
        name: {str(n): np.mean([run[str(n)] for run in runs], 0).tolist() for n in SIZES}
        for name, runs in frozen.items()
    }
    best = pooled.pop(BEST)
    trained = {
        name: experiment.curve(name, TRAIN_SEEDS)
        for name in STARTS
        if not partial or f"{name}|{SIZES[-1]}|{TRAIN_SEEDS[-1]}" in experiment.begun
    }
    curves = {**trained, **pooled, **floors(experiment)}
    gains = {
        f"{name}, {size} labels": interval(
            [ours - other for ours, other in zip(best[size], values, strict=False)]
        )
        for name in STARTS[:2]
        for size, values in trained.get(name, {}).items()
    }
    kept = {split: len(runs) for split, runs in experiment.runs.items()}
    shown = "; ".join(f"{k}: {a:+.4f} to {b:+.4f}" for k, (a, b) in gains.items())
    record = Benchmark(
        name="burgers-probe",
        claim="Frozen features of an encoder pretrained on unlabeled runs of Burgers' equation "
        "(VICReg; time-lag, shift, parity) give the viscosity from few labels by a linear probe: "
        "below the same network trained and tuned on the labels at 16, level at 64 and 256.",
        value=summary(best),
        unit="mean squared error of the log viscosity, of variance 1, by number of labels",
        better="lower",
        bars={"bar": BARS},
        peers={name: summary(values) for name, values in curves.items()},
        interval={size: interval(values) for size, values in best.items()},
        seeds=list(LABEL_SEEDS),
        split=f"runs drawn apart: {kept['train']} unlabeled, {kept['test']} test",
        notes=f"{len(PRETRAIN_SEEDS)} pretraining seeds x {len(LABEL_SEEDS)} label sets (trained "
        f"networks: {len(TRAIN_SEEDS)}; other recipes: 1 x {len(LABEL_SEEDS)}). Ours minus theirs, "
        f"95 %: {shown}. The test split was opened twice: the first run probed one layer later "
        "(its row is above), the layer of the headline was taken after it, as validation had it. "
        f"{timing(experiment)}",
    )
    save(record)
    draw_figure({BEST: best, **curves}, ROOT / "docs" / "figures" / "burgers_probe.svg")


def timing(experiment: Experiment) -> str:
    """Return what the headline cost, where this folder has seen all of it in one go."""
    times = experiment.log.done.get("seconds")
    if times is None:
        return ""
    return "Wall time of the headline: " + ", ".join(f"{k} {v:.0f} s" for k, v in times.items())


def draw_figure(curves: dict[str, dict[str, list[float]]], path: Path) -> None:
    """Draw error against labels."""
    import matplotlib.pyplot as plt

    shown = {
        BEST: ("C0", "-", "pretrained, frozen (VICReg, time-lag + parity)"),
        "fine-tuned": ("C0", "--", "pretrained, fine-tuned"),
        "from scratch": ("C3", "-", "from scratch, tuned"),
        "scratch, all windows": ("C3", "--", "from scratch, all windows of a run"),
        "VICReg, same window, shift": ("C1", "-", "VICReg, same window, shift only"),
        "VICReg, time-lag + amplitude (false)": ("C1", "--", "VICReg, with a false symmetry"),
        "spectrum + Gaussian process": ("C2", "-", "spectrum + Gaussian process"),
        "PCA + ridge": ("0.5", "-", "PCA + ridge"),
        "random encoder": ("0.5", "--", "random encoder"),
    }
    figure, axes = plt.subplots(figsize=(6.4, 4.2), layout="constrained")
    for name, (colour, style, label) in shown.items():
        if name not in curves:
            continue
        mean = [float(np.mean(curves[name][str(n)])) for n in SIZES]
        ends = np.array([interval(curves[name][str(n)]) for n in SIZES]).T
        axes.plot(SIZES, mean, style, color=colour, marker="o", ms=3, label=label)
        axes.fill_between(SIZES, np.maximum(ends[0], 1e-4), ends[1], color=colour, alpha=0.12, lw=0)
    axes.axhline(1.0, color="0.7", lw=0.8)
    axes.text(SIZES[0], 1.04, "mean", color="0.5", fontsize=8)
    axes.set(xscale="log", yscale="log", xlabel="labels", ylim=(1e-3, 3))
    axes.set_ylabel("test error of log viscosity (variance 1)")
    axes.set_xticks(SIZES, map(str, SIZES))
    axes.minorticks_off()
    axes.legend(fontsize=7, frameon=False, loc="lower left")
    path.parent.mkdir(parents=True, exist_ok=True)
    plt.rcParams["svg.hashsalt"] = "formwright"
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def main() -> None:
    """Run what has not run yet, and write JSON and figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default="runs/burgers-probe")
    parser.add_argument("--quick", action="store_true", help="the headline on validation, alone")
    parser.add_argument("--partial", action="store_true", help="report what is there already")
    parser.add_argument("--only", help=f"do this part alone: {', '.join(STARTS)} or a recipe")
    options = parser.parse_args()
    torch.set_flush_denormal(True)
    experiment = Experiment(PLAN, Path(options.out))
    if options.only in STARTS:
        experiment.curve(options.only, TRAIN_SEEDS)
    elif options.only:
        for seed in PRETRAIN_SEEDS if options.only == BEST else (0,):
            experiment.frozen(options.only, seed, "test")
    if options.only:
        return
    fresh = f"moments|{BEST}|{PLAN.steps}|0|validation" not in experiment.log.done
    start = time.perf_counter()
    experiment.frozen(BEST, 0, "validation")
    experiment.seconds["pretraining and probes"] = time.perf_counter() - start
    if fresh:
        experiment.log.once("seconds", lambda: dict(experiment.seconds))
    if not options.quick:
        report(experiment, options.partial)


if __name__ == "__main__":
    main()
