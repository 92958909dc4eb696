"""Which encoder of a section: a perceptron on the ring of heights, or a 1-D CNN along it?

``python benchmarks/section_encoder.py --train runs/polars-train``

Both are trained from scratch with a trunk of half the shipped surrogate's width, for the same
number of steps, at the better of two learning rates, with three seeds, and judged on the validation
families: the choice is part of the tuning, so the test families are not looked at. Every finished
training is a line of ``results.jsonl`` in ``--out``; a killed run goes on.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from _common import DATA, Benchmark, save, tell
from train_airfoil_polar import plausible

from formwright.datasets.airfoils.polar_data import read_polars
from formwright.datasets.ledger import Ledger
from formwright.surrogate.airfoils.conditioned import Conditioned
from formwright.surrogate.airfoils.encoder import ContourCNN, ContourMLP, SectionEncoder
from formwright.surrogate.airfoils.finetune import (
    FinetuneConfig,
    LabelledPoints,
    finetune,
    labelled,
    residuals,
)
from formwright.surrogate.airfoils.polar import PolarSurrogate
from formwright.surrogate.training.loop import TrainConfig

ENCODERS: Final[Mapping[str, Callable[[], SectionEncoder]]] = {
    "perceptron": ContourMLP,
    "CNN": ContourCNN,
}
RATES: Final = (2e-3, 4e-3)
SEEDS: Final = (0, 1, 2)
TRUNK: Final = (96, 3)
JUDGED: Final = {"CL": 0, "ln CD": 1, "CM": 2}


def trained(
    name: str,
    rate: float,
    seed: int,
    steps: int,
    points: LabelledPoints,
    validation: LabelledPoints,
) -> dict[str, float]:
    """Train once; return validation errors, seconds of training and ms to encode a section."""
    torch.manual_seed(seed)
    encoder = ENCODERS[name]()
    encoder.standardise(points.rings)
    surrogate = PolarSurrogate(network=Conditioned(encoder, *TRUNK))
    loop = TrainConfig(
        steps=steps,
        learning_rate=rate,
        ema_decay=0.995,
        seed=seed,
        threads=1,
        log_every_steps=steps,
    )
    result = finetune(surrogate, points, FinetuneConfig(train=loop), progress=False)
    with torch.no_grad():
        errors = residuals(surrogate, validation)[0].nanmean(0) * surrogate.scale
        batch, _ = validation.batch(torch.arange(len(validation)))
        begin = time.perf_counter()
        for _ in range(20):
            encoder(batch)
    lap = (time.perf_counter() - begin) / 20
    return {
        **{title: float(errors[i]) for title, i in JUDGED.items()},
        "training, s": result.seconds,
        "encoding, ms a section": 1e3 * lap / len(validation),
    }


def main() -> None:
    """Train what has not been trained, and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", type=Path, nargs="+", default=[Path("runs/polars-train")])
    parser.add_argument("--validation", type=Path, default=DATA / "polars-validation")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--out", type=Path, default=Path("runs/section-encoder"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    plain = PolarSurrogate()
    points = labelled(plain, plausible(read_polars(options.train, split="train")))
    validation = labelled(plain, plausible(read_polars([options.validation])))
    log = Ledger(options.out / "results.jsonl", tell)

    def errors(name: str, rate: float, seed: int) -> dict[str, float]:
        key = f"{name}|{rate}|{seed}|{options.steps}"
        return log.once(key, lambda: trained(name, rate, seed, options.steps, points, validation))

    table: dict[str, dict[str, Any]] = {}
    for name in ENCODERS:
        rate = min(RATES, key=lambda rate: sum(errors(name, rate, 0)[k] for k in JUDGED))
        runs = [errors(name, rate, seed) for seed in SEEDS]
        table[name] = {k: float(np.mean([r[k] for r in runs])) for k in runs[0]}
        table[name] |= {f"{k}, spread": float(np.std([r[k] for r in runs])) for k in JUDGED}
        table[name]["learning rate"] = rate
    cost = "encoding, ms a section"
    times = table["CNN"][cost] / table["perceptron"][cost]
    save(
        Benchmark(
            name="section-encoder",
            claim="After equally many steps a perceptron and a 1-D CNN err about alike "
            f"({table['perceptron']['ln CD']:.3f} and {table['CNN']['ln CD']:.3f} in ln CD); the "
            f"perceptron encodes a section {times:.0f} times as fast.",
            value=table["perceptron"],
            unit="mean absolute error",
            better="lower",
            peers={"1-D CNN": table["CNN"]},
            seeds=SEEDS,
            split=f"validation families; {len(points):,} training sections, "
            f"{len(points.targets):,} points",
            notes=f"{options.steps} steps of 96 sections, from scratch, the better of the learning "
            f"rates {RATES}; spread: standard deviation over the seeds.",
        )
    )


if __name__ == "__main__":
    main()
