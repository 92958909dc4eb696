"""Train ``airfoil-polar``, the shipped surrogate: teacher first, then XFoil, then intervals.

1. ``formwright corpus polars --split train ...`` and the same for validation (XFoil; hours);
2. ``python benchmarks/teacher_polars.py --out runs/teacher`` (NeuralFoil labels; minutes);
3. ``python benchmarks/train_airfoil_polar.py --teacher runs/teacher --train runs/polars-train
   --validation runs/polars-validation --out runs/airfoil-polar`` (this script; about an hour).

Killed, the same command goes on from its last checkpoint. Only the validation split is looked at.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from formwright.datasets.airfoils import cst
from formwright.datasets.airfoils.polar_data import Polars, read_polars
from formwright.datasets.airfoils.surface import stations_y
from formwright.surrogate.airfoils.finetune import (
    FinetuneConfig,
    LabelledPoints,
    calibrate,
    finetune,
    fit_pressure,
    fit_support,
    labelled,
    residuals,
)
from formwright.surrogate.airfoils.polar import LABELS, PolarConfig, PolarSurrogate
from formwright.surrogate.training.loop import TrainConfig
from formwright.surrogate.zoo import FILE, load, save

LEAST_CONFIDENCE = 0.35


def teacher_points(surrogate: PolarSurrogate, folder: Path) -> LabelledPoints:
    """Return the teacher's polars; points it doubts (XFoil would not converge) have no label."""
    shards = [np.load(path) for path in sorted(folder.glob("*.npz"))]
    parts = {name: np.concatenate([shard[name] for shard in shards]) for name in shards[0]}
    values = np.stack([parts[name] for name in LABELS], -1)
    values[..., 1] = np.log(values[..., 1])
    values[..., 3:] = values[..., 3:].clip(0.0, 1.0)
    values[parts["confidence"] < LEAST_CONFIDENCE] = np.nan
    vectors = torch.from_numpy(parts["cst"]).split(2000)
    heights = [stations_y(cst.coordinates(part), surrogate.config.stations) for part in vectors]
    conditions = np.stack([parts[name] for name in ("alpha_deg", "reynolds", "ncrit")], -1)
    sections, points = parts["confidence"].shape
    targets = torch.from_numpy(values.reshape(-1, len(LABELS))).float()
    return LabelledPoints(
        rings=torch.cat(heights).float(),
        first=torch.arange(sections + 1) * points,
        conditions=torch.from_numpy(conditions.reshape(-1, 3)).float(),
        targets=(targets - surrogate.centre) / surrogate.scale,
        cp=None,
    )


def plausible(polars: Polars) -> Polars:
    """Return the points within the training range (a handful of XFoil's are absurd)."""
    cl, cd = polars.labels["cl"], polars.labels["cd"]
    return polars.where((np.abs(cl) < 3.0) & (cd > 1e-3) & (cd < 0.5))


def tell(name: str, surrogate: PolarSurrogate, points: LabelledPoints) -> None:
    """Print the mean absolute error on the validation split."""
    with torch.no_grad():
        errors = (residuals(surrogate, points)[0].nanmean(0) * surrogate.scale).tolist()
    told = ", ".join(f"{label} {error:.4f}" for label, error in zip(LABELS, errors, strict=True))
    print(f"{name}: validation {told} (cd: of its logarithm)", flush=True)


def share_weights(surrogate: PolarSurrogate, other: PolarSurrogate) -> None:
    """Set every weight to the mean of two fine-tunings that began at the same teacher.

    Wortsman et al. 2022, "Model soups": both lie in one basin, and its middle errs less.
    """
    others = other.state_dict()
    mean = {name: 0.5 * (value + others[name]) for name, value in surrogate.state_dict().items()}
    surrogate.load_state_dict(mean)


def train_config(steps: int, rate: float, threads: int) -> TrainConfig:
    """Return the settings of one stage."""
    return TrainConfig(
        steps=steps,
        learning_rate=rate,
        warmup_steps=200,
        ema_decay=0.999,
        log_every_steps=200,
        checkpoint_every_seconds=120.0,
        threads=threads,
    )


def main() -> None:
    """Run the stages that are not done yet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--teacher", type=Path, help="folder of teacher_polars.py; none: skip it")
    parser.add_argument(
        "--train", type=Path, nargs="+", required=True, help="corpora to learn from"
    )
    parser.add_argument(
        "--validation", type=Path, nargs="+", required=True, help="corpora to calibrate on"
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--teacher-steps", type=int, default=14_000)
    parser.add_argument("--steps", type=int, default=16_000)
    parser.add_argument(
        "--start", type=Path, help="another result of this script to go on from, with more corpora"
    )
    parser.add_argument("--rate", type=float, default=2e-3, help="learning rate on XFoil's points")
    parser.add_argument(
        "--average", type=Path, help="another result of this script to share the weights with"
    )
    parser.add_argument("--hidden", type=int, default=256, help="units of the trunk, half of them")
    parser.add_argument("--layers", type=int, default=5)
    parser.add_argument("--embedding", type=int, default=192)
    parser.add_argument("--encoder", type=int, nargs="+", default=[512, 384])
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_flush_denormal(True)
    torch.manual_seed(0)
    surrogate: PolarSurrogate = PolarSurrogate(
        PolarConfig(
            encoder_hidden=tuple(options.encoder),
            embedding=options.embedding,
            hidden=options.hidden,
            layers=options.layers,
        )
    )
    if options.start:
        surrogate = load(options.start, kind="polar")
        surrogate.requires_grad_(True)
    validation = labelled(surrogate, plausible(read_polars(options.validation)))
    if options.teacher:
        points = teacher_points(surrogate, options.teacher)
        surrogate.network.encoder.standardise(points.rings[:20_000])
        config = FinetuneConfig(train=train_config(options.teacher_steps, 4e-3, options.threads))
        finetune(surrogate, points, config, options.out / "teacher")
        tell("teacher", surrogate, validation)
    polars = plausible(read_polars(options.train, split="train", fields=True))
    points = labelled(surrogate, polars)
    if not options.teacher and not options.start:
        surrogate.network.encoder.standardise(points.rings)
    print(f"{len(polars.section):,} points on {len(points):,} sections", flush=True)
    config = FinetuneConfig(train=train_config(options.steps, options.rate, options.threads))
    finetune(surrogate, points, config, options.out / "xfoil")
    tell("xfoil", surrogate, validation)
    if options.average:
        share_weights(surrogate, load(options.average))
        tell("averaged", surrogate, validation)
    fit_pressure(surrogate, points)
    calibrate(surrogate, validation)
    fit_support(surrogate, points, validation)
    provenance = {
        "points": len(polars.section),
        "sections": len(points),
        "solver": "xfoil 6.99",
        "teacher": "NeuralFoil 0.3.3 xxxlarge" if options.teacher or options.start else None,
        "seed": 0,
    }
    save(surrogate, options.out / FILE, provenance)
    print(options.out / FILE)


if __name__ == "__main__":
    main()
