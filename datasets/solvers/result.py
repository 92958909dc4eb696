"""What every solver returns: labels and fields, each point with its convergence or the reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from jaxtyping import Bool, Float

from formwright.datasets.cases import Quantity

POLAR_LABELS: Final = (
    Quantity("cl", "1", "lift coefficient"),
    Quantity("cd", "1", "drag coefficient"),
    Quantity("cm", "1", "pitching-moment coefficient about the quarter chord, nose up positive"),
    Quantity("xtr_top", "chord", "transition on the upper surface, x/c"),
    Quantity("xtr_bottom", "chord", "transition on the lower surface, x/c"),
)
POLAR_FIELDS: Final = (
    Quantity("cp_top", "1", "pressure coefficient on the upper surface at the stations"),
    Quantity("cp_bottom", "1", "pressure coefficient on the lower surface at the stations"),
)
N_STATIONS: Final = 32


def stations() -> Float[np.ndarray, " stations"]:
    """Return x/c of the field stations: midpoints of 32 equal steps in the cosine angle."""
    return 0.5 * (1.0 - np.cos(np.pi * (np.arange(N_STATIONS) + 0.5) / N_STATIONS))


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """The answer of a solver to one case with M operating points.

    Attributes:
        labels: ``POLAR_LABELS`` by name, each (M,) float64; NaN where not converged.
        fields: ``POLAR_FIELDS`` by name, each (M, 32) float64; NaN where absent.
        reasons: One string a point: empty if converged, else why not.
        solver: Name and version, e.g. ``"xfoil 6.99"``.
        settings: What else determined the answer (panels, iterations), for the provenance.
        seconds: Wall time of the case.
    """

    labels: Mapping[str, Float[np.ndarray, " conditions"]]
    fields: Mapping[str, Float[np.ndarray, "conditions stations"]] = field(default_factory=dict)
    reasons: tuple[str, ...]
    solver: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def converged(self) -> Bool[np.ndarray, " conditions"]:
        """Where the solver converged."""
        return np.array([not reason for reason in self.reasons], dtype=bool)


def unanswered(points: int) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return labels and fields of points without an answer, to be filled: NaN."""
    labels = {label.name: np.full(points, np.nan) for label in POLAR_LABELS}
    fields = {quantity.name: np.full((points, N_STATIONS), np.nan) for quantity in POLAR_FIELDS}
    return labels, fields
