"""Runs of an unsteady equation, encoders pretrained on them, and curves of error against labels."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from _common import tell
from _probe import Split, draw, error, features, probe, train_regressor

from formwright.datasets.ledger import Ledger
from formwright.datasets.pde.corpus import WaveCorpus, generate_waves, open_waves
from formwright.datasets.pde.runs import FieldRuns, grid_values
from formwright.surrogate.checkpoints import load_weights
from formwright.surrogate.pde.encoder import FieldCNN
from formwright.surrogate.pde.views import Amplitude, Window
from formwright.surrogate.pretraining.matching import ViewMatch
from formwright.surrogate.pretraining.pretrain import NETWORK, PretrainConfig, pretrain_network
from formwright.surrogate.training.loop import TrainConfig

SCRATCH: Final = "from scratch"
TUNED: Final = "fine-tuned"
ALL_WINDOWS: Final = "scratch, all windows"
STARTS: Final = (SCRATCH, TUNED, ALL_WINDOWS)
LABEL_SEEDS: Final = range(10)
TRAIN_SEEDS: Final = range(5)
PRETRAIN_SEEDS: Final = (0, 1, 2)


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What is compared.

    Attributes:
        label: Its logarithm, standardised, is predicted.
        corpus: Recipe of the runs.
        runs: How many of each split.
        sizes: Numbers of labels.
        network: Arguments of the encoder.
        recipes: Pretext and views by name; the validation split chooses one.
        augment: Views that networks trained from labels see, beside other windows.
        waiting: Cuts another window of a labelled run.
        lengths: Steps of pretraining: recipes are compared at the first, the best tries the others.
        batch: Runs a step of pretraining.
        settings: Learning rate and steps that networks trained from labels may choose from.
    """

    label: str
    corpus: WaveCorpus
    runs: Mapping[str, int]
    sizes: tuple[int, ...]
    network: Mapping[str, Any] = field(default_factory=dict)
    recipes: Mapping[str, tuple[ViewMatch, tuple[Any, ...]]]
    augment: tuple[Any, ...]
    waiting: Any
    lengths: tuple[int, ...]
    batch: int = 128
    settings: tuple[tuple[float, int], ...] = ((1e-3, 300), (3e-3, 300), (3e-3, 900))


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """What the validation split chose.

    Attributes:
        recipe: Name of the recipe.
        steps: Of pretraining.
        scores: By recipe and steps, the mean over sizes of the logarithm of the validation error.
    """

    recipe: str
    steps: int
    scores: Mapping[str, float]


