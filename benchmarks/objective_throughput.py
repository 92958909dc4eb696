"""Each objective's loss at batch 1024 x 512, forward and backward, against lightly's.

``python benchmarks/objective_throughput.py [--lightly FOLDER]``

lightly cannot be installed beside formwright (it asks for torchvision), and its package cannot be
imported without torchvision. Its loss files need torch alone, so they are loaded one by one from an
unpacked wheel: ``pip install --no-deps --target FOLDER lightly``. Without ``--lightly`` this script
does that itself into a temporary folder.
"""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys
import tempfile
import time
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import torch
from _common import Benchmark, save
from _equality import OBJECTIVES
from torch import Tensor

from formwright.surrogate.objectives.sigreg import LeJEPA
from formwright.surrogate.objectives.visreg import VISReg

BATCH: Final = 1024
WIDTH: Final = 512
SLICES: Final = 1024
LAPS: Final = 15
Call = Callable[[Tensor, Tensor], Tensor]


def lightly_losses(folder: Path) -> dict[str, Call]:
    """Return lightly's losses by our name, from the files of an unpacked wheel."""
    for name in ("", ".loss", ".utils", ".models", ".models.modules"):
        package = types.ModuleType(f"lightly{name}")
        package.__path__ = [str(folder / f"lightly{name}".replace(".", "/"))]
        sys.modules[f"lightly{name}"] = package
    unused = types.ModuleType("lightly.models.utils")
    sys.modules["lightly.models.utils"] = sys.modules["lightly.models"].utils = unused  # pyright: ignore

    def load(module: str, kind: str) -> Any:
        return getattr(importlib.import_module(f"lightly.loss.{module}"), kind)

    cosine = load("negative_cosine_similarity", "NegativeCosineSimilarity")()
    lejepa = load("lejepa_loss", "LeJEPALoss")(sigreg_num_vectors=SLICES)
    visreg = load("visreg_loss", "VISRegLoss")(num_slices=SLICES)
    return {
        "VICReg": load("vicreg_loss", "VICRegLoss")(),
        "Barlow Twins": load("barlow_twins_loss", "BarlowTwinsLoss")(),
        "SimCLR": load("ntx_ent_loss", "NTXentLoss")(temperature=0.1),
        "BYOL": lambda a, b: cosine(a, b.detach()),
        "SimSiam": lambda a, b: cosine(a, b.detach()),
        "LeJEPA": lambda a, b: lejepa(local_proj=a[None], global_proj=b[None]),
        "VISReg": lambda a, b: visreg(local_proj=a[None], global_proj=b[None]),
    }


def ours() -> dict[str, Call]:
    """Return our losses by name, with as many slices as lightly's."""
    values: Mapping[str, Any] = {
        **OBJECTIVES,
        "LeJEPA": LeJEPA(slices=SLICES),
        "VISReg": VISReg(slices=SLICES),
    }
    return {name: lambda a, b, o=value: o(a, b).total for name, value in values.items()}


def lap(call: Call, a: Tensor, b: Tensor) -> float:
    """Return the seconds of one forward and backward pass."""
    a.grad = b.grad = None
    start = time.perf_counter()
    call(a, b).backward()
    if a.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - start


def race(laps: int, folder: Path, device: str) -> dict[str, dict[str, float | None]]:
    """Return median milliseconds by objective, ours and theirs in turns."""
    generator = torch.Generator().manual_seed(0)
    a = torch.randn(BATCH, WIDTH, generator=generator).to(device).requires_grad_()
    noise = torch.randn(BATCH, WIDTH, generator=generator).to(device)
    b = (a.detach() + 0.5 * noise).requires_grad_()
    own, other = ours(), lightly_losses(folder)
    found: dict[str, dict[str, float | None]] = {}
    for name, call in own.items():
        calls = {"formwright": call} | ({"lightly": other[name]} if name in other else {})
        times: dict[str, list[float]] = {who: [] for who in calls}
        for number in range(laps + 2):
            for who in sorted(calls, reverse=bool(number % 2)):
                times[who].append(lap(calls[who], a, b))
        middle = {who: 1e3 * sorted(t[2:])[laps // 2] for who, t in times.items()}
        found[name] = {"formwright": middle["formwright"], "lightly": middle.get("lightly")}
        print(name, found[name], flush=True)
    return found


def main() -> None:
    """Time all objectives and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lightly", type=Path)
    parser.add_argument("--laps", type=int, default=LAPS)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.lightly or Path(scratch)
        if options.lightly is None:
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
            subprocess.run([*pip, "--target", scratch, "lightly"], check=True)
        found = race(options.laps, folder, options.device)
        version = next(folder.glob("lightly-*.dist-info")).name.split("-")[1].removesuffix(".dist")
    slower = [k for k, v in found.items() if v["lightly"] and v["formwright"] > v["lightly"]]
    save(
        Benchmark(
            name="objective-throughput" + ("" if options.device == "cpu" else "-gpu"),
            claim=(
                f"Forward and backward of each objective's loss at {BATCH} x {WIDTH} take "
                + ("no longer than" if not slower else f"longer for {', '.join(slower)} than")
                + " lightly's loss file, where lightly has one."
            ),
            value={name: times["formwright"] for name, times in found.items()},
            unit="ms",
            better="lower",
            split=f"random rows, {BATCH} x {WIDTH}, float32, {options.device}",
            peers={f"lightly {version}": {name: t["lightly"] for name, t in found.items()}},
            notes=(
                f"Medians of {options.laps} interleaved laps in one thread; {SLICES} slices for "
                "LeJEPA and VISReg in both. Ours checks its input for NaN in every call."
            ),
        )
    )


if __name__ == "__main__":
    main()
