"""``rans-2d`` on the test families of the corpus: lift, drag and wall pressure, beside the peers.

    python benchmarks/rans_accuracy.py

Everything it needs is in the repository: the corpus's rows (``benchmarks/data/rans-2d``) and the
shipped weights. XFoil and NeuralFoil are used as they are, with natural transition (Ncrit 9) and
with transition forced at 1 % of the chord, which is what RANS that is turbulent from the nose on is
to be compared with; points on which XFoil does not converge are left out of its own row.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from _common import DATA, Benchmark, save
from _rans import Answer, errors, neuralfoil_answer, potential_answer, xfoil_answer

from formwright.datasets.rans.data import FORCES, RansData, read_rans
from formwright.surrogate.zoo import load

RANS = DATA / "rans-2d"
SPLIT = "rans-2d test: {} cases of {} sections, of families that no training case has"
DRAWS = 2000
TRIPPED = "XFoil 6.99, tripped at .01"


def shipped(data: RansData) -> tuple[Answer, dict[str, float]]:
    """Return what ``rans-2d`` says, and the share of cases that each interval holds."""
    with torch.no_grad():
        said = load("rans-2d")(data.batch(), fields=True)
    held = {}
    for i, name in enumerate(FORCES):
        truth = torch.from_numpy(data.forces[:, i])
        held[name] = float(
            ((said.lower[name] <= truth) & (truth <= said.upper[name])).double().mean()
        )
    forces = np.stack([said.mean[name].numpy() for name in FORCES], 1)
    cp = np.stack([said.fields[name].numpy() for name in ("cp_top", "cp_bottom")], 1)
    return Answer(forces=forces, cp=cp), held


def interval(data: RansData, answer: Answer, key: str) -> list[float]:
    """Return the 95 % bootstrap interval of a figure, drawn by sections."""
    rng, names = np.random.default_rng(0), np.array(data.sections)
    groups = [np.flatnonzero(names == name) for name in dict.fromkeys(data.sections)]
    values = []
    for _ in range(DRAWS):
        rows = np.concatenate([groups[i] for i in rng.integers(len(groups), size=len(groups))])
        values.append(errors(data.take(rows), answer.take(rows))[key])
    return [float(q) for q in np.quantile(values, [0.025, 0.975])]


def main() -> None:
    """Measure and save the three claims."""
    data = read_rans(RANS).of_split("test")
    own, held = shipped(data)
    peers = {
        "polar (XFoil, natural transition) by airfoil-polar": potential_answer(data),
        "XFoil 6.99, Ncrit 9": xfoil_answer(data, trip=1.0),
        TRIPPED: xfoil_answer(data, trip=0.01),
        "NeuralFoil 0.3.3 xxxlarge, Ncrit 9": neuralfoil_answer(data, trip=1.0),
        "NeuralFoil 0.3.3 xxxlarge, tripped at .01": neuralfoil_answer(data, trip=0.01),
    }
    peers = {name: answer for name, answer in peers.items() if answer is not None}
    if TRIPPED not in peers:
        raise SystemExit("XFoil is not installed: bash .ci/xfoil, or your package manager.")
    found, tripped = errors(data, own), errors(data, peers[TRIPPED])
    split = SPLIT.format(len(data), len(set(data.sections)))
    notes = (
        "Relative errors of lift are ruled by the cases near zero lift; the absolute error and the "
        f"median stand beside. 90 % intervals hold {held['cl']:.0%} of the lifts, {held['cd']:.0%} "
        f"of the drags, {held['cm']:.0%} of the moments. Cases that did not settle have no label."
    )

    def claim(name: str, sentence: str, keys: Mapping[str, str], bars: Mapping[str, Any]) -> None:
        others = {
            who: {label: errors(data, answer).get(key) for label, key in keys.items()}
            for who, answer in peers.items()
        }
        save(
            Benchmark(
                name=name,
                claim=sentence,
                value={label: found[key] for label, key in keys.items()},
                unit="1",
                better="lower",
                split=split,
                peers=others,
                bars=bars,
                interval={label: interval(data, own, key) for label, key in keys.items()},
                notes=notes,
            )
        )

    claim(
        "rans-lift",
        f"RANS lift of sections of unseen families, off by {found['cl']:.1%} in the mean; tripped "
        f"XFoil by {tripped['cl']:.1%}.",
        {"relative": "cl", "median": "cl_median", "absolute": "cl_absolute", "rank": "cl_rank"},
        {"bar": {"relative": 0.03, "rank": 0.998}},
    )
    claim(
        "rans-drag",
        f"RANS drag of sections of unseen families, off by {found['cd']:.1%} in the mean; tripped "
        f"XFoil by {tripped['cd']:.1%}.",
        {"relative": "cd", "median": "cd_median", "rank": "cd_rank"},
        {"bar": {"relative": 0.08, "rank": 0.95}},
    )
    claim(
        "rans-wall-cp",
        f"RANS wall pressure coefficient of sections of unseen families, RMSE over 64 stations "
        f"{found['cp']:.3f} in the mean; tripped XFoil {tripped['cp']:.3f}.",
        {"mean": "cp", "median": "cp_median"},
        {"bar": {"mean": 0.035}},
    )


if __name__ == "__main__":
    main()
