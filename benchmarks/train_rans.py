"""Train ``rans-2d``, the shipped surrogate of RANS: four fidelities, one network along the wall.

1. ``formwright corpus polars`` with XFoil, natural transition (the corpora of ``airfoil-polar``);
2. the same with transition forced near the nose: this script computes it where it is absent,
   ``--sections`` of training families (17 points a second and core);
3. ``formwright corpus rans --coarse --out runs/rans-coarse`` (its rows are in the repository);
4. ``formwright corpus rans --out runs/rans-2d --flows 640`` (hours; its rows are, too).

    python benchmarks/train_rans.py --out runs/rans-surrogate
    python benchmarks/train_rans.py --out runs/rans-surrogate --free runs/polars-train
        --tripped runs/polars-tripped

    python benchmarks/train_rans.py --out runs/rans-surrogate --recalibrate rans-2d

Stages 1 and 2 make ``turbulent-wall``, which the first command takes as it is shipped; stage 3
makes ``rans-wall`` of it; stage 4 fine-tunes that from several seeds. Killed, the same command goes
on from its last checkpoint. Only training and validation families are looked at. The last command
trains nothing: it works out the intervals and the support of a surrogate anew.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from _common import DATA, ROOT

from formwright.datasets.airfoils.polar_data import read_polars
from formwright.datasets.airfoils.polars import PolarCorpus, generate
from formwright.datasets.rans.data import RansData, read_rans
from formwright.datasets.solvers.xfoil.solver import XFoil
from formwright.surrogate.airfoils.polar import PolarSurrogate
from formwright.surrogate.pretraining.pretrain import NETWORK
from formwright.surrogate.rans.wall.cases import WallCases, polar_walls, rans_walls
from formwright.surrogate.rans.wall.flow import NCRIT
from formwright.surrogate.rans.wall.network import WallNet
from formwright.surrogate.rans.wall.surrogate import RansConfig, RansSurrogate
from formwright.surrogate.rans.wall.training import (
    COARSE_RANS,
    WallTraining,
    calibrate_rans,
    finetune_rans,
    train_wall,
    wall_errors,
)
from formwright.surrogate.training.loop import TrainConfig
from formwright.surrogate.zoo import FILE, load, provenance, save

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


def recipe(steps: int, rate: float) -> WallTraining:
    """Return how to train on XFoil's flow."""
    settings = TrainConfig(
        steps=steps,
        learning_rate=rate,
        weight_decay=1e-2,
        warmup_steps=100,
        ema_decay=0.995,
        threads=1,
        log_every_steps=100,
    )
    return WallTraining(batch_points=64, train=settings)


def learn(name: str, network: WallNet, cases: WallCases, how: WallTraining, out: Path) -> None:
    """Train on cheap flow, all but every ``HELD_OUT``-th point, and tell the errors on those."""
    index = torch.arange(len(cases))
    held = index % HELD_OUT == 0
    tell(f"{name}: before", network, cases.take(index[held]))
    train_wall(network, cases.take(index[~held]), how, out / name)
    tell(f"{name}: after", network, cases.take(index[held]))


def xfoil_stages(polar: PolarSurrogate, options: argparse.Namespace) -> WallNet:
    """Return the network that learned from XFoil's flow: the shipped one, or trained now."""
    if options.free is None:
        return load("turbulent-wall")
    config, store = RansConfig(), options.out / "turbulent-wall.safetensors"
    if store.exists():
        return load(store)
    torch.manual_seed(0)
    network = config.network()
    polars = read_polars(options.free, split="train", fields=True)
    polars = polars.where(
        (polars.conditions["reynolds"] > 5e5) & (polars.conditions["alpha_deg"] > -7.0)
    )
    free = polar_walls(polar, polars)
    learn("free", network, free, recipe(options.free_steps, RATE), options.out)
    generate(tripped(options.sections), options.tripped)
    cheap = polar_walls(polar, read_polars(options.tripped, fields=True), NCRIT)
    learn("tripped", network, cheap, recipe(options.tripped_steps, 0.5 * RATE), options.out)
    about = {"free": len(polars.section), "tripped": len(cheap), "solver": "xfoil 6.99"}
    save(network, store, about, kind="rans", architecture=config)
    return network


def coarse_stage(network: WallNet, polar: PolarSurrogate, options: argparse.Namespace) -> WallNet:
    """Return the network that learned from coarse RANS as well."""
    store = options.out / NETWORK
    if not store.exists():
        cases = rans_walls(polar, read_rans(options.coarse))
        learn("coarse", network, cases, COARSE_RANS, options.out)
        about = {"coarse": len(cases), "solver": "OpenFOAM 1912", "from": "turbulent-wall"}
        save(network, store, about, kind="rans", architecture=RansConfig())
    return load(store)


def recalibrate(options: argparse.Namespace) -> None:
    """Save a trained surrogate with intervals and support worked out anew."""
    surrogate = load(options.recalibrate)
    calibrated(surrogate, read_rans(options.rans))
    save(surrogate, options.out / FILE, provenance(options.recalibrate))
    print(options.out / FILE)


def calibrated(surrogate: RansSurrogate, data: RansData) -> None:
    """Set intervals and support from the cases of training and of validation."""
    learned = data.of_split("train")
    known, held = (rans_walls(surrogate.polar, d) for d in (learned, data.of_split("validation")))
    calibrate_rans(surrogate, held, known=known, families=learned.families)


def main() -> None:
    """Run the stages that are not done yet."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--free", type=Path, help="polars, natural transition")
    parser.add_argument("--tripped", type=Path, default=ROOT / "runs" / "polars-tripped")
    parser.add_argument("--sections", type=int, default=600, help="of the tripped corpus")
    parser.add_argument("--coarse", type=Path, default=DATA / "rans-coarse")
    parser.add_argument("--rans", type=Path, default=DATA / "rans-2d")
    parser.add_argument("--free-steps", type=int, default=2500)
    parser.add_argument("--tripped-steps", type=int, default=2500)
    parser.add_argument("--recalibrate", metavar="WEIGHTS", help="train nothing")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.recalibrate:
        recalibrate(options)
        return
    polar = load("airfoil-polar")
    network = coarse_stage(xfoil_stages(polar, options), polar, options)
    data = read_rans(options.rans)
    learning, checking = (rans_walls(polar, data.of_split(s)) for s in ("train", "validation"))
    surrogate = RansSurrogate(RansConfig(), polar=polar)
    finetune_rans(surrogate, network, learning)
    errors = wall_errors(surrogate.members, checking)
    print("validation", {key: round(float(value.mean()), 4) for key, value in errors.items()})
    calibrated(surrogate, data)
    about = {"cases": len(learning), "validation": len(checking), "solver": "OpenFOAM 1912"}
    save(surrogate, options.out / FILE, about)
    print(options.out / FILE)


if __name__ == "__main__":
    main()
