"""``formwright sections``: look at the shipped sections, and write them as files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cyclopts import App
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from formwright.commands.options import Json, Out, Section
from formwright.commands.output import tell

if TYPE_CHECKING:
    from torch import Tensor

    from formwright.datasets.airfoils.contour import Placement

HELP: Final = """List, describe and export airfoil sections.

```text
formwright sections info naca2412
```
"""
app = App(name="sections", help=HELP, help_format="markdown")


@app.command(name="list")
def list_sections(pattern: str = "*", *, family: str | None = None, json: Json = False) -> None:
    """List the sections of the shipped database, one name a line.

    ```text
    formwright sections list 'naca*'
    formwright sections list --family eppler
    ```

    Args:
        pattern: Names to list; `*` and `?` stand for anything.
        family: Only sections of this family.
    """
    from fnmatch import fnmatchcase

    from formwright.datasets.airfoils.sections import database

    names = [
        name
        for name, section in database().items()
        if fnmatchcase(name, pattern) and family in (None, section.family)
    ]
    if json or names:
        tell("\n".join(names), {"sections": names}, json=json)


@app.command
def info(section: Section, *, json: Json = False) -> None:
    """Describe a section: where it is from, its geometry, its split.

    ```text
    formwright sections info naca2412
    formwright sections info shapes/mine.dat
    ```
    """
    from formwright.datasets.airfoils.sections import load_section, split_of

    loaded = load_section(section)
    rows = {
        "source": loaded.source,
        "description": loaded.description or "-",
        "family": f"{loaded.family} ({split_of(loaded.family)} split)",
        "points": str(len(loaded.pos)),
        "in its file": _placed(loaded.placement),
    }
    measures = _geometry(loaded.pos)
    if json:
        own = {"family": loaded.family, "split": split_of(loaded.family), "points": len(loaded.pos)}
        numbers = {name.replace(" ", "_").replace("-", "_"): x for name, (x, _) in measures.items()}
        placed = loaded.placement
        turned = {"chord": placed.chord, "rotation_deg": placed.rotation_deg}
        tell("", {"name": loaded.name, **rows, **own, **turned, **numbers}, json=True)
        return
    table = Table(title=escape(loaded.name), show_header=False, title_justify="left")
    for name, value in (rows | {name: text for name, (_, text) in measures.items()}).items():
        table.add_row(name, escape(value))
    Console().print(table)


@app.command
def export(section: Section, *, out: Out, json: Json = False) -> None:
    """Write a section as a `.dat` file in Selig's order, in the axes of the file it came from.

    What `predict` says of the new file at an incidence is what it says of the old one.

    ```text
    formwright sections export e387 --out e387.dat
    ```
    """
    from formwright.datasets.airfoils.sections import load_section, write_dat

    loaded = load_section(section)
    write_dat(out, loaded)
    tell(f"{loaded.name}: {out}", {"name": loaded.name, "out": str(out)}, json=json)


def _placed(placement: Placement) -> str:
    """Return how a section lies in its file, as text."""
    turn = round(placement.rotation_deg, 3) + 0.0
    return f"chord {placement.chord:.6g}; add {turn:+.3f}° to incidences for its own axes"


def _geometry(pos: Tensor) -> dict[str, tuple[float, str]]:
    """Return the measures of a section: each a number, and the same as text with its unit."""
    from formwright.datasets.airfoils import geometry

    measures = {
        "thickness": (geometry.max_thickness(pos), ".4f", " c"),
        "area": (geometry.area(pos), ".5f", " c²"),
        "leading-edge radius": (geometry.leading_edge_radius(pos), ".5f", " c"),
        "trailing-edge angle": (geometry.trailing_edge_angle_deg(pos), ".2f", "°"),
        "trailing-edge thickness": (geometry.trailing_edge_thickness(pos).abs(), ".5f", " c"),
    }
    return {k: (float(x), f"{float(x):{form}}{unit}") for k, (x, form, unit) in measures.items()}
