"""Does pretraining on potential flow spare RANS cases? The field network from few of them.

    python benchmarks/rans_field_pretraining.py

It takes about 20 minutes of one core, most of them trainings of ``--seconds`` each; stopped at any
moment, the same command goes on with what is missing. It reads the corpus ``runs/rans-2d``
(``formwright corpus rans``) and the samples that ``rans_fields.py`` keeps in ``runs/rans-fields``,
and makes its unlabeled fields itself. Run it from the root of the repository with nothing else on
the cores: budgets are in processor time, and a crowded core does fewer steps in it (the steps done
are among the details).

Training sets are nested, drawn once a seed; each seed pretrains its own encoders. All arms have the
same network, optimiser and seconds of training, and the seconds of pretraining come on top. The
better of the two pretexts is chosen on the validation families.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from _common import Benchmark, save, tell
from _rans_fields import wall_scores
from rans_fields import CHOSEN_BY, CONFIGS, FACTOR
from rans_label_efficiency import rows_of

from formwright.datasets.files import write_json
from formwright.surrogate.checkpoints import load_weights
from formwright.surrogate.encoder import Encoder
from formwright.surrogate.pretraining.pretrain import NETWORK, PretrainConfig, pretrain_network
from formwright.surrogate.rans.fields.cases import FieldCases, field_cases
from formwright.surrogate.rans.fields.panel_field_corpus import (
    PanelFieldCorpus,
    generate_panel_fields,
    read_panel_fields,
)
from formwright.surrogate.rans.fields.panel_fields import PanelFields
from formwright.surrogate.rans.fields.pretraining import (
    TRAINING,
    masked_cells,
    matched_meshes,
)
from formwright.surrogate.rans.fields.surrogate import FieldSurrogate
from formwright.surrogate.rans.fields.training import (
    FieldTraining,
    begin,
    train_fields,
    wall_errors,
)

CONFIG: Final = CONFIGS["grid CNN"]
SCRATCH: Final = "the same network from scratch"
ARMS: Final[Mapping[str, Callable[..., PretrainConfig]]] = {
    "masked cells": masked_cells,
    "VICReg between meshes": matched_meshes,
}
KEYS: Final = (CHOSEN_BY, "CD relative", "CL relative")
ALL: Final = 10**6
"""More cases than any corpus has: all of them."""
Rows = dict[str, dict[str, Any]]


def pretrained(arm: str, seed: int, fields: PanelFields, given: argparse.Namespace) -> Encoder:
    """Return the encoder of an arm, pretrained unless that was done before."""
    folder = given.out / f"{arm.replace(' ', '-').lower()}-{seed}"
    loop = replace(TRAINING, steps=10**6, seconds=given.pretrain_seconds, seed=seed)
    torch.manual_seed(seed)
    network = FieldSurrogate(CONFIG)
    pretrain_network(network, fields, ARMS[arm](CONFIG, loop), folder, progress=False)
    load_weights(network, folder / NETWORK)
    return network.encoder


def trained(
    samples: Sequence[Any], seed: int, seconds: float, encoder: Encoder | None
) -> FieldSurrogate:
    """Return a network after its budget, from an encoder or from scratch."""
    loop = replace(FieldTraining().train, steps=10**6, seconds=seconds, seed=seed)
    surrogate = begin(samples, CONFIG, seed=seed, encoder=encoder)
    return train_fields(surrogate, samples, FieldTraining(train=loop), progress=False)


def judged(surrogate: FieldSurrogate, cases: Mapping[str, FieldCases]) -> dict[str, Any]:
    """Return the errors on the families that were not trained on, and the steps done."""
    found = {
        s: wall_scores(wall_errors(surrogate, cases[s].samples)) for s in cases if s != "train"
    }
    return {**found, "steps": surrogate.provenance["steps"]}


def fill(
    rows: Rows, cases: Mapping[str, FieldCases], sizes: Sequence[int], given: argparse.Namespace
) -> None:
    """Train what is not in ``rows`` yet, one row after the other onto the disk."""
    fields: PanelFields | None = None
    for seed in given.seeds:
        for arm in (SCRATCH, *ARMS):
            missing = [size for size in sizes if f"{arm}|{size}|{seed}" not in rows]
            if not missing:
                continue
            encoder = None
            if arm != SCRATCH:
                fields = fields or unlabeled(given)
                encoder = pretrained(arm, seed, fields, given)
            for size in missing:
                chosen = rows_of(len(cases["train"].samples), size, seed)
                samples = [cases["train"].samples[i] for i in chosen]
                found = judged(trained(samples, seed, given.seconds, encoder), cases)
                rows[f"{arm}|{size}|{seed}"] = found
                write_json(store(given), {"settings": settings(cases, given), "rows": rows})
                tell(f"{arm}, {size} cases, seed {seed}", {k: found["test"][k] for k in KEYS})


def unlabeled(given: argparse.Namespace) -> PanelFields:
    """Return the fields to pretrain on, made unless they are there."""
    for done in generate_panel_fields(PanelFieldCorpus(sections=given.sections), given.fields):
        tell("sections of potential flow", done)
    return read_panel_fields(given.fields, given.sections)


def store(given: argparse.Namespace) -> Path:
    """Return where the rows are."""
    return given.out / "rows.json"


def settings(cases: Mapping[str, FieldCases], given: argparse.Namespace) -> dict[str, Any]:
    """Return what rows of one file have in common."""
    counts = {split: len(part.samples) for split, part in cases.items()}
    names = ("seconds", "pretrain_seconds", "sections")
    return {"cases": counts, **{name: getattr(given, name) for name in names}}


def begun(cases: Mapping[str, FieldCases], given: argparse.Namespace) -> Rows:
    """Return the rows that are on the disk.

    Raises:
        SystemExit: They belong to other settings.
    """
    if not store(given).exists():
        return {}
    kept = json.loads(store(given).read_text(encoding="utf-8"))
    if kept["settings"] != settings(cases, given):
        raise SystemExit(
            f"{store(given)} has rows of {kept['settings']}, and {settings(cases, given)} is asked "
            "for: choose another --out."
        )
    return kept["rows"]


def values_of(
    rows: Rows, arm: str, size: int, seeds: Sequence[int], key: str, split: str = "test"
) -> np.ndarray:
    """Return one error for each seed."""
    return np.array([rows[f"{arm}|{size}|{seed}"][split][key] for seed in seeds])


def interval(values: np.ndarray) -> list[float]:
    """Return the ends of the 95 % t interval of the mean."""
    from scipy.stats import t

    half = float(t.ppf(0.975, len(values) - 1)) * values.std(ddof=1) / len(values) ** 0.5
    return [float(values.mean() - half), float(values.mean() + half)]


def means(rows: Rows, arm: str, sizes: Sequence[int], seeds: Sequence[int]) -> dict[str, float]:
    """Return mean errors on the test families."""
    return {
        f"{key}, {size} cases": float(values_of(rows, arm, size, seeds, key).mean())
        for key in KEYS
        for size in sizes
    }


def paired(
    rows: Rows, arm: str, sizes: Sequence[int], seeds: Sequence[int], split: str = "test"
) -> dict[str, list[float]]:
    """Return the relative difference from scratch: mean, and interval over paired seeds."""
    found = {}
    for key in KEYS:
        for size in sizes:
            own, other = (values_of(rows, a, size, seeds, key, split) for a in (arm, SCRATCH))
            off = own / other - 1.0
            found[f"{key}, {size} cases"] = [float(off.mean()), *interval(off)]
    return found


def best(rows: Rows, sizes: Sequence[int], seeds: Sequence[int]) -> str:
    """Return the pretext with the lower errors on the validation families."""

    def score(arm: str) -> float:
        parts = [values_of(rows, arm, size, seeds, CHOSEN_BY, "validation") for size in sizes]
        return float(np.log(np.stack(parts)).mean())

    return min(ARMS, key=score)


def claim(rows: Rows, arm: str, sizes: Sequence[int], seeds: Sequence[int], seconds: float) -> str:
    """Return the sentence, which says lower or higher only where the interval is clear of zero."""
    said = []
    for key, (mean, low, high) in paired(rows, arm, sizes, seeds).items():
        if key.startswith(KEYS[:2]):
            clear = "" if low > 0.0 or high < 0.0 else " (not clear of zero)"
            said.append(f"{key}: {mean:+.0%}{clear}")
    return (
        f"The field network trained for {seconds:g} s of one core, its encoder pretrained on "
        f"potential flow ({arm}) against from scratch, test families: {'; '.join(said)}."
    )


def main() -> None:
    """Train what is not trained yet, and save the claim."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("runs/rans-2d"))
    parser.add_argument("--samples", type=Path, default=Path("runs/rans-fields"))
    parser.add_argument("--fields", type=Path, default=Path("runs/panel-fields"))
    parser.add_argument("--out", type=Path, default=Path("runs/rans-field-pretraining"))
    parser.add_argument("--sizes", type=int, nargs="+", default=[50, 200, ALL])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--sections", type=int, default=256, help="of the unlabeled fields")
    parser.add_argument("--seconds", type=float, default=25.0, help="of each training")
    parser.add_argument("--pretrain-seconds", type=float, default=45.0, help="of each encoder")
    given = parser.parse_args()
    torch.set_num_threads(1)
    cases = {k: v.coarser(FACTOR) for k, v in field_cases(given.folder, given.samples).items()}
    most = len(cases["train"].samples)
    sizes, seeds = sorted({min(size, most) for size in given.sizes}), given.seeds
    rows = begun(cases, given)
    fill(rows, cases, sizes, given)
    arm = best(rows, sizes, seeds)
    others = [SCRATCH, *(name for name in ARMS if name != arm)]
    counts = settings(cases, given)["cases"]
    save(
        Benchmark(
            name="rans-field-pretraining",
            claim=claim(rows, arm, sizes, seeds, given.seconds),
            value=means(rows, arm, sizes, seeds),
            unit="mean over the test cases and seeds",
            better="lower",
            peers={name: means(rows, name, sizes, seeds) for name in others},
            interval={
                f"{key}, {size} cases": interval(values_of(rows, arm, size, seeds, key))
                for key in KEYS
                for size in sizes
            },
            seeds=seeds,
            split=f"family-disjoint: {counts}",
            notes=(
                f"Each network trained for {given.seconds:g} s of processor time on one thread, "
                f"far less than the shipped one; each encoder pretrained for "
                f"{given.pretrain_seconds:g} s before, on {given.sections} sections of the "
                f"training families. {arm} was chosen by {CHOSEN_BY} on the validation families. "
                "Intervals: 95 %, over the seeds. Errors of lift are relative to .05 at least."
            ),
            details={
                "relative difference from scratch, test": {
                    name: paired(rows, name, sizes, seeds) for name in ARMS
                },
                "relative difference from scratch, validation": {
                    name: paired(rows, name, sizes, seeds, "validation") for name in ARMS
                },
                "rows": rows,
            },
        )
    )


if __name__ == "__main__":
    main()
