"""Does pretraining pay on these data? Error against the number of labels, beside fair floors.

Every method gets the same labelled cases, the same tuning on the validation split, and is judged
once on the test split, with several draws of labels and seeds. A finished training is a line of
``results.jsonl``; a killed run goes on from there.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any, Final, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from formwright.datasets.begun import claim, content, digest
from formwright.datasets.cases import Case
from formwright.datasets.errors import ConfigError, CorpusError
from formwright.datasets.ledger import Ledger
from formwright.datasets.names import slug
from formwright.surrogate.checkpoints import load_weights
from formwright.surrogate.label_efficiency.curves import (
    COMPONENTS,
    FROZEN,
    HAND,
    MEAN,
    RANDOM,
    SCRATCH,
    TUNED,
    Evaluation,
)
from formwright.surrogate.label_efficiency.probes import (
    Rows,
    pca_ridge,
    ridge,
    smooth_or_straight,
)
from formwright.surrogate.objectives.loss import Loss
from formwright.surrogate.pretraining.pretrain import NETWORK, PretrainConfig, pretrain_network
from formwright.surrogate.training.loop import TrainConfig, train
from formwright.surrogate.training.run import MAY_CHANGE

RESULTS: Final = "results.jsonl"
PRETRAINED: Final = "pretrained"
MADE: Final = (RESULTS, f"{PRETRAINED}/*/*.safetensors")
_AT_ONCE: Final = 256
_SAME: Final = 1e-9


@runtime_checkable
class LabelledCases(Protocol):
    """Cases that can be batched and selected; their batches carry the label as an attribute."""

    def __len__(self) -> int:
        """Return the number of cases."""
        ...

    def batch(self, rows: Int[Tensor, " cases"]) -> Case:
        """Return some cases as one batch."""
        ...

    def select(self, rows: Int[Tensor, " cases"]) -> LabelledCases:
        """Return some of the cases."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """One label on one corpus.

    A row is what has one value of the label: a case, or an operating point of a case.

    Attributes:
        corpus: How to call the data.
        label: Its name, with its unit.
        unlabeled: What pretraining sees.
        parts: ``train``, ``validation`` and ``test``, with labels, apart by family or by run.
        target: Batch -> the label of every row, on the scale that is regressed.
        network: A new, untrained network, input scale set; ``width`` is that of its vectors.
        vectors: Network and batch -> one vector a row.
        raw: Batch -> inputs of every row, flattened: for principal components.
        hand: Batch -> what an engineer would compute from every row.
        recipes: What to compare, by name.
    """

    corpus: str
    label: str
    unlabeled: Any
    parts: Mapping[str, LabelledCases]
    target: Callable[[Case], Float[Tensor, " rows"]]
    network: Callable[[], nn.Module]
    vectors: Callable[[nn.Module, Case], Float[Tensor, "rows width"]]
    raw: Callable[[Case], Float[Tensor, "rows raw"]]
    hand: Callable[[Case], Float[Tensor, "rows features"]]
    recipes: Mapping[str, PretrainConfig]


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluationConfig:
    """How much to spend.

    Attributes:
        sizes: Numbers of labelled cases.
        seeds: Draws of the labelled cases, and initialisations.
        pretraining_seeds: Different pretrainings among them.
        learning_rates: Of fine-tuning and of training from scratch, tried on validation.
        steps: Of both, tried on validation.
        batch_cases: Labelled cases a step.
        pretraining_steps: Of every recipe; None leaves what the recipe says.
        threads: Of torch; None leaves them.
    """

    sizes: tuple[int, ...] = (50, 200, 1000)
    seeds: int = 5
    pretraining_seeds: int = 2
    learning_rates: tuple[float, ...] = (3e-4, 1e-3, 3e-3)
    steps: tuple[int, ...] = (300, 1000)
    batch_cases: int = 32
    pretraining_steps: int | None = None
    threads: int | None = None

    def __post_init__(self) -> None:
        """Refuse what would give no interval."""
        if self.seeds < 2 or not self.sizes or min(self.sizes) < 4:
            raise ConfigError(
                f"sizes {self.sizes} and seeds {self.seeds} give no curve with an interval: take "
                "at least 2 seeds, better 5, and sizes of 4 or more."
            )


def evaluate_pretraining(
    task: Task,
    config: EvaluationConfig,
    folder: str | os.PathLike[str],
    progress: Callable[[str, int, int], None] | None = None,
) -> Evaluation:
    """Measure every method at every size.

    Args:
        task: Corpus, label and recipes.
        config: How much to spend.
        folder: Results and pretrained networks; the same call goes on with what is there.
        progress: Called with a word on what is done, the number of jobs done and of all jobs.

    Raises:
        ConfigError: A size exceeds the labelled cases, or the folder holds an evaluation of other
            data or with another configuration.
        CorpusError: A label is not finite, or is the same in all rows of a split.
        ViewError: A recipe holds a view that is forbidden for the label.
    """
    if max(config.sizes) > len(task.parts["train"]):
        raise ConfigError(
            f"size {max(config.sizes)} exceeds the {len(task.parts['train'])} labelled cases of "
            "the training split: take smaller sizes, or a larger corpus."
        )
    start = time.perf_counter()
    bench = _Bench(task, config, Path(folder))
    claim(folder, _requested(task, config), made=MADE, free=MAY_CHANGE)
    jobs = [
        (method, size)
        for method in (MEAN, COMPONENTS, HAND, RANDOM, SCRATCH, *_methods(task.recipes))
        for size in config.sizes
    ]
    errors: dict[str, dict[int, tuple[float, ...]]] = {}
    chosen: dict[str, dict[int, Mapping[str, float]]] = {}
    for done, (method, size) in enumerate(jobs):
        if progress:
            progress(f"{method}, {size} labels", done, len(jobs))
        found, setting = bench.curve_point(method, size)
        errors.setdefault(method, {})[size] = tuple(found)
        if setting:
            chosen.setdefault(method, {})[size] = setting
    cases = {name: len(part) for name, part in task.parts.items()}
    return Evaluation(
        corpus=task.corpus,
        label=task.label,
        sizes=config.sizes,
        errors=errors,
        chosen=chosen,
        cases={**cases, "unlabeled": len(task.unlabeled)},
        seconds=time.perf_counter() - start,
    )


def _requested(task: Task, config: EvaluationConfig) -> dict[str, Any]:
    """Return all that the results depend on."""
    data = {name: content(part) for name, part in task.parts.items()}
    return {
        "label": task.label,
        "error": "over the variance of the part",
        "data": {**data, "unlabeled": content(task.unlabeled)},
        "recipes": task.recipes,
        "config": config,
    }


def _methods(recipes: Mapping[str, PretrainConfig]) -> Iterator[str]:
    """Yield what is measured of every recipe."""
    for name in recipes:
        yield FROZEN.format(name)
        yield TUNED.format(name)


def _error(predicted: Tensor, truth: Tensor) -> float:
    """Return the mean square error over the variance of the labels that were to be predicted."""
    return float((predicted - truth).square().mean() / truth.var(correction=0))


class Regressor(nn.Module):
    """A network with a linear head for one label of mean 0 and deviation 1."""

    def __init__(self, network: nn.Module, task: Task) -> None:
        """Put a new head on a network, which may be pretrained."""
        super().__init__()
        self.network, self.read = network, task.vectors
        self.head = nn.Linear(int(network.width), 1)  # pyright: ignore

    def forward(self, batch: Case) -> Float[Tensor, " rows"]:
        """Predict the label of every row."""
        return self.head(self.read(self.network, batch))[:, 0]


def _check_label(label: Float[Tensor, " rows"], what: str) -> None:
    """Refuse labels that are not finite, or that do not vary."""
    bad = (~torch.isfinite(label)).nonzero()[:, 0].tolist()
    if bad:
        raise CorpusError(
            f"label {what} is not finite in {len(bad)} of {len(label)} rows (the first: "
            f"{bad[:5]}): leave these out, or give them their values."
        )
    if len(label) < 2 or float(label.std()) <= _SAME * float(label.abs().max()):
        raise CorpusError(
            f"label {what} has the same value in all of {len(label)} rows, so an error has no "
            "scale: take more cases, or a label that varies."
        )


@dataclass(slots=True)
class _Bench:
    """Everything measured so far, and how to measure the rest."""

    task: Task
    config: EvaluationConfig
    folder: Path
    ledger: Ledger = field(init=False)
    rows: dict[str, Rows] = field(default_factory=dict)
    centre: float = 0.0
    scale: float = 1.0

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.folder / RESULTS)
        labels = {n: self._all(p, self.task.target) for n, p in self.task.parts.items()}
        for name, label in labels.items():
            _check_label(label, f"{self.task.label!r} in the {name} split of {self.task.corpus!r}")
        self.centre, self.scale = float(labels["train"].mean()), float(labels["train"].std())

    def curve_point(self, method: str, size: int) -> tuple[list[float], Mapping[str, float] | None]:
        """Return the test errors of every seed, and the settings chosen, if there are any."""
        recipe = next((r for r in self.task.recipes if method == TUNED.format(r)), None)
        if method != SCRATCH and recipe is None:
            seeds = range(self.config.seeds)
            return [
                self._once([method, size, s], self._shallow, method, size, s) for s in seeds
            ], None
        grid = list(product(self.config.learning_rates, self.config.steps))
        tried = [
            self._once(
                [method, size, 0, *s, "validation"], self._deep, recipe, size, 0, s, "validation"
            )
            for s in grid
        ]
        best = grid[tried.index(min(tried))]
        errors = [
            self._once(
                [method, size, seed, *best, "test"], self._deep, recipe, size, seed, best, "test"
            )
            for seed in range(self.config.seeds)
        ]
        return errors, {"learning_rate": best[0], "steps": best[1]}

    def _once(self, key: list[Any], work: Callable[..., float], *arguments: Any) -> float:
        """Return what is on disk under ``key``, worked out now if it is not."""
        budget = [self.config.batch_cases, self.config.pretraining_steps]
        name = json.dumps([self.task.corpus, self.task.label, *budget, *key])
        return self.ledger.once(name, lambda: work(*arguments))

    def _deep(
        self, recipe: str | None, size: int, seed: int, setting: tuple[float, int], split: str
    ) -> float:
        """Train or fine-tune once; return the error on a split."""
        few, (rate, steps) = self._few(size, seed), setting
        torch.manual_seed(2000 + seed)
        model = Regressor(self._network(recipe, seed), self.task)
        loop = TrainConfig(
            steps=steps,
            learning_rate=rate,
            warmup_steps=min(20, steps // 5),
            ema_decay=0.98,
            seed=seed,
            threads=self.config.threads,
            log_every_steps=steps,
        )
        result = train(model, self._step_loss(few), loop, progress=False)
        best = (result.averaged or model).eval()
        part = self.task.parts[split]
        predicted = self._all(part, best)
        return _error(predicted * self.scale + self.centre, self._all(part, self.task.target))

    def _step_loss(self, few: LabelledCases) -> Callable[[Any, int, torch.Generator], Loss]:
        """Return the loss of a step on some of the labelled cases."""

        def loss(model: Any, step: int, generator: torch.Generator) -> Loss:
            drawn = torch.randperm(len(few), generator=generator)[: self.config.batch_cases]
            batch = few.batch(drawn)
            goal = (self.task.target(batch) - self.centre) / self.scale
            error = (model(batch) - goal.float()).square().mean()
            return Loss(error, {})

        return loss

    def _shallow(self, method: str, size: int, seed: int) -> float:
        """Return the test error of a method that trains no network."""
        if method == MEAN:
            few, truth = self._few(size, seed), self._part_rows("hand", "test").label
            guess = self._all(few, self.task.target).double().mean()
            return _error(guess.expand(len(truth)), truth)
        kind = {COMPONENTS: "raw", HAND: "hand"}.get(method)
        network = None
        if kind is None:
            recipe = next((r for r in self.task.recipes if method == FROZEN.format(r)), None)
            network = self._network(recipe, seed).eval()
            kind = f"{recipe}|{seed % self.config.pretraining_seeds}"
        few = self._rows(self._few(size, seed), kind, network)
        judged, requested = (
            self._part_rows(kind, name, network) for name in ("validation", "test")
        )
        if method == HAND:
            predicted = smooth_or_straight(few, judged, requested)
        elif method == COMPONENTS:
            predicted = pca_ridge(self._part_rows("raw", "train").features, few, judged, requested)
        else:
            predicted = ridge(few, judged, requested)
        return _error(predicted, requested.label)

    def _part_rows(self, kind: str, part: str, network: nn.Module | None = None) -> Rows:
        """Return features and labels of a split, kept in memory."""
        key = f"{kind}|{part}"
        if key not in self.rows:
            self.rows[key] = self._rows(self.task.parts[part], kind, network)
        return self.rows[key]

    def _rows(self, cases: LabelledCases, kind: str, network: nn.Module | None) -> Rows:
        """Return features and labels of some cases."""
        reads = {"raw": self.task.raw, "hand": self.task.hand}
        read = reads.get(kind) or (lambda batch: self.task.vectors(network, batch))  # pyright: ignore
        return Rows(features=self._all(cases, read), label=self._all(cases, self.task.target))

    def _all(self, cases: LabelledCases, read: Callable[[Case], Tensor]) -> Tensor:
        """Return what ``read`` makes of all cases, row by row."""
        with torch.no_grad():
            parts = torch.arange(len(cases)).split(_AT_ONCE)
            return torch.cat([read(cases.batch(rows)) for rows in parts]).double()

    def _few(self, size: int, seed: int) -> LabelledCases:
        """Return the labelled cases of a seed."""
        cases = self.task.parts["train"]
        generator = torch.Generator().manual_seed(seed)
        return cases.select(torch.randperm(len(cases), generator=generator)[:size])

    def _network(self, recipe: str | None, seed: int) -> nn.Module:
        """Return a network: pretrained (from disk if it was before), or random."""
        seed = seed % self.config.pretraining_seeds if recipe else seed
        torch.manual_seed(1000 + seed)
        network = self.task.network()
        if recipe is None:
            return network
        given = self.task.recipes[recipe]
        steps = self.config.pretraining_steps or given.train.steps
        loop = replace(given.train, steps=steps, seed=seed, threads=self.config.threads)
        name = f"{slug(recipe)}-{digest(recipe)}-{steps}-{seed}"
        path = self.folder / PRETRAINED / name
        if (path / NETWORK).exists():
            load_weights(network, path / NETWORK)
        else:
            pretrain_network(
                network, self.task.unlabeled, replace(given, train=loop), path, progress=False
            )
        return network
