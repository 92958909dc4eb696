"""What the benchmarks of adsorption energies share: labelled cases, training, the trees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from _common import ROOT

from formwright.datasets.atoms import mamun
from formwright.datasets.atoms.elements import number, properties
from formwright.datasets.atoms.mamun import Row
from formwright.datasets.atoms.slabs.ordered import PROTOTYPES, find_site
from formwright.surrogate.atoms.adsorption import AdsorptionConfig, AdsorptionSurrogate
from formwright.surrogate.atoms.cases import AtomCases
from formwright.surrogate.atoms.finetune import (
    AdsorptionFinetuneConfig,
    calibrate_adsorption,
    finetune_adsorption,
    mean_absolute_error,
)
from formwright.surrogate.training.loop import TrainConfig
from formwright.surrogate.zoo import load

FUNCTIONAL: Final = mamun.ERROR_BAR
TREES: Final[tuple[Mapping[str, Any], ...]] = (
    {"n_estimators": 400, "learning_rate": 0.06, "num_leaves": 15, "min_child_samples": 5},
    {"n_estimators": 400, "learning_rate": 0.06, "num_leaves": 31, "min_child_samples": 5},
    {"n_estimators": 1500, "learning_rate": 0.04, "num_leaves": 63, "min_child_samples": 10},
)
_KINDS: Final = ("top", "bridge", "hollow")


@dataclass(frozen=True, slots=True)
class Labelled:
    """Rows of the table and their energies, eV."""

    rows: Sequence[Row]
    energies: np.ndarray

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.rows)

    def take(self, index: Sequence[int] | np.ndarray) -> Labelled:
        """Return some rows."""
        return Labelled([self.rows[i] for i in index], self.energies[np.asarray(index)])

    def few(self, count: int, seed: int) -> Labelled:
        """Return ``count`` rows at random, those of a smaller count among them."""
        return self.take(np.random.default_rng(seed).permutation(len(self))[:count])

    def cases(self, surrogate: AdsorptionSurrogate) -> AtomCases:
        """Return the ideal structures, prepared for an encoder."""
        labels = {"e_ads_ev": self.energies}
        return AtomCases(mamun.build(self.rows), labels, prepared_for=surrogate.encoder)


def split(name: str) -> Labelled:
    """Return the rows of a split."""
    return Labelled(*mamun.labelled(name))


def untrained(pretrained: str | None, seed: int) -> AdsorptionSurrogate:
    """Return a surrogate on a pretrained encoder (a shipped name or a folder) or on a new one."""
    torch.manual_seed(seed)
    config = AdsorptionConfig()
    if pretrained is None:
        return AdsorptionSurrogate(config)
    place = ROOT / pretrained
    name: str | Path = place if place.exists() else pretrained
    return AdsorptionSurrogate(config, load(name))


def tuned(
    data: Labelled,
    pretrained: str | None,
    steps: int,
    learning_rate: float,
    seed: int,
    *,
    held: Labelled | None = None,
) -> AdsorptionSurrogate:
    """Return a surrogate fine-tuned on rows; ``held`` calibrates its intervals."""
    surrogate = untrained(pretrained, seed)
    loop = TrainConfig(
        steps=steps,
        learning_rate=learning_rate,
        weight_decay=1e-2,
        ema_decay=1.0 - 10.0 / max(steps, 20),
        clip_norm=5.0,
        seed=seed,
        threads=1,
        log_every_steps=max(steps, 1),
    )
    config = AdsorptionFinetuneConfig(train=loop)
    finetune_adsorption(surrogate, data.cases(surrogate), config, progress=False)
    if held is not None:
        calibrate_adsorption(surrogate, held.cases(surrogate), known=data.cases(surrogate))
    return surrogate


def error_of(surrogate: AdsorptionSurrogate, data: Labelled) -> float:
    """Return the mean absolute error, eV."""
    return mean_absolute_error(surrogate, data.cases(surrogate))


def features(rows: Sequence[Row]) -> np.ndarray:
    """Return hand features of rows: elements, their means at the site and in bulk, lattice, site.

    The last column is the adsorbate's number, a category.
    """
    table, found = properties().numpy(), []
    for row in rows:
        alloy, letters = row.alloy, PROTOTYPES[row.alloy.prototype]
        site = find_site(row.site, alloy.prototype)
        own = np.array(alloy.z)[list(site.atoms)]
        a, c = mamun.lattice(alloy)
        known = mamun.known_lattice(alloy)
        numbers = [
            a,
            c,
            0.0 if known is None else known[2],
            np.mean([letters[m] == "A" for m in site.atoms]),
            _KINDS.index(site.kind),
            float(site.stacking == "HCP"),
            -1.0 if site.below < 0 else float(letters[site.below] == "A"),
            list(PROTOTYPES).index(alloy.prototype),
            list(mamun.REACTIONS).index(row.adsorbate),
        ]
        ends = table[[number(alloy.a), number(alloy.b)]].ravel()
        means = [table[own].mean(0), table[alloy.z].mean(0)]
        found.append(np.concatenate([ends, *means, numbers]))
    return np.array(found)


def trees(data: Labelled, held: Labelled, seed: int) -> Any:
    """Return gradient-boosted trees on hand features, the best of ``TREES`` on ``held``."""
    import lightgbm

    x, judged = features(data.rows), features(held.rows)
    best, least = None, np.inf
    for settings in TREES:
        model = lightgbm.LGBMRegressor(
            **settings,
            subsample=0.8,
            subsample_freq=1,
            colsample_bytree=0.5,
            n_jobs=1,
            random_state=seed,
            verbose=-1,
        )
        model.fit(x, data.energies, categorical_feature=[x.shape[1] - 1])
        error = float(np.abs(np.asarray(model.predict(judged)) - held.energies).mean())
        if error < least:
            best, least = model, error
    return best


def tree_error(model: Any, data: Labelled) -> float:
    """Return the mean absolute error of trees, eV."""
    return float(np.abs(np.asarray(model.predict(features(data.rows))) - data.energies).mean())
