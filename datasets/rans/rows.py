"""One row a RANS case, the same for the corpora computed here and for those converted.

Labels and pressure are null in the row of a case that failed; ``reason`` says why.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from formwright.datasets.cases import Quantity
from formwright.datasets.rans.flow_field import FlowField
from formwright.datasets.solvers.openfoam.solver import pressure_at_stations
from formwright.datasets.solvers.result import POLAR_FIELDS, POLAR_LABELS

if TYPE_CHECKING:
    import pyarrow as pa

PARTS: Final = ("cl_pressure", "cl_friction", "cd_pressure", "cd_friction")
LABELS: Final = (
    *(label for label in POLAR_LABELS if label.name in ("cl", "cd", "cm")),
    *(Quantity(p, "1", f"the part of {p[-8:]} in {p[:2]}".replace("_", "")) for p in PARTS),
)
PARAMETERS: Final = 18
"""Of a CST vector."""


def case_row(
    *,
    case_id: str,
    section: str,
    split: str,
    source: str,
    family: str,
    vector: Sequence[float] | None,
    alpha_deg: float,
    reynolds: float,
    reason: str,
    flow: FlowField | None = None,
) -> pa.Table:
    """Return the row of a case.

    Args:
        case_id: Unique in the corpus.
        section: Name of the section.
        split: The part that the case belongs to.
        source: Where the section comes from.
        family: Of the section.
        vector: CST vector, (18,); None where there is none.
        alpha_deg: Incidence, degrees.
        reynolds: On the chord.
        reason: Why there are no labels; empty where there are.
        flow: What was found.
    """
    import pyarrow as pa

    text, number = pa.string(), pa.float64()
    columns = {
        "case_id": pa.array([case_id], text),
        "section": pa.array([section], text),
        "split": pa.array([split], text),
        "source": pa.array([source], text),
        "families": pa.array([[family]], pa.list_(text)),
        "cst": pa.array([vector and list(vector)], pa.list_(number, PARAMETERS)),
        "alpha_deg": pa.array([alpha_deg], number),
        "reynolds": pa.array([reynolds], number),
        "converged": pa.array([not reason]),
        "reason": pa.array([reason], text),
        "iterations": pa.array([flow and flow.iterations], pa.int64()),
        "seconds": pa.array([flow and flow.seconds], number),
        "y_plus_max": pa.array([flow and largest_y_plus(flow)], number),
    }
    for label in LABELS:
        columns[label.name] = pa.array([flow and flow.forces[label.name]], number)
    pressure = pressure_at_stations(flow) if flow else {}
    for quantity in POLAR_FIELDS:
        values = pressure.get(quantity.name)
        columns[quantity.name] = pa.array(
            [None if values is None else values.tolist()], pa.list_(pa.float32(), 32)
        )
    return pa.table(columns)


def largest_y_plus(flow: FlowField) -> float:
    """Return the largest y+ of the two sides; the base of a blunt trailing edge does not count."""
    return float(flow.wall.y_plus[flow.wall.sides].max())
