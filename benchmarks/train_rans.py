"""Train ``rans-2d``, the shipped surrogate of RANS: three fidelities, one network along the wall.

1. ``formwright corpus polars`` with XFoil, natural transition (the corpora of ``airfoil-polar``);
2. the same with transition forced near the nose: this script computes it where it is absent,
   ``--sections`` of training families (17 points a second and core);
3. ``formwright corpus rans --out runs/rans-2d --cases 400`` (hours; see the data card).

    python benchmarks/train_rans.py --free runs/polars-train --tripped runs/polars-tripped
        --rans runs/rans-2d --out runs/rans-surrogate

Stages 1 and 2 make ``turbulent-wall``, the pretrained network; stage 3 fine-tunes it from several
seeds. Killed, the same command goes on from its last checkpoint. Only training and validation
families are looked at.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from formwright.datasets.polar_data import read_polars
from formwright.datasets.polars import PolarCorpus, generate
from formwright.datasets.rans_data import read_rans
from formwright.datasets.solvers.xfoil import XFoil
from formwright.surrogate.encoders.wall import WallNet
from formwright.surrogate.pretrain import NETWORK
from formwright.surrogate.rans import RansConfig, RansSurrogate
from formwright.surrogate.rans_training import (
    WallTraining,
    calibrate_rans,
    finetune_rans,
    train_wall,
    wall_errors,
)
from formwright.surrogate.training import TrainConfig
from formwright.surrogate.wall_cases import WallCases, polar_walls, rans_walls
from formwright.surrogate.wall_flow import NCRIT
from formwright.surrogate.zoo import FILE, load, load_network, save, save_network

TRIP = 0.01
RATE = 4e-3
HELD_OUT = 20
"""Every so many-th point of cheap flow is not trained on."""


def tripped(sections: int) -> PolarCorpus:
    """Return the recipe of the cheap turbulent corpus."""
    return PolarCorpus(
        sections=sections,
        seed=7,
        solver=XFoil(trip=TRIP),
        sweeps=1,
        incidences=16,
        alpha_deg=(-6.0, 16.0),
        reynolds=(8e5, 1.1e7),
        ncrit=(9.0, 9.0),
        standard_ncrit_share=1.0,
    )


def tell(name: str, network: WallNet, cases: WallCases) -> None:
    """Print the errors of a network."""
    errors = {key: float(value.mean()) for key, value in wall_errors([network], cases).items()}
    print(name, {key: round(value, 4) for key, value in errors.items()}, flush=True)


def learn(
    name: str, network: WallNet, cases: WallCases, steps: int, rate: float, out: Path
) -> None:
    """Train on cheap flow, all but every ``HELD_OUT``-th point, and tell the errors on those."""
    index = torch.arange(len(cases))
    held = index % HELD_OUT == 0
    tell(f"{name}: before", network, cases.take(index[held]))
    settings = TrainConfig(
        steps=steps,
        learning_rate=rate,
        weight_decay=1e-2,
        warmup_steps=100,
        ema_decay=0.995,
        threads=1,
        log_every_steps=100,
    )
    train_wall(
        network, cases.take(index[~held]), WallTraining(batch_points=64, train=settings), out / name
    )
    tell(f"{name}: after", network, cases.take(index[held]))


def main() -> None:
    """Run the stages that are not done yet."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--free", type=Path, required=True, help="polars, natural transition")
    parser.add_argument("--tripped", type=Path, required=True, help="polars, forced transition")
    parser.add_argument("--sections", type=int, default=600, help="of the tripped corpus")
    parser.add_argument("--rans", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--free-steps", type=int, default=2500)
    parser.add_argument("--tripped-steps", type=int, default=2500)
    options = parser.parse_args()
    config = RansConfig()
    polar = load("airfoil-polar")
    torch.manual_seed(0)
    network = config.network()
    if not (options.out / NETWORK).exists():
        polars = read_polars(options.free, split="train", fields=True)
        polars = polars.where(
            (polars.conditions["reynolds"] > 5e5) & (polars.conditions["alpha_deg"] > -7.0)
        )
        learn("free", network, polar_walls(polar, polars), options.free_steps, RATE, options.out)
        generate(tripped(options.sections), options.tripped)
        cheap = polar_walls(polar, read_polars(options.tripped, fields=True), NCRIT)
        learn("tripped", network, cheap, options.tripped_steps, 0.5 * RATE, options.out)
        provenance = {"free": len(polars.section), "tripped": len(cheap), "solver": "xfoil 6.99"}
        save_network(network, config, options.out / NETWORK, provenance)
    data = read_rans(options.rans)
    learning, checking = (rans_walls(polar, data.of_split(s)) for s in ("train", "validation"))
    surrogate = RansSurrogate(config, polar=polar)
    finetune_rans(surrogate, load_network(options.out / NETWORK), learning)
    errors = wall_errors(surrogate.members, checking)
    print("validation", {key: round(float(value.mean()), 4) for key, value in errors.items()})
    calibrate_rans(surrogate, checking)
    provenance = {"cases": len(learning), "validation": len(checking), "solver": "OpenFOAM 1912"}
    save(surrogate, options.out / FILE, provenance)
    print(options.out / FILE)


if __name__ == "__main__":
    main()
