"""What the probes of unsteady runs have in common: rows of the table, words, the figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from _probe import interval
from _probe_runs import (
    ALL_WINDOWS,
    PRETRAIN_SEEDS,
    SCRATCH,
    STARTS,
    TRAIN_SEEDS,
    TUNED,
    Choice,
    Experiment,
)

Curve = Mapping[str, list[float]]
BELOW: Final = "below"
ABOVE: Final = "above"
LEVEL: Final = "level with"


def frozen_curve(
    experiment: Experiment, name: str | None, steps: int, seeds: Sequence[int], layer: str
) -> dict[str, list[float]]:
    """Return the test errors of probes, one a label set, averaged over pretrainings."""
    runs = [experiment.frozen(name, seed, "test", steps, layer) for seed in seeds]
    return {size: np.mean([run[size] for run in runs], 0).tolist() for size in runs[0]}


def rows(
    experiment: Experiment, choice: Choice, partial: bool
) -> tuple[dict[str, list[float]], dict[str, dict[str, list[float]]]]:
    """Return the curve of the chosen recipe, and by name all others that pretrain or train.

    Args:
        experiment: What has been worked out.
        choice: Recipe and length of its pretraining.
        partial: Leave out what has not been run yet.
    """
    best = frozen_curve(experiment, choice.recipe, choice.steps, PRETRAIN_SEEDS, "moments")
    found = {
        start: experiment.curve(start, TRAIN_SEEDS, choice)
        for start in STARTS
        if not partial or experiment.finished(start, TRAIN_SEEDS, choice)
    }
    first = experiment.plan.lengths[0]
    for name in experiment.plan.recipes:
        if (name, first) != (choice.recipe, choice.steps) and (
            not partial or experiment.compared(name)
        ):
            title = f"{name}, {first} steps"
            found[title] = frozen_curve(experiment, name, first, (0,), "moments")
    found["random encoder"] = frozen_curve(experiment, None, 0, PRETRAIN_SEEDS, "moments")
    found["ours, probed one layer later"] = frozen_curve(
        experiment, choice.recipe, choice.steps, PRETRAIN_SEEDS, "embedding"
    )
    return best, found


def against(ours: Curve, theirs: Curve) -> dict[str, list[float]]:
    """Return the 95 % interval of ours minus theirs by size, paired by label set."""
    return {
        size: interval([a - b for a, b in zip(ours[size], theirs[size], strict=False)])
        for size in ours
    }


def verdict(differences: Mapping[str, Sequence[float]], whom: str) -> str:
    """Return in words where ours is below, level with and above theirs, beyond chance."""
    places: dict[str, list[str]] = {BELOW: [], LEVEL: [], ABOVE: []}
    for size, (low, high) in differences.items():
        places[BELOW if high < 0.0 else ABOVE if low > 0.0 else LEVEL].append(size)
    said = [f"{how} {{}} at {listed(sizes)}" for how, sizes in places.items() if sizes]
    return ", ".join(said).replace("{}", whom, 1).replace("{}", "it") + " labels"


def against_all_windows(
    best: Curve, others: Mapping[str, Curve], gains: dict[str, dict[str, list[float]]]
) -> str:
    """Return how ours compares with a network that trains on all times of the labelled runs.

    The comparison is added to ``gains``; empty where that network has not been trained.
    """
    if ALL_WINDOWS not in others:
        return ""
    gains[f"frozen against {ALL_WINDOWS}"] = against(best, others[ALL_WINDOWS])
    whom = "that network when it trains on every window of the labelled runs"
    return f"; the frozen probe is {verdict(gains[f'frozen against {ALL_WINDOWS}'], whom)}"


def listed(words: Sequence[str]) -> str:
    """Return ``"a, b and c"``."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if words[1:] else words)


def shown(differences: Mapping[str, Mapping[str, Sequence[float]]]) -> str:
    """Return intervals by name and size as text."""
    return "; ".join(
        f"{name}, {size} labels: {low:+.4f} to {high:+.4f}"
        for name, by_size in differences.items()
        for size, (low, high) in by_size.items()
    )


def chosen_how(choice: Choice, recipes: Sequence[str]) -> str:
    """Return how validation chose, and what it did not see."""
    scored = {name.rsplit(", ", 1)[0] for name in choice.scores}
    missing = [name for name in recipes if name not in scored]
    more = f" Not run yet: {'; '.join(missing)}." if missing else ""
    listing = ", ".join(f"{k}: {v:.2f}" for k, v in sorted(choice.scores.items(), key=_second))
    return (
        "Recipe, then length of pretraining, chosen by the mean logarithm of the validation error "
        f"over the sizes, one pretraining seed ({listing}).{more}"
    )


def _second(pair: tuple[str, float]) -> float:
    return pair[1]


def summary(errors: Curve) -> dict[str, float]:
    """Return the mean error by size."""
    return {size: float(np.mean(values)) for size, values in errors.items()}


OURS: Final = "pretrained, frozen"
STYLES: Final[Mapping[str, tuple[str, str]]] = {
    OURS: ("C0", "-"),
    TUNED: ("C0", "--"),
    SCRATCH: ("C3", "-"),
    "scratch, all windows": ("C3", "--"),
    "random encoder": ("0.5", "--"),
}


def draw_curves(
    curves: Mapping[str, Curve], path: Path, styles: Mapping[str, tuple[str, str]], label: str
) -> None:
    """Draw error against labels.

    Args:
        curves: By name; those without a style are left out.
        path: Of the SVG.
        styles: Colour and line of the curves beside ``STYLES``.
        label: Of the vertical axis.
    """
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6.4, 4.2), layout="constrained")
    sizes: list[int] = [int(size) for size in next(iter(curves.values()))]
    for name, (colour, line) in {**STYLES, **styles}.items():
        if name not in curves:
            continue
        values = [curves[name][str(n)] for n in sizes]
        ends = np.array([interval(v) for v in values]).T
        look: dict[str, Any] = {"color": colour, "marker": "o", "ms": 3, "label": name}
        axes.plot(sizes, [float(np.mean(v)) for v in values], line, **look)
        axes.fill_between(sizes, np.maximum(ends[0], 1e-4), ends[1], color=colour, alpha=0.12, lw=0)
    axes.axhline(1.0, color="0.7", lw=0.8)
    axes.text(sizes[0], 1.04, "mean", color="0.5", fontsize=8)
    axes.set(xscale="log", yscale="log", xlabel="labels", ylim=(1e-3, 3), ylabel=label)
    axes.set_xticks(sizes, list(map(str, sizes)))
    axes.minorticks_off()
    axes.legend(fontsize=7, frameon=False, loc="lower left")
    path.parent.mkdir(parents=True, exist_ok=True)
    plt.rcParams["svg.hashsalt"] = "formwright"
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
