"""What masked prediction hides of a flow on a mesh: the potential flow in blocks of cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from formwright.datasets.cases import Case
from formwright.surrogate.pretraining.hiding import Hidden
from formwright.surrogate.rans.fields.views import FLOW_FEATURES, HideCells


@dataclass(frozen=True, kw_only=True, slots=True)
class Cells:
    """Blocks of cells of a flow around a section: the potential flow there (``fields.inputs``).

    Where a cell is, and the conditions, stay.

    Attributes:
        kind: Its name in a configuration file.
        side: Cells of a block along both edges.
        share: Of the blocks, hidden in each case.
    """

    kind: Literal["cells"] = "cells"
    side: int = 4
    share: float = 0.5

    def hide(self, batch: Case, generator: torch.Generator) -> Hidden:
        """Hide cells."""
        seen = HideCells(side=self.side, share=self.share)(batch, generator)
        return Hidden(seen, ~seen["visible"], batch["features"][:, list(FLOW_FEATURES)])
