"""The embedded panel method as a surrogate: design without learned weights."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from formwright.datasets.cases import Case
from formwright.datasets.solvers.panel.solver import SEPARATION_LIMIT, analyse
from formwright.datasets.solvers.result import POLAR_FIELDS, POLAR_LABELS
from formwright.surrogate.model import Prediction, Surrogate

SPREAD: Final = {"cl": 0.03, "cd": 0.08, "cm": 0.008, "xtr_top": 0.06, "xtr_bottom": 0.06}
SEPARATED: Final = 2.0
UNCONVERGED: Final = 5.0
LEVEL: Final = 0.9
QUANTILE: Final = 1.645


class PanelSurrogate(Surrogate):
    """``datasets.solvers.panel.solver`` behind the surrogate's seam: exact gradients, no training.

    Its standard deviations are its typical distance from XFoil while the flow is attached (relative
    for the drag); they grow with the separated part of the chord beyond what the method allows, so
    that a ``confidence`` constraint keeps a design attached, and where it did not converge.

    Attributes:
        panels: Panels on the contour. Good values: 100-200.
        steps: Newton steps at most.
    """

    labels = POLAR_LABELS
    training_range = {
        "alpha_deg": (-20.0, 20.0),
        "reynolds": (5e4, 1e8),
        "ncrit": (1.0, 14.0),
        "mach": (0.0, 0.6),
    }

    def __init__(self, *, panels: int = 100, steps: int = 32) -> None:
        """Take the resolution of the solver."""
        super().__init__()
        self.panels = panels
        self.steps = steps

    def forward(self, batch: Case, *, fields: bool = False) -> Prediction:
        """Analyse every operating point; all sections of a batch need equally many points.

        Args:
            batch: Cases as ``datasets.cases.sections_batch`` joins them.
            fields: Also return the pressure at the stations.
        """
        pos, ptr = batch.pos, batch.ptr
        assert pos is not None and ptr is not None
        cases = len(ptr) - 1
        conditions = (batch[name].reshape(cases, -1) for name in CONDITIONS)
        solution = analyse(
            pos.reshape(cases, -1, 2), *conditions, panels=self.panels, steps=self.steps
        )
        mean = {label.name: getattr(solution, label.name).reshape(-1) for label in self.labels}
        attached = torch.minimum(solution.separation_top, solution.separation_bottom).reshape(-1)
        doubt = 1.0 + UNCONVERGED * (~solution.converged).reshape(-1)
        doubt = doubt + SEPARATED * (SEPARATION_LIMIT - attached).clamp(min=0.0) / SEPARATION_LIMIT
        std = {name: _spread(name, value) * doubt for name, value in mean.items()}
        pressure = {f.name: getattr(solution, f.name).flatten(0, 1) for f in POLAR_FIELDS}
        return Prediction(
            mean=mean,
            std=std,
            lower={name: mean[name] - QUANTILE * std[name] for name in mean},
            upper={name: mean[name] + QUANTILE * std[name] for name in mean},
            level=LEVEL,
            fields=pressure if fields else {},
        )


CONDITIONS: Final = ("alpha_deg", "reynolds", "ncrit", "mach")


def _spread(name: str, value: Tensor) -> Tensor:
    """Return the standard deviation of a label in attached flow."""
    return SPREAD[name] * value.abs() if name == "cd" else torch.full_like(value, SPREAD[name])