class Experiment:
    """Data, encoders on disk, and what has been worked out so far."""

    def __init__(self, plan: Plan, out: Path) -> None:
        """Make or read the data."""
        self.plan = plan
        self.out, self.log, self.seconds = out, Ledger(out / "results.jsonl", tell), {}
        start = time.perf_counter()
        self.runs = {split: self._runs(split, count) for split, count in plan.runs.items()}
        self.seconds["data"] = time.perf_counter() - start
        y = {split: runs.labels[plan.label].log() for split, runs in self.runs.items()}
        mean, std = y["train"].mean(), y["train"].std()
        self.scale = (float(mean), float(std))
        self.parts = {
            split: Split(self._windows(runs, split), ((y[split] - mean) / std).float())
            for split, runs in self.runs.items()
        }

    def _runs(self, split: str, count: int) -> FieldRuns:
        recipe = replace(self.plan.corpus, split=split, runs=count)
        for _ in generate_waves(recipe, self.out / "data"):
            pass
        return open_waves(self.out / "data", split).read()

    def _windows(self, runs: FieldRuns, split: str) -> FieldRuns:
        """Return one window of each run, at a random time."""
        generator = torch.Generator().manual_seed(100 + list(self.plan.runs).index(split))
        case = Window(frames=self.plan.waiting.frames)(
            runs.batch(torch.arange(len(runs))), generator
        )
        return replace(runs, values=grid_values(case).contiguous(), failures=())

    def chosen(self, partial: bool = False) -> Choice:
        """Choose recipe, then length of pretraining, by probes of one seed on validation.

        Args:
            partial: Choose among what has been run already; if nothing has, take the first recipe
                at the greatest length.
        """
        scores: dict[str, float] = {}

        def score(name: str, steps: int) -> float:
            if partial and _key("moments", name, steps, 0, "validation") not in self.log.done:
                return np.inf
            errors = self.frozen(name, 0, "validation", steps).values()
            found = float(np.mean([np.log(np.mean(values)) for values in errors]))
            scores[f"{name}, {steps} steps"] = found
            return found

        first = self.plan.lengths[0]
        recipe = min(self.plan.recipes, key=lambda name: score(name, first))
        lengths = {steps: score(recipe, steps) for steps in self.plan.lengths}
        steps = min(lengths, key=lambda n: lengths[n]) if scores else self.plan.lengths[-1]
        return Choice(recipe=recipe, steps=steps, scores=scores)

    def encoder(self, seed: int) -> FieldCNN:
        """Return a random encoder."""
        torch.manual_seed(1000 + seed)
        encoder = FieldCNN(point_channels=0, **self.plan.network)
        encoder.standardise(self.runs["train"].batch(torch.arange(512)))
        return encoder

    def pretrained(self, name: str, seed: int, steps: int) -> FieldCNN:
        """Return an encoder pretrained by a recipe, from disk if it was before."""
        pretext, views = self.plan.recipes[name]
        false = any(isinstance(view, Amplitude) for view in views)
        config = PretrainConfig(
            labels=() if false else (self.plan.label,),
            pretext=pretext,
            views=views,
            batch_cases=self.plan.batch,
            train=TrainConfig(steps=steps, learning_rate=4e-3, warmup_steps=20, seed=seed),
        )
        encoder = self.encoder(seed)
        folder = self.out / f"{''.join(c if c.isalnum() else '-' for c in name)}-{steps}-{seed}"
        if (folder / NETWORK).exists():
            load_weights(encoder, folder / NETWORK)
        else:
            pretrain_network(encoder, self.runs["train"], config, folder, progress=False)
        return encoder

    def frozen(
        self,
        name: str | None,
        seed: int,
        split: str,
        steps: int | None = None,
        layer: str = "moments",
    ) -> Any:
        """Return the errors of probes of an encoder, by size; None for a random one."""
        steps = steps or self.plan.lengths[0]

        def work() -> Any:
            encoder = self.encoder(seed) if name is None else self.pretrained(name, seed, steps)
            known, asked = (features(encoder, self.parts[part], layer) for part in ("train", split))
            y, truth = self.parts["train"].y, self.parts[split].y
            return probe(known, y, asked, truth, self.plan.sizes, LABEL_SEEDS)

        return self.log.once(_key(layer, name, steps, seed, split), work)

    def trained(
        self, start: str, size: int, seed: int, setting: int, split: str, choice: Choice
    ) -> float:
        """Train from labels and return the error.

        Args:
            start: One of ``STARTS``.
            size: Number of labels.
            seed: Of the labelled cases and of everything else.
            setting: Index of learning rate and steps.
            split: Which is judged.
            choice: What fine-tuning begins with.
        """

        def work() -> float:
            rate, steps = self.plan.settings[setting]
            encoder = (
                self.pretrained(choice.recipe, seed % len(PRETRAIN_SEEDS), choice.steps)
                if start == TUNED
                else self.encoder(seed)
            )
            lagged = start == ALL_WINDOWS
            part = Split(self.runs["train"], self.parts["train"].y) if lagged else None
            loop = TrainConfig(
                steps=steps, learning_rate=rate, warmup_steps=20, weight_decay=1e-2, seed=seed
            )
            model = train_regressor(
                encoder,
                part or self.parts["train"],
                draw(len(self.parts["train"].y), size, seed),
                loop,
                (self.plan.waiting, *self.plan.augment) if lagged else self.plan.augment,
            )
            return error(model, self.parts[split])

        name = _start(start, choice)
        return self.log.once(f"{name}|{size}|{seed}|{setting}|{split}", work)

    def curve(self, start: str, seeds: range, choice: Choice) -> dict[str, list[float]]:
        """Tune on the validation split at each size, then return the test errors."""
        found = {}
        for size in self.plan.sizes:
            tried = [
                np.mean(
                    [self.trained(start, size, 100 + s, i, "validation", choice) for s in range(2)]
                )
                for i in range(len(self.plan.settings))
            ]
            best = int(np.argmin(tried))
            found[str(size)] = [self.trained(start, size, s, best, "test", choice) for s in seeds]
        return found

    def finished(self, start: str, seeds: range, choice: Choice) -> bool:
        """Return whether the last training of a curve is on disk."""
        last = f"{_start(start, choice)}|{self.plan.sizes[-1]}|{seeds[-1]}|"
        return any(key.startswith(last) and key.endswith("|test") for key in self.log.done)

    def compared(self, name: str) -> bool:
        """Return whether the test errors of a recipe are on disk."""
        return _key("moments", name, self.plan.lengths[0], 0, "test") in self.log.done


def _key(layer: str, name: str | None, steps: int, seed: int, split: str) -> str:
    """Return where the errors of probes are kept."""
    return f"{layer}|{name}|{steps if name else 0}|{seed}|{split}"


def _start(start: str, choice: Choice) -> str:
    """Return where the errors of trained networks are kept."""
    return f"{TUNED} from {choice.recipe}, {choice.steps}" if start == TUNED else start
