"""How few RANS cases: fine-tuned from coarse RANS, from XFoil's flow, from scratch, and by GPs.

    python benchmarks/rans_label_efficiency.py [--arms scratch]

Everything it needs is in the repository. Training sets are nested, drawn five times; every network
is one member, not the four of ``rans-2d``. Steps and rate of each network are chosen at each size
on the validation families, among equally many candidates; the test families are looked at by what
was chosen. XFoil and NeuralFoil, which learn nothing, are those of ``rans_accuracy.py``. Each arm
has its own file of rows: several processes may fit one each; the last, without ``--arms``, saves.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from _common import RESULTS, Benchmark, save, tell
from _curves import canvas, error_curves, save_figure
from _rans import Answer, errors
from _rans_baselines import BASELINES
from rans_accuracy import RANS, SPLIT

from formwright.datasets.files import write_json
from formwright.datasets.rans.data import RansData, read_rans
from formwright.surrogate.rans.wall.cases import WallCases, rans_walls
from formwright.surrogate.rans.wall.surrogate import RansConfig, RansSurrogate
from formwright.surrogate.rans.wall.training import FINE_TUNING, WallTraining, finetune_rans
from formwright.surrogate.zoo import load

SIZES: Final = (25, 50, 100, 200, 400)
SEEDS: Final = (0, 1, 2, 3, 4)
T_95: Final = 2.776
"""Of Student's distribution with four degrees of freedom."""
KEYS: Final = ("cl_absolute", "cd", "cp")
TOLD: Final = KEYS[:2]
"""In the table; the others are among the details."""
PRETRAINED: Final = "pretrained on XFoil's flow and coarse RANS"
XFOIL: Final = "pretrained on XFoil's flow alone"
SCRATCH: Final = "the same network from scratch"
START: Final = {PRETRAINED: "rans-wall", XFOIL: "turbulent-wall"}
CANDIDATES: Final = {
    **dict.fromkeys(START, ((100, 1e-3), (300, 1e-3), (300, 2e-3))),
    SCRATCH: ((300, 3e-3), (600, 3e-3), (600, 6e-3)),
}
"""Steps and learning rates."""


def recipe(steps: int, rate: float) -> WallTraining:
    """Return how to fine-tune."""
    settings = dataclasses.replace(FINE_TUNING.train, steps=steps, learning_rate=rate, threads=1)
    return dataclasses.replace(FINE_TUNING, train=settings)


class Question:
    """The splits, as numbers and as walls."""

    def __init__(self) -> None:
        """Read the corpus."""
        data = read_rans(RANS)
        polar = load("airfoil-polar")
        self.polar, self.config = polar, RansConfig(members=1)
        self.data = {name: data.of_split(name) for name in ("train", "validation", "test")}
        self.walls = {name: rans_walls(polar, part) for name, part in self.data.items()}

    def network(self, arm: str, rows: np.ndarray, seed: int, steps: int, rate: float) -> Any:
        """Return a surrogate that learned from some training cases."""
        torch.manual_seed(seed)
        surrogate = RansSurrogate(self.config, polar=self.polar)
        start = load(START[arm]) if arm in START else self.config.network()
        cases = self.walls["train"].take(torch.from_numpy(rows))
        finetune_rans(surrogate, start, cases, recipe(steps, rate), seed=seed)
        return surrogate

    def judged(self, surrogate: RansSurrogate, split: str) -> dict[str, float]:
        """Return the errors on a split."""
        walls: WallCases = self.walls[split]
        with torch.no_grad():
            said = surrogate.predict_walls(walls.flow)
        forces = said.forces.numpy().astype(float)
        forces[:, 1] = np.exp(forces[:, 1])
        half = said.cp.shape[1] // 2
        cp = torch.stack([said.cp[:, :half].flip(1), said.cp[:, half:]], 1).numpy()
        return errors(self.data[split], Answer(forces=forces, cp=cp))


def sizes_of(cases: int) -> list[int]:
    """Return the numbers of training cases to learn from; all of them where that is another one."""
    sizes = [size for size in SIZES if size <= cases]
    return sizes if cases < 1.1 * sizes[-1] else [*sizes, cases]


