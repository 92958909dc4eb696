"""The objectives that compare two views, by name, and the networks that each of them needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from formwright.surrogate.objectives.barlow import BarlowTwins
from formwright.surrogate.objectives.byol import BYOL
from formwright.surrogate.objectives.jepa import JEPA
from formwright.surrogate.objectives.siamese import Siamese
from formwright.surrogate.objectives.sigreg import LeJEPA
from formwright.surrogate.objectives.simclr import SimCLR
from formwright.surrogate.objectives.simsiam import SimSiam
from formwright.surrogate.objectives.vicreg import VICReg
from formwright.surrogate.objectives.visreg import VISReg

Symmetric = VICReg | BarlowTwins | SimCLR | Siamese | LeJEPA | VISReg
"""Need nothing beside two embeddings."""

Predictive = BYOL | SimSiam | JEPA
"""Need a predictor, and targets that a gradient may not reach."""

Objective = Symmetric | Predictive

OBJECTIVES: Final[Mapping[str, type[Objective]]] = {
    cls().kind: cls
    for cls in (
        VICReg,
        BarlowTwins,
        SimCLR,
        Siamese,
        BYOL,
        SimSiam,
        JEPA,
        LeJEPA,
        VISReg,
    )
}
"""By the name that a configuration file and the command line know them by."""
