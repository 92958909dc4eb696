"""``formwright sections``: look at the shipped sections, and write them as files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from cyclopts import App
from rich.console import Console
from rich.markup import escape
from rich.table import Table

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
def list_sections(pattern: str = "*", *, family: str | None = None) -> None:
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

    for name, section in database().items():
        if fnmatchcase(name, pattern) and family in (None, section.family):
            print(name)


@app.command
def info(section: str) -> None:
    """Describe a section: where it is from, its geometry, its split.

    ```text
    formwright sections info naca2412
    formwright sections info shapes/mine.dat
    ```

    Args:
        section: A NACA name, a name of the database, or the path of a file (`.dat`, `.stl`...).
    """
    from formwright.datasets.airfoils.sections import load_section, split_of

    found = load_section(section)
    table = Table(title=escape(found.name), show_header=False, title_justify="left")
    rows = {
        "source": found.source,
        "description": found.description or "-",
        "family": f"{found.family} ({split_of(found.family)} split)",
        "points": str(len(found.pos)),
        "in its file": _placed(found.placement),
        **_geometry(found.pos),
    }
    for name, value in rows.items():
        table.add_row(name, escape(value))
    Console().print(table)


@app.command
def export(section: str, *, out: Path) -> None:
    """Write a section as a `.dat` file in Selig's order, in the axes of the file it came from.

    What `predict` says of the new file at an incidence is what it says of the old one.

    ```text
    formwright sections export e387 --out e387.dat
    ```

    Args:
        section: A NACA name, a name of the database, or the path of a file (`.dat`, `.stl`...).
        out: The file to write.
    """
    from formwright.datasets.airfoils.sections import load_section, write_dat

    found = load_section(section)
    write_dat(out, found)
    print(f"{found.name}: {out}")


def _placed(placement: Placement) -> str:
    """Return how a section lies in its file, as text."""
    turn = round(placement.rotation_deg, 3) + 0.0
    return f"chord {placement.chord:.6g}; add {turn:+.3f}° to incidences for its own axes"


def _geometry(pos: Tensor) -> dict[str, str]:
    """Return the measures of a section as text."""
    from formwright.datasets.airfoils import geometry

    return {
        "thickness": f"{float(geometry.max_thickness(pos)):.4f} c",
        "area": f"{float(geometry.area(pos)):.5f} c²",
        "leading-edge radius": f"{float(geometry.leading_edge_radius(pos)):.5f} c",
        "trailing-edge angle": f"{float(geometry.trailing_edge_angle_deg(pos)):.2f}°",
        "trailing-edge thickness": f"{abs(float(geometry.trailing_edge_thickness(pos))):.5f} c",
    }
