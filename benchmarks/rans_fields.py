"""Networks of RANS fields, on the body-fitted grid and on the mesh: the same budget, one choice.

Both see the same inputs and train for the same processor time on one thread, on the training
families of the corpus; the validation families choose. The test families are opened once, at the
end, for both and for the floors: the potential flow with a plate's boundary layer, and that with
the mean correction.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from _common import ROOT, Benchmark, save, tell
from _rans_fields import Floor, scores, wall_scores

from formwright.datasets.airfoils.sections import naca
from formwright.datasets.rans.mesh.c_grid import section_grid
from formwright.surrogate.rans.fields.cases import field_cases
from formwright.surrogate.rans.fields.network import FieldConfig, Network
from formwright.surrogate.rans.fields.predict import predict_grid
from formwright.surrogate.rans.fields.surrogate import FieldSurrogate
from formwright.surrogate.rans.fields.training import (
    FieldTraining,
    begin,
    train_fields,
    wall_errors,
)
from formwright.surrogate.zoo import load
from formwright.surrogate.zoo import save as keep

CHOSEN_BY = "wall cp RMSE"
FACTOR = 4
CONFIGS = {
    "grid CNN": FieldConfig(network=Network.GRID, stages=(24, 40, 64, 80)),
    "mesh GNN": FieldConfig(network=Network.MESH, stages=(20, 40, 64, 80)),
}


def main() -> None:
    """Train, choose, open the test families, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=ROOT / "runs" / "rans-2d")
    parser.add_argument("--minutes", type=float, default=2.5, help="of each network")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--samples", type=Path, default=ROOT / "runs" / "rans-fields")
    parser.add_argument("--networks", nargs="+", choices=list(CONFIGS), default=list(CONFIGS))
    parser.add_argument("--weights", type=Path, help="of the one network, trained before")
    parser.add_argument("--field-cases", type=int, default=1000, help="for errors at all cells")
    parser.add_argument("--out", type=Path, help="where the chosen network is written")
    given = parser.parse_args()
    torch.set_num_threads(1)
    cases = {k: v.coarser(FACTOR) for k, v in field_cases(given.folder, given.samples).items()}
    counts = {split: len(part.names) for split, part in cases.items()}
    tell("cases", counts)
    loop = replace(
        FieldTraining().train, steps=10**6, seconds=60.0 * given.minutes, seed=given.seed
    )
    training = FieldTraining(train=loop)
    trained, validation, steps = {}, {}, {}
    for name in given.networks:
        config = CONFIGS[name]
        if given.weights:
            trained[name] = load(given.weights)
            steps[name] = trained[name].provenance["steps"]
        else:
            samples = cases["train"].samples
            untrained = begin(samples, config, seed=loop.seed)
            trained[name] = train_fields(untrained, samples, training)
            steps[name] = trained[name].provenance["steps"]
        validation[name] = wall_scores(wall_errors(trained[name], cases["validation"].samples))
        tell(f"{name}, validation", {"steps": steps[name], **validation[name]})
    best = min(validation, key=lambda name: validation[name][CHOSEN_BY])
    trained_on = trained[best].provenance.get("cases", counts)["train"]
    provenance = {"cases": counts, "seed": given.seed, "steps": steps[best]}
    provenance["validation"] = validation[best]
    if given.out:
        keep(trained[best], given.out, provenance)
    floors = {
        "potential flow, plate": Floor(cases["train"].samples, mean=False),
        "mean correction": Floor(cases["train"].samples, mean=True),
    }
    test = scores(trained | floors, cases["test"], given.field_cases)
    value = test.pop(best)
    if given.out:
        keep(trained[best], given.out, {**provenance, "test": value})
    tell("test", {best: value, **test})
    save(
        Benchmark(
            name="rans-fields",
            claim=(
                f"On {counts['test']} RANS cases of unseen families the {best} predicts the wall's "
                f"pressure with an RMSE of {value['wall cp RMSE']:.3f} and drag within "
                f"{value['CD relative']:.1%}, trained for {given.minutes:g} minutes of one "
                f"core on {trained_on} cases."
            ),
            value=value,
            unit="mean over the test cases; velocities over the free stream",
            better="lower",
            peers=test,
            bars={"bar": {"wall cp RMSE": 0.035}},
            seeds=(given.seed,),
            split=f"family-disjoint: {counts}",
            notes=(
                f"Chosen by {CHOSEN_BY} on the validation families among "
                f"{', '.join(given.networks)}: {best}. One seed. Spearman "
                "coefficients: higher is better. Blunt trailing edges left out. Errors of lift are "
                "relative to .05 at least. Corpus: as far as it was computed at that time."
            ),
            details={
                "validation": validation,
                "steps": steps,
                "cases whose fields were measured": min(given.field_cases, counts["test"]),
                "parameters": {n: _size(m) for n, m in trained.items()},
                "seconds, 39,200 cells": _seconds(trained[best]),
            },
        )
    )


def _size(model: FieldSurrogate) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@torch.no_grad()
def _seconds(model: FieldSurrogate) -> dict[str, Any]:
    """Return processor time of a mesh and of a prediction on it, the least of three."""
    pos = naca("2412").pos
    numbers = torch.tensor(4.0, dtype=torch.float64), torch.tensor(3e6, dtype=torch.float64)
    found: dict[str, list[float]] = {"mesh": [], "prediction": []}
    for _ in range(3):
        begin = time.process_time()
        grid = section_grid(pos, 3e6)
        middle = time.process_time()
        predict_grid(model, grid, *numbers)
        found["mesh"].append(middle - begin)
        found["prediction"].append(time.process_time() - middle)
    return {name: min(times) for name, times in found.items()}


if __name__ == "__main__":
    main()
