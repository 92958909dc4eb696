"""Tables of RANS cases, and files of their fields."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from formwright.commands.section_table import SectionTable
from formwright.commands.table import Block, Columns, Outcome, Rows
from formwright.datasets.airfoils import Section
from formwright.datasets.errors import FormwrightError
from formwright.datasets.names import slug
from formwright.surrogate.rans import RansSurrogate

if TYPE_CHECKING:
    from formwright.surrogate.rans_fields import FieldSurrogate

COLUMNS: Final = Columns(needed=("section", "alpha_deg", "reynolds"))
FIELDS: Final = "fields"


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
    ) -> None:
        """Make ready.

        Args:
            surrogate: Of forces.
            cases: The table; sections may be files beside it.
            folder: Where fields and figures go; None writes none.
            fields: Of fields; the shipped one where None.
            spread: Also write standard deviations.
        """
        super().__init__(surrogate.predict_rows, cases, spread=spread)
        self._folder, self._rows = folder, 0
        self._fields = fields

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
        from rich.progress import track

        names, flags = [""] * len(rows), dict(block.flags)
        good = [i for i in range(len(rows)) if i not in block.failures]
        for i in track(good, description="fields", transient=True):
            section, *conditions = (rows[i][places[name]].strip() for name in COLUMNS.needed)
            name = f"{first + i + 1:05d}-{slug(section)}"
            try:
                alpha, reynolds = map(float, conditions)
                self._write(section, alpha, reynolds, self._folder / name)
                names[i] = f"{name}.vtu"
            except FormwrightError as error:
                flags[i] = "; ".join(filter(None, (flags.get(i), f"no fields: {error}")))
        return Block(values={**block.values, FIELDS: names}, failures=block.failures, flags=flags)

    def _write(self, spec: str, alpha_deg: float, reynolds: float, stem: Path) -> None:
        """Write cells, wall and figure of a case."""
        from formwright.datasets.files import replacing
        from formwright.datasets.flow_files import write_flow, write_wall
        from formwright.surrogate.rans_field_figures import field_figure
        from formwright.surrogate.rans_fields import load
        from formwright.surrogate.rans_predict import predict_fields

        section = self._read(spec)
        assert isinstance(section, Section)
        alpha = alpha_deg + section.placement.rotation_deg
        self._fields = self._fields or load()
        flow = predict_fields(self._fields, section.pos, alpha, reynolds)
        write_flow(stem.with_suffix(".vtu"), flow)
        write_wall(stem.with_suffix(".vtp"), flow.wall)
        with replacing(stem.with_suffix(".png")) as temporary:
            field_figure(flow).savefig(temporary, dpi=150, format="png")
