"""Teach ``adsorption-mamun`` more adsorbates and facets: two levels of theory in one network.

    python benchmarks/train_levels.py wwlgpr_simple_adsorbates_1422.extxyz.gz --out runs/levels

Training goes on from the shipped weights, on the pairs of Mamun's table that they know and on the
simple set of WWL-GPR, whose energies have an offset of their own for each atom of the adsorbate.
One fold of whole surfaces of the second set is kept aside; the validation pairs of the first say
whether the old rows are still as good. Test rows are not looked at. Killed, the same command goes
on.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from pathlib import Path

import numpy as np
import torch
from _adsorption import split
from train_adsorption import loop
from wwl_accuracy import folds

from formwright.datasets.atoms.adsorption import AdsorptionSet, read_wwl
from formwright.datasets.atoms.mamun import LEVEL
from formwright.surrogate.atoms.adsorption import LABEL, AdsorptionSurrogate, composition
from formwright.surrogate.atoms.cases import AtomCases
from formwright.surrogate.atoms.finetune import mean_absolute_error
from formwright.surrogate.objectives.loss import Loss
from formwright.surrogate.training.loop import origin, train_for_use
from formwright.surrogate.zoo import FILE, load, save

LEVELS = (LEVEL, "QE BEEF-vdW, WWL-GPR")
SHRINK = 10.0


def two_levels(weights: str) -> AdsorptionSurrogate:
    """Return a trained surrogate with a second level, whose references are those of the first."""
    first = load(weights)
    made = AdsorptionSurrogate(dataclasses.replace(first.config, levels=LEVELS))
    state = first.state_dict()
    for name in ("references", "base"):
        state[name] = state[name][[0, 0]]
    made.load_state_dict(state)
    return made


def cases_of(data: AdsorptionSet, rows: np.ndarray, surrogate: AdsorptionSurrogate) -> AtomCases:
    """Return structures of the second level."""
    labels = {LABEL: data.e_ads_ev[rows], "level": np.ones(len(rows), dtype=np.int64)}
    return AtomCases([data.structures[i] for i in rows], labels, prepared_for=surrogate.encoder)


def fit_second(surrogate: AdsorptionSurrogate, cases: AtomCases) -> None:
    """Move the references of the second level to where the network is right on the mean."""
    batches = [cases.batch(rows) for rows in torch.arange(len(cases)).split(64)]
    with torch.no_grad():
        off = torch.cat([b[LABEL] - surrogate(b)[LABEL] for b in batches]).double()
    x = torch.cat([composition(b) for b in batches]).double()
    weights = torch.linalg.solve(x.T @ x + SHRINK * torch.eye(x.shape[1]).double(), x.T @ off)
    surrogate.references[1] += weights.to(surrogate.references)
    for batch in batches:
        surrogate.trained_on[batch.z] = True


class Both:
    """The loss of one step: a batch of each level."""

    def __init__(self, first: AtomCases, second: AtomCases, sizes: tuple[int, int]) -> None:
        """Hold the cases and how many of each a step draws."""
        self.parts = tuple(zip((first, second), sizes, strict=True))

    def __call__(self, model: AdsorptionSurrogate, step: int, generator: torch.Generator) -> Loss:
        """Draw cases of both and compare predictions with labels."""
        errors = []
        for cases, size in self.parts:
            rows = torch.randint(len(cases), (size,), generator=generator)
            batch = cases.batch(rows)
            target = (batch[LABEL] - model.offsets(batch)) / model.scale
            said = model.mean(model.vectors(batch))[:, 0]
            errors.append(
                torch.nn.functional.smooth_l1_loss(said, target, beta=0.1, reduction="sum")
            )
        total = sum(errors) / sum(size for _, size in self.parts)
        return Loss(total, {"e_ads": total})


def by_adsorbate(surrogate: AdsorptionSurrogate, data: AdsorptionSet, rows: np.ndarray) -> dict:
    """Return the mean absolute error of held structures, all and by adsorbate and facet, eV."""
    cases = cases_of(data, rows, surrogate)
    off = np.zeros(len(rows))
    for some in torch.arange(len(rows)).split(64):
        batch = cases.batch(some)
        with torch.no_grad():
            off[some] = (surrogate(batch)[LABEL] - batch[LABEL]).abs().numpy()
    names = np.array(data.adsorbates)[rows]
    facets = np.array([data.structures[i].name.split("(")[1].split(")")[0] for i in rows])
    found: dict[str, float] = {"all": float(off.mean())}
    for kinds in (names, facets):
        found |= {str(k): float(off[kinds == k].mean()) for k in np.unique(kinds)}
    return found


def main() -> None:
    """Train, tell what validation says, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--fold", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    began, surrogate, data = (
        time.perf_counter(),
        two_levels("adsorption-mamun"),
        read_wwl(given.file),
    )
    fold = folds(data.groups)
    known, held = np.flatnonzero(fold != given.fold), np.flatnonzero(fold == given.fold)
    old, judged = (split(name).cases(surrogate) for name in ("train", "validation"))
    new = cases_of(data, known, surrogate)
    fit_second(surrogate, new)
    before = mean_absolute_error(surrogate, judged), by_adsorbate(surrogate, data, held)
    print("before", json.dumps(before), flush=True)
    config = loop(given.steps, given.rate, 0, 1)
    made_from = origin(surrogate, old, config)
    train_for_use(surrogate, Both(old, new, (24, 8)), config, given.out, False, made_from)
    after = mean_absolute_error(surrogate, judged), by_adsorbate(surrogate, data, held)
    print("after", json.dumps(after), f"{time.perf_counter() - began:.0f} s", flush=True)
    about = {"labels": len(old) + len(new), "steps": given.steps, "fold_kept_aside": given.fold}
    save(surrogate, given.out / FILE, about | {"before_ev": before, "after_ev": after})


if __name__ == "__main__":
    main()
