"""Polars by NeuralFoil on blends of the training families: the cheap teacher of ``airfoil-polar``.

Writes one ``.npz`` a shard (resumable); sections are drawn as ``formwright corpus polars`` draws
them, from training families only, with another seed. The labels teach, they never judge.

    python benchmarks/teacher_polars.py --out runs/teacher --sections 100000
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from _common import kulfan

from formwright.datasets.airfoils.blends import Blending, draw_section
from formwright.datasets.files import replacing

SHARD = 2000
MODEL = "xxxlarge"


def draw_shard(seed: int, shard: int, points: int) -> dict[str, np.ndarray]:
    """Return CST vectors (sections, 18) and conditions (sections, points) of one shard."""
    rng = np.random.default_rng([seed, shard])
    blending = Blending(
        database_share=0.1, noise_share=0.7, noise=0.03, thick_share=0.2, blunt_share=0.2
    )
    cst = np.stack([draw_section(blending, "train", i, rng).vector for i in range(SHARD)])
    shape = (SHARD, points)
    return {
        "cst": cst,
        "alpha_deg": rng.uniform(-11.0, 17.0, shape),
        "reynolds": np.exp(rng.uniform(np.log(4e4), np.log(1.2e7), shape)),
        "ncrit": np.where(rng.random(shape) < 0.3, 9.0, rng.uniform(3.0, 13.0, shape)),
    }


def label(drawn: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return NeuralFoil's answer, each (sections, points)."""
    import neuralfoil

    points = drawn["alpha_deg"].shape[1]
    answer = neuralfoil.get_aero_from_kulfan_parameters(
        kulfan(np.repeat(drawn["cst"], points, axis=0)),
        alpha=drawn["alpha_deg"].ravel(),
        Re=drawn["reynolds"].ravel(),
        n_crit=drawn["ncrit"].ravel(),
        model_size=MODEL,
    )
    names = {"cl": "CL", "cd": "CD", "cm": "CM", "xtr_top": "Top_Xtr", "xtr_bottom": "Bot_Xtr"}
    labels = {name: answer[key] for name, key in names.items()}
    labels["confidence"] = answer["analysis_confidence"]
    shape = drawn["alpha_deg"].shape
    return {k: v.reshape(shape).astype(np.float32) for k, v in labels.items()}


def main() -> None:
    """Write the shards that are not there yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of the shards")
    parser.add_argument("--sections", type=int, default=100_000)
    parser.add_argument("--points", type=int, default=16, help="operating points a section")
    parser.add_argument("--seed", type=int, default=1001)
    options = parser.parse_args()
    for shard in range(options.sections // SHARD):
        path = options.out / f"{shard:04d}.npz"
        if path.exists():
            continue
        drawn = draw_shard(options.seed, shard, options.points)
        with replacing(path) as temporary, open(temporary, "wb") as handle:
            np.savez(handle, **drawn, **label(drawn))
        print(path, flush=True)


if __name__ == "__main__":
    main()
