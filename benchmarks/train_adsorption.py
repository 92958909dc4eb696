"""Train ``adsorption-mamun``: from an encoder of atoms and the training pairs to the surrogate.

The validation pairs calibrate the intervals and show how training goes; the test pairs are not
looked at. Killed, the same command goes on.

    python benchmarks/train_adsorption.py --out runs/adsorption-mamun --pretrained atoms
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch

from formwright.datasets import mamun
from formwright.surrogate.adsorption import AdsorptionConfig, AdsorptionSurrogate
from formwright.surrogate.adsorption_finetune import (
    AdsorptionFinetuneConfig,
    calibrate_adsorption,
    finetune_adsorption,
    mean_absolute_error,
)
from formwright.surrogate.atom_cases import AtomCases
from formwright.surrogate.training import TrainConfig
from formwright.surrogate.zoo import FILE, load_network, save

RECIPE = {"learning_rate": 2e-3, "weight_decay": 1e-2, "ema_decay": 0.999, "clip_norm": 5.0}


def cases_of(surrogate: AdsorptionSurrogate, split: str, count: int = 0, seed: int = 0):
    """Return the labelled cases of a split, or ``count`` of them at random."""
    rows, energies = mamun.labelled(split)
    if count:
        chosen = np.random.default_rng(seed).permutation(len(rows))[:count]
        rows, energies = [rows[i] for i in chosen], energies[chosen]
    labels = {"e_ads_ev": energies}
    return AtomCases(mamun.build(rows), labels, prepared_for=surrogate.encoder)


def untrained(pretrained: str | None, config: AdsorptionConfig, seed: int) -> AdsorptionSurrogate:
    """Return a surrogate on a pretrained encoder, or on a new one."""
    torch.manual_seed(seed)
    encoder = None if pretrained is None else load_network(pretrained, config)
    return AdsorptionSurrogate(config, encoder)


def main() -> None:
    """Train, calibrate, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pretrained")
    parser.add_argument("--steps", type=int, default=20000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    start = time.perf_counter()
    torch.set_num_threads(given.threads)
    torch.set_flush_denormal(True)
    surrogate = untrained(given.pretrained, AdsorptionConfig(), given.seed)
    train, validation = (cases_of(surrogate, split) for split in ("train", "validation"))
    loop = TrainConfig(
        steps=given.steps, seed=given.seed, threads=given.threads, log_every_steps=500, **RECIPE
    )
    finetune_adsorption(surrogate, train, AdsorptionFinetuneConfig(train=loop), given.out)
    calibrate_adsorption(surrogate, validation)
    seconds = time.perf_counter() - start
    error = mean_absolute_error(surrogate, validation)
    print(f"validation: {error:.4f} eV after {seconds:.0f} s")
    provenance = {
        "pretrained": given.pretrained,
        "steps": given.steps,
        "seed": given.seed,
        "labels": len(train),
        "validation_mae_ev": error,
        "seconds": seconds,
        "threads": given.threads,
    }
    save(surrogate, given.out / FILE, provenance)


if __name__ == "__main__":
    main()