def rows_of(cases: int, size: int, seed: int) -> np.ndarray:
    """Return the training cases of a size; those of a smaller size are among them."""
    return np.random.default_rng(seed).permutation(cases)[:size]


def learned(question: Question, arm: str, size: int, seed: int, chosen: dict) -> dict[str, Any]:
    """Return the errors of an arm on the test split, the recipe chosen on validation at seed 0."""
    rows = rows_of(len(question.data["train"]), size, seed)
    if arm in BASELINES:
        predict: Callable[[RansData], Answer] = BASELINES[arm](question.data["train"].take(rows))
        return errors(question.data["test"], predict(question.data["test"]))
    key = f"{arm} {size}"
    if key not in chosen:
        tried = []
        for steps, rate in CANDIDATES[arm]:
            found = question.judged(question.network(arm, rows, seed, steps, rate), "validation")
            tried.append((found["cd"] + found["cl_absolute"] + found["cp"], steps, rate))
        chosen[key] = min(tried)[1:]
    return question.judged(question.network(arm, rows, seed, *chosen[key]), "test")


def summary(
    rows: dict[str, dict[str, float]], arm: str, sizes: list[int], keys: Sequence[str] = TOLD
) -> dict[str, Any]:
    """Return mean errors of an arm by size."""
    return {
        f"{key} {size}": float(np.mean([rows[f"{arm}|{size}|{seed}"][key] for seed in SEEDS]))
        for key in keys
        for size in sizes
    }


def spread(rows: dict[str, dict[str, float]], arm: str, sizes: list[int]) -> dict[str, list[float]]:
    """Return the 95 % t interval of the mean over the seeds."""
    found = {}
    for key in KEYS:
        for size in sizes:
            values = np.array([rows[f"{arm}|{size}|{seed}"][key] for seed in SEEDS])
            half = T_95 * values.std(ddof=1) / len(values) ** 0.5
            found[f"{key} {size}"] = [float(values.mean() - half), float(values.mean() + half)]
    return found


def paired(rows: dict[str, dict[str, float]], arm: str, sizes: list[int]) -> dict[str, list[float]]:
    """Return the relative difference from an arm: mean and 95 % t interval over paired draws."""
    found = {}
    for key in KEYS:
        for size in sizes:
            own, other = (
                np.array([rows[f"{name}|{size}|{seed}"][key] for seed in SEEDS])
                for name in (PRETRAINED, arm)
            )
            off = own / other - 1.0
            half = T_95 * off.std(ddof=1) / len(off) ** 0.5
            found[f"{key} {size}"] = [
                float(v) for v in (off.mean(), off.mean() - half, off.mean() + half)
            ]
    return found


def claim(
    value: dict[str, Any], scratch: dict[str, Any], fitted: dict[str, Any], sizes: list[int]
) -> str:
    """Return the sentence with the figures of drag."""

    def drags(of: dict[str, Any]) -> str:
        return ", ".join(f"{100 * of[f'cd {size}']:.1f}" for size in sizes)

    return (
        f"Drag of RANS from {', '.join(map(str, sizes))} cases: {drags(value)} % off, fine-tuned "
        f"from XFoil's flow and coarse RANS; the same network from scratch {drags(scratch)} %, "
        f"morphing + PCA + Gaussian process {drags(fitted)} %."
    )


def unchanged(sizes: list[int]) -> dict[str, dict[str, float | None]]:
    """Return XFoil and NeuralFoil as ``rans_accuracy.py`` found them."""
    lift, drag = (
        json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))["peers"]
        for name in ("rans-lift", "rans-drag")
    )
    return {
        who: {
            f"{key} {size}": value
            for key, value in zip(TOLD, (lift[who]["absolute"], drag[who]["relative"]), strict=True)
            for size in sizes
        }
        for who in lift
    }


def fitted(question: Question, arm: str, sizes: list[int], store: Path) -> dict[str, Any]:
    """Return rows and choices of an arm, those that are not in its file yet fitted now."""
    kept = json.loads(store.read_text(encoding="utf-8")) if store.exists() else {}
    rows, chosen = kept.setdefault("rows", {}), kept.setdefault("chosen", {})
    for seed in SEEDS:
        for size in sizes:
            key = f"{arm}|{size}|{seed}"
            if key not in rows:
                rows[key] = learned(question, arm, size, seed, chosen)
                write_json(store, kept)
                tell(key, {name: round(rows[key][name], 4) for name in KEYS})
    return kept


