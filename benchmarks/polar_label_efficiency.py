"""Does pretraining pay on polars? Error at 50, 200 and 1,000 labelled sections, against scratch.

1. ``formwright corpus polars --split train --seed 1 --sections 2500 --out runs/polars-train``
   (XFoil, an hour or two; the labels of validation and test are in ``benchmarks/data``);
2. ``python benchmarks/polar_label_efficiency.py`` (this script, about two hours of one core).

Sections of the test split share no family with those of the others. The same network (encoder and
trunk) is fine-tuned from pretrained weights and from random ones, with the same settings tried
on the validation split; each seed draws another label set, another initialisation and another
pretraining. Every finished training is a line of ``results.jsonl``, so a killed run goes on.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from _common import Benchmark, save, tell
from _curves import canvas, error_curves, save_figure
from _label_data import JUDGED, Part, load_parts, relative, score
from _label_floors import (
    frozen_features,
    hand_features,
    mean_errors,
    ridge_errors,
    train_hand_mlp,
)

from formwright.datasets.ledger import Ledger
from formwright.surrogate.airfoils.conditioned import Conditioned
from formwright.surrogate.airfoils.finetune import FinetuneConfig, finetune, residuals
from formwright.surrogate.airfoils.flow_corpus import FlowCorpus, generate_flows, read_flows
from formwright.surrogate.airfoils.flow_pretexts import FlowMatch, FlowPredict
from formwright.surrogate.airfoils.flows import Flows
from formwright.surrogate.airfoils.polar import PolarConfig, PolarSurrogate
from formwright.surrogate.airfoils.views import Incidence, PartialContour, Repanel
from formwright.surrogate.checkpoints import load_weights
from formwright.surrogate.label_efficiency.curves import interval
from formwright.surrogate.objectives.barlow import BarlowTwins
from formwright.surrogate.objectives.sigreg import LeJEPA
from formwright.surrogate.objectives.simclr import SimCLR
from formwright.surrogate.objectives.vicreg import VICReg
from formwright.surrogate.pretraining.matching import ViewMatch
from formwright.surrogate.pretraining.pretrain import NETWORK, PretrainConfig, pretrain_network
from formwright.surrogate.training.loop import TrainConfig

SIZES: Final = (50, 200, 1000)
SEEDS: Final = (0, 1, 2, 3, 4)
LABELLED: Final = (
    "runs/polars-train",
    "benchmarks/data/polars-validation",
    "benchmarks/data/polars-test",
)
SELECTION_STEPS: Final = 1500
SELECTION_SETTINGS: Final = (1, 3)
ARCHITECTURE: Final = PolarConfig(encoder_hidden=(192, 128), embedding=64, hidden=96, layers=3)
HUBER: Final = 0.02
BATCH: Final = 32
_FLOW: Final = (Incidence(count=4),)
_CONTOUR: Final = (Repanel(), PartialContour())
RECIPES: Final = {
    "VICReg, flow": PretrainConfig(
        labels=LABELS, pretext=FlowMatch(objective=VICReg()), views=_FLOW
    ),
    "VICReg, flow + contour views": PretrainConfig(
        labels=LABELS, pretext=FlowMatch(objective=VICReg()), views=(*_FLOW, *_CONTOUR)
    ),
    "VICReg, contour views only": PretrainConfig(
        labels=LABELS, pretext=ViewMatch(objective=VICReg()), views=(Incidence(count=1), *_CONTOUR)
    ),
    "Barlow Twins, flow": PretrainConfig(
        labels=LABELS, pretext=FlowMatch(objective=BarlowTwins()), views=_FLOW
    ),
    "SimCLR, flow": PretrainConfig(
        labels=LABELS, pretext=FlowMatch(objective=SimCLR()), views=_FLOW
    ),
    "LeJEPA, flow": PretrainConfig(
        labels=LABELS, pretext=FlowMatch(objective=LeJEPA(slices=64), projector=64), views=_FLOW
    ),
    "flow predicted": PretrainConfig(labels=LABELS, pretext=FlowPredict(answers=0.0), views=_FLOW),
    "flow and panel labels predicted": PretrainConfig(
        labels=LABELS, pretext=FlowPredict(), views=_FLOW
    ),
}


class Setting(NamedTuple):
    """One way to fine-tune; every method may choose from ``SETTINGS`` at each size.

    Attributes:
        rate: Highest learning rate of the heads.
        steps: Updates.
        network: Learning rate of encoder and trunk, relative to that of the heads.
        linear_first: Begin with the linear read-out (ridge) of the network as it is.
    """

    rate: float
    steps: int
    network: float = 1.0
    linear_first: bool = False


SETTINGS: Final = (
    Setting(3e-3, 800),
    Setting(3e-3, 3000),
    Setting(1e-3, 800, 0.1, True),
    Setting(1e-3, 3000, 0.1, True),
    Setting(1e-3, 3000, 1.0, True),
    Setting(3e-3, 8000),
)
LONG: Final = 5
"""Tried where there are a thousand labelled sections; fewer are learned by heart before that."""


class Experiment:
    """Parts, flows, and what has been trained so far."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.out, self.steps = Path(options.out), options.pretrain_steps
        self.out.mkdir(parents=True, exist_ok=True)
        if not list(Path(options.flows).glob("flows-*")):
            for _ in generate_flows(FlowCorpus(sections=options.unlabeled), options.flows):
                pass
        self.flows: Flows = read_flows(options.flows, options.unlabeled)
        paths = [Path(path) for path in options.labels]
        self.parts = load_parts(paths, PolarSurrogate(ARCHITECTURE))
        self.once = Ledger(self.out / "results.jsonl", tell).once

    def network(self, recipe: str | None, seed: int, steps: int | None = None) -> Conditioned:
        """Return a network: pretrained by a recipe (from disk if it was before), or random."""
        torch.manual_seed(1000 + seed)
        network = ARCHITECTURE.network()
        network.encoder.scale.fit(self.parts["train"].points.rings)
        if recipe is None:
            return network
        steps = steps or self.steps
        folder = self.out / f"{recipe.replace(' ', '-').replace(',', '')}-{steps}-{seed}"
        config = PretrainConfig(
            labels=LABELS,
            pretext=RECIPES[recipe].pretext,
            views=RECIPES[recipe].views,
            batch_cases=96,
            train=TrainConfig(steps=steps, learning_rate=2e-3, seed=seed, threads=1),
        )
        if (folder / NETWORK).exists():
            load_weights(network, folder / NETWORK)
        else:
            pretrain_network(network, self.flows, config, folder, progress=False)
        return network

    def few(self, size: int, seed: int) -> Part:
        """Return the labelled sections of a seed."""
        order = np.random.default_rng(seed).permutation(len(self.parts["train"]))
        return self.parts["train"].select(torch.from_numpy(order[:size]))

    def errors(
        self,
        recipe: str | None,
        size: int,
        seed: int,
        setting: int,
        split: str,
        steps: int | None = None,
    ) -> Any:
        """Fine-tune once; return the errors on a split."""

        def work() -> dict[str, float]:
            surrogate = PolarSurrogate(ARCHITECTURE, network=self.network(recipe, seed, steps))
            points = self.few(size, seed).points
            finetune(surrogate, points, self.finetuning(setting, seed), progress=False)
            with torch.no_grad():
                return score(residuals(surrogate, self.parts[split].points)[0])

        name = f"{recipe or 'scratch'}|{(steps or self.steps) if recipe else 0}"
        return self.once(f"{name}|{size}|{seed}|{setting}|{split}", work)

    def finetuning(self, setting: int, seed: int) -> FinetuneConfig:
        """Return one of the settings that every method may choose from."""
        chosen = SETTINGS[setting]
        loop = TrainConfig(
            steps=chosen.steps,
            learning_rate=chosen.rate,
            rate_factors={} if chosen.network == 1.0 else {"network.": chosen.network},
            warmup_steps=20,
            ema_decay=0.99,
            seed=seed,
            threads=1,
            log_every_steps=chosen.steps,
        )
        return FinetuneConfig(
            batch_sections=BATCH, huber=HUBER, linear_first=chosen.linear_first, train=loop
        )

    def mlp_errors(self, size: int, seed: int, setting: int, split: str) -> Any:
        """Train the perceptron on hand-made features; return the errors on a split."""

        def work() -> dict[str, float]:
            loop = self.finetuning(setting, seed).train
            model = train_hand_mlp(self.few(size, seed), loop, HUBER, BATCH)
            with torch.no_grad():
                return score(model(self.parts[split]) - self.parts[split].points.targets)

        return self.once(f"CST MLP|{size}|{seed}|{setting}|{split}", work)

    def ridge(self, kind: str, recipe: str | None, size: int, seed: int) -> Any:
        """Fit a ridge regression on frozen or hand-made features; return the test errors."""

        def work() -> dict[str, float]:
            parts = {**self.parts, "train": self.few(size, seed)}
            if kind == "hand":
                features = {k: hand_features(part) for k, part in parts.items()}
            else:
                network = self.network(recipe, seed)
                features = {k: frozen_features(network, part) for k, part in parts.items()}
            return score(ridge_errors(features, parts))

        steps = self.steps if recipe else 0
        return self.once(f"ridge|{kind}|{recipe}|{steps}|{size}|{seed}", work)


