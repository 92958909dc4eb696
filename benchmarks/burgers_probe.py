"""Does pretraining find the viscosity of Burgers' equation? Error at 16, 64 and 256 labels.

``python benchmarks/burgers_probe.py --out runs/burgers-probe`` (``--quick``: the headline alone, on
validation, from nothing and timed; ``--partial``: report what has been run)

Unlabeled: 4,096 drawn runs, initial speed 1, log-uniform viscosity. A labelled case is one window
of 8 frames at a random time of a run. Encoders are frozen; the probe is linear. The validation
split chooses the recipe, then the length of its pretraining. What has been worked out is a line of
``results.jsonl``, so a killed run goes on.
"""

from __future__ import annotations

import argparse
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import torch
from _common import ROOT, Benchmark, save
from _probe import draw, interval, probe
from _probe_floors import energy_balance, gaussian_process, hand_features, raw
from _probe_report import (
    OURS,
    against,
    against_all_windows,
    chosen_how,
    draw_curves,
    rows,
    shown,
    summary,
    verdict,
)
from _probe_runs import (
    LABEL_SEEDS,
    PRETRAIN_SEEDS,
    SCRATCH,
    STARTS,
    TRAIN_SEEDS,
    TUNED,
    Experiment,
    Plan,
)

from formwright.datasets.pde.corpus import RECIPES
from formwright.surrogate.objectives.barlow import BarlowTwins
from formwright.surrogate.objectives.byol import BYOL
from formwright.surrogate.objectives.jepa import JEPA
from formwright.surrogate.objectives.siamese import Siamese
from formwright.surrogate.objectives.sigreg import LeJEPA
from formwright.surrogate.objectives.simclr import SimCLR
from formwright.surrogate.objectives.simsiam import SimSiam
from formwright.surrogate.objectives.vicreg import VICReg
from formwright.surrogate.objectives.visreg import VISReg
from formwright.surrogate.pde.symmetries import Galilean, Parity, Shift
from formwright.surrogate.pde.views import Amplitude, TimeLag, Window
from formwright.surrogate.pretraining.matching import ViewMatch

