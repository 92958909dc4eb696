"""The surrogate of two-dimensional RANS fields: sections and conditions in, a table out."""

from __future__ import annotations

from typing import Final

import numpy as np

from formwright.datasets.cases import Quantity
from formwright.datasets.rans.data import FORCES
from formwright.datasets.rans.flow_field import FlowField
from formwright.datasets.rans.mesh.cmesh import CMesh
from formwright.datasets.solvers.result import POLAR_LABELS
from formwright.surrogate.airfoils.questions import Numbers, Sections, question
from formwright.surrogate.rans.fields.network import FieldNet
from formwright.surrogate.rans.fields.predict import predict_in_file
from formwright.surrogate.table import Table, stacked

CELL: Final = "cell"
FACE: Final = "face"
FIELD_QUANTITIES: Final = (
    Quantity("x", "chord", "middle of the cell"),
    Quantity("y", "chord", "middle of the cell"),
    Quantity("u", "free stream", "velocity in x"),
    Quantity("v", "free stream", "velocity in y"),
    Quantity("p", "free stream^2", "pressure over the density"),
    Quantity("nut", "free stream chord", "eddy viscosity"),
    Quantity("wall_x", "chord", "middle of the face of the wall"),
    Quantity("wall_y", "chord", "middle of the face of the wall"),
    Quantity("cp", "1", "pressure coefficient on the wall"),
    Quantity("cf_x", "1", "friction coefficient on the wall"),
    Quantity("cf_y", "1", "friction coefficient on the wall"),
)
_OF_CELLS: Final = ("x", "y", "u", "v", "p", "nut")
_AXES: Final = {one.name: CELL if one.name in _OF_CELLS else FACE for one in FIELD_QUANTITIES}


class FieldSurrogate(FieldNet):
    """Fields, wall and forces of sections in turbulent flow, without intervals."""

    labels = tuple(label for label in POLAR_LABELS if label.name in FORCES)
    fields = FIELD_QUANTITIES

    def predict(
        self,
        sections: Sections,
        *,
        alpha_deg: Numbers,
        reynolds: Numbers,
        fields: bool = False,
        settings: CMesh | None = None,
    ) -> Table:
        """Predict sections at operating points; there are no intervals.

        Args:
            sections: As ``PolarSurrogate.predict`` takes them.
            alpha_deg: Incidence in the axes of the section's file, degrees; of N sections (M,) for
                all of them, (N, 1) for one a section, or (N, M).
            reynolds: On the chord; broadcasts with the other.
            fields: Also return ``x``, ``y``, ``u``, ``v``, ``p``, ``nut`` at the cells of the mesh,
                (..., cells), and ``wall_x``, ``wall_y``, ``cp``, ``cf_x``, ``cf_y`` at the
                faces of the wall, (..., faces), in the axes of the section's file.
            settings: Size of the mesh; that of the corpus by default.

        Returns:
            ``cl``, ``cd``, ``cm`` that the wall integrates to, and the fields.

        Raises:
            SectionError: No section, or its trailing edge is blunt.
            ConditionError: A condition without meaning, or shapes that do not broadcast.

        Example:
            >>> import formwright
            >>> surrogate = formwright.load("rans-fields")
            >>> table = surrogate.predict("e387", alpha_deg=4.0, reynolds=3e6, fields=True)
            >>> table["cl"].shape, table["u"].shape
            ((), (39200,))
        """
        requested = question(sections, {"alpha_deg": alpha_deg, "reynolds": reynolds})
        conditions = zip(*(requested.conditions[n] for n in ("alpha_deg", "reynolds")), strict=True)
        flows = [
            predict_in_file(self, requested.sections[i], float(a), float(r), settings=settings)
            for i, (a, r) in zip(requested.index, conditions, strict=True)
        ]
        columns = {name: np.array([flow.forces[name] for flow in flows]) for name in FORCES}
        wide = stacked([_values(flow) for flow in flows]) if fields and flows else {}
        return requested.answer(
            self.labels, columns, wide, {}, {}, quantities=FIELD_QUANTITIES, axes=_AXES
        )


def _values(flow: FlowField) -> dict[str, np.ndarray]:
    """Return the fields of a flow, (1, cells) and (1, faces)."""
    x, y = flow.points[flow.quads].mean(1).T
    u, v = flow.velocity.T
    wall_x, wall_y = flow.wall.centres.T
    at_wall = (wall_x, wall_y, flow.wall.cp, *flow.wall.cf.T)
    values = (x, y, u, v, flow.pressure, flow.nut, *at_wall)
    names = (one.name for one in FIELD_QUANTITIES)
    return {name: np.asarray(part)[None] for name, part in zip(names, values, strict=True)}