def tried_recipes(experiment: Experiment, floor: dict[str, float]) -> dict[str, float]:
    """Return each recipe's validation error at 200 sections, at the better of two settings.

    The two best after a short pretraining are tried again after a full one, which replaces the
    error of the short one.
    """

    def error(recipe: str, steps: int) -> float:
        return min(
            relative(experiment.errors(recipe, 200, 0, i, "validation", steps), floor)
            for i in SELECTION_SETTINGS
        )

    short = {recipe: error(recipe, SELECTION_STEPS) for recipe in RECIPES}
    finalists = sorted(short, key=lambda recipe: short[recipe])[:2]
    return short | {recipe: error(recipe, experiment.steps) for recipe in finalists}


def curve(work: Callable[[int, int, int, str], Any], floor: dict[str, float]) -> dict[str, Any]:
    """Tune on the validation split at each size, then return the test errors of every seed."""
    result = {}
    for size in SIZES:
        settings = len(SETTINGS) if size >= max(SIZES) else LONG
        tried = [relative(work(size, 0, i, "validation"), floor) for i in range(settings)]
        chosen = int(np.argmin(tried))
        errors = [work(size, seed, chosen, "test") for seed in SEEDS]
        result[str(size)] = {"setting": SETTINGS[chosen]._asdict(), "errors": errors}
    return result


