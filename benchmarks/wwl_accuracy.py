"""The WWL-GPR simple set: 1,422 relaxed adsorbates on 19 metals and alloys, 5-fold by surface.

    python benchmarks/wwl_accuracy.py wwlgpr_simple_adsorbates_1422.extxyz.gz

The set (Xu et al., MIT licence) is on github.com/Wenbintum/WWL-GPR; the card ``adsorption.md``
says how its structures are read. A fold holds out whole surfaces: all facets of a metal or alloy.
Every structure of the held-out metals is predicted once. Killed, the same command goes on.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from _adsorption import FUNCTIONAL, untrained
from _common import ROOT, Benchmark, save, tell
from adsorption_accuracy import bootstrap

from formwright.datasets.atoms.adsorption import AdsorptionSet, read_wwl
from formwright.datasets.ledger import Ledger
from formwright.surrogate.atoms.cases import AtomCases
from formwright.surrogate.atoms.finetune import AdsorptionFinetuneConfig, finetune_adsorption
from formwright.surrogate.training.loop import TrainConfig

FOLDS, STEPS, BATCH = 5, 2000, 8
START = {"from atoms": "atoms", "from scratch": None}


def folds(groups: tuple[str, ...]) -> np.ndarray:
    """Return the fold of each structure: surfaces dealt out by size, largest first."""
    names, counts = np.unique(groups, return_counts=True)
    of, load = {}, np.zeros(FOLDS)
    for i in np.argsort(-counts, kind="stable"):
        of[names[i]] = int(load.argmin())
        load[of[names[i]]] += counts[i]
    return np.array([of[name] for name in groups])


def errors(data: AdsorptionSet, fold: int, pretrained: str | None) -> list[float]:
    """Return the absolute errors of one fold, eV, in the order of the set."""
    held = folds(data.groups) == fold
    surrogate = untrained(pretrained, fold)
    known = np.flatnonzero(~held)
    cases = AtomCases(
        [data.structures[i] for i in known],
        {"e_ads_ev": data.e_ads_ev[known]},
        prepared_for=surrogate.encoder,
    )
    loop = TrainConfig(
        steps=STEPS,
        learning_rate=1e-3,
        weight_decay=1e-2,
        ema_decay=0.995,
        clip_norm=5.0,
        seed=fold,
        threads=1,
        log_every_steps=STEPS,
    )
    config = AdsorptionFinetuneConfig(batch_cases=BATCH, train=loop)
    finetune_adsorption(surrogate, cases, config, progress=False)
    said = surrogate.predict([data.structures[i] for i in np.flatnonzero(held)])
    return np.abs(said["e_ads_ev"] - data.e_ads_ev[held]).tolist()


def main() -> None:
    """Run the folds, write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--scratch", action="store_true", help="also train from scratch")
    given = parser.parse_args()
    data = read_wwl(given.file)
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    ledger, groups = Ledger(ROOT / "runs" / "wwl" / "results.jsonl", tell), np.array(data.groups)
    fold = folds(data.groups)
    order = np.concatenate([np.flatnonzero(fold == k) for k in range(FOLDS)])
    off = {
        name: np.concatenate(
            [
                ledger.once(f"{name}/{k}", lambda: errors(data, k, start))  # noqa: B023
                for k in range(FOLDS)
            ]
        )
        for name, start in START.items()
        if start is not None or given.scratch
    }
    ours = off["from atoms"]
    low, high = bootstrap(ours, groups[order])
    metals = {
        name: float(ours[groups[order] == name].mean()) for name in np.unique(groups).tolist()
    }
    save(
        Benchmark(
            name="wwl-accuracy",
            claim=f"WWL-GPR's simple set, 5-fold by surface (whole metals held out): mean absolute "
            f"error {ours.mean():.3f} eV [{low:.3f}, {high:.3f}].",
            value=float(ours.mean()),
            unit="eV, mean absolute error",
            better="lower",
            peers={
                "mean of each adsorbate, other surfaces": adsorbate_means(data, fold),
                **{
                    f"the same network, {name}": float(values.mean())
                    for name, values in off.items()
                    if name != "from atoms"
                },
            },
            bars={"bar": 0.12, "stretch": 0.09},
            interval=[low, high],
            seeds=tuple(range(FOLDS)),
            split="5 folds of whole surfaces (19 metals and alloys, all their facets)",
            notes=FUNCTIONAL,
            details={"by surface, eV": metals},
        )
    )


def adsorbate_means(data: AdsorptionSet, fold: np.ndarray) -> float:
    """Return the error of predicting the mean of an adsorbate over the other folds, eV."""
    names, off = np.array(data.adsorbates), np.zeros(len(fold))
    for k in range(FOLDS):
        for name in np.unique(names):
            known, held = (fold != k) & (names == name), (fold == k) & (names == name)
            off[held] = np.abs(data.e_ads_ev[held] - data.e_ads_ev[known].mean())
    return float(off.mean())


if __name__ == "__main__":
    main()