def main() -> None:
    """Fit what is not fitted yet, and save the claim once every arm is there."""
    arms = {"pretrained": PRETRAINED, **dict(zip(("morphed", "cst"), BASELINES, strict=True))}
    arms |= {"xfoil": XFOIL, "scratch": SCRATCH}
    parser = argparse.ArgumentParser(description="How few RANS cases are enough.")
    parser.add_argument("--out", type=Path, default=Path("runs/rans-label-efficiency"))
    parser.add_argument(
        "--arms", nargs="+", choices=arms, help="Fit these alone, and save nothing."
    )
    options = parser.parse_args()
    question = Question()
    cases = len(question.data["train"])
    sizes = sizes_of(cases)
    options.out.mkdir(parents=True, exist_ok=True)
    kept = [
        fitted(question, arms[name], sizes, options.out / f"{name}.json")
        for name in options.arms or arms
    ]
    if not options.arms:
        publish(
            question,
            sizes,
            {key: row for part in kept for key, row in part["rows"].items()},
            {key: choice for part in kept for key, choice in part["chosen"].items()},
        )


def publish(
    question: Question, sizes: list[int], rows: dict[str, Any], chosen: dict[str, Any]
) -> None:
    """Save the claim."""
    cases, arms = len(question.data["train"]), [PRETRAINED, XFOIL, *BASELINES, SCRATCH]
    peers = {arm: summary(rows, arm, sizes) for arm in arms[1:]} | unchanged(sizes)
    value, test = summary(rows, PRETRAINED, sizes), question.data["test"]
    save(
        Benchmark(
            name="rans-label-efficiency",
            claim=claim(value, peers[SCRATCH], peers[next(iter(BASELINES))], sizes),
            value=value,
            unit="1",
            better="lower",
            split=SPLIT.format(len(test), len(set(test.sections))),
            peers=peers,
            interval={
                name: ends
                for name, ends in spread(rows, PRETRAINED, sizes).items()
                if name.startswith(TOLD)
            },
            seeds=SEEDS,
            notes=(
                "cl_absolute: mean absolute error of lift; cd: mean relative error of drag; the "
                f"number is that of training cases, of which the corpus has {cases}. Intervals: "
                "95 %, over 5 draws. Wall pressure is among the file's details. The coarse RANS of "
                "the pretraining are 280 cases on a mesh of a quarter of the cells (rans-speed has "
                "the seconds of one): without them see the second row."
            ),
            details={
                "chosen": chosen,
                "relative difference from": {arm: paired(rows, arm, sizes) for arm in arms[1:]},
                "errors": {arm: summary(rows, arm, sizes, KEYS) for arm in arms},
                "intervals": {arm: spread(rows, arm, sizes) for arm in arms[1:]},
            },
        )
    )
    draw(rows, arms, sizes, unchanged(sizes))


def draw(
    rows: dict[str, Any], arms: Sequence[str], sizes: list[int], peers: dict[str, Any]
) -> None:
    """Draw the errors of lift and drag against the number of training cases."""
    figure, both = canvas(columns=2, width=11.0)
    told = {"cl_absolute": "mean absolute error of lift", "cd": "mean relative error of drag"}
    for axes, (key, error) in zip(both, told.items(), strict=True):
        curves = {}
        for arm in arms:
            mean, ends = summary(rows, arm, sizes, [key]), spread(rows, arm, sizes)
            curves[arm] = [(mean[f"{key} {n}"], *ends[f"{key} {n}"]) for n in sizes]
        error_curves(axes, sizes, curves, "RANS cases", error)
        for who, style in zip(
            ("XFoil 6.99", "NeuralFoil 0.3.3 xxxlarge"), (":", "-."), strict=True
        ):
            name = next(name for name in peers if name.startswith(who) and "tripped" in name)
            axes.axhline(peers[name][f"{key} {sizes[0]}"], color="0.4", ls=style, label=name)
    figure.legend(
        *both[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8
    )
    save_figure(figure, "rans_label_efficiency")


if __name__ == "__main__":
    main()
