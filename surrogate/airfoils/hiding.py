"""What masked prediction hides of a section: one arc of its contour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from formwright.datasets.cases import Case
from formwright.surrogate.airfoils.views import PartialContour
from formwright.surrogate.pretraining.hiding import Hidden


@dataclass(frozen=True, kw_only=True, slots=True)
class Arcs:
    """One arc on one side of each contour, replaced by a straight line.

    The values to predict are the distances of the true points from the line.

    Attributes:
        kind: Its name in a configuration file.
        least: Least hidden fraction of the arc length of the side.
        most: Largest one.
    """

    kind: Literal["arcs"] = "arcs"
    least: float = 0.2
    most: float = 0.6

    def hide(self, batch: Case, generator: torch.Generator) -> Hidden:
        """Hide arcs."""
        seen = PartialContour(least=self.least, most=self.most)(batch, generator)
        assert batch.pos is not None and seen.pos is not None
        cases = len(batch.ptr) - 1
        order = torch.linspace(-1.0, 1.0, len(seen.pos) // cases).to(seen.pos)
        waves = torch.pi * torch.arange(1, 5).to(seen.pos) * order[:, None]
        ring = torch.cat([waves.sin(), waves.cos()], 1).repeat(cases, 1)
        place = torch.cat([seen.pos, ring], 1)
        return Hidden(seen, ~seen["visible"], batch.pos - seen.pos, place)
