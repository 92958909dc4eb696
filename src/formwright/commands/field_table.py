"""Tables of RANS cases, and files of their fields."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from formwright.commands.section_table import MACH, SectionTable
from formwright.commands.table import Block, Columns, Outcome, Rows
from formwright.datasets.airfoils.sections import Section
from formwright.datasets.errors import FormwrightError
from formwright.datasets.names import slug
from formwright.surrogate.rans.wall.surrogate import RansSurrogate

if TYPE_CHECKING:
    from formwright.datasets.rans.flow_field import FlowField
    from formwright.surrogate.rans.fields.surrogate import FieldSurrogate

COLUMNS: Final = Columns(needed=("section", "alpha_deg", "reynolds"), optional=MACH)
FIELDS: Final = "fields"
COEFFICIENTS: Final = ("cl", "cd", "cm")


class FieldTable(SectionTable):
    """A table of sections and conditions of turbulent flow."""

    columns = COLUMNS

    def __init__(
        self,
        surrogate: RansSurrogate,
        cases: Path,
        folder: Path | None,
        fields: FieldSurrogate | None = None,
        *,
        spread: bool = False,
        quiet: bool = False,
    ) -> None:
        """Make ready.

        Args:
            surrogate: Of forces.
            cases: The table; sections may be files beside it.
            folder: Where fields and figures go; None writes none.
            fields: Of fields; the shipped one where None.
            spread: Also write standard deviations.
            quiet: Show no progress.
        """
        super().__init__(surrogate.predict_rows, cases, spread=spread)
        self._folder, self._rows = folder, 0
        self._fields, self._quiet = fields, quiet

    def begin(self, outcome: Outcome, places: Mapping[str, int]) -> None:
        """Make the folder."""
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)

    def predict(self, rows: Rows, places: Mapping[str, int], broken: Mapping[int, str]) -> Block:
        """Predict some rows, and write the fields of those that can be."""
        block = super().predict(rows, places, broken)
        first, self._rows = self._rows, self._rows + len(rows)
        if self._folder is None:
            return block
        from rich.console import Console
        from rich.progress import track

        names, flags = [""] * len(rows), dict(block.flags)
        forces = {name: np.full(len(rows), np.nan) for name in COEFFICIENTS}
        good = [i for i in range(len(rows)) if i not in block.failures]
        shown = Console(stderr=True)
        bar = {"description": "fields", "transient": True, "disable": self._quiet}
        for i in track(good, console=shown, **bar):
            section, *conditions = (rows[i][places[name]].strip() for name in COLUMNS.needed)
            name = f"{first + i + 1:05d}-{slug(section)}"
            try:
                alpha, reynolds = map(float, conditions)
                found = self._write(section, alpha, reynolds, self._folder / name)
                names[i] = f"{name}.vtu"
                for label in COEFFICIENTS:
                    forces[label][i] = found.forces[label]
            except FormwrightError as error:
                flags[i] = "; ".join(filter(None, (flags.get(i), f"no fields: {error}")))
        own = {f"{FIELDS}_{label}": values for label, values in forces.items()}
        values = {**block.values, FIELDS: names, **own}
        return Block(values=values, failures=block.failures, flags=flags)

    def _write(self, spec: str, alpha_deg: float, reynolds: float, stem: Path) -> FlowField:
        """Write cells, wall and figure of a case; return it in the directions of its file."""
        from formwright.datasets.files import replacing
        from formwright.datasets.rans.flow_files import write_in_file_axes
        from formwright.surrogate.rans.fields.figures import field_figure
        from formwright.surrogate.rans.fields.predict import predict_in_file
        from formwright.surrogate.zoo import load

        section = self._read(spec)
        assert isinstance(section, Section)
        self._fields = self._fields or load("rans-fields")
        flow = predict_in_file(self._fields, section, alpha_deg, reynolds)
        write_in_file_axes(stem, flow, section.placement)
        with replacing(stem.with_suffix(".png")) as temporary:
            field_figure(flow).savefig(temporary, dpi=150, format="png")
        return flow