SIZES: Final = (16, 64, 256)
BARS: Final = {"16": 0.041, "64": 0.018, "256": 0.009}
LAG: Final = (TimeLag(), Shift())
TRUE: Final = (*LAG, Parity())
MATCH: Final = ViewMatch(objective=VICReg(), projector=16)
WIDE: Final = replace(MATCH, projector=64)
SAME: Final = "VICReg, same window, shift"
FALSE: Final = "VICReg, time-lag + amplitude (false)"
RECIPES_: Final[dict[str, tuple[ViewMatch, tuple[Any, ...]]]] = {
    "VICReg, time-lag + parity": (MATCH, TRUE),
    "VICReg, time-lag": (MATCH, LAG),
    "VICReg, time-lag + parity + Galilean": (MATCH, (*TRUE, Galilean())),
    FALSE: (MATCH, (*LAG, Amplitude())),
    SAME: (MATCH, (Window(), Shift())),
    "Barlow Twins, time-lag + parity": (replace(WIDE, objective=BarlowTwins()), TRUE),
    "Barlow Twins, time-lag + parity + Galilean": (
        replace(WIDE, objective=BarlowTwins()),
        (*TRUE, Galilean()),
    ),
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
    augment=TRUE[1:],
    waiting=TimeLag(),
    lengths=(900, 2400),
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
            few = [draw(len(y), size, seed) for seed in LABEL_SEEDS]
            guesses = [gaussian_process(a[r], y[r], b) for r in few]
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


def report(experiment: Experiment, partial: bool = False) -> None:
    """Finish the comparison, save it and draw it; ``partial`` leaves out what has not been run."""
    choice = experiment.chosen(partial)
    best, others = rows(experiment, choice, partial)
    curves = {**others, **floors(experiment)}
    gains = {name: against(best, others[name]) for name in (SCRATCH,) if name in others}
    if TUNED in others and SCRATCH in others:
        gains[f"{TUNED} against {SCRATCH}"] = against(others[TUNED], others[SCRATCH])
    whom = "the same network trained and tuned on the labels"
    said = verdict(gains[SCRATCH], whom) + against_all_windows(best, others, gains)
    kept = {split: len(runs) for split, runs in experiment.runs.items()}
    record = Benchmark(
        name="burgers-probe",
        claim="Frozen features of an encoder pretrained on unlabeled runs of Burgers' equation "
        f"({choice.recipe}) give the viscosity from few labels by a linear probe: "
        f"{said}.",
        value=summary(best),
        unit="mean squared error of the log viscosity, of variance 1, by number of labels",
        better="lower",
        bars={"bar": BARS},
        peers={name: summary(values) for name, values in curves.items()},
        interval={size: interval(values) for size, values in best.items()},
        seeds=list(LABEL_SEEDS),
        split=f"runs drawn apart: {kept['train']} unlabeled, {kept['test']} test",
        notes=f"{len(PRETRAIN_SEEDS)} pretraining seeds x {len(LABEL_SEEDS)} label sets, "
        f"{choice.steps} steps (trained networks: {len(TRAIN_SEEDS)} label sets; others: 1 x "
        f"{len(LABEL_SEEDS)}). {chosen_how(choice, list(RECIPES_))} Ours minus theirs, 95 %: "
        f"{shown(gains)}. The test split was opened three times: the first run probed one layer "
        "later, the second had its recipe fixed by hand (it is the one that validation chooses), "
        "the third pretrains for as long as validation has it and adds what was missing. "
        f"{timing(experiment)}",
    )
    save(record)
    styles = {
        SAME: ("C1", "-"),
        FALSE: ("C1", "--"),
        "spectrum + Gaussian process": ("C2", "-"),
        "PCA + ridge": ("0.5", "-"),
    }
    first = f", {PLAN.lengths[0]} steps"
    named = {name.removesuffix(first): curve for name, curve in curves.items()}
    draw_curves(
        {OURS: best, **named},
        ROOT / "docs" / "figures" / "burgers_probe.svg",
        styles,
        "test error of log viscosity (variance 1)",
    )


def timing(experiment: Experiment) -> str:
    """Return what the headline cost, where it has been timed."""
    took = experiment.log.done.get("headline seconds")
    if took is None:
        return ""
    return (
        f"From nothing to the headline of one pretraining seed, runs and probes included: "
        f"{took['wall']:.0f} s, {took['processor']:.0f} s of processor time."
    )


def quick(experiment: Experiment) -> None:
    """Make runs, encoder and probes of the chosen recipe anew, on validation; write its time."""
    choice = experiment.chosen(partial=True)
    folder = experiment.out / "timed"
    shutil.rmtree(folder, ignore_errors=True)
    start, spent = time.perf_counter(), time.process_time()
    Experiment(PLAN, folder).frozen(choice.recipe, 0, "validation", choice.steps)
    took = {"wall": time.perf_counter() - start, "processor": time.process_time() - spent}
    shutil.rmtree(folder)
    experiment.log.done.pop("headline seconds", None)
    print(choice.recipe, experiment.log.once("headline seconds", lambda: took))


def main() -> None:
    """Run what has not run yet, and write JSON and figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default="runs/burgers-probe")
    parser.add_argument("--quick", action="store_true", help="the headline alone, timed")
    parser.add_argument("--partial", action="store_true", help="report what is there already")
    parser.add_argument("--only", help=f"do this part alone: {', '.join(STARTS)} or a recipe")
    options = parser.parse_args()
    torch.set_flush_denormal(True)
    experiment = Experiment(PLAN, Path(options.out))
    if options.quick:
        quick(experiment)
    elif options.only in STARTS:
        experiment.curve(options.only, TRAIN_SEEDS, experiment.chosen(options.partial))
    elif options.only:
        for split in ("validation", "test"):
            experiment.frozen(options.only, 0, split)
    else:
        report(experiment, options.partial)


if __name__ == "__main__":
    main()