def summary(curves: dict[str, Any], floor: dict[str, float]) -> dict[str, list[float]]:
    """Return the relative error of each seed, by size."""
    return {k: [relative(e, floor) for e in v["errors"]] for k, v in curves.items()}


def main() -> None:
    """Run what has not run yet, and write JSON and figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--labels", nargs="+", default=LABELLED)
    parser.add_argument("--out", default="runs/label-efficiency")
    parser.add_argument("--flows", default="runs/label-efficiency/flows")
    parser.add_argument("--unlabeled", type=int, default=2048)
    parser.add_argument("--pretrain-steps", type=int, default=6000)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    experiment = Experiment(options)
    parts = experiment.parts
    floor = score(mean_errors(parts["train"], parts["test"]))
    tried = tried_recipes(experiment, floor)
    recipe = min(tried, key=lambda r: tried[r])
    raw = {
        f"pretrained ({recipe})": curve(
            lambda n, seed, i, split: experiment.errors(recipe, n, seed, i, split), floor
        ),
        "from scratch": curve(
            lambda n, seed, i, split: experiment.errors(None, n, seed, i, split), floor
        ),
        "CST + MLP": curve(experiment.mlp_errors, floor),
    }
    for name, kind, source in (
        ("pretrained, frozen + ridge", "network", recipe),
        ("random network, frozen + ridge", "network", None),
        ("CST products + ridge", "hand", None),
    ):
        raw[name] = {
            str(n): {"errors": [experiment.ridge(kind, source, n, seed) for seed in SEEDS]}
            for n in SIZES
        }
    tried["from scratch"] = min(
        relative(experiment.errors(None, 200, 0, i, "validation"), floor)
        for i in SELECTION_SETTINGS
    )
    report(experiment, tried, raw, floor)


def report(
    experiment: Experiment,
    tried: dict[str, float],
    raw: dict[str, Any],
    floor: dict[str, float],
) -> None:
    """Write the JSON and the figure."""
    curves = {name: summary(curve_, floor) for name, curve_ in raw.items()}
    names = list(curves)
    ours, scratch = curves[names[0]], curves["from scratch"]
    gain = {
        n: [1 - a / b for a, b in zip(ours[n], scratch[n], strict=True)] for n in map(str, SIZES)
    }
    ends = {n: interval(g) for n, g in gain.items()}
    sections = {k: len(part) for k, part in experiment.parts.items()}
    physical = {
        name: {
            n: {j: float(np.mean([e[j] for e in v["errors"]])) for j in JUDGED}
            for n, v in raw[name].items()
        }
        for name in (names[0], "from scratch")
    }
    gains = ", ".join(
        f"{-100 * mean:+.0f} % [{-100 * high:+.0f}, {-100 * low:+.0f}] at {int(n):,}"
        for n, (mean, low, high) in ends.items()
    )
    save(
        Benchmark(
            name="polar-label-efficiency",
            claim=f"Error of few-label polars, {names[0]} against the same network from scratch, "
            f"equally tuned: {gains} labelled sections.",
            value={n: float(np.mean(v)) for n, v in ours.items()},
            unit="mean over CL, ln CD, CM of (mean abs. error / that of the mean predictor)",
            better="lower",
            peers={
                name: {n: float(np.mean(v)) for n, v in curves[name].items()} for name in names[1:]
            },
            interval={f"gain at {n}": [low, high] for n, (_, low, high) in ends.items()},
            seeds=SEEDS,
            split=f"by family; sections: {sections}; {len(experiment.flows)} unlabeled sections of "
            "the training families",
            details={
                "validation error of the recipes at 200": tried,
                "mean abs. errors": physical,
                "settings chosen": {
                    name: {n: v["setting"] for n, v in raw[name].items()}
                    for name in names
                    if "setting" in raw[name]["50"]
                },
            },
        )
    )
    draw(curves)


def draw(curves: dict[str, Any]) -> None:
    """Draw error against labels."""
    figure, axes = canvas()
    triples = {name: [interval(by[str(n)]) for n in SIZES] for name, by in curves.items()}
    error_curves(axes, SIZES, triples, "labelled sections", "error (mean predictor = 1)")
    axes.legend(frameon=False, fontsize=8)
    save_figure(figure, "label_efficiency")


if __name__ == "__main__":
    main()
