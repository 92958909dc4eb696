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
from _probe import (
    Log,
    Split,
    draw,
    error,
    features,
    interval,
    probe,
    train_regressor,
)
from _probe_floors import energy_balance, gaussian_process, hand_features, raw

from formwright.datasets.fields import FieldRuns
from formwright.datasets.wave_corpus import RECIPES, WaveCorpus, generate_waves, open_waves
from formwright.surrogate.checkpoints import load_weights
from formwright.surrogate.encoders.field import FieldCNN
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
from formwright.surrogate.pretrain import NETWORK, PretrainConfig, pretrain
from formwright.surrogate.training import TrainConfig
from formwright.surrogate.views.field_symmetries import Galilean, Parity, Shift
from formwright.surrogate.views.fields import Amplitude, TimeLag, Window

LABEL: Final = "viscosity"
SIZES: Final = (16, 64, 256)
LABEL_SEEDS: Final = range(10)
PRETRAIN_SEEDS: Final = (0, 1, 2)
BARS: Final = {"16": 0.041, "64": 0.018, "256": 0.009}
RECIPE: Final = replace(RECIPES["burgers"], seed=11)
RUNS: Final = {"train": 4096, "validation": 512, "test": 1024}
SETTINGS: Final = ((1e-3, 300), (3e-3, 300), (3e-3, 900))
TRAIN_SEEDS: Final = range(5)
STEPS: Final = 900
STARTS: Final = ("from scratch", "scratch, all windows", "fine-tuned")
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


