"""Two processes against one: loss and gradients of every objective on the same batch.

``python benchmarks/distributed_equality.py``
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from _common import ROOT, Benchmark, save

from formwright.surrogate.checkpoints import load_tensors

WORKER: Final = str(ROOT / "benchmarks" / "_equality.py")
TORCHRUN: Final = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


def differences(folder: Path) -> dict[str, dict[str, float]]:
    """Return, for each objective, the largest relative differences of loss and gradient.

    That of a gradient is the norm of the difference over the norm, all parameters together.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    for launcher, name in (((), "one"), (TORCHRUN, "two")):
        command = [sys.executable, *launcher, WORKER, str(folder / name)]
        subprocess.run(command, check=True, env=environment)
    (one, _), (two, header) = (load_tensors(folder / name) for name in ("one", "two"))
    assert header["world"] == 2 and one.keys() == two.keys()
    found: dict[str, dict[str, float]] = {}
    for objective in dict.fromkeys(key.split("|")[0] for key in one):
        keys = [k for k in one if k.startswith(f"{objective}|") and not k.endswith("|loss")]
        loss = f"{objective}|loss"
        gap = sum(float((one[k] - two[k]).square().sum()) for k in keys) ** 0.5
        size = sum(float(one[k].square().sum()) for k in keys) ** 0.5
        found[objective] = {
            "loss": float((one[loss] - two[loss]).abs() / one[loss].abs()),
            "gradient": gap / size,
        }
    return found


def main() -> None:
    """Compare and write the JSON."""
    with tempfile.TemporaryDirectory() as folder:
        found = differences(Path(folder))
    save(
        Benchmark(
            name="distributed-equality",
            claim=(
                f"Two processes under torchrun compute the loss and the gradients of one process "
                f"with the joined batch, for all {len(found)} objectives."
            ),
            value={name: max(gaps.values()) for name, gaps in found.items()},
            unit="largest relative difference, float64",
            better="lower",
            split="random rows, 96 a batch",
            peers={
                "loss alone": {name: gaps["loss"] for name, gaps in found.items()},
                "gradient alone": {name: gaps["gradient"] for name, gaps in found.items()},
            },
            bars={"equal": 1e-10},
            notes=(
                "gloo on the CPU; encoder, projector and predictor with batch normalisation over "
                "the whole batch. Masked prediction has unequal numbers of rows in the processes."
            ),
        )
    )


if __name__ == "__main__":
    main()
