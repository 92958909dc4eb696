"""Loss and gradients of every objective on this process's share of a batch, as one file.

``python benchmarks/_equality.py OUT`` computes them in one process; the same under ``torchrun
--nproc-per-node 2`` in two, of which the first writes the file. ``distributed_equality.py`` starts
both and compares.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, Final

import torch
from torch import Tensor, nn

from formwright.surrogate.checkpoints import save_tensors
from formwright.surrogate.objectives.barlow import BarlowTwins
from formwright.surrogate.objectives.byol import BYOL
from formwright.surrogate.objectives.compare import compare
from formwright.surrogate.objectives.denoise import Denoise
from formwright.surrogate.objectives.jepa import JEPA
from formwright.surrogate.objectives.masked import Masked
from formwright.surrogate.objectives.siamese import Siamese
from formwright.surrogate.objectives.sigreg import LeJEPA
from formwright.surrogate.objectives.simclr import SimCLR
from formwright.surrogate.objectives.simsiam import SimSiam
from formwright.surrogate.objectives.vicreg import VICReg
from formwright.surrogate.objectives.visreg import VISReg
from formwright.surrogate.pretraining.heads import predictor, projector
from formwright.surrogate.training import distributed

OBJECTIVES: Final[Mapping[str, Any]] = {
    "VICReg": VICReg(),
    "Barlow Twins": BarlowTwins(),
    "SimCLR": SimCLR(),
    "Siamese": Siamese(),
    "BYOL": BYOL(),
    "SimSiam": SimSiam(),
    "masked": Masked(),
    "denoising": Denoise(),
    "JEPA": JEPA(target="shared", variance=1.0, covariance=0.1),  # pyright: ignore
    "LeJEPA": LeJEPA(slices=64),
    "VISReg": VISReg(slices=64),
}
BATCH: Final = 96
SECOND_HAS_FEWER: Final = 7
FEATURES: Final = 12


def rows_of(name: str) -> Tensor:
    """Return this process's rows; masked prediction has unequal numbers of them, as meshes do."""
    rows = torch.arange(BATCH)
    if distributed.world() == 1 or name != "masked":
        return distributed.share(rows)
    cut = BATCH // 2 + SECOND_HAS_FEWER
    return rows[:cut] if distributed.rank() == 0 else rows[cut:]


def measure(name: str, objective: Any) -> dict[str, Tensor]:
    """Return loss and gradients of one objective, of encoder, projector and predictor."""
    generator = torch.Generator().manual_seed(1)
    a = torch.randn(BATCH, FEATURES, generator=generator, dtype=torch.float64)
    b = a + 0.5 * torch.randn(BATCH, FEATURES, generator=generator, dtype=torch.float64)
    torch.manual_seed(2)
    encoder = nn.Sequential(nn.Linear(FEATURES, 24), nn.SiLU(), nn.Linear(24, 16))
    equal = name == "masked"
    online = nn.Sequential(encoder, nn.Identity() if equal else projector(16, 20)).double()
    out = 16 if equal else 20
    guess = nn.Identity() if equal else predictor(out, out, 24).double()
    rows = rows_of(name)
    predicts = getattr(objective, "predictor", True)
    za = online(a[rows])
    zb = online(b[rows])
    loss = compare(objective, guess(za) if predicts else za, zb, generator)
    loss.total.backward()
    parameters = dict(nn.ModuleList([online, guess]).named_parameters())
    distributed.average_gradients(parameters.values())
    found = {f"{name}|{k}": p.grad for k, p in parameters.items() if p.grad is not None}
    return {f"{name}|loss": loss.total.detach(), **found}


def main() -> None:
    """Measure every objective and write the file."""
    torch.set_num_threads(1)
    distributed.join(torch.device("cpu"))
    found = {k: v for name, o in OBJECTIVES.items() for k, v in measure(name, o).items()}
    if distributed.rank() == 0:
        save_tensors(sys.argv[1], found, {"kind": "equality", "world": distributed.world()})
    distributed.wait()


if __name__ == "__main__":
    main()
