"""``formwright screen``: candidates in, a ranking with a report out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from formwright.commands.options import SURROGATE, Config, Hours, Json, Out, Quiet, Workers, within
from formwright.commands.output import tell

if TYPE_CHECKING:
    from formwright.design.screening.ranking import ScreenResult


def screen(
    candidates: str,
    *,
    reaction: str | None = None,
    out: Out,
    config: Config = None,
    surrogate: Annotated[str | None, SURROGATE] = None,
    sites: Literal["all", "top", "bridge", "hollow", "one"] | None = None,
    prototypes: str | None = None,
    miller: str | None = None,
    exclude: str | None = None,
    price_at_most: float | None = None,
    formation_at_most: float | None = None,
    correction: tuple[str, ...] = (),
    water: Literal["pt111", "none"] | None = None,
    guesses: Annotated[bool | None, Parameter(negative="--no-guesses")] = None,
    best: int | None = None,
    workers: Workers = None,
    hours: Hours = None,
    quiet: Quiet = False,
    json: Json = False,
) -> int:
    """Screen catalysts: slabs, sites, energies, free energies, a ranking, a report.

    ```text
    formwright screen binaries:Pt,Ni,Cu,Ti --reaction HER --out runs/her
    formwright screen binaries:all --reaction ORR --out runs/orr --exclude Cd,Hg,Pb
    formwright screen Pt3Ti,PtNi,Cu --reaction HER --out runs/few
    formwright screen formulas.csv --reaction HER --out runs/cheap --price-at-most 100
    formwright screen slabs.extxyz --reaction OER --out runs/mine
    ```

    CANDIDATES is `binaries:` and elements (all ordered alloys of them, and the metals; `all` is the
    37 metals of Mamun's table), or formulas (Pt3Ti is L12, PtNi is L10, Cu is fcc; their (111)
    surface is meant), or a `.csv` with a column `formula` or `prototype,a,b`, or a `.txt` with one
    formula a line, or a file of structures: bare slabs, slabs with an adsorbate (tag 2), crystals.

    The folder gets `ranking.csv`, `best.extxyz`, `report.html` and `screen.json`. What cannot be
    done is a row with its reason, and the rest goes on; the exit code is then 1. Energies of
    `adsorption-mamun` are by BEEF-vdW against the gases H2, H2O, CH4, N2 and H2S; those of a
    surrogate of your own are what it was fitted to. Killed, the same command goes on where it was.
    docs/screening.md says how it is worked out.

    The surrogate is `adsorption-mamun` where not given; the file of `--config` has keys like
    `reaction = "HER"` and a table `[corrections]`.

    Args:
        candidates: What to screen.
        reaction: HER, ORR, OER or CO2RR.
        sites: Kinds of sites to try: all of them where not given; `one` is fast and rough.
        prototypes: Of `binaries:`, e.g. `A1,L12`.
        miller: Surface to cut from a crystal in a file, e.g. `1,1,1`.
        exclude: Elements that no candidate may have, e.g. `Cd,Hg,Pb`.
        price_at_most: Of the metals, US dollars a kilogram.
        formation_at_most: Energy of formation from the fcc metals, eV an atom, asked where known;
            0 keeps what does not come apart.
        correction: Free-energy correction of an adsorbate in eV, e.g. `H=0.24`; may be repeated.
        water: What water around OH and OOH adds in ORR: `pt111` (-0.575 and -0.480 eV, as on
            Pt(111)) where not given, `none` leaves it out.
        guesses: Also rank candidates outside of the training data: their elements, or their most
            stable site; `--no-guesses` leaves them out.
        best: How many of the best are written as structures.
    """
    from formwright.datasets.config import from_mapping, read_toml
    from formwright.design.screening.config import ScreenConfig
    from formwright.design.screening.screen import screen as run

    given: dict[str, Any] = read_toml(config) if config else {}
    flags = {
        "reaction": reaction,
        "surrogate": surrogate,
        "sites": sites,
        "prototypes": _list(prototypes),
        "miller": _integers(miller),
        "exclude": _list(exclude),
        "price_at_most": price_at_most,
        "formation_at_most": formation_at_most,
        "water": water,
        "guesses": guesses,
        "best": best,
    }
    given |= {name: value for name, value in flags.items() if value is not None}
    if correction:
        given["corrections"] = {**given.get("corrections", {}), **_corrections(correction)}
    where = "--reaction and flags" if config is None else str(config)
    requested = from_mapping(ScreenConfig, given, where=where)
    with within(hours):
        result = run(candidates, requested, out, workers=workers, progress=not quiet)
    if json:
        keys = ("rank", "candidate", "overpotential_v", "descriptor_ev", "sites", "flag")
        best_rows = [{key: row[key] for key in keys} for row in result.best]
        figures = {"counts": result.counts, "structures": result.structures, "best": best_rows}
        tell("", {**figures, "out": str(out)}, json=True)
        return 1 if result.counts["failed"] else 0
    return _tell(result, out)


def _list(text: str | None) -> list[str] | None:
    """Return the parts of a comma-separated text."""
    return None if text is None else [part.strip() for part in text.split(",") if part.strip()]


def _integers(text: str | None) -> list[int] | None:
    """Return comma-separated integers.

    Raises:
        ConfigError: One is none.
    """
    from formwright.datasets.errors import ConfigError

    try:
        return None if text is None else [int(part) for part in text.split(",")]
    except ValueError as error:
        raise ConfigError(f"--miller {text!r}: write integers, e.g. 1,1,1.") from error


def _corrections(given: tuple[str, ...]) -> dict[str, float]:
    """Return corrections by adsorbate.

    Raises:
        ConfigError: One is not of the form NAME=NUMBER.
    """
    from formwright.datasets.errors import ConfigError

    corrections = {}
    for text in given:
        name, _, number = text.partition("=")
        try:
            corrections[name.strip()] = float(number)
        except ValueError as error:
            raise ConfigError(f"--correction {text!r}: write it as H=0.24, in eV.") from error
    return corrections


def _tell(result: ScreenResult, out: Path) -> int:
    """Print the best and the counts; return the exit code."""
    console = Console(highlight=False)
    shown = Table(title="the best", title_justify="left")
    for column in ("", "candidate", "overpotential, V", "descriptor, eV", "sites", "beware"):
        shown.add_column(column, justify="left" if column in ("candidate", "beware") else "right")
    for row in result.best[:10]:
        ends = f"{row['overpotential_v_lower']:.2f} to {row['overpotential_v_upper']:.2f}"
        cells = (escape(row["candidate"]), f"{row['overpotential_v']:.2f} ({ends})")
        more = (f"{row['descriptor_ev']:.2f}", str(row["sites"]), "guess" if row["flag"] else "")
        shown.add_row(str(row["rank"]), *cells, *more)
    if result.best:
        console.print(shown)
    counts = ", ".join(f"{count:,} {status}" for status, count in result.counts.items())
    console.print(f"{counts}; {result.structures:,} structures predicted")
    for name in ("report.html", "ranking.csv", "best.extxyz"):
        if (out / name).exists():
            console.print(f"{name:12} {(out / name).resolve()}", markup=False, soft_wrap=True)
    if result.counts["failed"]:
        name, _, reason = next(one for one in result.reasons if one[1] == "failed")
        console.print(f"[bold red]failed:[/] {result.counts['failed']:,}; the first:", end=" ")
        console.print(f"{name}: {reason}", markup=False, soft_wrap=True)
    return 1 if result.counts["failed"] else 0
