"""Pretrain encoders of atoms without labels, by several pretexts, and from a cheap potential.

    python benchmarks/pretrain_atoms.py denoise        (also: denoise-plain barlow vicreg masked)
    python benchmarks/pretrain_atoms.py cheap          (needs benchmarks/cheap_adsorption.py first)

Writes ``runs/atoms-NAME``; killed, the same command goes on. All see the slabs of the training
pairs only.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from _common import ROOT
from cheap_adsorption import enumerated, read

from formwright.datasets.atoms import mamun
from formwright.surrogate.atoms.adsorption import AdsorptionConfig, AdsorptionSurrogate
from formwright.surrogate.atoms.cases import AtomCases
from formwright.surrogate.atoms.finetune import (
    AdsorptionFinetuneConfig,
    finetune_adsorption,
    mean_absolute_error,
)
from formwright.surrogate.atoms.views import HideElements, Jiggle, Strain
from formwright.surrogate.checkpoints import save_weights
from formwright.surrogate.objectives.barlow import BarlowTwins
from formwright.surrogate.objectives.masked import Masked
from formwright.surrogate.objectives.vicreg import VICReg
from formwright.surrogate.pretraining.denoising import Denoising
from formwright.surrogate.pretraining.hiding import Nodes
from formwright.surrogate.pretraining.masking import MaskedPrediction
from formwright.surrogate.pretraining.matching import ViewMatch
from formwright.surrogate.pretraining.pretrain import NETWORK, PretrainConfig, pretrain_network
from formwright.surrogate.training.loop import TrainConfig
from formwright.surrogate.zoo import kind_named, network_header

CHEAP = "CHGNet 0.3.0, unrelaxed"
CLIP_EV = 6.0
STRUCTURES = 30000
DENOISE = {"gradient": True, "sigma": 0.1}
PRETEXTS = {
    "denoise": (Denoising(self_conditioned=True, **DENOISE), ()),
    "denoise-plain": (Denoising(**DENOISE), ()),
    "barlow": (ViewMatch(objective=BarlowTwins()), (Jiggle(), Strain(), HideElements())),
    "vicreg": (ViewMatch(objective=VICReg()), (Jiggle(), Strain(), HideElements())),
    "masked": (MaskedPrediction(objective=Masked(), hiding=Nodes(attribute="z", share=0.15)), ()),
}


def without_labels(name: str, steps: int, batch_cases: int) -> None:
    """Pretrain by a pretext of ``PRETEXTS``."""
    pretext, views = PRETEXTS[name]
    cases = AtomCases(mamun.build(enumerated()[:STRUCTURES]))
    loop = TrainConfig(
        steps=steps, learning_rate=1e-3, weight_decay=1e-3, threads=1, log_every_steps=50
    )
    config = PretrainConfig(
        labels=("e_ads_ev",), pretext=pretext, views=views, batch_cases=batch_cases, train=loop
    )
    torch.manual_seed(0)
    header = network_header(kind_named("adsorption"), AdsorptionConfig(), {"pretext": name})
    folder = ROOT / "runs" / f"atoms-{name}"
    pretrain_network(AdsorptionConfig().network(), cases, config, folder, header=header)


def from_cheap_energies(steps: int) -> None:
    """Pretrain by predicting what a cheap potential says: its energies are no DFT labels."""
    torch.manual_seed(0)
    surrogate = AdsorptionSurrogate(AdsorptionConfig(levels=(CHEAP,)))
    rows, energies = read()
    names = np.array([row.adsorbate for row in rows])
    for name in mamun.REACTIONS:
        own = names == name
        middle = np.median(energies[own])
        energies[own] = middle + (energies[own] - middle).clip(-CLIP_EV, CLIP_EV)
    last = len(rows) - 1000
    train, held = (
        AtomCases(mamun.build(r), {"e_ads_ev": e}, prepared_for=surrogate.encoder)
        for r, e in ((rows[:last], energies[:last]), (rows[last:], energies[last:]))
    )
    loop = TrainConfig(
        steps=steps,
        learning_rate=2e-3,
        weight_decay=1e-3,
        ema_decay=0.999,
        clip_norm=5.0,
        threads=1,
        log_every_steps=500,
    )
    folder = ROOT / "runs" / "atoms-cheap"
    finetune_adsorption(surrogate, train, AdsorptionFinetuneConfig(train=loop), folder)
    save_weights(surrogate.encoder, folder / NETWORK)
    print(f"cheap energies, held out: {mean_absolute_error(surrogate, held):.3f} eV")


def main() -> None:
    """Pretrain one encoder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=[*PRETEXTS, "cheap"])
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--batch-cases", type=int, default=64)
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.name == "cheap":
        from_cheap_energies(given.steps)
    else:
        without_labels(given.name, given.steps, given.batch_cases)


if __name__ == "__main__":
    main()