class Experiment:
    """Data, encoders on disk, and what has been worked out so far."""

    def __init__(self, out: Path) -> None:
        """Make or read the data."""
        self.out, self.log, self.seconds = out, Log(out / "results.jsonl"), {}
        start = time.perf_counter()
        self.runs = {split: self._runs(split, count) for split, count in RUNS.items()}
        self.seconds["data"] = time.perf_counter() - start
        y = {split: runs.labels[LABEL].log() for split, runs in self.runs.items()}
        mean, std = y["train"].mean(), y["train"].std()
        self.scale = (float(mean), float(std))
        self.parts = {
            split: Split(self._windows(runs, split), ((y[split] - mean) / std).float())
            for split, runs in self.runs.items()
        }

    def _runs(self, split: str, count: int) -> FieldRuns:
        recipe: WaveCorpus = replace(RECIPE, split=split, runs=count)
        for _ in generate_waves(recipe, self.out / "data"):
            pass
        return open_waves(self.out / "data", split).read()

    def _windows(self, runs: FieldRuns, split: str) -> FieldRuns:
        """Return one window of each run, at a random time."""
        generator = torch.Generator().manual_seed(100 + list(RUNS).index(split))
        case = Window()(runs.batch(torch.arange(len(runs))), generator)
        values = case.field.reshape(len(runs), -1, *case.field.shape[1:]).permute(0, 2, 3, 1)
        return replace(runs, values=values.contiguous(), failures=())

    @property
    def begun(self) -> set[str]:
        """Return start, size and seed of the trainings judged on the test split."""
        keys = [key.split("|") for key in self.log.done if key.endswith("|test")]
        return {"|".join(key[:3]) for key in keys}

    def encoder(self, seed: int) -> FieldCNN:
        """Return a random encoder."""
        torch.manual_seed(1000 + seed)
        encoder = FieldCNN(point_channels=0)
        encoder.standardise(self.runs["train"].batch(torch.arange(512)))
        return encoder

    def pretrained(self, name: str, seed: int, steps: int = STEPS) -> FieldCNN:
        """Return an encoder pretrained by a recipe, from disk if it was before."""
        pretext, views = RECIPES_[name]
        false = any(isinstance(view, Amplitude) for view in views)
        config = PretrainConfig(
            labels=() if false else (LABEL,),
            pretext=pretext,
            views=views,
            batch_cases=128,
            train=TrainConfig(steps=steps, learning_rate=4e-3, warmup_steps=20, seed=seed),
        )
        encoder = self.encoder(seed)
        folder = self.out / f"{''.join(c if c.isalnum() else '-' for c in name)}-{steps}-{seed}"
        if (folder / NETWORK).exists():
            load_weights(encoder, folder / NETWORK)
        else:
            pretrain(encoder, self.runs["train"], config, folder, progress=False)
        return encoder

    def frozen(self, name: str | None, seed: int, split: str, steps: int = STEPS) -> Any:
        """Return the errors of probes of an encoder, by size; None for a random one."""

        def work() -> Any:
            encoder = self.encoder(seed) if name is None else self.pretrained(name, seed, steps)
            known, asked = (features(encoder, self.parts[part]) for part in ("train", split))
            y, truth = self.parts["train"].y, self.parts[split].y
            return probe(known, y, asked, truth, SIZES, LABEL_SEEDS)

        key = f"frozen|{name}|{steps if name else 0}|{seed}|{split}"
        return self.log.once(key, work)

    def trained(self, start: str, size: int, seed: int, setting: int, split: str) -> float:
        """Train from labels and return the error; ``start`` is scratch, lagged or pretrained."""

        def work() -> float:
            rate, steps = SETTINGS[setting]
            tuned = start == "fine-tuned"
            encoder = self.pretrained(BEST, seed % 3) if tuned else self.encoder(seed)
            lagged = start == "scratch, all windows"
            part = Split(self.runs["train"], self.parts["train"].y) if lagged else None
            loop = TrainConfig(
                steps=steps, learning_rate=rate, warmup_steps=20, weight_decay=1e-2, seed=seed
            )
            model = train_regressor(
                encoder,
                part or self.parts["train"],
                draw(len(self.parts["train"].y), size, seed),
                loop,
                TRUE if lagged else TRUE[1:],
            )
            return error(model, self.parts[split])

        return self.log.once(f"{start}|{size}|{seed}|{setting}|{split}", work)

    def curve(self, start: str, seeds: range) -> dict[str, list[float]]:
        """Tune on the validation split at each size, then return the test errors."""
        found = {}
        for size in SIZES:
            tried = [
                np.mean([self.trained(start, size, 100 + s, i, "validation") for s in range(2)])
                for i in range(len(SETTINGS))
            ]
            best = int(np.argmin(tried))
            found[str(size)] = [self.trained(start, size, s, best, "test") for s in seeds]
        return found

    def floors(self) -> dict[str, Any]:
        """Return the errors of what needs no network."""
        known, asked = self.parts["train"], self.parts["test"]
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

        mean, std = self.scale
        physics = float((((energy_balance(asked).log() - mean) / std) - truth).square().mean())
        return {
            "mean": dict.fromkeys(map(str, SIZES), [float(truth.var(correction=0))] * 2),
            "PCA + ridge": self.log.once("floor|pca", pca),
            "spectrum + Gaussian process": self.log.once("floor|hand", hand),
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
        if not partial or f"frozen|{name}|{STEPS}|{seeds[-1]}|test" in experiment.log.done
    }
    frozen["random encoder"] = [experiment.frozen(None, seed, "test") for seed in PRETRAIN_SEEDS]
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
    curves = {**trained, **pooled, **experiment.floors()}
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
        claim="A frozen encoder pretrained on unlabeled runs of Burgers' equation by VICReg with "
        "time-lag, shift and parity gives the viscosity from 16, 64 and 256 labels with less error "
        "than the same network trained from the labels.",
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
        f"95 %: {shown}. {timing(experiment)}",
    )
    save(record)
    draw_figure({BEST: best, **curves}, ROOT / "docs" / "figures" / "burgers_probe.svg")


def timing(experiment: Experiment) -> str:
    """Return what the headline cost."""
    times = experiment.log.done.get("seconds", experiment.seconds)
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
    experiment = Experiment(Path(options.out))
    if options.only in STARTS:
        experiment.curve(options.only, TRAIN_SEEDS)
    elif options.only:
        for seed in PRETRAIN_SEEDS if options.only == BEST else (0,):
            experiment.frozen(options.only, seed, "test")
    if options.only:
        return
    fresh = f"frozen|{BEST}|{STEPS}|0|validation" not in experiment.log.done
    start = time.perf_counter()
    experiment.frozen(BEST, 0, "validation")
    experiment.seconds["pretraining and probes"] = time.perf_counter() - start
    if fresh:
        experiment.log.once("seconds", lambda: dict(experiment.seconds))
    if not options.quick:
        report(experiment, options.partial)


if __name__ == "__main__":
    main()
