"""Does pretraining find the viscosity of a forced 2-D flow? Error at 16, 64 and 256 labels.

``python benchmarks/flow2d_probe.py --out runs/flow2d-probe``

Kolmogorov-forced flow from random initial states; a labelled case is one window of 6 frames at a
random time of a run. The validation split chooses the recipe, then the length of its pretraining.
What has been worked out is a line of ``results.jsonl``, so a killed run goes on; ``--partial``
reports what has been run.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from _common import ROOT, Benchmark, save
from _probe import Split, interval, probe
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
from formwright.datasets.pde.runs import grid_values
from formwright.surrogate.objectives.barlow import BarlowTwins
from formwright.surrogate.objectives.vicreg import VICReg
from formwright.surrogate.pde.symmetries import Parity, Shift, ShiftReflect
from formwright.surrogate.pde.views import TimeLag, Window
from formwright.surrogate.pretraining.matching import ViewMatch

SIZES: Final = (16, 64, 256)
KIND: Final = "flow2d"
FRAMES: Final = 6
WAVES: Final = 4
SHIFT: Final = Shift(equation=KIND, waves=WAVES)
TRUE: Final = (SHIFT, Parity(equation=KIND), ShiftReflect(waves=WAVES))
LAG: Final = TimeLag(equation=KIND, frames=FRAMES)
SAME: Final = Window(equation=KIND, frames=FRAMES)
MATCH: Final = ViewMatch(objective=VICReg(), projector=16)
LAGGED: Final = "VICReg, time-lag + shift"
UNLAGGED: Final = "VICReg, same window, shift"
SPECTRUM: Final = "spectrum + PCA + ridge"
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
        "VICReg, time-lag + symmetries": (MATCH, (LAG, *TRUE)),
        LAGGED: (MATCH, (LAG, SHIFT)),
        UNLAGGED: (MATCH, (SAME, SHIFT)),
        "Barlow Twins, time-lag + symmetries": (
            replace(MATCH, objective=BarlowTwins(), projector=64),
            (LAG, *TRUE),
        ),
    },
    augment=TRUE,
    waiting=LAG,
    lengths=(300, 900),
    batch=96,
    settings=((1e-3, 150), (3e-3, 150), (3e-3, 400)),
)


def raw(split: Split) -> torch.Tensor:
    """Return the logarithms of the power spectrum, averaged over a window, as features."""
    w = grid_values(split.whole())[:, :, 0].double()
    power = torch.fft.rfft2(w).abs().square().mean(1).flatten(1)
    return (power + 1e-8 * power.sum(1, keepdim=True)).log()


def floors(experiment: Experiment) -> dict[str, Any]:
    """Return the errors of what needs no network."""
    known, asked = experiment.parts["train"], experiment.parts["test"]

    def spectrum() -> Any:
        return probe(raw(known), known.y, raw(asked), asked.y, SIZES, LABEL_SEEDS)

    variance = float(asked.y.double().var(correction=0))
    return {
        SPECTRUM: experiment.log.once("floor|spectrum", spectrum),
        "mean": dict.fromkeys(map(str, SIZES), [variance] * 2),
    }


def report(experiment: Experiment, partial: bool = False) -> None:
    """Finish the comparison, save it and draw it; ``partial`` leaves out what has not been run."""
    choice = experiment.chosen(partial)
    best, others = rows(experiment, choice, partial)
    curves = {**others, **floors(experiment)}
    first = f", {PLAN.lengths[0]} steps"
    waited, shifted = others[LAGGED + first], others[UNLAGGED + first]
    tuned = others.get(TUNED)
    gains = {f"frozen against {SCRATCH}": against(best, others[SCRATCH])}
    gains |= {f"{TUNED} against {SCRATCH}": against(tuned, others[SCRATCH])} if tuned else {}
    gains["waiting against shifts of one window, frozen"] = against(waited, shifted)
    whom = "the same network trained and tuned on the labels"
    said = f"a frozen probe is {verdict(gains[f'frozen against {SCRATCH}'], whom)}"
    if tuned:
        said += f"; fine-tuned it is {verdict(gains[f'{TUNED} against {SCRATCH}'], 'that')}"
    said += against_all_windows(best, others, gains)
    times = np.mean(shifted["64"]) / np.mean(waited["64"])
    record = Benchmark(
        name="flow2d-probe",
        claim=f"Viscosity of a forced 2-D flow, pretrained without labels ({choice.recipe}): "
        f"{said}. Waiting as the view makes the frozen error {times:.0f} times smaller than shifts "
        "of one window do, at 64 labels.",
        value=summary(best),
        unit="mean squared error of the log viscosity, of variance 1, by number of labels; frozen",
        better="lower",
        peers={name: summary(values) for name, values in curves.items()},
        interval={size: interval(values) for size, values in best.items()},
        seeds=list(LABEL_SEEDS),
        split=f"runs drawn apart: {len(experiment.parts['train'].y)} unlabeled, "
        f"{len(experiment.parts['test'].y)} test",
        notes=f"{len(PRETRAIN_SEEDS)} pretraining seeds x {len(LABEL_SEEDS)} label sets, "
        f"{choice.steps} steps (trained networks: {len(TRAIN_SEEDS)} label sets; others: 1 x "
        f"{len(LABEL_SEEDS)}). {chosen_how(choice, list(PLAN.recipes))} Ours minus theirs, 95 %: "
        f"{shown(gains)}. The test split was opened twice: the first run had its recipe fixed by "
        "hand (VICReg, time-lag + symmetries, 300 steps) and was above the network trained on the "
        "labels at 64 and 256.",
    )
    save(record)
    styles = {LAGGED: ("C0", ":"), UNLAGGED: ("C1", "-"), SPECTRUM: ("C2", "-")}
    named = {name.removesuffix(first): curve for name, curve in curves.items()}
    path = ROOT / "docs" / "figures" / "flow2d_probe.svg"
    draw_curves({OURS: best, **named}, path, styles, "test error of log viscosity (variance 1)")


def main() -> None:
    """Run what has not run yet, and write JSON and figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default="runs/flow2d-probe")
    parser.add_argument("--partial", action="store_true", help="report what is there already")
    parser.add_argument("--only", choices=STARTS, help="do this part alone")
    options = parser.parse_args()
    torch.set_flush_denormal(True)
    experiment = Experiment(PLAN, Path(options.out))
    if options.only:
        experiment.curve(options.only, TRAIN_SEEDS, experiment.chosen(options.partial))
    else:
        report(experiment, options.partial)


if __name__ == "__main__":
    main()
