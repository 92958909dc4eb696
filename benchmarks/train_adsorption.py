"""Train ``adsorption-mamun``: from an encoder of atoms and the training pairs to the surrogate.

After the main training come short ones that start from its end with a warm learning rate and other
draws; the weights of their ends are averaged (stochastic weight averaging, Izmailov et al. 2018,
arXiv 1803.05407). The validation pairs calibrate the intervals and show how training goes; the test
pairs are not looked at. Killed, the same command goes on.

    python benchmarks/train_adsorption.py --out runs/adsorption-mamun --pretrained atoms
    python benchmarks/train_adsorption.py --out runs/adsorption-mamun --recalibrate WEIGHTS

The second command trains nothing: it takes a surrogate (a file, a folder or a shipped name), and
works out expected errors, intervals and support anew, from the same training and validation pairs.
"""

from __future__ import annotations

import argparse
import copy
import time
from pathlib import Path
from typing import Any

import torch
from _adsorption import split, untrained

from formwright.surrogate.atoms.adsorption import AdsorptionSurrogate
from formwright.surrogate.atoms.cases import AtomCases
from formwright.surrogate.atoms.finetune import (
    AdsorptionFinetuneConfig,
    calibrate_adsorption,
    finetune_adsorption,
    mean_absolute_error,
)
from formwright.surrogate.training.loop import TrainConfig
from formwright.surrogate.zoo import FILE, load, provenance, save

CYCLE_RATE = 1e-3


def averaged(
    surrogate: AdsorptionSurrogate, train: AtomCases, cycles: int, steps: int, given: Any
) -> None:
    """Replace the weights by the mean of those that some short trainings from here end with."""
    start = copy.deepcopy(surrogate.state_dict())
    total = {name: torch.zeros_like(value, dtype=torch.float64) for name, value in start.items()}
    for cycle in range(cycles):
        surrogate.load_state_dict(start)
        config = AdsorptionFinetuneConfig(
            linear_first=False, train=loop(steps, CYCLE_RATE, given.seed + 1 + cycle, given.threads)
        )
        finetune_adsorption(surrogate.train(), train, config, given.out / f"cycle-{cycle}")
        for name, value in surrogate.state_dict().items():
            total[name] += value.double() / cycles
    kept = {name: value.to(start[name].dtype) for name, value in total.items()}
    surrogate.load_state_dict(kept)
    surrogate.eval()


def loop(steps: int, learning_rate: float, seed: int, threads: int) -> TrainConfig:
    """Return the settings of one training."""
    return TrainConfig(
        steps=steps,
        learning_rate=learning_rate,
        weight_decay=1e-2,
        ema_decay=0.999,
        clip_norm=5.0,
        seed=seed,
        threads=threads,
        log_every_steps=500,
    )


def recalibrate(weights: str, out: Path) -> None:
    """Save a trained surrogate with intervals and support worked out anew."""
    surrogate = load(weights)
    train, validation = (split(name).cases(surrogate) for name in ("train", "validation"))
    calibrate_adsorption(surrogate, validation, known=train)
    print(f"validation: {mean_absolute_error(surrogate, validation):.4f} eV, {out / FILE}")
    save(surrogate, out / FILE, provenance(weights))


def main() -> None:
    """Train, calibrate, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pretrained")
    parser.add_argument("--steps", type=int, default=14000)
    parser.add_argument("--cycles", type=int, default=3)
    parser.add_argument("--cycle-steps", type=int, default=2500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--recalibrate", metavar="WEIGHTS", help="train nothing")
    given = parser.parse_args()
    if given.recalibrate:
        recalibrate(given.recalibrate, given.out)
        return
    start = time.perf_counter()
    torch.set_num_threads(given.threads)
    torch.set_flush_denormal(True)
    surrogate = untrained(given.pretrained, given.seed)
    train, validation = (split(name).cases(surrogate) for name in ("train", "validation"))
    config = AdsorptionFinetuneConfig(train=loop(given.steps, 2e-3, given.seed, given.threads))
    finetune_adsorption(surrogate, train, config, given.out)
    before = mean_absolute_error(surrogate, validation)
    if given.cycles:
        averaged(surrogate, train, given.cycles, given.cycle_steps, given)
    calibrate_adsorption(surrogate, validation, known=train)
    seconds = time.perf_counter() - start
    error = mean_absolute_error(surrogate, validation)
    print(f"validation: {error:.4f} eV after {seconds:.0f} s")
    about = {
        "pretrained": given.pretrained,
        "steps": given.steps + given.cycles * given.cycle_steps,
        "cycles": given.cycles,
        "validation_mae_before_averaging_ev": before,
        "seed": given.seed,
        "labels": len(train),
        "validation_mae_ev": error,
        "seconds": seconds,
        "threads": given.threads,
    }
    save(surrogate, given.out / FILE, about)


if __name__ == "__main__":
    main()
